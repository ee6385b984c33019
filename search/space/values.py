"""Numbers of a run as its report writes them."""

from __future__ import annotations

import math

from micronets_gen.common.numbers import grouped, size

COSTS = {
    "ops": "operations",
    "model_bytes": "model file",
    "working_memory": "working memory",
    "parameters": "parameters",
}
"""The figures of :class:`micronets_gen.search.space.cost.Cost`, by name."""


def quantity(name: str, value: float) -> str:
    """Return a cost with its unit: ``0.2 MOps``, ``16.8 KiB``."""
    if name == "ops":
        return f"{value / 1e6:,.4g} MOps"
    return size(round(value)) if name in {"model_bytes", "working_memory"} else grouped(round(value))


def score(metric: str, value: float) -> str:
    """Return an accuracy in percent, any other figure as it is."""
    return f"{100 * value:.2f} %" if metric == "accuracy" else f"{value:.4f}"


def share(value: float, limit: float) -> str:
    """Return how much of a limit is used: ``97 %``; what is within it is never rounded up to it."""
    return f"{math.floor(1000 * value / limit) / 10:.1f} %"


def scale_of(name: str) -> tuple[float, str]:
    """Return what a limited cost is divided by in pictures, and the unit that it then has."""
    return (1e6, "MOps") if name == "ops" else (1024, "KiB")


def percents(value: float) -> str:
    """Return a share as an axis writes it."""
    return f"{100 * value:.6g} %"
