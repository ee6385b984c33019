"""SLICE, STRIDED_SLICE, SPLIT: strided copies."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.operators.slice import Range, slice_ranges, split_axis, strided_slice_ranges
from micronets_gen.plan.plan import LayerCode
from micronets_gen.runtimes.aot.copying import Copy, Loop, lower_copies, nest, strides
from micronets_gen.runtimes.aot.registry import lowering


@lowering("SLICE")
def lower_slice(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Copy a box."""
    return _take(graph, op, slice_ranges(graph, op))


@lowering("STRIDED_SLICE")
def lower_strided_slice(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Copy every step-th element of a box, backwards where the step is negative."""
    return _take(graph, op, strided_slice_ranges(graph, op))


def _take(graph: Graph, op: Operator, ranges: Sequence[Range]) -> LayerCode:
    source = strides(graph.tensor(op.inputs[0]).shape)
    counts = [r.count for r in ranges]
    loops = nest(counts, [r.step * s for r, s in zip(ranges, source, strict=True)], strides(counts))
    offset = sum(r.start * s for r, s in zip(ranges, source, strict=True))
    return lower_copies(graph, op, [Copy(op.inputs[0], op.outputs[0], loops, in_offset=offset)])


@lowering("SPLIT")
def lower_split(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Copy the parts, one after the other."""
    axis = split_axis(graph, op)
    assert axis is not None
    shape = graph.tensor(op.inputs[1]).shape
    outer, inner = prod(shape[:axis]), prod(shape[axis:])
    run = inner // len(op.outputs)
    copies = [
        Copy(op.inputs[1], target, (Loop(outer, inner, run), Loop(run, 1, 1)), in_offset=i * run)
        for i, target in enumerate(op.outputs)
    ]
    return lower_copies(graph, op, copies)
