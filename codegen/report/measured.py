"""What a board measured beside what was modelled of the same image."""

from __future__ import annotations

from dataclasses import dataclass

from micronets_gen.common.numbers import MISSING, frequency, grouped, milliseconds
from micronets_gen.report.modelled import band_text, time_text
from micronets_gen.report.report import Report, Row
from micronets_gen.timing.measured import difference_percent

NOT_PROFILED = "the release image ran; layers are measured where the profiled one is uploaded"


def total_difference(report: Report) -> float | None:
    """Return how far modelled cycles of an inference are from measured ones, in percent; None where one lacks."""
    run, timing = report.run, report.timing
    if run is None or timing is None or not run.measured:
        return None
    return difference_percent(run.count, timing.total.cycles)


def layer_difference(report: Report, row: Row) -> float | None:
    """Return the same of a layer."""
    if report.run is None or not report.run.measured or row.count is None or row.spent is None:
        return None
    return difference_percent(row.count, row.spent.cycles)


def difference(percent: float | None) -> str:
    """Return ``+1.2 %``; a dash for None."""
    return MISSING if percent is None else f"{round(percent, 1) + 0.0:+.1f} %"


def measured_text(report: Report) -> str:
    """Return what the board measured, as a sentence; empty in an emulator."""
    run, time = report.run, report.measured_milliseconds
    if run is None or time is None:
        return ""
    image = "profiled image" if report.profiled else "release image"
    return (
        f"Measured on {run.ran_on}: {milliseconds(time)} ms at {frequency(run.clock_hz)} "
        f"({run.count:,} cycles, {image})"
    )


def modelled_text(report: Report) -> str:
    """Return what was modelled of the image that a board ran, and how far that is off; empty without both."""
    timing, off = report.timing, total_difference(report)
    if timing is None or off is None:
        return ""
    within = "within" if abs(off) <= timing.band.percent else "beyond"
    return f"Modelled, not measured: {time_text(timing)}: {difference(off)}, {within} the band"


@dataclass(frozen=True)
class MeasuredRow:
    """A layer, what is beside the layers, or all: figures as text."""

    index: str
    name: str
    op: str
    measured: str
    modelled: str
    difference: str
    milliseconds: str


@dataclass(frozen=True)
class MeasuredPicture:
    """What a board measured, beside what was modelled.

    Attributes:
        measured: In a sentence.
        modelled: Likewise; empty where nothing was modelled.
        band: Of what was modelled, as short as can be.
        note: Why there are no layers; empty where there are.
        rows: Layers, what is beside them, and all; empty where not both are known of the layers.
    """

    measured: str
    modelled: str
    band: str
    note: str
    rows: tuple[MeasuredRow, ...]


def measured_picture(report: Report) -> MeasuredPicture | None:
    """Return what a page says of a board's run; None of an emulator's."""
    measured, timing = measured_text(report), report.timing
    if not measured:
        return None
    return MeasuredPicture(
        measured=measured,
        modelled=modelled_text(report),
        band=band_text(timing) if timing else "",
        note="" if report.profiled else NOT_PROFILED,
        rows=_rows(report) if report.timed and report.profiled else (),
    )


def _rows(report: Report) -> tuple[MeasuredRow, ...]:
    run, timing = report.run, report.timing
    assert run is not None
    assert timing is not None
    total = run.count / run.clock_hz * 1e3

    def row(about: tuple[str, str, str], measured: int | None, modelled: int | None, off: str) -> MeasuredRow:
        time = milliseconds((measured or 0) / run.clock_hz * 1e3, like=total)
        return MeasuredRow(*about, grouped(measured), grouped(modelled), off, time)

    layers = [
        row(
            (str(layer.layer.index), layer.layer.name, layer.layer.op),
            layer.count,
            layer.spent.cycles if layer.spent else None,
            difference(layer_difference(report, layer)),
        )
        for layer in report.rows
    ]
    outside = row(("", report.outside_label, ""), report.outside_layers, report.outside_cycles, "")
    all_off = difference(total_difference(report))
    return (*layers, outside, row(("", "total", ""), run.count, timing.total.cycles, all_off))
