"""The layer table of a run: counts or, where time was modelled, cycles and milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import RenderableType

from micronets_gen.common.numbers import grouped, milliseconds, percent, ratio, shape
from micronets_gen.report.measured import (
    difference,
    layer_difference,
    total_difference,
)
from micronets_gen.report.modelled import band_text
from micronets_gen.report.report import Report, Row
from micronets_gen.report.table import ORNAMENT, Column, FittingTable
from micronets_gen.report.table import Row as Line
from micronets_gen.timing.result import Timing

BAR_CELLS = 12
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(share: float, cells: int = BAR_CELLS) -> str:
    """Return a horizontal bar of ``share`` (0 to 1) of ``cells`` characters, in eighths, padded."""
    eighths = round(max(0.0, min(share, 1.0)) * cells * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(cells)


@dataclass(frozen=True)
class _Field:
    """A column: what it says of a layer, of what is outside of them, and of all."""

    column: Column
    of: Callable[[Row], str]
    outside: str = ""
    total: str = ""


def layer_table(report: Report) -> RenderableType:
    """Return the layer table with totals; without counts where the run was not profiled."""
    fields = _layer_fields(report)
    if report.timing is not None and report.timed:
        beside = report.measured_milliseconds is not None
        fields += (_measured_fields if beside else _time_fields)(report, report.timing)
    elif report.profiled:
        fields += _count_fields(report)
    lines = [Line(tuple(field.of(row) for field in fields)) for row in report.rows]
    if report.profiled:
        lines.append(Line((report.outside_label, *(field.outside for field in fields[1:])), "dim"))
    lines.append(Line(tuple(field.total for field in fields), "bold"))
    return FittingTable(tuple(field.column for field in fields), tuple(lines))


def _layer_fields(report: Report) -> list[_Field]:
    return [
        _Field(Column("layer", wraps=True), lambda row: row.layer.name, total="total"),
        _Field(Column("operator", style="dim", rank=7), lambda row: row.layer.op),
        _Field(Column("output", style="dim", rank=6), lambda row: shape(row.layer.output_shape)),
        _Field(
            Column("MACs", right=True, rank=1 if not report.timed else 5),
            lambda row: grouped(row.layer.macs),
            total=grouped(report.macs),
        ),
    ]


def _count_fields(report: Report) -> list[_Field]:
    assert report.run is not None
    total, outside = report.run.count, report.outside_layers or 0
    return [
        _Field(
            Column(report.run.unit, right=True),
            lambda row: grouped(row.count),
            grouped(outside),
            grouped(total),
        ),
        _Field(
            Column("per MAC", right=True, rank=3),
            lambda row: ratio(row.per_mac),
            total=ratio(total / report.macs if report.macs else None),
        ),
        *_share_fields(total, outside, report, lambda row: row.count or 0),
    ]


def _time_fields(report: Report, timing: Timing) -> list[_Field]:
    assert report.run is not None
    total, outside = timing.total.cycles, report.outside_cycles or 0
    band, whole = band_text(timing), timing.milliseconds

    def cycles(row: Row) -> int:
        return row.spent.cycles if row.spent else 0

    def time(cycles: int) -> str:
        return milliseconds(cycles / timing.clock_hz * 1e3, like=whole)

    return [
        _Field(
            Column(report.run.unit, right=True, rank=3),
            lambda row: grouped(row.count),
            grouped(report.outside_layers),
            grouped(report.run.count),
        ),
        _Field(
            Column(f"cycles {band}", right=True, rank=2),
            lambda row: grouped(cycles(row)),
            grouped(outside),
            grouped(total),
        ),
        _Field(Column(f"ms {band}", right=True), lambda row: time(cycles(row)), time(outside), time(total)),
        _Field(
            Column("cycles/MAC", right=True, rank=4),
            lambda row: ratio(row.cycles_per_mac),
            total=ratio(total / report.macs if report.macs else None),
        ),
        *_share_fields(total, outside, report, cycles),
    ]


def _measured_fields(report: Report, timing: Timing) -> list[_Field]:
    """Return what the board measured, with the modelled cycles of the same image beside it."""
    run = report.run
    assert run is not None
    whole = run.count / run.clock_hz * 1e3

    def time(cycles: int | None) -> str:
        return milliseconds((cycles or 0) / run.clock_hz * 1e3, like=whole)

    return [
        _Field(
            Column("measured cycles", right=True),
            lambda row: grouped(row.count),
            grouped(report.outside_layers),
            grouped(run.count),
        ),
        _Field(
            Column(f"modelled {band_text(timing)}", right=True),
            lambda row: grouped(row.spent.cycles if row.spent else None),
            grouped(report.outside_cycles),
            grouped(timing.total.cycles),
        ),
        _Field(
            Column("difference", right=True),
            lambda row: difference(layer_difference(report, row)),
            total=difference(total_difference(report)),
        ),
        _Field(
            Column("measured ms", right=True, rank=4),
            lambda row: time(row.count),
            time(report.outside_layers),
            time(run.count),
        ),
        *_share_fields(run.count, report.outside_layers or 0, report, lambda row: row.count or 0),
    ]


def _share_fields(total: int, outside: int, report: Report, value: Callable[[Row], int]) -> list[_Field]:
    longest = max(map(value, report.rows), default=0) or 1
    return [
        _Field(
            Column("share", right=True, rank=1 if report.timed else 2),
            lambda row: percent(value(row), total),
            percent(outside, total),
            percent(total, total),
        ),
        _Field(Column("", style="cyan", rank=ORNAMENT), lambda row: bar(value(row) / longest)),
    ]
