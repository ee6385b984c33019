"""Lifetimes of tensors and their offsets in the arena.

Tensors that share bytes by meaning (views) form one *value*; values that follow each other in the same bytes
(in-place results) form one *chain*, which has one offset and, at every moment, the size of the largest value
alive in it. Moments are operator indices; -1 is before the first operator, ``len(operators)`` after the last.

Working in place at an operator saves bytes at that operator and nowhere else, so the choice is made per
operator. What remains is dynamic storage allocation (:mod:`micronets_gen.plan.offsets`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.plan.offsets import Allocation, Block, Step, allocate, live_bytes
from micronets_gen.plan.plan import WORD, Buffer, LayerCode, MemoryPlan
from micronets_gen.plan.verify import verify


@dataclass(frozen=True)
class _Value:
    """Tensors that hold the same bytes, from ``first`` to ``last``."""

    tensors: tuple[int, ...]
    name: str
    size: int
    align: int
    first: int
    last: int


@dataclass(frozen=True)
class _Merge:
    """``target`` may take the bytes of ``source`` at operator ``moment``, saving ``saved`` bytes there."""

    source: int
    target: int
    moment: int
    saved: int


@dataclass(frozen=True)
class _Chain:
    """Values that follow each other at one offset."""

    values: tuple[_Value, ...]
    block: Block


@dataclass(frozen=True)
class _Solution:
    """Chains and where they lie."""

    chains: tuple[_Chain, ...]
    allocation: Allocation

    @property
    def size(self) -> int:
        return self.allocation.size


def plan_memory(graph: Graph, layers: Sequence[LayerCode]) -> MemoryPlan:
    """Lay out every tensor that is not a constant, and every scratch buffer.

    A graph input may be overwritten once it has been read for the last time. The output of an ``alias`` layer
    whose input is a constant is that constant and has no place in the arena.

    Args:
        graph: The model.
        layers: One entry an operator, in order.

    Returns:
        Buffers by offset, then time. ``size`` exceeds ``peak`` only where alignment to words or the shape of
        the lifetimes leaves no tighter plan that the search found.
    """
    values, merges = _values(graph, layers)
    moments = len(graph.operators)
    everything = best = _solve(_chains(values, merges), moments)
    if not everything.allocation.optimal:
        # A merge that the peak does not need only ties two offsets together: try without those.
        live = live_bytes([chain.block for chain in everything.chains], moments)
        for merge in merges:
            live[merge.moment + 1] += merge.saved
        needed = [m for m in merges if live[m.moment + 1] > everything.allocation.peak]
        if len(needed) < len(merges):
            best = min(everything, _solve(_chains(values, needed), moments), key=lambda s: s.size)
    plan = MemoryPlan(_buffers(best), best.size, everything.allocation.peak)
    verify(plan, graph, layers)
    return plan


def _solve(chains: tuple[_Chain, ...], moments: int) -> _Solution:
    return _Solution(chains, allocate([chain.block for chain in chains], moments))


def timeline(plan: MemoryPlan, operators: int) -> tuple[int, ...]:
    """Bytes live before the first operator, during each, and after the last: ``operators + 2`` values."""
    live = [0] * (operators + 2)
    for buffer in plan.buffers:
        for moment in range(buffer.first, buffer.last + 1):
            live[moment + 1] += buffer.size
    return tuple(live)


# --- from the graph to chains ----------------------------------------------------------------------------


def _lifetimes(graph: Graph) -> dict[int, tuple[int, int]]:
    """First and last moment of every tensor that is not a constant and that anything writes."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}

    def touch(tensor: int, moment: int) -> None:
        if tensor >= 0 and not graph.tensor(tensor).is_constant:
            first.setdefault(tensor, moment)
            last[tensor] = moment

    for tensor in graph.inputs:
        touch(tensor, -1)
    for moment, op in enumerate(graph.operators):
        for tensor in (*op.inputs, *op.outputs):
            touch(tensor, moment)
    for tensor in graph.outputs:
        touch(tensor, len(graph.operators))
    return {tensor: (first[tensor], last[tensor]) for tensor in first}


def _roots(graph: Graph, layers: Sequence[LayerCode]) -> dict[int, int]:
    """For every output of a view, the tensor at the start of its views."""
    roots: dict[int, int] = {}
    for op, layer in zip(graph.operators, layers, strict=True):
        if layer.alias:
            roots[op.outputs[0]] = roots.get(op.inputs[0], op.inputs[0])
    return roots


