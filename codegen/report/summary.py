"""The few sentences and figures that every form of the report begins with."""

from __future__ import annotations

from dataclasses import dataclass

from micronets_gen.common import numbers
from micronets_gen.common.numbers import (
    duration,
    frequency,
    grouped,
    milliseconds,
    percent,
    plural,
    ratio,
    size,
)
from micronets_gen.emulate.result import RunResult
from micronets_gen.report.modelled import band_text, power_text
from micronets_gen.report.report import ImageInfo, Report
from micronets_gen.timing.result import Timing


@dataclass(frozen=True)
class Headline:
    """The verdict: ``state`` is ``pass``, ``fail`` or ``open``."""

    state: str
    word: str
    text: str


@dataclass(frozen=True)
class Figure:
    """A number worth a glance."""

    label: str
    value: str
    unit: str
    note: str = ""


def headline(report: Report) -> Headline:
    """Return what there is to know first."""
    run, application = report.run, report.application
    if application is not None:
        text = (
            f"It ended with status {application.status} in {application.ran_on}; the self-test did not run."
        )
        return Headline("open", "Application", text)
    if run is None:
        state = "Built; it has not run yet." if report.image else "Generated; it is not compiled yet."
        return Headline("open", "Not run", state)
    passed = sum(vector.passed for vector in run.vectors)
    text = f"{passed:,} of {plural(len(run.vectors), 'golden vector')} byte-exact"
    if run.labelled:
        text += f"; {run.correct:,} of {run.labelled:,} labelled samples classified correctly"
    return Headline("pass" if run.passed else "fail", "Pass" if run.passed else "Fail", f"{text}.")


def circumstances(run: RunResult) -> str:
    """Return where the run took place and what its numbers are."""
    unit = run.unit if run.granularity != 1 else run.unit.removesuffix("s")
    sentences = [
        f"Run on {run.ran_on}.",
        f"Initialising the model takes {grouped(run.startup)} {run.unit}.",
        f"The counter resolves {run.granularity:g} {unit}.",
        f"{run.clock_note[0].upper()}{run.clock_note[1:].removesuffix('.')}." if run.clock_note else "",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def key_figures(report: Report) -> tuple[Figure, ...]:
    """Return the figures of the head: time and speed first, then memory."""
    figures = []
    if report.timing:
        figures.append(_time(report.timing))
    figures += _energy(report)
    if report.run:
        figures.append(_speed(report.run))
        if report.macs and not report.timing:
            per_mac = ratio(report.run.count / report.macs)
            figures.append(Figure("Per MAC", per_mac, "", f"of {plural(report.macs, 'MAC')}"))
    if report.image:
        figures += [
            _tightest(report.image, kind, label) for kind, label in (("flash", "Flash"), ("ram", "RAM"))
        ]
    if report.memory:
        peak = f"live at most {report.memory.peak:,}"
        figures.append(Figure("Tensor arena", grouped(report.memory.size), "B", peak))
    if report.stack:
        reserved = report.stack.reserved_bytes
        note = f"of {reserved:,} left for it" if reserved is not None else ""
        worst = ("≥ " if report.stack.at_least else "") + grouped(report.stack.worst_bytes)
        figures.append(Figure("Stack, worst case", worst, "B", note))
    return tuple(figures)


def _time(timing: Timing) -> Figure:
    known = plural(timing.band.images, "measured image") if timing.band.images else "indicative"
    apart = ", core timings only" if timing.core_only else ""
    note = f"modelled at {frequency(timing.clock_hz)}; {known}{apart}"
    return Figure("Time", milliseconds(timing.milliseconds), f"ms {band_text(timing)}", note)


def _energy(report: Report) -> list[Figure]:
    energy, power = report.energy, report.board.power
    if energy is None or power is None:
        return []
    value, unit = numbers.energy(energy.microjoules).split()
    time = "modelled" if report.measured_milliseconds is None else "measured"
    note = f"{time} time × {power_text(power)}"
    return [Figure("Energy", value, f"{unit} ±{energy.percent:.0f} %", note)]


def _speed(run: RunResult) -> Figure:
    if run.unit == "cycles" and run.clock_hz:
        return Figure(
            "Measured", grouped(run.count), "cycles", f"{duration(run.count / run.clock_hz)} an inference"
        )
    return Figure(run.unit.capitalize(), grouped(run.count), "", "an inference")


def _tightest(image: ImageInfo, kind: str, label: str) -> Figure:
    """Return the region of a kind that is fullest: the one that will not do first."""
    regions = [region for region in image.regions if region.kind == kind]
    if not regions:
        return Figure(label, grouped(0), "B", "no region")
    region = max(regions, key=lambda region: region.used / region.size)
    others = sum(other.used for other in regions if other is not region)
    note = f"{percent(region.used, region.size)} of {size(region.size)}"
    elsewhere = f"; {size(others)} in other regions" if others else ""
    name = label if len(regions) == 1 else f"{label}: {region.name}"
    return Figure(name, grouped(region.used), "B", note + elsewhere)
