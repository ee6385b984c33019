"""From a graph to layers of kernel calls and an arena."""

from __future__ import annotations

from micronets_gen.model.graph import Graph
from micronets_gen.operators import operator_specs
from micronets_gen.plan.plan import Layer, MemoryPlan
from micronets_gen.plan.scratch import place_scratch
from micronets_gen.runtimes.aot.registry import lowerings


def plan_layers(graph: Graph, simd: str) -> tuple[tuple[Layer, ...], MemoryPlan]:
    """Choose kernels and lay out the arena.

    Args:
        graph: A model whose ``check_model`` found no problem.
        simd: ``c``, ``dsp`` or ``mve``: the kernels' instruction set.
    """
    specs = operator_specs()
    codes = [lowerings()[op.kind](graph, op, simd) for op in graph.operators]
    codes, memory = place_scratch(graph, codes)
    layers = tuple(
        Layer(
            index=op.index,
            name=op.name,
            kind=op.kind,
            macs=specs[op.kind].macs(graph, op),
            kernel=code.calls[0].function if code.calls else "(none: shares bytes)",
            code=code,
        )
        for op, code in zip(graph.operators, codes, strict=True)
    )
    return layers, memory
