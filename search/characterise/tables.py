"""A characterisation for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from rich.console import Group, RenderableType
from rich.text import Text

from micronets_gen.common.numbers import frequency, plural
from micronets_gen.report.table import Column, FittingTable
from micronets_gen.search.characterise.result import Result, band_text, mops_per_second, time_ratios


def summary(results: Sequence[Result]) -> RenderableType:
    """Return, board by board, the lines of backbones, the spreads of layers and the regression's errors."""
    parts: list[RenderableType] = []
    for result in results:
        subject = result.subject
        head = f"{subject.board} with {subject.runtime}"
        note = f"   {subject.core} at {frequency(subject.clock_hz)}, modelled: {band_text(subject)}"
        parts += [Text.assemble((head, "bold"), note), Text()]
        if result.lines:
            parts += [_lines(result), Text()]
        parts += [_spreads(result), Text(), Text(prediction_text(result)), Text()]
    first, *others = results
    parts += [Text(text) for other in others if (text := beside_text(first, other))]
    return Group(*parts)


def beside_text(first: Result, other: Result) -> str:
    """Return how long one board takes, measured by another; empty where no network fits both."""
    ratios = time_ratios(first, other).values()
    if not ratios:
        return ""
    return (
        f"{other.subject.board} takes {median(ratios):.2f} times as long as {first.subject.board} "
        f"({min(ratios):.2f} to {max(ratios):.2f}, {plural(len(ratios), 'network')})."
    )


def prediction_text(result: Result) -> str:
    """Return how well the regression tells networks that it was not fitted to."""
    regression = result.regression
    if not regression.models:
        return "Not predicted: too few networks to leave one out"
    return (
        f"Predicted from layers, {plural(regression.models, 'network')} left out in turn: "
        f"median error {regression.median_percent:g} %, worst {regression.worst_percent:g} %"
    )


def _lines(result: Result) -> FittingTable:
    columns = ("networks", "cycles per operation", "Mops/s", "r²")
    return FittingTable.of(
        (Column("backbone"), *(Column(title, right=True) for title in columns)),
        [
            (
                line.name,
                str(line.networks),
                f"{line.cycles_per_op:.2f}",
                f"{mops_per_second(line, result.subject):.1f}",
                f"{line.r2:.3f}",
            )
            for line in result.lines
        ],
    )


def _spreads(result: Result) -> FittingTable:
    columns = ("layers", "cycles per MAC", "least", "most")
    return FittingTable.of(
        (Column("layer"), *(Column(title, right=True) for title in columns)),
        [
            (s.name, str(s.layer_count), f"{s.typical:.2f}", f"{s.least:.2f}", f"{s.most:.2f}")
            for s in result.spreads
        ],
    )
