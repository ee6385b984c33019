"""TRANSPOSE: a strided copy; nothing at all where only dimensions of size 1 move."""

from __future__ import annotations

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.operators.transpose import permutation
from micronets_gen.plan.plan import LayerCode
from micronets_gen.runtimes.aot.copying import Copy, lower_copies, nest, strides
from micronets_gen.runtimes.aot.registry import lowering


@lowering("TRANSPOSE")
def lower(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Walk the output in order and the input by permuted strides."""
    source, shape = strides(graph.tensor(op.inputs[0]).shape), graph.tensor(op.outputs[0]).shape
    loops = nest(shape, [source[axis] for axis in permutation(graph, op)], strides(shape))
    return lower_copies(graph, op, [Copy(op.inputs[0], op.outputs[0], loops)])
