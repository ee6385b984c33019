"""Numbers of a run as its report writes them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from micronets_gen.common.numbers import duration, energy, grouped, power, size
from micronets_gen.timing.estimate import with_error

COSTS = {
    "ops": "operations",
    "cycles": "cycles",
    "model_bytes": "model file",
    "working_memory": "working memory",
    "parameters": "parameters",
}
"""The figures of :class:`micronets_gen.search.space.cost.Cost`, by name."""


def quantity(name: str, value: float) -> str:
    """Return a cost with its unit: ``0.2 MOps``, ``16.8 KiB``."""
    if name == "ops":
        return f"{value / 1e6:,.4g} MOps"
    if name == "cycles":
        return f"{value / 1e6:,.4g} million cycles"
    return size(round(value)) if name in {"model_bytes", "working_memory"} else grouped(round(value))


def score(metric: str, value: float) -> str:
    """Return an accuracy in percent, any other figure as it is."""
    return f"{100 * value:.2f} %" if metric == "accuracy" else f"{value:.4f}"


def share(value: float, limit: float) -> str:
    """Return how much of a limit is used: ``97 %``; what is within it is never rounded up to it."""
    return f"{math.floor(1000 * value / limit) / 10:.1f} %"


def scale_of(name: str) -> tuple[float, str]:
    """Return what a limited cost is divided by in pictures, and the unit that it then has."""
    millions = {"ops": "MOps", "cycles": "million"}
    return (1e6, millions[name]) if name in millions else (1024, "KiB")


def percents(value: float) -> str:
    """Return a share as an axis writes it."""
    return f"{100 * value:.6g} %"


Line = tuple[str, str, str]
"""What a figure is, the figure with its error, and what it rests on."""


def predicted_time(target: Mapping[str, Any] | None) -> Iterator[Line]:
    """Yield time and energy of an inference as they were predicted, where they were.

    Args:
        target: As in ``metrics.json``; None for a run without a board.
    """
    if time := (target or {}).get("time"):
        off = f"{time['prediction_percent']:.3g}"
        yield _time(
            "time, predicted", time, target, f"predictions were at most {off} % off the modelled time"
        )
        yield from _energy("energy, predicted", time)


def modelled_time(target: Mapping[str, Any] | None, firmware: Mapping[str, Any] | None) -> Iterator[Line]:
    """Yield time and energy of an inference as they were modelled on the image, where they were.

    Args:
        target: As in ``metrics.json``; None for a run without a board.
        firmware: As ``run --json`` prints it; None where none was run.
    """
    if firmware and firmware.get("milliseconds") is not None:
        yield _time("time, modelled", firmware, target, "of this very image")
        yield from _energy("energy, modelled", firmware)


def _energy(title: str, value: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the energy that a time is at the board's power, where that is known."""
    if value.get("energy_uj") is not None:
        text = f"{energy(value['energy_uj'])} ±{value['energy_error_percent']:.0f} %"
        yield title, text, f"this time at {power(value['power_mw'] * 1e3)}: {value['power_source']}"


def _time(title: str, value: Mapping[str, Any], target: Mapping[str, Any] | None, basis: str) -> Line:
    limit = ((target or {}).get("time") or {}).get("limit_ms")
    if limit is not None:
        basis = f"{share(value['milliseconds'], limit)} of the limit, {duration(limit / 1e3)}; {basis}"
    return title, with_error(value["milliseconds"], value["error_percent"]), basis
