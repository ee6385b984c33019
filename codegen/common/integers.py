"""Integer arithmetic of sizes and addresses."""

from __future__ import annotations


def ceil_div(value: int, divisor: int) -> int:
    """Return ``value / divisor``, rounded up; ``divisor`` is above 0."""
    return -(-value // divisor)


def round_up(value: int, multiple: int) -> int:
    """Return the least multiple of ``multiple``, which is above 0, that is not below ``value``."""
    return ceil_div(value, multiple) * multiple


def overlap(start: int, size: int, other: int, other_size: int) -> int:
    """Return how many numbers two ranges have in common: ``size`` from ``start``, ``other_size`` from ``other``."""
    return max(0, min(start + size, other + other_size) - max(start, other))
