"""MEAN and SUM: one kernel for the global average, one for kept and reduced dimensions in any order."""

from __future__ import annotations

from math import prod

from micronets_gen.model.graph import DType, Graph, Operator
from micronets_gen.operators.reduce import axes, reduce_dimensions, reduce_rescaling
from micronets_gen.plan.plan import Call, Field, LayerCode
from micronets_gen.runtimes.aot.elementwise import SUFFIX
from micronets_gen.runtimes.aot.pooling import GROUP, has_few_pixels
from micronets_gen.runtimes.aot.registry import lowering

_SOURCES = ("mn_reduce.c",)
_KEPT = 3
_REDUCED = 3

_Run = tuple[int, int]


def _padded(runs: list[_Run], length: int) -> list[_Run]:
    return [(1, 0)] * (length - len(runs)) + runs


def running_reduction(graph: Graph, op: Operator) -> LayerCode:
    """Return the mean or the sum over a whole image that comes row by row."""
    x = graph.tensor(op.inputs[0])
    _, height, width, channels = x.shape
    params = (("in_h", height), ("in_w", width), ("channels", channels), *_result(graph, op))
    function = f"mn_running_reduce_{'few_' if has_few_pixels(x) else ''}{SUFFIX[x.dtype]}"
    call = Call(function, params, op.inputs[:1], op.outputs, sums=True, rows=height)
    return LayerCode(_SOURCES, (call,))


def _result(graph: Graph, op: Operator) -> tuple[tuple[str, Field], ...]:
    r = reduce_rescaling(graph, op)
    return (("zero", r.zero), ("multiplier", r.multiplier), ("shift", r.shift), ("offset", r.offset))


@lowering("MEAN", "SUM")
def lower(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Reduce all pixels of an image by groups of channels, anything else output by output."""
    x = graph.tensor(op.inputs[0])
    runs = reduce_dimensions(x.shape, axes(graph, op))
    result = _result(graph, op)
    if x.dtype is DType.INT8 and [reduced for *_, reduced in runs] == [True, False] and runs[1][0] >= GROUP:
        extents: tuple[tuple[str, Field], ...] = (("channels", runs[1][0]), ("pixels", runs[0][0]))
        call = Call("mn_reduce_channels_s8", extents + result, op.inputs[:1], op.outputs)
        return LayerCode(_SOURCES, (call,))
    kept = _padded([(size, step) for size, step, reduced in runs if not reduced], _KEPT)
    *rows, (columns, column_step) = _padded([(n, step) for n, step, reduced in runs if reduced], _REDUCED)
    call = Call(
        "mn_reduce_s8" if x.dtype is DType.INT8 else "mn_reduce_s16",
        (
            ("outputs", prod(size for size, _ in kept)),
            ("kept_size", tuple(size for size, _ in kept)),
            ("kept_step", tuple(step for _, step in kept)),
            ("rows", prod(size for size, _ in rows)),
            ("row_size", tuple(size for size, _ in rows)),
            ("row_step", tuple(step for _, step in rows)),
            ("columns", columns),
            ("column_step", column_step),
            *result,
        ),
        op.inputs[:1],
        op.outputs,
    )
    return LayerCode(_SOURCES, (call,))
