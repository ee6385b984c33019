"""AVERAGE_POOL_2D and MAX_POOL_2D."""

from __future__ import annotations

from micronets_gen.model.graph import DType, Graph, Operator, Tensor
from micronets_gen.operators.arithmetic import activation_range, leading_padding
from micronets_gen.operators.pooling import Pool2DOptions
from micronets_gen.plan.plan import Call, LayerCode
from micronets_gen.runtimes.aot.elementwise import SUFFIX
from micronets_gen.runtimes.aot.registry import lowering

GROUP = 4
"""Channels that a word of int8 holds; with fewer, kernels take them one by one."""


def has_few_pixels(x: Tensor) -> bool:
    """Whether 16 bits hold the sum of a channel of an int8 image."""
    return x.dtype is DType.INT8 and x.shape[1] * x.shape[2] * -DType.INT8.limits[0] <= DType.INT16.limits[1]


def running_average(graph: Graph, op: Operator) -> LayerCode:
    """Return the average over a whole image that comes row by row."""
    options = op.options
    assert isinstance(options, Pool2DOptions)
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    low, high = activation_range(options.activation, y)
    _, height, width, channels = x.shape
    params = (("in_h", height), ("in_w", width), ("channels", channels), ("low", low), ("high", high))
    function = f"mn_running_average_{'few_' if has_few_pixels(x) else ''}{SUFFIX[x.dtype]}"
    call = Call(function, params, op.inputs, op.outputs, sums=True, rows=height)
    return LayerCode(("mn_pooling.c",), (call,))


@lowering("AVERAGE_POOL_2D", "MAX_POOL_2D")
def lower(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Call the kernel of the type at hand; int8 takes four channels at a time."""
    options = op.options
    assert isinstance(options, Pool2DOptions)
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    low, high = activation_range(options.activation, y)
    kind = "average" if op.kind == "AVERAGE_POOL_2D" else "max"
    grouped = x.dtype is DType.INT8 and x.shape[3] >= GROUP
    call = Call(
        f"mn_{kind}_pool_{'channels_' if grouped else ''}{SUFFIX[x.dtype]}",
        (
            ("batches", x.shape[0]),
            ("in_h", x.shape[1]),
            ("in_w", x.shape[2]),
            ("channels", x.shape[3]),
            ("in_rows", x.shape[1]),
            ("out_w", y.shape[2]),
            ("filter_height", options.filter_height),
            ("filter_width", options.filter_width),
            ("stride_h", options.stride_h),
            ("stride_w", options.stride_w),
            ("pad_h", leading_padding(x.shape[1], y.shape[1], options.filter_height, options.stride_h)),
            ("pad_w", leading_padding(x.shape[2], y.shape[2], options.filter_width, options.stride_w)),
            ("low", low),
            ("high", high),
        ),
        op.inputs,
        op.outputs,
        rows=y.shape[1],
    )
    return LayerCode(("mn_pooling.c",), (call,))
