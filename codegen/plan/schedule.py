"""In which order the layers of a group make their rows, and how many rows each ring must hold for it.

A layer makes a row when one behind it wants it, and first sees to it that the rows are there of which it is made: from
the group's last layer on back. Nothing is made twice, and nothing before it is needed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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

    def wanted_of(self, tensor: int) -> int:
        """Return how many rows there are of an output when all its steps are made."""
        assert tensor in self.writes
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
    roots = roots_of(graph, layers)
    stages = []
    for op in graph.operators[first : last + 1]:
        rolling = layers[op.index].rolling
        assert rolling is not None, op.name
        if layers[op.index].alias:
            continue
        windows = zip(op.inputs, rolling.rows.windows, strict=True)
        reads = tuple((roots.get(t, t), window) for t, window in windows if window is not None)
        stages.append(Stage(op.index, rolling.steps, reads, op.outputs, rolling.rows.running))
    return tuple(stages)


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


def least_heights(stages: Sequence[Stage], known: dict[tuple[int, ...], Mapping[int, int]]) -> dict[int, int]:
    """Return the same fast, never less: what one layer looks at is a window; only what several do is played through.

    Args:
        known: What was played through before, by the operators of the stages; added to.
    """
    readers: dict[int, list[int]] = {t: [] for stage in stages for t in stage.writes}
    for i, stage in enumerate(stages):
        for tensor, _ in stage.reads:
            if tensor in readers:
                readers[tensor].append(i)
    heights = {}
    for stage in stages:
        for tensor, window in stage.reads:
            if tensor in readers:
                span = (window.taps - 1) * window.dilation + 1
                heights[tensor] = span if window.stride else window.end(0)
    for block in _blocks(stages, readers):
        part = stages[block.start : block.stop]
        key = tuple(stage.op for stage in part)
        if key not in known:
            known[key] = ring_heights(part, {t for t in readers if not readers[t]})
        heights.update({t: h for t, h in known[key].items() if len(readers[t]) > 1})
    tops = {t: stage.wanted_of(t) for stage in stages for t in stage.writes}
    return {t: min(heights.get(t, 1), tops[t]) for t in readers}


def _blocks(stages: Sequence[Stage], readers: Mapping[int, Sequence[int]]) -> Iterable[range]:
    """Return the shortest runs of stages that hold, with each tensor that several read, all between it and them."""
    ends = [max((r for t in stage.writes for r in readers[t]), default=i) for i, stage in enumerate(stages)]
    shared = [any(len(readers[t]) > 1 for t in stage.writes) for stage in stages]
    start = 0
    while start < len(stages):
        if not shared[start]:
            start += 1
            continue
        end, i = ends[start], start
        while i < end:
            end = max(end, ends[i])
            i += 1
        yield range(start, end + 1)
        start = max(end, start + 1)
