"""RESHAPE, SQUEEZE, EXPAND_DIMS: views."""

from __future__ import annotations

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.plan.plan import LayerCode
from micronets_gen.runtimes.aot.copying import lower_copies, whole
from micronets_gen.runtimes.aot.registry import lowering


@lowering("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def lower(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Share the input's bytes; a constant is copied, for outputs lie in the arena."""
    return lower_copies(graph, op, [whole(graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0]))])
