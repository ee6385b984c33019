"""Runtimes side by side as a page: a bar a runtime for each metric and each layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from micronets_gen.common.numbers import milliseconds
from micronets_gen.report.comparison import Comparison, Metric, against_first, compare, headlines, verdict
from micronets_gen.report.html import page_environment
from micronets_gen.report.measurement import Result


@dataclass(frozen=True)
class Bar:
    """A runtime's value as a share of the largest in its group."""

    style: str
    runtime: str
    text: str
    width: str
    ratio: float | None


@dataclass(frozen=True)
class BarGroup:
    """A metric or a layer, one bar a runtime."""

    title: str
    note: str
    bars: tuple[Bar, ...]


def comparison_page(results: Sequence[Result]) -> str:
    """Return a self-contained HTML page."""
    pages = [
        {
            "comparison": comparison,
            "metrics": tuple(_metric_group(metric, comparison) for metric in comparison.metrics),
            "times": _time_groups(comparison) if comparison.timed else (),
            "layers": _layer_groups(comparison),
        }
        for comparison in compare(results)
    ]
    runtimes = tuple(dict.fromkeys(result.runtime for result in results))
    boards = tuple(dict.fromkeys(result.board for result in results))
    template = page_environment().get_template("bench.html.j2")
    return template.render(
        pages=pages,
        runtimes=runtimes,
        boards=boards,
        verdict=verdict(results),
        headlines=headlines(results),
    )


def _metric_group(metric: Metric, comparison: Comparison) -> BarGroup:
    values = [metric.of(result) or 0 for result in comparison.measured]
    return _group(metric.title, metric.note, comparison, values, text=lambda v: metric.text(v, values[0]))


def _layer_groups(comparison: Comparison) -> tuple[BarGroup, ...]:
    rows = [[layer.count or 0 if layer else 0 for layer in row] for row in comparison.layers]
    return _groups(comparison, rows, lambda value: f"{value:,}")


def _time_groups(comparison: Comparison) -> tuple[BarGroup, ...]:
    rows = [[layer.milliseconds or 0 if layer else 0 for layer in row] for row in comparison.layers]
    whole = max(result.milliseconds or 0 for result in comparison.measured)
    return _groups(comparison, rows, lambda value: milliseconds(value, like=whole))


def _groups(
    comparison: Comparison, rows: Sequence[Sequence[float]], text: Callable[[float], str]
) -> tuple[BarGroup, ...]:
    largest = max((value for row in rows for value in row), default=0)
    groups = []
    for row, values in zip(comparison.layers, rows, strict=True):
        known = next(layer for layer in row if layer is not None)
        groups.append(_group(known.name, known.op, comparison, values, text, largest))
    return tuple(groups)


def _group(
    title: str,
    note: str,
    comparison: Comparison,
    values: Sequence[float],
    text: Callable[[float], str],
    largest: float | None = None,
) -> BarGroup:
    top = (max(values, default=0) if largest is None else largest) or 1
    ratios = (None, *against_first(values)) if values else ()
    return BarGroup(
        title,
        note,
        tuple(
            Bar(result.runtime, result.runtime, text(value), f"{100 * value / top:.2f}%", share)
            for result, value, share in zip(comparison.measured, values, ratios, strict=True)
        ),
    )
