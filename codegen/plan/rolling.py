"""The memory plan of a model some of whose layers run row by row.

A group of such layers is one moment: its rings, its inputs and outputs and the scratch that its layers share are live
together. So it is one operator of a smaller graph, whose outputs the rings are, and the planner for whole tensors lays
that out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from micronets_gen.model.graph import DType, Graph, NoOptions, Operator, Tensor
from micronets_gen.operators.rows import row_bytes
from micronets_gen.plan.grouping import Segment
from micronets_gen.plan.plan import Buffer, LayerCode, MemoryPlan, RolledGroup
from micronets_gen.plan.schedule import ring_heights, roots_of, stages_of, wanted_outside
from micronets_gen.plan.scratch import place_scratch
from micronets_gen.plan.verify_rows import verify_rows

Planned = tuple[list[LayerCode], MemoryPlan]


def plan_rolled(graph: Graph, layers: Sequence[LayerCode], segments: Sequence[Segment]) -> Planned:
    """Lay out the arena for layers of which some roll.

    Args:
        graph: The model.
        layers: One entry an operator, in order; those of a group with ``rolling``.
        segments: The groups, and the layers between them.

    Returns:
        The layers, those of a group with what makes a row, and the layout; verified.
    """
    moments = [_moment(graph, layers, segment) for segment in segments]
    small = _collapsed(graph, moments)
    codes, memory = place_scratch(small, [moment.code for moment in moments])
    chosen: list[LayerCode] = []
    for moment, code in zip(moments, codes, strict=True):
        if moment.segment.rolls:
            rolled = layers[moment.segment.first : moment.segment.last + 1]
            chosen += [_one_row(layer, on_stack=bool(code.stack_bytes)) for layer in rolled]
        else:
            chosen.append(replace(code, rolling=None))
    plan = _expanded(graph, layers, moments, memory)
    verify_rows(plan, graph, chosen)
    return chosen, plan


@dataclass(frozen=True)
class _Moment:
    """What is executed at once.

    Attributes:
        name: Of the layer, or of the group.
        inputs: Tensors of the model that it reads.
        outputs: Tensors of the model that it makes for others.
        code: Of the layer; of a group, its shared scratch.
        rings: Tensors that live in it only, with the rows and the bytes of their rings.
        kept: Sums, by operator, with their bytes.
    """

    segment: Segment
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    code: LayerCode
    rings: tuple[tuple[int, int, int], ...] = ()
    kept: tuple[tuple[int, int], ...] = ()


def _moment(graph: Graph, layers: Sequence[LayerCode], segment: Segment) -> _Moment:
    operators = graph.operators[segment.first : segment.last + 1]
    if not segment.rolls:
        (op,) = operators
        return _Moment(segment, op.name, op.inputs, op.outputs, layers[op.index])
    stages = stages_of(graph, layers, segment.first, segment.last)
    made = {t for op in operators for t in op.outputs}
    outside = wanted_outside(graph, segment.first, segment.last)
    rings = tuple(
        (t, rows, rows * row_bytes(graph.tensor(t)))
        for t, rows in ring_heights(stages, outside).items()
        if t not in outside
    )
    rolling = [(op.index, layers[op.index].rolling) for op in operators]
    return _Moment(
        segment,
        f"{operators[0].name}_to_{operators[-1].name}",
        tuple(dict.fromkeys(t for op in operators for t in op.inputs if t >= 0 and t not in made)),
        tuple(t for op in operators for t in op.outputs if t in outside),
        LayerCode((), (), scratch_bytes=max(r.code.scratch_bytes for _, r in rolling if r)),
        rings,
        tuple((index, r.kept_bytes) for index, r in rolling if r and r.kept_bytes),
    )


def _collapsed(graph: Graph, moments: Sequence[_Moment]) -> Graph:
    """Return the graph whose operators are the moments; rings and sums are outputs that nothing reads."""
    tensors = list(graph.tensors)

    def add(name: str, size: int) -> int:
        tensors.append(Tensor(len(tensors), name, (size,), DType.INT8))
        return len(tensors) - 1

    operators = []
    for index, moment in enumerate(moments):
        held = [add("ring", size) for _, _, size in moment.rings] + [
            add("sums", size) for _, size in moment.kept
        ]
        outputs = (*moment.outputs, *held)
        operators.append(Operator(index, "MOMENT", 1, moment.inputs, outputs, NoOptions(), moment.name))
    return Graph(graph.name, tuple(tensors), tuple(operators), graph.inputs, graph.outputs)


def _one_row(layer: LayerCode, *, on_stack: bool) -> LayerCode:
    """Return a layer that makes one row at a time, its scratch where the group has it."""
    rolling = layer.rolling
    assert rolling is not None
    code = replace(rolling.code, rolling=rolling, alias=layer.alias)
    return replace(code, scratch_bytes=0, stack_bytes=code.scratch_bytes) if on_stack else code


def _expanded(
    graph: Graph, layers: Sequence[LayerCode], moments: Sequence[_Moment], memory: MemoryPlan
) -> MemoryPlan:
    """Return the layout of the moments as one of the model: by operators, with rings for tensors."""
    count = len(graph.tensors)
    added: list[tuple[tuple[int, ...], str, int]] = []
    roots = roots_of(graph, layers)
    names = {t: op.name for op in graph.operators for t in op.outputs}
    for moment in moments:
        for tensor, rows, _ in moment.rings:
            views = (view for view, root in roots.items() if root == tensor)
            added.append(((tensor, *views), names[tensor], rows))
        added += [((), f"{graph.operators[index].name} sums", 0) for index, _ in moment.kept]
    first = {-1: -1, len(moments): len(graph.operators)} | {i: m.segment.first for i, m in enumerate(moments)}
    last = {-1: -1, len(moments): len(graph.operators)} | {i: m.segment.last for i, m in enumerate(moments)}
    buffers = []
    for buffer in memory.buffers:
        tensors, name, rows = buffer.tensors, buffer.name, 0
        if tensors and tensors[0] >= count:
            tensors, name, rows = added[tensors[0] - count]
        span = (first[buffer.first], last[buffer.last])
        buffers.append(Buffer(tensors, name, buffer.offset, buffer.size, *span, rows))
    groups = tuple(
        RolledGroup(moment.name, moment.segment.first, moment.segment.last)
        for moment in moments
        if moment.segment.rolls
    )
    return replace(memory, buffers=tuple(buffers), groups=groups)
