"""From a graph to layers of kernel calls and an arena."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from micronets_gen.model.graph import Graph
from micronets_gen.operators import operator_specs
from micronets_gen.plan.grouping import Grouping
from micronets_gen.plan.plan import Layer, LayerCode, MemoryPlan
from micronets_gen.plan.rolling import plan_rolled
from micronets_gen.plan.scratch import place_scratch
from micronets_gen.runtimes.aot.registry import lowerings
from micronets_gen.runtimes.aot.rows import rolling

Planned = tuple[tuple[Layer, ...], MemoryPlan]


def plan_layers(graph: Graph, simd: str, optimize: str = "speed") -> Planned:
    """Choose kernels and lay out the arena.

    Args:
        graph: A model whose ``check_model`` found no problem.
        simd: ``c``, ``dsp`` or ``mve``: the kernels' instruction set.
        optimize: ``speed``: every tensor is whole; ``ram``: the smallest arena, layers rolling as they must.
    """
    codes = _lower(graph, simd)
    whole = place_scratch(graph, codes)
    if optimize == "speed":
        return _layers(graph, whole[0]), whole[1]
    codes = _rolling(graph, simd, codes)
    rolled = plan_rolled(graph, codes, Grouping(graph, codes).best())
    chosen, memory = min(whole, rolled, key=lambda planned: planned[1].size)
    return _layers(graph, chosen), memory


def _lower(graph: Graph, simd: str) -> list[LayerCode]:
    return [lowerings()[op.kind](graph, op, simd) for op in graph.operators]


def _rolling(graph: Graph, simd: str, codes: Sequence[LayerCode]) -> list[LayerCode]:
    """Return the layers with how they roll, where they can."""
    return [
        replace(code, rolling=rolling(graph, op, simd, lowerings()[op.kind], code))
        for op, code in zip(graph.operators, codes, strict=True)
    ]


def _layers(graph: Graph, codes: Sequence[LayerCode]) -> tuple[Layer, ...]:
    specs = operator_specs()
    return tuple(
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
