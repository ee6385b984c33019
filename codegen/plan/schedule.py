"""In which order the layers of a group make their rows, and how many rows each ring must hold for it.

A layer makes a row when one behind it wants it, and first sees to it that the rows are there of which it is made: from
the group's last layer on back. Nothing is made twice, and nothing before it is needed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from micronets_gen.model.graph import Graph
from micronets_gen.operators.rows import Window
from micronets_gen.plan.plan import LayerCode


@dataclass(frozen=True)
class Stage:
    """A layer of a group.

    Attributes:
        op: Index of its operator.
        steps: How often it runs.
        reads: Tensors with rows that it looks at, and which of them.
        writes: Its outputs.
        running: Whether its output is there after the last step only.
    """

    op: int
    steps: int
    reads: tuple[tuple[int, Window], ...]
    writes: tuple[int, ...]
    running: bool = False

    @property
    def rows_of_output(self) -> int:
        """How many rows there are of an output when all steps are made."""
        return 1 if self.running else self.steps


def roots_of(graph: Graph, layers: Sequence[LayerCode]) -> dict[int, int]:
    """Return, for every tensor that is another one under a new name, that one."""
    roots: dict[int, int] = {}
    for op, layer in zip(graph.operators, layers, strict=True):
        if layer.alias:
            roots[op.outputs[0]] = roots.get(op.inputs[0], op.inputs[0])
    return roots


def wanted_outside(graph: Graph, first: int, last: int) -> set[int]:
    """Return the tensors that operators before or behind a run of them read, and the model's outputs."""
    inside = range(first, last + 1)
    return {*graph.outputs, *(t for op in graph.operators if op.index not in inside for t in op.inputs)}


def stages_of(graph: Graph, layers: Sequence[LayerCode], first: int, last: int) -> tuple[Stage, ...]:
    """Return the stages of a run of layers that roll; those that do nothing are none."""
    every = all_stages(graph, layers, first, last)
    return tuple(every.values())


def all_stages(
    graph: Graph, layers: Sequence[LayerCode], first: int = 0, last: int | None = None
) -> dict[int, Stage]:
    """Return the stages of the layers that roll of a run, or of a model, by operator."""
    roots = roots_of(graph, layers)
    stages = {}
    for op in graph.operators[first : None if last is None else last + 1]:
        rolling = layers[op.index].rolling
        if rolling is None or layers[op.index].alias:
            continue
        windows = zip(op.inputs, rolling.rows.windows, strict=True)
        reads = tuple((roots.get(t, t), window) for t, window in windows if window is not None)
        stages[op.index] = Stage(op.index, rolling.steps, reads, op.outputs, rolling.rows.running)
    return stages


def steps_wanted(consumer: Stage, window: Window, step: int, producer: Stage) -> int:
    """Return how many steps of a producer must be made before a step of a consumer."""
    assert step < consumer.steps
    if producer.running:
        return producer.steps
    return min(max(window.end(step), 0), producer.steps)


class Schedule:
    """The order of all steps of a group.

    Args:
        stages: The layers, in order.
        outside: Tensors that others want whole; the last layer's always are.

    Attributes:
        heights: Rows that the ring of each tensor must hold that is made in the group.
    """

    def __init__(self, stages: Sequence[Stage], outside: Collection[int]) -> None:
        self._stages = stages
        self._outside = outside
        self._made = [0] * len(stages)
        self._makers = {t: i for i, stage in enumerate(stages) for t in stage.writes}
        self._consumers: dict[int, list[tuple[int, Window]]] = {t: [] for t in self._makers}
        for i, stage in enumerate(stages):
            for tensor, window in stage.reads:
                if tensor in self._consumers:
                    self._consumers[tensor].append((i, window))
        self.heights = dict.fromkeys(self._makers, 1)

    def run(self) -> Iterator[tuple[Stage, int]]:
        """Yield each step: of the last layer and what it wants, then what is left of outputs that others want."""
        for i in sinks(self._stages, self._outside):
            yield from self._until(i, self._stages[i].steps)

    def _until(self, index: int, end: int) -> Iterator[tuple[Stage, int]]:
        stage = self._stages[index]
        while self._made[index] < end:
            step = self._made[index]
            for tensor, window in stage.reads:
                maker = self._makers.get(tensor)
                if maker is not None:
                    wanted = steps_wanted(stage, window, step, self._stages[maker])
                    if self._made[maker] < wanted:
                        yield from self._until(maker, wanted)
            for tensor in stage.writes:
                self._hold(tensor, 0 if stage.running else step)
            yield stage, step
            self._made[index] += 1

    def _hold(self, tensor: int, newest: int) -> None:
        """Note how many rows lie between the oldest that is still wanted and the one that is being made."""
        oldest = newest
        for index, window in self._consumers[tensor]:
            if self._made[index] < self._stages[index].steps:
                oldest = min(oldest, max(0, window.first(self._made[index])))
        self.heights[tensor] = max(self.heights[tensor], newest - oldest + 1)


def sinks(stages: Sequence[Stage], outside: Collection[int]) -> list[int]:
    """Return the stages from which a group is driven, in that order: the last one, and those that others want whole."""
    last = len(stages) - 1
    return [last, *(i for i in range(last) if any(t in outside for t in stages[i].writes))]


def ring_heights(stages: Sequence[Stage], outside: Collection[int]) -> dict[int, int]:
    """Return the rows that each ring must hold, by tensor, as the schedule needs them; arguments as of it."""
    schedule = Schedule(stages, outside)
    for _ in schedule.run():
        pass
    return schedule.heights


class RingHeights:
    """How many rows the rings of a model's tensors must hold, found without a schedule where that is possible.

    What one layer looks at is as high as its window. What several look at depends on how far one is ahead of another:
    the layers from the one that makes it to where all ways have met are played through.

    Args:
        stages: Every layer that rolls, by operator, in order.
    """

    def __init__(self, stages: Mapping[int, Stage]) -> None:
        self._stages = stages
        self._readers: dict[int, list[tuple[int, Window]]] = {}
        self._makers = {t: stage for stage in self._stages.values() for t in stage.writes}
        for stage in self._stages.values():
            for tensor, window in stage.reads:
                self._readers.setdefault(tensor, []).append((stage.op, window))
        self._played: dict[tuple[int, int], Mapping[int, int]] = {}

    def of(self, tensor: int, last: int) -> int:
        """Return the height for a group that ends at an operator, and before which nothing reads the tensor."""
        readers = self._readers.get(tensor, [])
        maker = self._makers[tensor]
        if not readers:
            return 1
        if len(readers) == 1:
            ((_, window),) = readers
            span = (window.taps - 1) * window.dilation + 1 if window.stride else window.end(0)
            return min(span, maker.rows_of_output)
        block = (maker.op, self._meeting(maker.op, last))
        if block not in self._played:
            stages = [self._stages[i] for i in range(block[0], block[1] + 1) if i in self._stages]
            read = {t for stage in stages for t, _ in stage.reads}
            unread = {t for stage in stages for t in stage.writes if t not in read}
            self._played[block] = ring_heights(stages, unread)
        return min(self._played[block][tensor], maker.rows_of_output)

    def _meeting(self, first: int, last: int) -> int:
        """Return the operator behind which nothing is read that was made from ``first`` on, or ``last``."""
        end = index = first
        while index == first or index < end:
            for tensor in self._stages[index].writes if index in self._stages else ():
                used = [op for op, _ in self._readers.get(tensor, [])]
                if used and used[-1] <= last:
                    end = max(end, used[-1])
            index += 1
        return end
