"""One inference every so often: what ``run --every`` asks, and when that can be answered."""

from __future__ import annotations

from dataclasses import dataclass

from micronets_gen.boards.power import DutyCycle
from micronets_gen.common.numbers import milliseconds
from micronets_gen.common.quantities import milliampere_hours, seconds
from micronets_gen.errors import RunError, UsageError
from micronets_gen.report.report import Report

_EVERY = "--every"


@dataclass(frozen=True)
class DutyRequest:
    """An inference every ``every_s`` seconds, from a battery of ``battery_mah`` or from whatever."""

    every_s: float
    battery_mah: float | None


def duty_request(every: str | None, battery: str | None) -> DutyRequest | None:
    """Return what two options ask; None where they ask nothing.

    Raises:
        UsageError: no duration, no capacity, or a capacity alone.
    """
    if every is None:
        if battery is None:
            return None
        raise UsageError(
            "how long a battery lasts depends on how often there is an inference",
            where="--battery",
            remedy="add --every, such as --every 1s",
        )
    capacity = None if battery is None else milliampere_hours(battery, "--battery")
    return DutyRequest(seconds(every, _EVERY), capacity)


def require_answer(report: Report, why_untimed: str) -> None:
    """Check, before anything runs, that a duty cycle can be told.

    Args:
        report: Of the project.
        why_untimed: The option that leaves modelled time out; empty for none.

    Raises:
        UsageError: time will not be modelled, or what the board takes is not known.
    """
    if why_untimed:
        raise UsageError(
            "average power rests on modelled time, and there will be none",
            where=_EVERY,
            remedy=f"leave {why_untimed} out",
        )
    power = report.board.power
    if power is None or power.sleep is None:
        unknown = "power" if power is None else "current in deep sleep"
        table = "[power]" if power is None else "[power.sleep]"
        raise UsageError(
            f"the {unknown} of {report.board.name} is not known",
            where=_EVERY,
            remedy=f"add {table} to the board's file, and build again",
        )


def duty_cycle(report: Report, request: DutyRequest) -> DutyCycle:
    """Return what a run's inference takes on average.

    Raises:
        RunError: time was not modelled.
        UsageError: the inference takes longer than the period.
    """
    time, power = report.time, report.board.power
    if time is None or power is None or report.energy is None:
        raise RunError(
            "no time that the board's power would be known of, and average power rests on both",
            where=_EVERY,
            why=report.timing_note or "the firmware ran its application",
        )
    taken, percent = time
    if taken > request.every_s * 1e3:
        raise UsageError(
            f"an inference takes {milliseconds(taken)} ms, longer than the "
            f"{milliseconds(request.every_s * 1e3)} ms from one to the next",
            where=_EVERY,
            remedy="give a longer period, or take a smaller model or a faster board",
        )
    return power.duty_cycle(taken, percent, request.every_s, request.battery_mah)
