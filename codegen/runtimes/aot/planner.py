"""From a graph to layers of kernel calls and an arena."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from micronets_gen.model.graph import Graph
from micronets_gen.operators import operator_specs
from micronets_gen.plan.memory import plan_memory
from micronets_gen.plan.plan import Layer, LayerCode, MemoryPlan
from micronets_gen.runtimes.aot.registry import lowerings


def plan_layers(graph: Graph, simd: str) -> tuple[tuple[Layer, ...], MemoryPlan]:
    """Choose kernels and lay out the arena.

    Args:
        graph: A model whose ``check_model`` found no problem.
        simd: ``c``, ``dsp`` or ``mve``: the kernels' instruction set.
    """
    specs = operator_specs()
    codes = [lowerings()[op.kind](graph, op, simd) for op in graph.operators]
    codes, memory = _with_scratch(graph, codes)
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


def _with_scratch(graph: Graph, codes: Sequence[LayerCode]) -> tuple[list[LayerCode], MemoryPlan]:
    """Put each layer's scratch into gaps of the arena; where there is none, it goes on the stack.

    The arena then never exceeds what the tensors need, and the scratch of the layers at the peak costs its
    bytes once, where the stack has room anyway.
    """
    bare = [replace(code, scratch_bytes=0, stack_bytes=code.scratch_bytes) for code in codes]
    everything = plan_memory(graph, codes)
    tensors_only = plan_memory(graph, bare)
    if everything.size <= tensors_only.size:
        return list(codes), everything
    chosen, memory = bare, tensors_only
    for i, code in enumerate(codes):
        if code.scratch_bytes == 0:
            continue
        trial = [*chosen[:i], code, *chosen[i + 1 :]]
        plan = plan_memory(graph, trial)
        if plan.size <= tensors_only.size:
            chosen, memory = trial, plan
    return chosen, memory
