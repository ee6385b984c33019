"""Which layers run together row by row: the cuts of a model into groups, by what is live during each.

A tensor that is made and used within one group is a ring; every other one is whole from where it is made to where it is
used last. What is live during a group therefore depends on where it begins and ends, and on no other group, and
dynamic programming finds the best cuts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from micronets_gen.common.integers import round_up
from micronets_gen.model.graph import Graph
from micronets_gen.operators.rows import row_bytes
from micronets_gen.plan.plan import WORD, LayerCode
from micronets_gen.plan.schedule import least_heights, roots_of, stages_of

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
        self._played: dict[tuple[int, ...], Mapping[int, int]] = {}
        self._lives = self._lifetimes()
        self._size, self._first, self._last = np.array([*self._lives.values()]).reshape(-1, 3).T

    def best(self, limit: int | None = None) -> tuple[Segment, ...]:
        """Return the cuts with the least rolling whose live bytes keep a limit.

        Args:
            limit: As many bytes do; None, or less than can be: as few as can be.
        """
        limit = max(self.least, limit or 0)
        best: list[tuple[int, tuple[Segment, ...]] | None] = [(0, ())]
        for segments in self._segments:
            choices = [
                (before[0] + s.work, (*before[1], s))
                for s in segments
                if s.live <= limit and (before := best[s.first]) is not None
            ]
            best.append(min(choices, key=lambda choice: choice[0], default=None))
        assert best[-1] is not None, "the least is within reach"
        return best[-1][1]

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
        for first in range(last, max(-1, last - MOST_LAYERS), -1):
            if self._layers[first].rolling is None:
                return
            if first < last and self._keeps_its_names(first, last):
                yield self._group(first, last)

    def _keeps_its_names(self, first: int, last: int) -> bool:
        """Whether every tensor that has another name in a group is made and used up in it."""
        for op in self._graph.operators[first : last + 1]:
            if self._layers[op.index].alias and not self._is_inside(self._roots[op.outputs[0]], first, last):
                return False
        return True

    def _is_inside(self, tensor: int, first: int, last: int) -> bool:
        if tensor not in self._lives:
            return False
        _, begin, end = self._lives[tensor]
        return first <= begin and end <= last

    def _group(self, first: int, last: int) -> Segment:
        graph, layers = self._graph, self._layers
        stages = stages_of(graph, layers, first, last)
        live = self._whole(first, last)
        for tensor, height in least_heights(stages, self._played).items():
            if self._is_inside(tensor, first, last):
                live += round_up(height * row_bytes(graph.tensor(tensor)), WORD) - self._lives[tensor][0]
        rolling = [layer.rolling for layer in layers[first : last + 1] if layer.rolling]
        live += sum(r.kept_bytes for r in rolling) + max(
            round_up(r.code.scratch_bytes, WORD) for r in rolling
        )
        return Segment(first, last, live, sum(stage.steps for stage in stages))

    def _alone(self, index: int) -> Segment:
        layer, op = self._layers[index], self._graph.operators[index]
        live = self._whole(index, index) + round_up(layer.scratch_bytes, WORD)
        saved = 0
        for i, o in () if layer.alias else layer.may_overwrite:
            source = self._lives.get(self._roots.get(op.inputs[i], op.inputs[i]))
            if source is not None and source[2] == index:
                saved = max(saved, min(source[0], self._lives[op.outputs[o]][0]))
        return Segment(index, index, live - saved, 0)

    def _whole(self, first: int, last: int) -> int:
        """Return the bytes of all tensors that are there while operators run, were they whole."""
        return int(self._size[(self._first <= last) & (self._last >= first)].sum())

    def _lifetimes(self) -> dict[int, tuple[int, int, int]]:
        """Return bytes, the operator that makes it (-1: an input) and the last that reads it, by tensor."""
        graph = self._graph
        lives: dict[int, tuple[int, int, int]] = {}

        def touch(tensor: int, moment: int) -> None:
            root = self._roots.get(tensor, tensor)
            if root >= 0 and not graph.tensor(root).is_constant:
                size, first, _ = lives.get(root, (round_up(graph.tensor(root).nbytes, WORD), moment, moment))
                lives[root] = (size, first, moment)

        for tensor in graph.inputs:
            touch(tensor, -1)
        for op in graph.operators:
            for tensor in (*op.inputs, *op.outputs):
                touch(tensor, op.index)
        for tensor in graph.outputs:
            touch(tensor, len(graph.operators))
        return lives
