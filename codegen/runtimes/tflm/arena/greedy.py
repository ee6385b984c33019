"""TFLM's memory planner, step by step: what ``GreedyMemoryPlanner`` does with the same buffers.

Buffers whose place is given come first, where they are told to lie, in the order of their numbers. The others follow
by size, largest first; of equal ones the later first. Each takes the lowest gap between the buffers that are live
with it and stand already.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from micronets_gen.common.integers import round_up

ALIGN = 16
"""Every buffer's size is rounded up to this, in bytes."""


@dataclass(frozen=True)
class Wanted:
    """A buffer to place.

    Attributes:
        size: Bytes, before rounding.
        first: First moment at which it is live.
        last: Last such moment.
        offset: Where it must lie; None where the planner decides.
    """

    size: int
    first: int
    last: int
    offset: int | None = None


@dataclass(frozen=True)
class Placed:
    """Where buffers lie, in the order in which they were given, and the bytes that they take in all."""

    offsets: tuple[int, ...]
    size: int


def plan(buffers: Sequence[Wanted]) -> Placed:
    """Place buffers as TFLM does."""
    sizes = [round_up(b.size, ALIGN) for b in buffers]
    given = [i for i, b in enumerate(buffers) if b.offset is not None]
    free = sorted(
        (i for i in reversed(range(len(buffers))) if buffers[i].offset is None), key=lambda i: -sizes[i]
    )
    offsets = [-1] * len(buffers)
    heights: list[int] = []  # offsets of those placed, ascending
    standing: list[int] = []  # their numbers
    for index in (*given, *free):
        wanted = buffers[index]
        offset = wanted.offset
        if offset is None:
            offset = 0
            for other in standing:
                if buffers[other].first > wanted.last or wanted.first > buffers[other].last:
                    continue
                if offsets[other] - offset >= sizes[index]:
                    break
                offset = max(offset, offsets[other] + sizes[other])
        offsets[index] = offset
        place = bisect_right(heights, offset)
        heights.insert(place, offset)
        standing.insert(place, index)
    return Placed(tuple(offsets), max((o + s for o, s in zip(offsets, sizes, strict=True)), default=0))
