"""Cycles that a board measured beside the modelled ones of the same image."""

from __future__ import annotations


def difference_percent(measured: int, modelled: int) -> float | None:
    """Return how far modelled cycles are off, in percent of the measured ones; above 0, the model is too slow.

    None where nothing was measured.
    """
    return 100 * (modelled - measured) / measured if measured else None
