"""Runtimes side by side on a terminal: layers and totals, with ratios to the first runtime."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from micronets_gen.common.numbers import grouped, milliseconds, ratio
from micronets_gen.report.comparison import Comparison, against_first, compare, headlines, verdict
from micronets_gen.report.measurement import Result
from micronets_gen.report.table import Column, FittingTable


def comparison_tables(results: Sequence[Result]) -> RenderableType:
    """Return, model by model, the layers and the totals of every runtime with ratios to the first."""
    parts: list[RenderableType] = []
    for comparison in compare(results):
        parts += [Text(f"{comparison.model} on {comparison.board}", style="bold")]
        parts += [Text(f"{r.runtime}: {r.problem}", style="yellow") for r in comparison.results if r.problem]
        if comparison.measured:
            parts += [_layers(comparison), Text(), _totals(comparison), Text()]
            parts += [Text(note, "dim") for note in comparison.time_notes]
    head = verdict(results)
    parts += [Text(sentence) for sentence in headlines(results)]
    style = "bold green" if head.state == "pass" else "bold red"
    return Group(*parts, Text.assemble((head.word.upper(), style), "  ", head.text))


def _columns(comparison: Comparison, of: str = "", rank: int = 0) -> tuple[Column, ...]:
    """Return a column a runtime, and one a ratio; ``of`` says of what, where there are several."""
    base, *others = comparison.measured
    unit = f" {of}" if of else ""
    return (
        *(Column(f"{result.runtime}{unit}", right=True, rank=rank) for result in comparison.measured),
        *(Column(f"{other.runtime} / {base.runtime}", right=True, rank=rank) for other in others),
    )


def _layers(comparison: Comparison) -> FittingTable:
    timed = comparison.timed
    columns = [Column("layer", wraps=True), Column("MACs", right=True, rank=2)]
    columns += _columns(comparison, "instructions", 1) if timed else _columns(comparison)
    if timed:
        columns += _columns(comparison, f"ms {comparison.band}")
    whole = max((result.milliseconds or 0 for result in comparison.measured), default=0)
    rows = []
    for row in comparison.layers:
        known = next(layer for layer in row if layer is not None)
        counts = [layer.count or 0 if layer else 0 for layer in row]
        cells = [
            known.name,
            grouped(max(layer.macs for layer in row if layer)),
            *map(grouped, counts),
            *map(ratio, against_first(counts)),
        ]
        if timed:
            times = [layer.milliseconds or 0 if layer else 0 for layer in row]
            cells += [milliseconds(time, like=whole) for time in times]
            cells += map(ratio, against_first(times))
        rows.append(cells)
    return FittingTable.of(columns, rows)


def _totals(comparison: Comparison) -> FittingTable:
    rows: list[tuple[str | Text, ...]] = []
    for metric in comparison.metrics:
        values = [metric.of(result) or 0 for result in comparison.measured]
        texts = [metric.text(value, values[0]) for value in values]
        rows.append((metric.title, *texts, *map(ratio, against_first(values))))
    blank = ("",) * (len(comparison.measured) - 1)
    if comparison.timed:
        rows.append(
            ("cycles per MAC", *(ratio(result.cycles_per_mac) for result in comparison.measured), *blank)
        )
    per_mac = (ratio(result.per_mac) for result in comparison.measured)
    rows.append(("instructions per MAC", *per_mac, *blank))
    outputs = (
        Text("exact", "green") if result.passed else Text("WRONG", "red") for result in comparison.measured
    )
    rows.append(("output", *outputs, *blank))
    return FittingTable.of((Column("total", wraps=True), *_columns(comparison)), rows)
