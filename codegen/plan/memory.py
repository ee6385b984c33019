"""Lifetimes of tensors and their offsets in the arena.

Tensors that share bytes by meaning (views) form one *value*; values that follow each other in the same bytes
(in-place results) form one *chain*, which has one offset and, at every moment, the size of the largest value
alive in it. Moments are operator indices; -1 is before the first operator, ``len(operators)`` after the last.

Working in place at an operator saves bytes at that operator and nowhere else, so the choice is made per
operator. What remains is dynamic storage allocation, solved by first fit over several orders and a bounded,
deterministic local search that stops at the lower bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise

import numpy as np

from micronets_gen.common.integers import round_up
from micronets_gen.model.graph import Graph, Operator
from micronets_gen.plan.plan import Buffer, LayerCode, MemoryPlan

WORD = 4
"""Smallest alignment of a tensor in the arena, in bytes: kernels load words."""

_SEARCH_WORK = 60_000
"""Bound of the local search, in pairs of chains looked at (about 25 ms)."""


class MemoryPlanError(AssertionError):
    """A memory plan is wrong: a defect of the planner, never of the model."""


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
    """Values that follow each other at one offset; ``sizes[i]`` is the size at moment ``first + i``."""

    values: tuple[_Value, ...]
    first: int
    sizes: tuple[int, ...]
    align: int

    @property
    def size(self) -> int:
        return max(self.sizes)

    @property
    def last(self) -> int:
        return self.first + len(self.sizes) - 1


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
    everything = _solve(_chains(values, merges), moments)
    best = everything
    if not everything.optimal:
        # A merge that the peak does not need only ties two offsets together: try without those.
        live = _loads(everything.chains, moments)
        for merge in merges:
            live[merge.moment + 1] += merge.saved
        needed = [m for m in merges if live[m.moment + 1] > everything.peak]
        if len(needed) < len(merges):
            best = min(everything, _solve(_chains(values, needed), moments), key=lambda s: s.size)
    plan = _as_plan(best, everything)
    verify(plan, graph, layers)
    return plan


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
        first, last = members[0].first, members[-1].last
        sizes = [0] * (last - first + 1)
        for value in members:
            for moment in range(value.first - first, value.last - first + 1):
                sizes[moment] = max(sizes[moment], value.size)
        chains.append(_Chain(members, first, tuple(sizes), max(v.align for v in members)))
    return tuple(chains)


def _loads(chains: Iterable[_Chain], moments: int) -> list[int]:
    """Live bytes at each moment, from -1 on."""
    loads = [0] * (moments + 2)
    for chain in chains:
        for step, size in enumerate(chain.sizes):
            loads[chain.first + step + 1] += size
    return loads


# --- offsets ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Solution:
    """Offsets of chains. No arrangement goes below ``bound``; without alignment, none below ``peak``."""

    chains: tuple[_Chain, ...]
    offsets: tuple[int, ...]
    size: int
    bound: int
    peak: int

    @property
    def optimal(self) -> bool:
        return self.size <= self.bound


@dataclass
class _Problem:
    """Chains and, per chain, its rivals: ``(other, extent below other, other's extent below it)``."""

    chains: tuple[_Chain, ...]
    rivals: list[list[tuple[int, int, int]]]
    aligns: list[int]
    sizes: list[int]
    bound: int
    peak: int
    pressure: list[int] = field(default_factory=list)


def _problem(chains: tuple[_Chain, ...], moments: int) -> _Problem:
    """Find which chains are live together, and how high each must be cleared by the other."""
    extents: dict[tuple[int, int], int] = {}
    pressure = [0] * len(chains)
    live: list[list[tuple[int, int]]] = [[] for _ in range(moments + 2)]
    for index, chain in enumerate(chains):
        for step, size in enumerate(chain.sizes):
            if size:
                live[chain.first + step + 1].append((index, size))
    bound = peak = 0
    for present in live:
        load = sum(size for _, size in present)
        padding = [round_up(size, WORD) - size for _, size in present]
        peak = max(peak, load)
        # The topmost buffer needs no padding; whichever that is.
        bound = max(bound, load + sum(padding) - max(padding, default=0))
        for index, size in present:
            pressure[index] = max(pressure[index], load)
            for other, _ in present:
                if other != index:
                    extents[index, other] = max(extents.get((index, other), 0), size)
    rivals: list[list[tuple[int, int, int]]] = [[] for _ in chains]
    for (index, other), extent in extents.items():
        rivals[index].append((other, extent, extents[other, index]))
    return _Problem(
        chains, rivals, [c.align for c in chains], [c.size for c in chains], bound, peak, pressure
    )


def _first_fit(problem: _Problem, order: Sequence[int]) -> tuple[int, list[int]]:
    """Place chains in ``order``, each as low as those before it allow; return the size and the offsets."""
    offsets = [-1] * len(order)
    top = 0
    for index in order:
        blocked = sorted(
            (offsets[other] - below, offsets[other] + above)
            for other, below, above in problem.rivals[index]
            if offsets[other] >= 0
        )
        align = problem.aligns[index]
        offset = 0
        for low, high in blocked:
            # Every offset strictly between ``low`` and ``high`` would overlap.
            if offset <= low:
                break
            if offset < high:
                offset = round_up(high, align)
        offsets[index] = offset
        top = max(top, offset + problem.sizes[index])
    return top, offsets


def _orders(problem: _Problem) -> Iterator[list[int]]:
    chains, pressure = problem.chains, problem.pressure
    everything = range(len(chains))
    yield sorted(everything, key=lambda i: (-chains[i].size, chains[i].first))
    yield sorted(everything, key=lambda i: (-pressure[i], -chains[i].size, chains[i].first))
    yield sorted(everything, key=lambda i: (-sum(chains[i].sizes), chains[i].first))
    yield sorted(everything, key=lambda i: (chains[i].first, -chains[i].size))
    yield sorted(everything, key=lambda i: (-chains[i].last, -chains[i].size))
    yield sorted(everything, key=lambda i: (-len(chains[i].sizes), -chains[i].size))


def _solve(chains: tuple[_Chain, ...], moments: int) -> _Solution:
    problem = _problem(chains, moments)
    best_size, best_offsets, best_order = -1, [0] * len(chains), list(range(len(chains)))
    for order in _orders(problem):
        size, offsets = _first_fit(problem, order)
        if best_size < 0 or size < best_size:
            best_size, best_offsets, best_order = size, offsets, order
        if best_size <= problem.bound:
            break
    else:
        best_size, best_offsets = _local_search(problem, best_order, best_size, best_offsets)
    return _Solution(chains, tuple(best_offsets), best_size, problem.bound, problem.peak)


def _local_search(
    problem: _Problem, order: list[int], size: int, offsets: list[int]
) -> tuple[int, list[int]]:
    """Move chains under the highest one to earlier places in the order while that does not make it worse.

    First fit in order of an optimal plan's offsets gives an optimal plan, so the orders include one.
    """
    best, best_offsets, best_order = size, offsets, order
    work = 0
    cost = len(order) + sum(map(len, problem.rivals))
    state = 1
    current, current_size, current_offsets = order, size, offsets
    stale = 0
    while best > problem.bound and work < _SEARCH_WORK:
        work += cost
        movable = _under_the_top(problem, current_size, current_offsets)
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        moved = movable[(state >> 8) % len(movable)]
        place = current.index(moved)
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        target = (state >> 8) % len(order)
        candidate = current[:place] + current[place + 1 :]
        candidate.insert(target if target != place else 0, moved)
        new_size, new_offsets = _first_fit(problem, candidate)
        stale += 1
        if new_size <= current_size:
            stale = stale if new_size == current_size else 0
            current, current_size, current_offsets = candidate, new_size, new_offsets
        if new_size < best:
            best, best_offsets, best_order = new_size, new_offsets, candidate
        if stale > 60:
            # A plateau: accept something worse once and climb again from there.
            stale = 0
            current, current_size, current_offsets = candidate, new_size, new_offsets
            if current_size > best + best // 8:
                current, current_size, current_offsets = best_order, best, best_offsets
    return best, best_offsets


def _under_the_top(problem: _Problem, size: int, offsets: Sequence[int]) -> list[int]:
    """Chains that end at the top of the arena, and those that hold them up there, directly or not."""
    found = [i for i, offset in enumerate(offsets) if offset + problem.sizes[i] == size]
    seen = set(found)
    for index in found:
        for other, _, above in problem.rivals[index]:
            height = offsets[other] + round_up(above, problem.aligns[index])
            if other not in seen and height == offsets[index]:
                seen.add(other)
                found.append(other)
    return found


# --- the plan --------------------------------------------------------------------------------------------


def _as_plan(solution: _Solution, everything: _Solution) -> MemoryPlan:
    buffers = [
        replace(buffer, offset=offset)
        for chain, offset in zip(solution.chains, solution.offsets, strict=True)
        for buffer in _rectangles(chain)
    ]
    buffers.sort(key=lambda b: (b.offset, b.first, b.tensors))
    return MemoryPlan(tuple(buffers), solution.size, everything.peak)


def _rectangles(chain: _Chain) -> Iterator[Buffer]:
    """Cut a chain into stretches of one size, so that buffers never overlap in time and bytes."""
    start = chain.first
    remaining = list(chain.values)
    for size, stretch in groupby(chain.sizes):
        end = start + len(list(stretch)) - 1
        # A value goes to the stretch of its own size; one that always lies within a larger one, to that.
        inside = [v for v in remaining if v.first <= end and (v.size == size or v.last <= end)]
        remaining = [v for v in remaining if v not in inside]
        tensors = tuple(t for v in inside for t in v.tensors)
        yield Buffer(tensors, inside[0].name, 0, size, start, end)
        start = end + 1


# --- proof -----------------------------------------------------------------------------------------------


def verify(plan: MemoryPlan, graph: Graph, layers: Sequence[LayerCode]) -> None:
    """Prove that a plan keeps every value until its last use, by running the model on labels.

    Shares no code with the planner: each byte of the arena carries the number of the value last written to
    it, and each operator must find the labels of its inputs intact.

    Raises:
        MemoryPlanError: the plan is wrong.
    """
    _verify_buffers(plan)
    spans = _verified_spans(plan, graph, layers)
    arena = np.full(plan.size, -1, dtype=np.int64)
    constants = {t.index for t in graph.tensors if t.is_constant}
    labels: dict[int, int] = {}

    def write(tensor: int, label: int, moment: int) -> None:
        start, end = spans[tensor]
        arena[start:end] = label
        labels[tensor] = label
        _require(_covered(plan, spans[tensor], moment), f"tensor {tensor} has no buffer at operator {moment}")

    def read(tensor: int, moment: int) -> None:
        start, end = spans[tensor]
        _require(tensor in labels, f"tensor {tensor} is read at operator {moment} before it is written")
        intact = bool((arena[start:end] == labels[tensor]).all())
        _require(intact, f"tensor {tensor} is overwritten before operator {moment} reads it")
        _require(_covered(plan, spans[tensor], moment), f"tensor {tensor} has no buffer at operator {moment}")

    scratch = {b.first: (b.offset, b.offset + b.size) for b in plan.buffers if not b.tensors}
    for tensor in dict.fromkeys(graph.inputs):
        if tensor not in constants:
            write(tensor, tensor, -1)
    for tensor in graph.inputs:
        if tensor not in constants:
            read(tensor, -1)
    for moment, (op, layer) in enumerate(zip(graph.operators, layers, strict=True)):
        inputs = [(p, t) for p, t in enumerate(op.inputs) if t >= 0 and t not in constants]
        for _, tensor in inputs:
            if tensor in spans:
                read(tensor, moment)
        if layer.alias:
            source, view = op.inputs[0], op.outputs[0]
            if source in spans:
                _require(spans[view] == spans[source], f"view {view} does not lie on tensor {source}")
                write(view, labels[source], moment)
            else:
                constants.add(view)
            continue
        outputs = [(p, t) for p, t in enumerate(op.outputs) if t in spans]
        busy = [spans[t] for _, t in inputs if t in spans] + [spans[t] for _, t in outputs]
        if layer.scratch_bytes:
            _require(moment in scratch, f"operator {moment} has no scratch buffer")
            low, high = scratch[moment]
            _require(high - low >= layer.scratch_bytes, f"scratch of operator {moment} is too small")
            shared = any(_overlap((low, high), span) for span in busy)
            _require(not shared, f"scratch of operator {moment} is shared")
            arena[low:high] = -1
        for position, tensor in outputs:
            for other_position, other in inputs:
                if other in spans and _overlap(spans[tensor], spans[other]):
                    allowed = (other_position, position) in layer.may_overwrite
                    same = spans[tensor][0] == spans[other][0]
                    _require(allowed and same, f"operator {moment} may not overwrite input {other_position}")
            write(tensor, tensor, moment)
        for _, tensor in outputs:
            read(tensor, moment)
    for tensor in graph.outputs:
        if tensor not in constants:
            read(tensor, len(graph.operators))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise MemoryPlanError(message)


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return max(a[0], b[0]) < min(a[1], b[1])


def _covered(plan: MemoryPlan, span: tuple[int, int], moment: int) -> bool:
    """Whether a buffer accounts for a tensor's bytes at a moment: its own, or one that it shares in place."""
    return any(
        b.offset == span[0] and b.offset + b.size >= span[1] and b.first <= moment <= b.last
        for b in plan.buffers
    )


def _verified_spans(
    plan: MemoryPlan, graph: Graph, layers: Sequence[LayerCode]
) -> dict[int, tuple[int, int]]:
    """Bytes of every tensor in the plan, each checked against its buffer."""
    spans: dict[int, tuple[int, int]] = {}
    for buffer in plan.buffers:
        for index in buffer.tensors:
            tensor = graph.tensor(index)
            _require(index not in spans, f"tensor {index} is in two buffers")
            _require(not tensor.is_constant, f"constant {index} is in the arena")
            _require(tensor.nbytes <= buffer.size, f"tensor {index} is larger than its buffer")
            _require(buffer.offset % max(WORD, tensor.dtype.size) == 0, f"tensor {index} is misaligned")
            spans[index] = (buffer.offset, buffer.offset + tensor.nbytes)
    _require(len(layers) == len(graph.operators), "one layer an operator")
    return spans


def _verify_buffers(plan: MemoryPlan) -> None:
    for buffer in plan.buffers:
        _require(buffer.first <= buffer.last, f"{buffer.name} ends before it begins")
        _require(buffer.offset >= 0 and buffer.offset + buffer.size <= plan.size, f"{buffer.name} is outside")
        _require(buffer.offset % WORD == 0, f"{buffer.name} is misaligned")
    peak = 0
    for moment in sorted({b.first for b in plan.buffers}):
        live = sorted((b.offset, b.offset + b.size) for b in plan.buffers if b.first <= moment <= b.last)
        peak = max(peak, sum(end - start for start, end in live))
        for below, above in pairwise(live):
            _require(below[1] <= above[0], f"two buffers share bytes at operator {moment}")
    _require(peak == plan.peak, f"the peak is {peak} bytes, not {plan.peak}")
