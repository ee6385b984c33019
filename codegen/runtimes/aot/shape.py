"""RESHAPE, SQUEEZE, EXPAND_DIMS: views."""

from __future__ import annotations

from codegen.graph import Graph, Operator
from codegen.plan import LayerCode
from codegen.runtimes.aot.copying import lower_copies, whole
from codegen.runtimes.aot.registry import lowering


@lowering("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def lower(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Share the input's bytes; a constant is copied, for outputs lie in the arena."""
    return lower_copies(graph, op, [whole(graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0]))])
