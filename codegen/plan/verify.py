"""The proof of a memory plan, which shares no code with the planner."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from heapq import heappop, heappush

import numpy as np

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.plan.plan import WORD, Buffer, LayerCode, MemoryPlan

_Span = tuple[int, int]
"""First byte of the arena, and the one after the last."""

_NOTHING = -1
"""The label of bytes that hold no value."""


class MemoryPlanError(AssertionError):
    """A memory plan is wrong: a defect of the planner, never of the model."""


def verify(plan: MemoryPlan, graph: Graph, layers: Sequence[LayerCode]) -> None:
    """Prove that a plan keeps every value until its last use, by running the model on labels.

    Shares no code with the planner: each byte of the arena carries the number of the value last written to
    it, and each operator must find the labels of its inputs intact.

    Raises:
        MemoryPlanError: the plan is wrong.
    """
    _require(len(layers) == len(graph.operators), "one layer an operator")
    _verify_buffers(plan)
    spans = _verified_spans(plan, graph)
    arena = _LabelledArena(plan, spans)
    constants = {t.index for t in graph.tensors if t.is_constant}
    scratch = {b.first: (b.offset, b.offset + b.size) for b in plan.buffers if not b.tensors}
    for tensor in dict.fromkeys(graph.inputs):
        if tensor not in constants:
            arena.write(tensor, tensor, -1)
    for tensor in graph.inputs:
        if tensor not in constants:
            arena.read(tensor, -1)
    for op, layer in zip(graph.operators, layers, strict=True):
        for tensor in op.inputs:
            if tensor >= 0 and tensor not in constants:
                arena.read(tensor, op.index)
        if not layer.alias:
            _execute(op, layer, spans, scratch, arena)
        elif op.inputs[0] in spans:
            source, view = op.inputs[0], op.outputs[0]
            _require(spans.get(view) == spans[source], f"view {view} does not lie on tensor {source}")
            arena.write(view, arena.labels[source], op.index)
        else:
            constants.add(op.outputs[0])
    for tensor in graph.outputs:
        if tensor not in constants:
            arena.read(tensor, len(graph.operators))


def _execute(
    op: Operator,
    layer: LayerCode,
    spans: dict[int, _Span],
    scratch: dict[int, _Span],
    arena: _LabelledArena,
) -> None:
    """Fill the scratch of an operator and write its outputs, which may lie on inputs only where that is allowed."""
    inputs = [(p, spans[t]) for p, t in enumerate(op.inputs) if t in spans]
    written = [(p, t) for p, t in enumerate(op.outputs) if t >= 0]
    for _, tensor in written:
        _require(tensor in spans, f"tensor {tensor} has no place in the arena")
    outputs = [(p, t, spans[t]) for p, t in written]
    if layer.scratch_bytes:
        _require(op.index in scratch, f"operator {op.index} has no scratch buffer")
        low, high = scratch[op.index]
        _require(high - low >= layer.scratch_bytes, f"scratch of operator {op.index} is too small")
        busy = (*(span for _, span in inputs), *(span for _, _, span in outputs))
        shared = any(_overlap((low, high), span) for span in busy)
        _require(not shared, f"scratch of operator {op.index} is shared")
        arena.fill((low, high), _NOTHING)
    for position, tensor, span in outputs:
        for input_position, other in inputs:
            if _overlap(span, other):
                allowed = (input_position, position) in layer.may_overwrite and span[0] == other[0]
                _require(allowed, f"operator {op.index} may not overwrite input {input_position}")
        arena.write(tensor, tensor, op.index)
    for _, tensor, _ in outputs:
        arena.read(tensor, op.index)


class _LabelledArena:
    """An arena whose bytes carry labels, one for each stretch that no buffer and no tensor begins or ends in.

    Attributes:
        labels: Of what each tensor holds.
    """

    def __init__(self, plan: MemoryPlan, spans: dict[int, _Span]) -> None:
        ends = {b.offset for b in plan.buffers} | {b.offset + b.size for b in plan.buffers}
        ends.update(end for span in spans.values() for end in span)
        self._ends = sorted(ends)
        self._cells = np.full(len(self._ends), _NOTHING, dtype=np.int64)
        self._spans = spans
        self._buffers: dict[int, list[Buffer]] = {}
        for buffer in sorted(plan.buffers, key=lambda b: b.first):
            if buffer.size:
                self._buffers.setdefault(buffer.offset, []).append(buffer)
        self.labels: dict[int, int] = {}

    def fill(self, span: _Span, label: int) -> None:
        self._cells[self._stretch(span)] = label

    def write(self, tensor: int, label: int, moment: int) -> None:
        _require(tensor in self._spans, f"tensor {tensor} has no place in the arena")
        self.fill(self._spans[tensor], label)
        self.labels[tensor] = label
        self._require_buffer(tensor, moment)

    def read(self, tensor: int, moment: int) -> None:
        _require(tensor in self.labels, f"tensor {tensor} is read at operator {moment} before it is written")
        intact = bool((self._cells[self._stretch(self._spans[tensor])] == self.labels[tensor]).all())
        _require(intact, f"tensor {tensor} is overwritten before operator {moment} reads it")
        self._require_buffer(tensor, moment)

    def _stretch(self, span: _Span) -> slice:
        return slice(bisect_left(self._ends, span[0]), bisect_left(self._ends, span[1]))

    def _require_buffer(self, tensor: int, moment: int) -> None:
        """A buffer accounts for the tensor's bytes at a moment: its own, or one that it shares in place."""
        start, end = self._spans[tensor]
        here = self._buffers.get(start, [])
        # No two buffers overlap, so the last that began is the only one that can be live.
        place = bisect_right(here, moment, key=lambda b: b.first) - 1
        covered = place >= 0 and here[place].last >= moment and start + here[place].size >= end
        _require(covered or start == end, f"tensor {tensor} has no buffer at operator {moment}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise MemoryPlanError(message)


def _overlap(a: _Span, b: _Span) -> bool:
    return max(a[0], b[0]) < min(a[1], b[1])


def _verified_spans(plan: MemoryPlan, graph: Graph) -> dict[int, _Span]:
    """Bytes of every tensor in the plan, each checked against its buffer."""
    spans: dict[int, _Span] = {}
    for buffer in plan.buffers:
        for index in buffer.tensors:
            tensor = graph.tensor(index)
            _require(index not in spans, f"tensor {index} is in two buffers")
            _require(not tensor.is_constant, f"constant {index} is in the arena")
            _require(tensor.nbytes <= buffer.size, f"tensor {index} is larger than its buffer")
            _require(buffer.offset % max(WORD, tensor.dtype.size) == 0, f"tensor {index} is misaligned")
            spans[index] = (buffer.offset, buffer.offset + tensor.nbytes)
    return spans


def _verify_buffers(plan: MemoryPlan) -> None:
    """Check each buffer, that no two share bytes at any moment, and the peak."""
    live: list[tuple[int, int]] = []
    ending: list[tuple[int, int, int]] = []
    load = peak = 0
    for buffer in sorted(plan.buffers, key=lambda b: b.first):
        start, end = buffer.offset, buffer.offset + buffer.size
        _require(buffer.first <= buffer.last, f"{buffer.name} ends before it begins")
        _require(start >= 0 and end <= plan.size, f"{buffer.name} is outside")
        _require(start % WORD == 0, f"{buffer.name} is misaligned")
        while ending and ending[0][0] < buffer.first:
            _, low, high = heappop(ending)
            del live[bisect_left(live, (low, high))]
            load -= high - low
        place = bisect_left(live, (start, end))
        below, above = live[:place][-1:], live[place : place + 1]
        free = all(b[1] <= start for b in below) and all(end <= a[0] for a in above)
        _require(free, f"two buffers share bytes at operator {buffer.first}")
        live.insert(place, (start, end))
        heappush(ending, (buffer.last, start, end))
        load += end - start
        peak = max(peak, load)
    _require(peak == plan.peak, f"the peak is {peak} bytes, not {plan.peak}")
