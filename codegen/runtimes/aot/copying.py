"""Strided copies, the form of every operator that only moves elements.

A copy is a nest of loops over both tensors. Loops that walk both sides alike are merged here, so that the
kernel copies the longest runs there are; a copy of a whole tensor into a whole tensor needs no code at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from micronets_gen.model.graph import Graph, Operator, Tensor
from micronets_gen.plan.plan import Call, LayerCode

MAX_LOOPS = 5
"""``MN_COPY_DIMS``."""

SOURCES = ("mn_copy.c",)


@dataclass(frozen=True)
class Loop:
    """One loop of a copy; strides in elements (in bytes once collapsed)."""

    size: int
    in_stride: int
    out_stride: int


@dataclass(frozen=True)
class Copy:
    """Loops, outermost first, from one tensor (index ``source``) to another; offsets in elements."""

    source: int
    target: int
    loops: tuple[Loop, ...]
    in_offset: int = 0
    out_offset: int = 0


def strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Return elements from one index to the next along each dimension of a dense tensor."""
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


def nest(sizes: Sequence[int], in_strides: Sequence[int], out_strides: Sequence[int]) -> tuple[Loop, ...]:
    """Return one loop a dimension."""
    return tuple(Loop(*loop) for loop in zip(sizes, in_strides, out_strides, strict=True))


def collapse(loops: Sequence[Loop], element: int) -> tuple[int, tuple[Loop, ...]]:
    """Merge loops that walk both sides alike.

    Args:
        loops: Outermost first, strides in elements.
        element: Bytes.

    Returns:
        The bytes that lie together on both sides, and the loops that remain, strides in bytes.
    """
    merged: list[Loop] = []
    for loop in loops:
        if loop.size == 1:
            continue
        outer = merged[-1] if merged else None
        if (
            outer is not None
            and outer.in_stride == loop.size * loop.in_stride
            and outer.out_stride == loop.size * loop.out_stride
        ):
            merged[-1] = Loop(outer.size * loop.size, loop.in_stride, loop.out_stride)
        else:
            merged.append(loop)
    run = element
    if merged and merged[-1].in_stride == merged[-1].out_stride == 1:
        run *= merged.pop().size
    return run, tuple(Loop(m.size, m.in_stride * element, m.out_stride * element) for m in merged)


def copy_call(graph: Graph, copy: Copy) -> Call:
    """Return the kernel call that performs ``copy``."""
    element = graph.tensor(copy.source).dtype.size
    run, loops = collapse(copy.loops, element)
    # The order of the loops is free: the longest innermost keeps the kernel in its tight loop.
    loops = tuple(sorted(loops, key=lambda loop: loop.size))
    loops = (Loop(1, 0, 0),) * (MAX_LOOPS - len(loops)) + loops
    return Call(
        "mn_copy",
        (
            ("in_offset", copy.in_offset * element),
            ("out_offset", copy.out_offset * element),
            ("run", run),
            ("size", tuple(loop.size for loop in loops)),
            ("in_stride", tuple(loop.in_stride for loop in loops)),
            ("out_stride", tuple(loop.out_stride for loop in loops)),
        ),
        (copy.source,),
        (copy.target,),
    )


def is_whole(graph: Graph, copy: Copy) -> bool:
    """Whether the target's bytes are the source's bytes in the same order."""
    source, target = graph.tensor(copy.source), graph.tensor(copy.target)
    return source.nbytes == target.nbytes == collapse(copy.loops, source.dtype.size)[0] and not (
        copy.in_offset or copy.out_offset
    )


def whole(source: Tensor, target: Tensor) -> Copy:
    """Return the copy of all elements in order."""
    return Copy(source.index, target.index, (Loop(source.elements, 1, 1),))


def lower_copies(graph: Graph, op: Operator, copies: Sequence[Copy]) -> LayerCode:
    """Return the layer that performs ``copies``: a view where it is the first input as it stands."""
    if (
        len(copies) == 1
        and copies[0].source == op.inputs[0]
        and not graph.tensor(op.inputs[0]).is_constant
        and is_whole(graph, copies[0])
    ):
        return LayerCode((), (), alias=True)
    calls = tuple(copy_call(graph, c) for c in copies if all(loop.size for loop in c.loops))
    return LayerCode(SOURCES, calls)
