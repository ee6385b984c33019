"""The proof of a memory plan with layers that run row by row; it shares no code with the planner or the schedule.

Each byte of the arena carries the tensor and the row last written to it. The model runs on these labels as the
generated C does, row by row within a group, and each layer must find the rows that it looks at, its scratch must meet
nothing that is still wanted, and what it writes must not destroy what it reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.operators.rows import is_image
from micronets_gen.plan.plan import Buffer, LayerCode, MemoryPlan, RolledGroup
from micronets_gen.plan.verify import MemoryPlanError

_NOTHING = 0
"""The label of bytes that hold no value."""
_ROWS = 1 << 20
"""Labels of a tensor: one a row."""
_Place = tuple[int, int, int]
"""First byte, byte after the last, and label."""


def verify_rows(plan: MemoryPlan, graph: Graph, layers: Sequence[LayerCode]) -> None:
    """Prove that every row is intact whenever a layer reads it.

    Args:
        plan: With its groups.
        graph: The model.
        layers: One entry an operator; those of groups with ``rolling``.

    Raises:
        MemoryPlanError: the plan is wrong.
    """
    _Replay(plan, graph, layers).run()


class _Replay:
    def __init__(self, plan: MemoryPlan, graph: Graph, layers: Sequence[LayerCode]) -> None:
        self._plan, self._graph, self._layers = plan, graph, layers
        self._bytes = np.full(plan.size, _NOTHING, dtype=np.int64)
        self._buffers = {t: b for b in plan.buffers for t in b.tensors}
        self._scratch = {b.name: b for b in plan.buffers if not b.tensors}
        self._named: dict[int, int] = {t.index: -1 for t in graph.tensors if t.is_constant}
        self._made = [0] * len(layers)

    def run(self) -> None:
        graph = self._graph
        groups = {group.first: group for group in self._plan.groups}
        for tensor in graph.inputs:
            self._write(self._places(tensor))
        index = 0
        while index < len(self._layers):
            group = groups.get(index)
            if group is not None:
                self._run_group(group)
                index = group.last + 1
            else:
                self._run_whole(graph.operators[index])
                index += 1
        for tensor in graph.outputs:
            self._read(self._places(tensor), f"the model's output {tensor}")

    def _run_whole(self, op: Operator) -> None:
        layer = self._layers[op.index]
        inputs = [place for t in op.inputs if t >= 0 for place in self._places(t)]
        if layer.alias:
            self._read(inputs, op.name)
            self._named[op.outputs[0]] = self._named.get(op.inputs[0], op.inputs[0])
            return
        outputs = [place for t in op.outputs if t >= 0 for place in self._places(t)]
        self._execute(op.name, layer, op.name, inputs, outputs, in_place=bool(layer.may_overwrite))

    def _execute(
        self,
        name: str,
        layer: LayerCode,
        owner: str,
        inputs: Sequence[_Place],
        outputs: Sequence[_Place],
        *,
        in_place: bool = False,
    ) -> None:
        """Let a layer use its scratch, read and write, in the order that destroys most."""
        if layer.scratch_bytes:
            scratch = self._scratch.get(f"{owner} scratch")
            _require(scratch is not None and scratch.size >= layer.scratch_bytes, f"{name} has no scratch")
            assert scratch is not None
            self._bytes[scratch.offset : scratch.offset + scratch.size] = _NOTHING
        self._read(inputs, name)
        self._write(outputs)
        self._read(outputs, name)
        if not in_place:
            self._read(inputs, f"{name} while it writes")

    def _run_group(self, group: RolledGroup) -> None:
        operators = self._graph.operators[group.first : group.last + 1]
        rolled = [op for op in operators if not self._layers[op.index].alias]
        for op in operators:
            _require(self._layers[op.index].rolling is not None, f"{op.name} does not roll")
            if self._layers[op.index].alias:
                self._named[op.outputs[0]] = self._named.get(op.inputs[0], op.inputs[0])
        makers = {t: op for op in rolled for t in op.outputs}
        whole = [op for op in rolled[:-1] if any(self._buffer(t).rows == 0 for t in op.outputs)]
        for op in (rolled[-1], *whole):
            for step in self._steps(op, makers, self._steps_of(op)):
                self._run_step(group, *step)

    def _steps_of(self, op: Operator) -> int:
        rolling = self._layers[op.index].rolling
        assert rolling is not None
        return rolling.steps

    def _steps(self, op: Operator, makers: dict[int, Operator], end: int) -> Iterator[tuple[Operator, int]]:
        """Yield what runs until an operator has made some of its steps: first what it looks at, a row at a time."""
        while self._made[op.index] < end:
            step = self._made[op.index]
            for tensor, _, end_of_rows in self._looks_at(op, step):
                maker = makers.get(tensor)
                if maker is not None:
                    whole = self._layers[maker.index].rolling
                    assert whole is not None
                    need = whole.steps if whole.rows.running else end_of_rows
                    yield from self._steps(maker, makers, need)
            yield op, step
            self._made[op.index] += 1

    def _looks_at(self, op: Operator, step: int) -> Iterator[tuple[int, list[int], int]]:
        """Yield each input that has rows, those that a step looks at, and how many there must be by then."""
        rolling = self._layers[op.index].rolling
        assert rolling is not None
        for tensor, window in zip(op.inputs, rolling.rows.windows, strict=True):
            if window is None:
                continue
            named = self._named.get(tensor, tensor)
            height = self._graph.tensor(named).shape[1]
            taps = [
                step * window.stride - window.padding + tap * window.dilation for tap in range(window.taps)
            ]
            yield named, [y for y in taps if 0 <= y < height], max(0, min(taps[-1] + 1, height))

    def _run_step(self, group: RolledGroup, op: Operator, step: int) -> None:
        layer = self._layers[op.index]
        rolling = layer.rolling
        assert rolling is not None
        inputs = [self._row(tensor, y) for tensor, taps, _ in self._looks_at(op, step) for y in taps]
        for tensor, window in zip(op.inputs, rolling.rows.windows, strict=True):
            if window is None and tensor >= 0:
                inputs += self._places(tensor)
        outputs: list[_Place] = []
        if rolling.rows.running:
            outputs += self._sums(op, step)
            if step == rolling.steps - 1:
                outputs += [place for t in op.outputs for place in self._places(t)]
        else:
            outputs = [self._row(t, step) for t in op.outputs]
        self._execute(op.name, layer, group.name, inputs, outputs)

    def _sums(self, op: Operator, step: int) -> list[_Place]:
        """Return the sums of a layer, which must still hold what the step before left."""
        buffer = self._scratch.get(f"{op.name} sums")
        _require(buffer is not None, f"{op.name} has no sums")
        assert buffer is not None
        place = (
            buffer.offset,
            buffer.offset + buffer.size,
            (len(self._graph.tensors) + op.index + 1) * _ROWS,
        )
        if step:
            self._read([place], op.name)
        return [place]

    def _places(self, tensor: int) -> list[_Place]:
        """Return the bytes of a whole tensor, row by row; nothing for a constant."""
        tensor = self._named.get(tensor, tensor)
        if tensor < 0:
            return []
        if is_image(self._graph.tensor(tensor)):
            return [self._row(tensor, y) for y in range(self._graph.tensor(tensor).shape[1])]
        buffer = self._buffer(tensor)
        _require(buffer.rows == 0, f"tensor {tensor} is a ring but has no rows")
        size = self._graph.tensor(tensor).nbytes
        _require(size <= buffer.size, f"tensor {tensor} is larger than its buffer")
        return [(buffer.offset, buffer.offset + size, (tensor + 1) * _ROWS)]

    def _row(self, tensor: int, y: int) -> _Place:
        buffer, shape = self._buffer(tensor), self._graph.tensor(tensor)
        rows = buffer.rows or shape.shape[1]
        size = shape.nbytes // shape.shape[1]
        _require(rows * size <= buffer.size, f"tensor {tensor} has {rows} rows, more than its buffer holds")
        at = buffer.offset + y % rows * size
        return at, at + size, (tensor + 1) * _ROWS + y

    def _buffer(self, tensor: int) -> Buffer:
        _require(tensor in self._buffers, f"tensor {tensor} has no place in the arena")
        return self._buffers[tensor]

    def _write(self, places: Sequence[_Place]) -> None:
        for start, end, label in places:
            self._bytes[start:end] = label

    def _read(self, places: Sequence[_Place], reader: str) -> None:
        for start, end, label in places:
            tensor, row = divmod(label, _ROWS)
            intact = bool((self._bytes[start:end] == label).all())
            _require(intact, f"row {row} of tensor {tensor - 1} is not there when {reader} reads it")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise MemoryPlanError(message)
