"""Which layers have their scratch in the arena, and which on the stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from micronets_gen.common.integers import round_up
from micronets_gen.model.graph import Graph
from micronets_gen.plan.memory import plan_memory, timeline
from micronets_gen.plan.plan import WORD, Buffer, LayerCode, MemoryPlan
from micronets_gen.plan.verify import verify

_MOST_LAYOUTS = 8
"""How many further layouts are tried at most for scratch that finds no gap in the first."""

_LAYOUT_WORK = 100_000
"""Bound of these layouts together, in live buffers summed over all operators: a wide model gets fewer."""


def place_scratch(graph: Graph, layers: Sequence[LayerCode]) -> tuple[list[LayerCode], MemoryPlan]:
    """Put each layer's scratch into gaps of the arena; where there is none, it goes on the stack.

    The arena then never exceeds what the tensors need, and the scratch of the layers at the peak costs its
    bytes once, where the stack has room anyway.

    Args:
        graph: The model.
        layers: One entry an operator, in order, whose ``scratch_bytes`` are all that its kernel asks for.

    Returns:
        The layers, with the scratch of some in ``stack_bytes`` instead, and the layout for them.
    """
    chosen = [_on_stack(layer) for layer in layers]
    plan = plan_memory(graph, chosen)
    if not _outgrown(plan, chosen):
        everything = plan_memory(graph, layers)
        if everything.size <= plan.size:
            return list(layers), everything
    chosen, plan = _fill_gaps(graph, layers, chosen, plan)
    outgrown = _outgrown(plan, chosen)
    waiting = [i for i, code in enumerate(chosen) if code.stack_bytes and i not in outgrown]
    # The largest on the stack decides what is reserved for it.
    groups = [sorted(waiting, key=lambda i: -layers[i].scratch_bytes)] if waiting else []
    for _ in range(_layouts(plan)):
        if not groups:
            break
        group = groups.pop()
        trial = [layers[i] if i in group else code for i, code in enumerate(chosen)]
        layout = plan_memory(graph, trial)
        if layout.size <= plan.size:
            chosen, plan = _fill_gaps(graph, layers, trial, layout)
        elif len(group) > 1:
            half = len(group) // 2
            groups += [group[half:], group[:half]]
    verify(plan, graph, chosen)
    return chosen, plan


def _outgrown(plan: MemoryPlan, layers: Sequence[LayerCode]) -> set[int]:
    """Return the layers whose scratch is on the stack and too large for the arena beside what is live with it."""
    live = timeline(plan, len(layers))
    return {i for i, layer in enumerate(layers) if layer.stack_bytes > plan.size - live[i + 1]}


def _layouts(plan: MemoryPlan) -> int:
    live = sum(buffer.last - buffer.first + 1 for buffer in plan.buffers)
    return max(1, min(_MOST_LAYOUTS, _LAYOUT_WORK // max(live, 1)))


def _on_stack(layer: LayerCode) -> LayerCode:
    return replace(layer, scratch_bytes=0, stack_bytes=layer.scratch_bytes)


def _fill_gaps(
    graph: Graph, layers: Sequence[LayerCode], chosen: Sequence[LayerCode], plan: MemoryPlan
) -> tuple[list[LayerCode], MemoryPlan]:
    """Move scratch from the stack into the arena where a layout leaves enough bytes in one piece."""
    found = list(chosen)
    added = []
    peak = plan.peak
    for op, live in zip(graph.operators, _live(plan, len(layers)), strict=True):
        wanted = found[op.index].stack_bytes
        offset = _gap(live, wanted, plan.size) if wanted else None
        if offset is not None:
            found[op.index] = layers[op.index]
            added.append(Buffer((), f"{op.name} scratch", offset, wanted, op.index, op.index))
            peak = max(peak, wanted + sum(b.size for b in live))
    buffers = sorted((*plan.buffers, *added), key=lambda b: (b.offset, b.first, b.tensors))
    return found, replace(plan, buffers=tuple(buffers), peak=peak)


def _live(plan: MemoryPlan, operators: int) -> list[list[Buffer]]:
    """Return the buffers that are live during each operator, by offset."""
    live: list[list[Buffer]] = [[] for _ in range(operators)]
    for buffer in sorted(plan.buffers, key=lambda b: b.offset):
        for moment in range(max(buffer.first, 0), min(buffer.last + 1, operators)):
            live[moment].append(buffer)
    return live


def _gap(live: Sequence[Buffer], size: int, arena: int) -> int | None:
    """Return the lowest offset of ``size`` free bytes in an arena."""
    offset = 0
    for buffer in live:
        if offset + size <= buffer.offset:
            break
        offset = max(offset, round_up(buffer.offset + buffer.size, WORD))
    return offset if offset + size <= arena else None
