"""Dynamic storage allocation: offsets for blocks whose lifetimes and sizes are known.

First fit over several orders, then a bounded, deterministic local search that stops at the lower bound. Sizes are in
bytes; moments are whole numbers from -1 on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import numpy as np
import numpy.typing as npt

from micronets_gen.common.integers import round_up
from micronets_gen.plan.plan import WORD

_SEARCH_WORK = 60_000
"""Bound of the local search, in pairs of blocks looked at (about 25 ms)."""

_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Step:
    """A stretch of moments, ``last`` included, through which a block has one size."""

    first: int
    last: int
    size: int


@dataclass(frozen=True)
class Block:
    """Bytes at one offset, of a size that changes over time; its steps follow each other without a gap."""

    steps: tuple[Step, ...]
    align: int

    @property
    def first(self) -> int:
        """The first moment at which it is live."""
        return self.steps[0].first

    @property
    def last(self) -> int:
        """The last moment at which it is live."""
        return self.steps[-1].last

    @cached_property
    def size(self) -> int:
        """The most bytes that it ever has."""
        return max(step.size for step in self.steps)

    @cached_property
    def area(self) -> int:
        """Bytes times moments."""
        return sum(step.size * (step.last - step.first + 1) for step in self.steps)


@dataclass(frozen=True)
class Allocation:
    """Offsets of blocks.

    Attributes:
        size: Bytes from 0 to the highest end.
        bound: No arrangement is smaller.
        peak: The largest sum of live bytes; without alignment, no arrangement is smaller.
    """

    offsets: tuple[int, ...]
    size: int
    bound: int
    peak: int

    @property
    def optimal(self) -> bool:
        """Whether no arrangement is smaller."""
        return self.size <= self.bound


def live_bytes(blocks: Iterable[Block], moments: int) -> _Integers:
    """Return the sum of live bytes at each moment from -1 to ``moments``, as int64 ``[moments + 2]``."""
    live = np.zeros(moments + 2, dtype=np.int64)
    for block in blocks:
        for step in block.steps:
            live[step.first + 1 : step.last + 2] += step.size
    return live


def allocate(blocks: Sequence[Block], moments: int) -> Allocation:
    """Place blocks so that those that are live together share no byte.

    Args:
        blocks: In an order that decides between equals.
        moments: Lifetimes lie within -1 and this one.
    """
    problem = _problem(blocks, moments)
    best: tuple[int, list[int]] | None = None
    best_order: list[int] = []
    for order in _orders(problem):
        found = _first_fit(problem, order)
        if best is None or found[0] < best[0]:
            best, best_order = found, order
        if best[0] <= problem.bound:
            break
    else:
        assert best is not None
        layered = _first_fit(problem, _by_levels(problem))
        searched = best if layered[0] <= problem.bound else _local_search(problem, best_order, *best)
        best = min(searched, layered, key=lambda found: found[0])
    size, offsets = best
    return Allocation(tuple(offsets), size, problem.bound, problem.peak)


@dataclass(frozen=True)
class _Problem:
    """Blocks and, per block, its rivals: ``(other, extent below other, other's extent below it)``."""

    blocks: Sequence[Block]
    rivals: list[list[tuple[int, int, int]]]
    aligns: list[int]
    sizes: list[int]
    bound: int
    peak: int
    pressure: list[int]


def _problem(blocks: Sequence[Block], moments: int) -> _Problem:
    load = live_bytes(blocks, moments)
    padding = np.zeros_like(load)
    widest = np.zeros_like(load)
    for block in blocks:
        for step in block.steps:
            during = slice(step.first + 1, step.last + 2)
            lost = round_up(step.size, WORD) - step.size
            padding[during] += lost
            np.maximum(widest[during], lost, out=widest[during])
    pressure = [
        max((int(load[s.first + 1 : s.last + 2].max()) for s in block.steps if s.size), default=0)
        for block in blocks
    ]
    return _Problem(
        blocks,
        _rivals(blocks),
        [block.align for block in blocks],
        [block.size for block in blocks],
        # The topmost buffer needs no padding; whichever that is.
        int((load + padding - widest).max()),
        int(load.max()),
        pressure,
    )


def _rivals(blocks: Sequence[Block]) -> list[list[tuple[int, int, int]]]:
    """Find which blocks are live together, and how high each must be cleared by the other.

    Those that a block meets first come first, and of these the first of the blocks.
    """
    steps = sorted(
        (
            (s.first, s.last, s.size, index)
            for index, block in enumerate(blocks)
            for s in block.steps
            if s.size
        ),
    )
    rivals: list[list[tuple[int, int, int]]] = [[] for _ in blocks]
    if not steps:
        return rivals
    first, last, size, owner = np.array(steps, dtype=np.int64).T
    # Whatever begins while a step lasts overlaps it; in order of beginnings those follow it.
    following = np.searchsorted(first, last, side="right") - np.arange(1, len(first) + 1)
    left = np.repeat(np.arange(len(first)), following)
    right = left + 1 + np.arange(len(left)) - np.repeat(np.cumsum(following) - following, following)
    apart = owner[left] != owner[right]
    left, right = left[apart], right[apart]
    if not len(left):
        return rivals
    mine, other = np.concatenate((left, right)), np.concatenate((right, left))
    pair = owner[mine] * len(blocks) + owner[other]
    order = np.argsort(pair, kind="stable")
    starts = np.flatnonzero(np.diff(pair[order], prepend=-1))
    below = np.maximum.reduceat(size[mine][order], starts)
    above = np.maximum.reduceat(size[other][order], starts)
    meeting = np.minimum.reduceat(np.maximum(first[mine], first[other])[order], starts)
    index, rival = np.divmod(pair[order][starts], len(blocks))
    order = np.lexsort((rival, meeting, index))
    for i, row in zip(
        index[order].tolist(),
        zip(rival[order].tolist(), below[order].tolist(), above[order].tolist(), strict=True),
        strict=True,
    ):
        rivals[i].append(row)
    return rivals


def _first_fit(problem: _Problem, order: Sequence[int]) -> tuple[int, list[int]]:
    """Place blocks in ``order``, each as low as those before it allow; return the size and the offsets."""
    offsets = [-1] * len(order)
    top = 0
    for index in order:
        blocked = sorted(
            (offsets[other] - below, offsets[other] + above)
            for other, below, above in problem.rivals[index]
            if offsets[other] >= 0
        )
        align = problem.aligns[index]
        offset = 0
        for low, high in blocked:
            # Every offset strictly between ``low`` and ``high`` would overlap.
            if offset <= low:
                break
            if offset < high:
                offset = round_up(high, align)
        offsets[index] = offset
        top = max(top, offset + problem.sizes[index])
    return top, offsets


def _orders(problem: _Problem) -> Iterator[list[int]]:
    blocks, pressure = problem.blocks, problem.pressure
    everything = range(len(blocks))
    yield sorted(everything, key=lambda i: (-blocks[i].size, blocks[i].first))
    yield sorted(everything, key=lambda i: (-pressure[i], -blocks[i].size, blocks[i].first))
    yield sorted(everything, key=lambda i: (-blocks[i].area, blocks[i].first))
    yield sorted(everything, key=lambda i: (blocks[i].first, -blocks[i].size))
    yield sorted(everything, key=lambda i: (-blocks[i].last, -blocks[i].size))
    yield sorted(everything, key=lambda i: (blocks[i].first - blocks[i].last, -blocks[i].size))


def _by_levels(problem: _Problem) -> list[int]:
    """Order blocks by level: from the first to begin on, the least that no rival has; in a chain 0 and 1 by turns."""
    levels = [-1] * len(problem.blocks)
    for index in sorted(range(len(levels)), key=lambda i: problem.blocks[i].first):
        taken = {levels[other] for other, _, _ in problem.rivals[index]}
        levels[index] = next(level for level in count() if level not in taken)
    return sorted(range(len(levels)), key=lambda i: (levels[i], problem.blocks[i].first))


def _local_search(
    problem: _Problem, order: list[int], size: int, offsets: list[int]
) -> tuple[int, list[int]]:
    """Move blocks under the highest one to earlier places in the order while that does not make it worse.

    First fit in order of an optimal plan's offsets gives an optimal plan, so the orders include one.
    """
    best, best_offsets, best_order = size, offsets, order
    work = 0
    cost = len(order) + sum(map(len, problem.rivals))
    state = 1
    current, current_size, current_offsets = order, size, offsets
    stale = 0
    while best > problem.bound and work < _SEARCH_WORK:
        work += cost
        movable = _under_the_top(problem, current_size, current_offsets)
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        moved = movable[(state >> 8) % len(movable)]
        place = current.index(moved)
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        target = (state >> 8) % len(order)
        candidate = current[:place] + current[place + 1 :]
        candidate.insert(target if target != place else 0, moved)
        new_size, new_offsets = _first_fit(problem, candidate)
        stale += 1
        if new_size <= current_size:
            stale = stale if new_size == current_size else 0
            current, current_size, current_offsets = candidate, new_size, new_offsets
        if new_size < best:
            best, best_offsets, best_order = new_size, new_offsets, candidate
        if stale > 60:
            # A plateau: accept something worse once and climb again from there.
            stale = 0
            current, current_size, current_offsets = candidate, new_size, new_offsets
            if current_size > best + best // 8:
                current, current_size, current_offsets = best_order, best, best_offsets
    return best, best_offsets


def _under_the_top(problem: _Problem, size: int, offsets: Sequence[int]) -> list[int]:
    """Blocks that end at the top of the arena, and those that hold them up there, directly or not."""
    found = [i for i, offset in enumerate(offsets) if offset + problem.sizes[i] == size]
    seen = set(found)
    for index in found:
        for other, _, above in problem.rivals[index]:
            height = offsets[other] + round_up(above, problem.aligns[index])
            if other not in seen and height == offsets[index]:
                seen.add(other)
                found.append(other)
    return found
