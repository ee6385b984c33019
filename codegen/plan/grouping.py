"""Which layers run together row by row: the cuts of a model into groups, by what is live during each.

A tensor that is made and used within one group is a ring; every other one is whole from where it is made to where it is
used last. What is live during a group therefore depends on where it begins and ends, and on no other group, and
dynamic programming finds the best cuts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from micronets_gen.common.integers import round_up
from micronets_gen.model.graph import Graph
from micronets_gen.operators.rows import row_bytes
from micronets_gen.plan.plan import WORD, LayerCode
from micronets_gen.plan.schedule import RingHeights, all_stages, roots_of

MOST_LAYERS = 64
"""Layers of a group at most, so that large models are planned fast."""

_MOST_LAYOUTS = 6
"""How many limits are tried at most."""


@dataclass(frozen=True)
class Segment:
    """A run of operators that is executed at once.

    Attributes:
        first: Index of the first operator.
        last: Index of the last; the same for a layer that does not roll.
        live: Bytes of the arena while it runs, about: scratch included, alignment to words, too.
        work: Rows that it makes; 0 for a layer that does not roll.
    """

    first: int
    last: int
    live: int
    work: int

    @property
    def rolls(self) -> bool:
        """Whether it is a group."""
        return self.work > 0


@dataclass(frozen=True)
class _Life:
    """A tensor with all its names: bytes in whole words, the operator that makes it (-1: an input), the last reader."""

    size: int
    first: int
    last: int


class Grouping:
    """All runs of layers of a model that may roll together.

    Args:
        graph: The model.
        layers: One entry an operator, in order, with ``rolling`` where a layer can.
    """

    def __init__(self, graph: Graph, layers: Sequence[LayerCode]) -> None:
        self._graph = graph
        self._layers = layers
        self._roots = roots_of(graph, layers)
        self._lives = self._lifetimes()
        self._heights = RingHeights(all_stages(graph, layers))
        count = len(layers)
        self._ending = [0] * (count + 1)
        self._live = np.zeros(count + 1, dtype=np.int64)
        for life in self._lives.values():
            self._ending[max(life.last, 0)] += life.size
            self._live[max(life.first, 0) : life.last + 1] += life.size

    def best(self, limit: int | None = None) -> tuple[Segment, ...]:
        """Return the cuts with the least rolling whose live bytes keep a limit.

        Args:
            limit: As many bytes do; None, or less than can be: as few as can be.
        """
        limit = max(self.least, limit or 0)
        work: list[int | None] = [0]
        chosen: list[Segment] = []
        for segments in self._segments:
            allowed = [s for s in segments if s.live <= limit and work[s.first] is not None]
            if not allowed:
                work.append(None)
                chosen.append(segments[0])
                continue
            taken = min(allowed, key=lambda s: (work[s.first] or 0) + s.work)
            work.append((work[taken.first] or 0) + taken.work)
            chosen.append(taken)
        assert work[-1] is not None, "the least is within reach"
        found = []
        end = len(chosen)
        while end:
            found.append(chosen[end - 1])
            end = chosen[end - 1].first
        return tuple(reversed(found))

    def ever_less(self, limit: int) -> Iterator[tuple[Segment, ...]]:
        """Yield cuts whose live bytes keep a limit, then a lower one and so on: an arena may have gaps beside."""
        given: set[tuple[Segment, ...]] = set()
        for _ in range(_MOST_LAYOUTS):
            segments = self.best(limit)
            if segments not in given:
                given.add(segments)
                yield segments
            limit -= (limit - self.least) // 3

    @cached_property
    def least(self) -> int:
        """The least live bytes that any cuts give."""
        least = [0]
        for segments in self._segments:
            least.append(min(max(least[s.first], s.live) for s in segments))
        return least[-1]

    @cached_property
    def _segments(self) -> list[list[Segment]]:
        """All segments that there may be, by their last operators."""
        return [[self._alone(last), *self._groups(last)] for last in range(len(self._layers))]

    def _groups(self, last: int) -> Iterator[Segment]:
        """Yield the groups that end at an operator, each a layer longer than the one before."""
        live, scratch, work = int(self._live[last]), 0, 0
        begins = last
        for first in range(last, max(-1, last - MOST_LAYERS), -1):
            layer, op = self._layers[first], self._graph.operators[first]
            if layer.rolling is None:
                return
            live += self._ending[first] if first < last else 0
            if layer.alias:
                # What has two names must be made and used up within the group.
                life = self._lives.get(self._roots[op.outputs[0]])
                if life is None or life.last > last:
                    return
                begins = min(begins, life.first)
                continue
            live += sum(self._saved(t, last) for t in op.outputs) + layer.rolling.kept_bytes
            scratch = max(scratch, round_up(layer.rolling.code.scratch_bytes, WORD))
            work += layer.rolling.steps
            if first < min(last, begins + 1):
                yield Segment(first, last, live + scratch, work)

    def _saved(self, tensor: int, last: int) -> int:
        """Return by how many bytes a group that ends at an operator holds more of a tensor than all: less than none."""
        life = self._lives[tensor]
        if life.last > last:
            return 0
        rows = self._heights.of(tensor, last)
        return round_up(rows * row_bytes(self._graph.tensor(tensor)), WORD) - life.size

    def _alone(self, index: int) -> Segment:
        layer, op = self._layers[index], self._graph.operators[index]
        live = int(self._live[index]) + round_up(layer.scratch_bytes, WORD)
        saved = 0
        for i, o in () if layer.alias else layer.may_overwrite:
            source = self._lives.get(self._roots.get(op.inputs[i], op.inputs[i]))
            if source is not None and source.last == index:
                saved = max(saved, min(source.size, self._lives[op.outputs[o]].size))
        return Segment(index, index, live - saved, 0)

    def _lifetimes(self) -> dict[int, _Life]:
        graph = self._graph
        lives: dict[int, _Life] = {}

        def touch(tensor: int, moment: int) -> None:
            root = self._roots.get(tensor, tensor)
            if root >= 0 and not graph.tensor(root).is_constant:
                life = lives.get(root) or _Life(round_up(graph.tensor(root).nbytes, WORD), moment, moment)
                lives[root] = replace(life, last=moment)

        for tensor in graph.inputs:
            touch(tensor, -1)
        for op in graph.operators:
            for tensor in (*op.inputs, *op.outputs):
                touch(tensor, op.index)
        for tensor in graph.outputs:
            touch(tensor, len(graph.operators))
        return lives
