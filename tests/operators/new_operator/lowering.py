"""ABS: one pass."""

from __future__ import annotations

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.plan.plan import Call, LayerCode
from micronets_gen.runtimes.aot.registry import lowering


@lowering("ABS")
def lower(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Call the kernel."""
    x = graph.tensor(op.inputs[0])
    params = (("count", x.elements), ("zero_point", x.zero_point))
    return LayerCode(("mn_absolute.c",), (Call("mn_abs_s8", params, op.inputs, op.outputs),))
