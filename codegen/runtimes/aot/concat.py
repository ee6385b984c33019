"""CONCATENATION and PACK: one strided copy an input."""

from __future__ import annotations

from itertools import accumulate
from math import prod

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.operators.concat import concatenation_axis, pack_axis
from micronets_gen.plan.plan import LayerCode
from micronets_gen.runtimes.aot.copying import Copy, Loop, lower_copies
from micronets_gen.runtimes.aot.registry import lowering


@lowering("CONCATENATION")
def lower_concatenation(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Copy each input between its neighbours along the axis."""
    axis = concatenation_axis(graph, op)
    assert axis is not None
    return _join(graph, op, axis, [prod(graph.tensor(i).shape[axis:]) for i in op.inputs])


@lowering("PACK")
def lower_pack(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Copy each input to its index of the new axis."""
    axis = pack_axis(graph, op)
    assert axis is not None
    return _join(graph, op, axis, [prod(graph.tensor(i).shape[axis:]) for i in op.inputs])


def _join(graph: Graph, op: Operator, axis: int, runs: list[int]) -> LayerCode:
    """Interleave runs of elements, one of every input, once for each index before ``axis``."""
    outer = prod(graph.tensor(op.outputs[0]).shape[:axis])
    offsets = accumulate(runs, initial=0)
    copies = [
        Copy(source, op.outputs[0], (Loop(outer, run, sum(runs)), Loop(run, 1, 1)), out_offset=offset)
        for source, run, offset in zip(op.inputs, runs, offsets, strict=False)
    ]
    return lower_copies(graph, op, copies)
