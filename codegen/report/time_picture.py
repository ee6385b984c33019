"""The picture of modelled time: a bar a layer, of what its cycles go to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from micronets_gen.common.numbers import grouped, milliseconds, percent, ratio
from micronets_gen.report.geometry import percent_text
from micronets_gen.report.modelled import (
    CAUSE_NOTES,
    CAUSE_TITLES,
    band_text,
    basis_text,
    energy_text,
    time_text,
)
from micronets_gen.report.pictures import Segment
from micronets_gen.report.report import Report
from micronets_gen.timing.result import CAUSES, Spent, Timing


@dataclass(frozen=True)
class TimeRow:
    """A layer, or what is beside the layers: figures as text, ``causes`` in the order of the columns."""

    index: str
    name: str
    op: str
    segments: tuple[Segment, ...]
    instructions: str
    cycles: str
    milliseconds: str
    per_mac: str
    share: str
    causes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CauseEntry:
    """A cause in the legend, with the cycles of one inference that go to it."""

    style: str
    title: str
    note: str
    cycles: str
    share: str


@dataclass(frozen=True)
class TimePicture:
    """Where the time of an inference goes.

    Attributes:
        energy: Of one inference, in a sentence; empty where the board's power is not known.
        whole: The bar of all.
        bars: One a layer, as long as its share of the longest; empty where layers are not known.
        outside: What an inference takes beside its layers; None where layers are not known.
    """

    text: str
    energy: str
    basis: str
    band: str
    whole: TimeRow
    bars: tuple[TimeRow, ...]
    outside: TimeRow | None
    legend: tuple[CauseEntry, ...]


def cause_style(cause: str) -> str:
    """Return the class of a cause's colour, a variable of ``report.css``."""
    return f"cause-{cause}"


def time_picture(report: Report, timing: Timing) -> TimePicture:
    """Return the picture of a report's modelled time."""
    total = timing.total
    timed = [(row, row.spent) for row in report.rows if row.spent is not None]
    longest = max((spent.cycles for _, spent in timed), default=0) or 1
    bars = [
        _row(timing, spent, (str(row.layer.index), row.layer.name, row.layer.op), longest, row.layer.macs)
        for row, spent in timed
    ]
    return TimePicture(
        text=time_text(timing),
        energy=energy_text(report),
        basis=basis_text(timing),
        band=band_text(timing),
        whole=_row(timing, total, ("", "one inference", ""), total.cycles or 1, report.macs),
        bars=tuple(bars),
        outside=_outside(report, timing, [spent for _, spent in timed]),
        legend=tuple(
            CauseEntry(
                cause_style(cause),
                CAUSE_TITLES[cause],
                CAUSE_NOTES[cause],
                grouped(cycles),
                percent(cycles, total.cycles),
            )
            for cause, cycles in total.by_cause().items()
        ),
    )


def _row(timing: Timing, spent: Spent, about: tuple[str, str, str], longest: int, macs: int) -> TimeRow:
    time = _time(timing, spent.cycles)
    return TimeRow(
        *about,
        segments=_segments(about[1], spent, longest),
        instructions=grouped(spent.instructions),
        cycles=grouped(spent.cycles),
        milliseconds=time,
        per_mac=ratio(spent.cycles / macs if macs else None),
        share=percent(spent.cycles, timing.total.cycles),
        causes=tuple(map(grouped, spent.by_cause().values())),
    )


def _segments(name: str, spent: Spent, longest: int) -> tuple[Segment, ...]:
    segments, start = [], 0
    for cause, cycles in spent.by_cause().items():
        if cycles > 0:
            told = f"{name}, {CAUSE_TITLES[cause]}: {cycles:,} cycles, {percent(cycles, spent.cycles)}"
            segments.append(
                Segment(
                    percent_text(start / longest), percent_text(cycles / longest), cause_style(cause), told
                )
            )
            start += cycles
    return tuple(segments)


def _outside(report: Report, timing: Timing, layers: Sequence[Spent]) -> TimeRow | None:
    if not layers:
        return None
    total = timing.total
    beside = {cause: getattr(total, cause) - sum(getattr(s, cause) for s in layers) for cause in CAUSES}
    cycles = sum(beside.values())
    return TimeRow(
        "",
        report.outside_label,
        "",
        segments=(),
        instructions=grouped(total.instructions - sum(spent.instructions for spent in layers)),
        cycles=grouped(cycles),
        milliseconds=_time(timing, cycles),
        per_mac="",
        share=percent(cycles, total.cycles),
        causes=tuple(map(grouped, beside.values())),
    )


def _time(timing: Timing, cycles: int) -> str:
    return milliseconds(cycles / timing.clock_hz * 1e3, like=timing.milliseconds)