def _values(graph: Graph, layers: Sequence[LayerCode]) -> tuple[list[_Value], list[_Merge]]:
    lives = _lifetimes(graph)
    roots = _roots(graph, layers)
    names = {tensor: op.name for op in graph.operators for tensor in op.outputs}
    members: dict[int, list[int]] = {}
    for tensor in lives:
        root = roots.get(tensor, tensor)
        if not graph.tensor(root).is_constant:
            members.setdefault(root, []).append(tensor)

    values: list[_Value] = []
    owner: dict[int, int] = {}
    for root, tensors in members.items():
        owner.update(dict.fromkeys(tensors, len(values)))
        values.append(
            _Value(
                tensors=tuple(tensors),
                name=names.get(root, graph.tensor(root).name),
                size=max(graph.tensor(t).nbytes for t in tensors),
                align=max(WORD, *(graph.tensor(t).dtype.size for t in tensors)),
                first=min(lives[t][0] for t in tensors),
                last=max(lives[t][1] for t in tensors),
            )
        )
    merges = [
        merge
        for op, layer in zip(graph.operators, layers, strict=True)
        for merge in _best_merges(_possible_merges(op, layer, values, owner))
    ]
    values.extend(
        _Value((), f"{op.name} scratch", layer.scratch_bytes, WORD, op.index, op.index)
        for op, layer in zip(graph.operators, layers, strict=True)
        if layer.scratch_bytes
    )
    return values, merges


def _possible_merges(
    op: Operator, layer: LayerCode, values: Sequence[_Value], owner: Mapping[int, int]
) -> Iterator[_Merge]:
    """Pairs of values that may share bytes at ``op``: the source dies there and the kernel allows it."""
    if layer.alias:
        return
    for source in dict.fromkeys(owner[t] for t in op.inputs if t in owner):
        positions = [p for p, t in enumerate(op.inputs) if owner.get(t) == source]
        for position, tensor in enumerate(op.outputs):
            # A tensor read through several operands is overwritten only if that is allowed for each of them.
            allowed = all((p, position) in layer.may_overwrite for p in positions)
            if tensor in owner and allowed and values[source].last == op.index:
                target = owner[tensor]
                yield _Merge(source, target, op.index, min(values[source].size, values[target].size))


def _best_merges(candidates: Iterable[_Merge]) -> tuple[_Merge, ...]:
    """The disjoint pairs that save most; an operator has a handful of candidates."""

    def search(rest: tuple[_Merge, ...]) -> tuple[_Merge, ...]:
        if not rest:
            return ()
        head, tail = rest[0], rest[1:]
        free = tuple(m for m in tail if m.source != head.source and m.target != head.target)
        return max((head, *search(free)), search(tail), key=lambda merges: sum(m.saved for m in merges))

    ranked = sorted(candidates, key=lambda m: -m.saved)
    targets: dict[int, int] = {}
    kept = []
    for merge in ranked:
        # Of n sources for one target, only as many as there are targets can ever be needed.
        targets[merge.target] = targets.get(merge.target, 0) + 1
        if targets[merge.target] <= 4:
            kept.append(merge)
    return search(tuple(kept[:12]))


def _chains(values: Sequence[_Value], merges: Iterable[_Merge]) -> tuple[_Chain, ...]:
    following = {m.source: m.target for m in merges}
    taken = set(following.values())
    chains = []
    for start in range(len(values)):
        if start in taken:
            continue
        path = [start]
        while path[-1] in following:
            path.append(following[path[-1]])
        members = tuple(values[i] for i in path)
        chains.append(_Chain(members, Block(_steps(members), max(v.align for v in members))))
    return tuple(chains)


def _steps(values: Sequence[_Value]) -> tuple[Step, ...]:
    """Return the sizes of values that follow each other, the larger one where two meet."""
    steps: list[Step] = []
    for value in values:
        mine = [Step(value.first, value.last, value.size)]
        if steps and steps[-1].last >= value.first:
            before = steps.pop()
            mine = [
                Step(before.first, value.first - 1, before.size),
                Step(value.first, before.last, max(before.size, value.size)),
                Step(before.last + 1, value.last, value.size),
            ]
        for step in mine:
            if steps and steps[-1].size == step.size:
                steps[-1] = replace(steps[-1], last=step.last)
            elif step.first <= step.last:
                steps.append(step)
    return tuple(steps)


def _buffers(solution: _Solution) -> tuple[Buffer, ...]:
    found = [
        replace(buffer, offset=offset)
        for chain, offset in zip(solution.chains, solution.allocation.offsets, strict=True)
        for buffer in _rectangles(chain)
    ]
    return tuple(sorted(found, key=lambda b: (b.offset, b.first, b.tensors)))


def _rectangles(chain: _Chain) -> Iterator[Buffer]:
    """Cut a chain into stretches of one size, so that buffers never overlap in time and bytes."""
    remaining = list(chain.values)
    for step in chain.block.steps:
        # A value goes to the stretch of its own size; one that always lies within a larger one, to that.
        inside = [
            v for v in remaining if v.first <= step.last and (v.size == step.size or v.last <= step.last)
        ]
        remaining = [v for v in remaining if v not in inside]
        tensors = tuple(t for v in inside for t in v.tensors)
        yield Buffer(tensors, inside[0].name, 0, step.size, step.first, step.last)
