"""Modelled time in words and as values: never without its band."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from micronets_gen.boards.power import DutyCycle, Energy, Power
from micronets_gen.common import numbers
from micronets_gen.common.numbers import frequency, milliseconds, plural
from micronets_gen.report.report import Report
from micronets_gen.timing.result import Spent, Timing

CAUSE_TITLES: Mapping[str, str] = {
    "issue": "issue",
    "dependencies": "dependencies",
    "loads": "loads and stores",
    "branches": "branches",
    "alignment": "alignment",
    "fetch": "waiting for instructions",
    "data": "waiting for data",
}
"""What cycles go to, for people, by the causes of ``timing.result``."""

CAUSE_NOTES: Mapping[str, str] = {
    "issue": "an instruction enters the pipeline",
    "dependencies": "a result is not ready yet, or takes several cycles",
    "loads": "beyond the cycle in which they issue",
    "branches": "the pipeline refills, or a prediction failed",
    "alignment": "32-bit instructions that no word begins with",
    "fetch": "from flash, or a cache that lacks them",
    "data": "from flash, or a cache that lacks them",
}
"""What each of them is."""

_SHOWN = 0.005
"""Least share of a cause that a line of text names."""


BAND_OF_ALL = "the band is that of the whole inference: a single layer may be further off"
"""Where layers are shown with it."""


def band_text(timing: Timing) -> str:
    """Return the band as short as can be: ``±4 %``."""
    return f"±{timing.band.percent:g} %"


def time_text(timing: Timing) -> str:
    """Return the time of one inference, what it was computed from, and how far it may be off."""
    apart = "; core timings only" if timing.core_only else ""
    return (
        f"{milliseconds(timing.milliseconds)} ms at {frequency(timing.clock_hz)} "
        f"({timing.total.cycles:,} modelled cycles, {timing.band.text}{apart})"
    )


def model_text(timing: Timing) -> str:
    """Return the core and the memories that were modelled."""
    return f"{timing.core}; {timing.memory}"


def causes_text(spent: Spent) -> str:
    """Return what the cycles go to, the largest first; what rounds to nothing is left out."""
    causes = sorted(spent.by_cause().items(), key=lambda cause: -cause[1])
    shown = [(name, cycles) for name, cycles in causes if cycles > _SHOWN * spent.cycles]
    return ", ".join(f"{CAUSE_TITLES[name]} {100 * cycles / spent.cycles:.0f} %" for name, cycles in shown)


def power_text(power: Power) -> str:
    """Return a board's power while it computes: ``41.7 mW ±8 % at 1.8 V``."""
    return f"{numbers.power(power.active_mw * 1e3)} ±{power.percent:g} % at {power.supply_volts:g} V"


def energy_text(report: Report) -> str:
    """Return the energy of one inference, how far it may be off, and what power it rests on; empty without."""
    energy, power = report.energy, report.board.power
    if energy is None or power is None:
        return ""
    modelled = report.timing if report.measured_milliseconds is None else None
    apart = "; core timings only" if modelled and modelled.core_only else ""
    return (
        f"{numbers.energy(energy.microjoules)} an inference, ±{energy.percent:.0f} % "
        f"({power_text(power)}: {power.source}{apart})"
    )


def duty_text(duty: DutyCycle, power: Power) -> str:
    """Return average power at a duty cycle and, where a battery was named, how long it lasts."""
    every = f"{duty.every_s * 1e3:g} ms" if duty.every_s < 1 else f"{duty.every_s:g} s"
    average = f"every {every}: {numbers.power(duty.average_uw)} on average"
    band = f"±{duty.average_error_percent:.0f} %"
    if duty.battery_mah is None or duty.battery_days is None:
        return f"{average}, {band}"
    battery = f"{duty.battery_mah:g} mAh at {power.supply_volts:g} V"
    return f"{average}; {battery} last {numbers.lifetime(duty.battery_days)}, {band}"


def no_time_text(report: Report) -> str:
    """Return why a run has no modelled time; empty where it has."""
    return f"Time is not modelled: {report.timing_note}." if report.timing_note else ""


def basis_text(timing: Timing) -> str:
    """Return what modelled time rests on, in sentences."""
    images = timing.band.images
    trust = (
        f"±{timing.band.percent:g} % rests on {plural(images, 'image')} measured on boards with this core and memory."
        if images
        else f"No measured image ran on this core and memory yet: ±{timing.band.percent:g} % is a judgement."
    )
    return (
        f"Modelled, not measured: every block of code that the exact image executes in its first inference, "
        f"caches cold, through the documented pipeline of the {timing.core}; memory: {timing.memory}. {trust}"
        + (f" {BAND_OF_ALL[0].upper()}{BAND_OF_ALL[1:]}." if timing.layers else "")
    )


def part_values(timing: Timing | None, spent: Spent | None) -> dict[str, Any]:
    """Return the keys of ``--json`` for the time of an inference or of a layer; None where there is none."""
    known = timing if spent is not None else None
    return {
        "instructions": spent.instructions if spent else None,
        "cycles": spent.cycles if spent else None,
        "milliseconds": known.milliseconds_of(spent) if known and spent else None,
        "error_percent": known.band.percent if known else None,
        "cycles_by_cause": spent.by_cause() if spent else None,
    }


def total_values(report: Report) -> dict[str, Any]:
    """Return the same for an inference, with what was modelled and what the band rests on, or why there is none."""
    timing = report.timing
    return {
        **part_values(timing, timing.total if timing else None),
        **energy_values(report.energy, report.board.power),
        "measured_images": timing.band.images if timing else None,
        "modelled": model_text(timing) if timing else "",
        "timing_note": report.timing_note,
    }


def energy_values(energy: Energy | None, power: Power | None) -> dict[str, Any]:
    """Return the keys of ``--json`` for an inference's energy, and for the power that it rests on."""
    known = power if energy else None
    return {
        "energy_uj": energy.microjoules if energy else None,
        "energy_error_percent": energy.percent if energy else None,
        "power_mw": known.active_mw if known else None,
        "power_source": known.source if known else "",
    }
