"""The C of layers that run row by row: where their rows lie, and who asks whom for how many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from micronets_gen.model.graph import Graph, Operator, Tensor
from micronets_gen.operators.rows import Window, row_bytes
from micronets_gen.plan.plan import Call, Layer, LayerCode, MemoryPlan, RolledGroup
from micronets_gen.plan.schedule import Stage, sinks, stages_of, wanted_outside


@dataclass(frozen=True)
class RolledStage:
    """A layer of a group.

    Attributes:
        index: Of the layer.
        name: Of the layer.
        wants: What it asks others for before it makes row ``row``: name, and an expression of how many rows.
    """

    index: int
    name: str
    wants: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RolledSource:
    """A group.

    Attributes:
        name: Of the group.
        first: Index of the first layer, and ``last`` of the last.
        rings: What each ring holds, in words.
        stages: In order.
        driven: From which stages it is driven, and how many rows each has.
    """

    name: str
    first: int
    last: int
    rings: tuple[str, ...]
    stages: tuple[RolledStage, ...]
    driven: tuple[tuple[str, int], ...]


def is_one_row(op: Operator, code: LayerCode, call: Call, tensor: int) -> bool:
    """Whether a call that makes a row is given a tensor's row, and not where the tensor begins."""
    assert code.rolling is not None
    rows = code.rolling.rows
    if tensor in op.outputs:
        return not rows.running
    return not (call.rows and not rows.running) and rows.windows[op.inputs.index(tensor)] == Window()


def row_of(tensor: Tensor, place: str, ring: int) -> str:
    """Return the C of where row ``row`` of a tensor lies.

    Args:
        tensor: The tensor.
        place: The name of its offset.
        ring: Rows of its ring; 0 where it is whole.
    """
    height = ring or tensor.shape[1]
    if height == 1:
        return f"at({place})"
    return f"row_at({place}, row{f' % {ring}' if ring else ''}, {row_bytes(tensor)})"


def rolled_group(
    graph: Graph, layers: Sequence[Layer], memory: MemoryPlan, group: RolledGroup
) -> RolledSource:
    """Return the plain values of a group's C."""
    codes = [layer.code for layer in layers if layer.code]
    stages = stages_of(graph, codes, group.first, group.last)
    names = {stage.op: layers[stage.op].name for stage in stages}
    makers = {t: stage for stage in stages for t in stage.writes}
    width = max(map(len, names.values()))
    rings = tuple(
        f"{names[stage.op]:{width}}  {memory.ring_of(t)} of {graph.tensor(t).shape[1]} rows"
        for stage in stages
        for t in stage.writes
        if memory.ring_of(t)
    )
    outside = wanted_outside(graph, group.first, group.last)
    driven = tuple((names[stages[i].op], stages[i].steps) for i in sinks(stages, outside))
    rolled = tuple(
        RolledStage(
            stage.op,
            names[stage.op],
            tuple(
                dict.fromkeys(
                    (names[makers[t].op], _rows_wanted(stage, window, makers[t]))
                    for t, window in stage.reads
                    if t in makers
                )
            ),
        )
        for stage in stages
    )
    return RolledSource(group.name, group.first, group.last, rings, rolled, driven)


def _rows_wanted(stage: Stage, window: Window, maker: Stage) -> str:
    """Return the C of how many rows must be there for row ``row``."""
    if maker.running or not window.stride:
        return str(maker.steps)
    behind = window.end(0)
    rows = "row" if window.stride == 1 else f"{window.stride} * row"
    if behind:
        rows += f" + {behind}" if behind > 0 else f" - {-behind}"
    return f"least({rows}, {maker.steps})" if window.end(stage.steps - 1) > maker.steps else rows
