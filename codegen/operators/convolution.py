"""CONV_2D (grouped too) and DEPTHWISE_CONV_2D.

Source: tensorflow/lite/kernels/internal/reference/integer_ops/{conv,depthwise_conv}.h.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt

from micronets_gen.model.graph import Activation, Array, DType, Graph, Operator, Options, Padding, Tensor
from micronets_gen.model.schema import FusedActivation, OperatorSchema, Positive, Read, positive
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.arithmetic import (
    activation_range,
    leading_padding,
    multiply_by_quantized_multiplier,
    multiply_int64_by_quantized_multiplier,
    output_extent,
    quantize_multiplier,
    wrap_int32,
)
from micronets_gen.operators.conditions import CONVERT_AGAIN, FULL_INTEGER, require, require_int8_or_int16
from micronets_gen.operators.rows import Rows, Window, is_image


@dataclass(frozen=True)
class Conv2DOptions(Options):
    """CONV_2D. Input NHWC, filter OHWI, bias O."""

    padding: Padding
    stride_h: Positive
    stride_w: Positive
    dilation_h: Annotated[int, Read(positive, "DilationHFactor")] = 1
    dilation_w: Annotated[int, Read(positive, "DilationWFactor")] = 1
    activation: FusedActivation = Activation.NONE


@dataclass(frozen=True)
class DepthwiseConv2DOptions(Options):
    """DEPTHWISE_CONV_2D. Input NHWC, filter 1HWC*multiplier."""

    padding: Padding
    stride_h: Positive
    stride_w: Positive
    depth_multiplier: Positive
    dilation_h: Annotated[int, Read(positive, "DilationHFactor")] = 1
    dilation_w: Annotated[int, Read(positive, "DilationWFactor")] = 1
    activation: FusedActivation = Activation.NONE


@dataclass(frozen=True)
class PaddedConv2DOptions(Conv2DOptions):
    """CONV_2D that has taken over the padding before it, of zeros; no file holds one.

    Attributes:
        pad_h: Rows before the first, whatever ``padding`` says, as ``pad_w`` columns.
    """

    pad_h: int = 0
    pad_w: int = 0


@dataclass(frozen=True)
class PaddedDepthwiseConv2DOptions(DepthwiseConv2DOptions):
    """DEPTHWISE_CONV_2D, as :class:`PaddedConv2DOptions`."""

    pad_h: int = 0
    pad_w: int = 0


@dataclass(frozen=True)
class Geometry:
    """Extents of a two-dimensional convolution, in elements; padding is what precedes the first element."""

    in_h: int
    in_w: int
    in_c: int
    out_h: int
    out_w: int
    out_c: int
    filter_height: int
    filter_width: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_h: int
    pad_w: int


@dataclass(frozen=True, eq=False)
class Requantization:
    """Per output channel: Q31 multiplier and shift (int32, shape ``(out_c,)``), and the output's clamp."""

    multiplier: npt.NDArray[np.int32]
    shift: npt.NDArray[np.int32]
    output_zero_point: int
    act_min: int
    act_max: int


def geometry(graph: Graph, op: Operator) -> Geometry:
    """Return the extents of a CONV_2D or DEPTHWISE_CONV_2D."""
    options = op.options
    assert isinstance(options, Conv2DOptions | DepthwiseConv2DOptions)
    x, w, y = (graph.tensor(i) for i in (op.inputs[0], op.inputs[1], op.outputs[0]))
    filter_height, filter_width = w.shape[1:3]
    pad_h, pad_w = _leading(options, x, y, filter_height, filter_width)
    return Geometry(
        in_h=x.shape[1],
        in_w=x.shape[2],
        in_c=x.shape[3],
        out_h=y.shape[1],
        out_w=y.shape[2],
        out_c=y.shape[3],
        filter_height=filter_height,
        filter_width=filter_width,
        stride_h=options.stride_h,
        stride_w=options.stride_w,
        dilation_h=options.dilation_h,
        dilation_w=options.dilation_w,
        pad_h=pad_h,
        pad_w=pad_w,
    )


def _leading(
    options: Conv2DOptions | DepthwiseConv2DOptions,
    x: Tensor,
    y: Tensor,
    filter_height: int,
    filter_width: int,
) -> tuple[int, int]:
    """Return the rows and columns of padding before the first."""
    if isinstance(options, PaddedConv2DOptions | PaddedDepthwiseConv2DOptions):
        return options.pad_h, options.pad_w
    return (
        leading_padding(x.shape[1], y.shape[1], filter_height, options.stride_h, options.dilation_h),
        leading_padding(x.shape[2], y.shape[2], filter_width, options.stride_w, options.dilation_w),
    )


def per_channel_requantization(x: Tensor, w: Tensor, y: Tensor, channels: int) -> tuple[Array, Array]:
    """Return a convolution's multipliers and shifts, int32 of shape ``(channels,)``."""
    assert w.quantization is not None
    scales = w.quantization.scale
    pairs = [quantize_multiplier(x.scale * s / y.scale) for s in scales]
    if len(pairs) == 1:
        pairs *= channels
    return (
        np.array([m for m, _ in pairs], dtype=np.int32),
        np.array([s for _, s in pairs], dtype=np.int32),
    )


def requantization(graph: Graph, op: Operator) -> Requantization:
    """Return how a convolution's accumulators become outputs."""
    options = op.options
    assert isinstance(options, Conv2DOptions | DepthwiseConv2DOptions)
    x, w, y = (graph.tensor(i) for i in (op.inputs[0], op.inputs[1], op.outputs[0]))
    multiplier, shift = per_channel_requantization(x, w, y, y.shape[3])
    low, high = activation_range(options.activation, y)
    return Requantization(multiplier, shift, y.zero_point, low, high)


def requantize(accumulator: Array, r: Requantization, dtype: DType) -> Array:
    """Turn int32 or (for int16 activations) int64 accumulators, channels last, into outputs."""
    if dtype is DType.INT16:
        scaled = multiply_int64_by_quantized_multiplier(accumulator, r.multiplier, r.shift)
    else:
        scaled = multiply_by_quantized_multiplier(wrap_int32(accumulator), r.multiplier, r.shift)
    return np.clip(wrap_int32(scaled) + r.output_zero_point, r.act_min, r.act_max).astype(dtype.value)


def patches(x: Array, g: Geometry, zero_point: int) -> npt.NDArray[np.float64]:
    """Return the receptive field of every output position, offset by the zero point.

    Args:
        x: Activations, shape ``(1, in_h, in_w, in_c)``.
        g: Extents.
        zero_point: Of ``x``; padding contributes zero.

    Returns:
        float64 of shape ``(out_h, out_w, filter_height, filter_width, in_c)``: products of int8 and int16 stay
        exact in it, and numpy multiplies it fast.
    """
    rows = (g.out_h - 1) * g.stride_h + (g.filter_height - 1) * g.dilation_h + 1
    columns = (g.out_w - 1) * g.stride_w + (g.filter_width - 1) * g.dilation_w + 1
    padded = np.zeros((max(rows, g.pad_h + g.in_h), max(columns, g.pad_w + g.in_w), g.in_c))
    padded[g.pad_h : g.pad_h + g.in_h, g.pad_w : g.pad_w + g.in_w] = x[0].astype(np.float64) - zero_point
    s0, s1, s2 = padded.strides
    return np.lib.stride_tricks.as_strided(
        padded,
        (g.out_h, g.out_w, g.filter_height, g.filter_width, g.in_c),
        (s0 * g.stride_h, s1 * g.stride_w, s0 * g.dilation_h, s1 * g.dilation_w, s2),
        writeable=False,
    )


def _conv_accumulators(graph: Graph, op: Operator, x: Array, w: Array, bias: Array | None) -> Array:
    g = geometry(graph, op)
    field = patches(x, g, graph.tensor(op.inputs[0]).zero_point)
    group_in = w.shape[3]
    groups = g.in_c // group_in
    group_out = g.out_c // groups
    parts = []
    for group in range(groups):
        columns = field[..., group * group_in : (group + 1) * group_in].reshape(g.out_h * g.out_w, -1)
        weights = w[group * group_out : (group + 1) * group_out].reshape(group_out, -1).astype(np.float64)
        parts.append(columns @ weights.T)
    accumulators = np.rint(np.concatenate(parts, axis=1)).astype(np.int64)
    if bias is not None:
        accumulators += bias.astype(np.int64)
    return accumulators.reshape(1, g.out_h, g.out_w, g.out_c)


def _rows(graph: Graph, op: Operator) -> Rows | None:
    g = geometry(graph, op)
    window = Window(g.stride_h, g.pad_h, g.filter_height, g.dilation_h if g.filter_height > 1 else 1)
    return Rows((window, *(None for _ in op.inputs[1:]))) if is_image(graph.tensor(op.inputs[0])) else None


def _conv_evaluate(graph: Graph, op: Operator, values: Sequence[Array | None]) -> Sequence[Array]:
    x, w, bias = (*values, None)[:3]
    assert x is not None
    assert w is not None
    accumulators = _conv_accumulators(graph, op, x, w, bias)
    return [requantize(accumulators, requantization(graph, op), graph.tensor(op.outputs[0]).dtype)]


def _depthwise_evaluate(graph: Graph, op: Operator, values: Sequence[Array | None]) -> Sequence[Array]:
    x, w, bias = (*values, None)[:3]
    assert x is not None
    assert w is not None
    g = geometry(graph, op)
    multiplier = g.out_c // g.in_c
    field = patches(x, g, graph.tensor(op.inputs[0]).zero_point)
    weights = w.astype(np.float64).reshape(g.filter_height, g.filter_width, g.in_c, multiplier)
    accumulators = np.zeros((g.out_h, g.out_w, g.in_c, multiplier))
    for ky in range(g.filter_height):
        for kx in range(g.filter_width):
            accumulators += field[:, :, ky, kx, :, None] * weights[ky, kx]
    total = np.rint(accumulators).astype(np.int64).reshape(1, g.out_h, g.out_w, g.out_c)
    if bias is not None:
        total = total + bias.astype(np.int64)
    return [requantize(total, requantization(graph, op), graph.tensor(op.outputs[0]).dtype)]


def require_weights(graph: Graph, op: Operator, channels: int, axis: int) -> list[Problem]:
    """Check type, constancy, symmetry and scale count of an operator's weights and the type of its bias."""
    x, w, bias = graph.operand(op, 0), graph.operand(op, 1), graph.operand(op, 2)
    if x is None or w is None:
        return require(False, op, "its input or its weights are missing", CONVERT_AGAIN)
    problems = require(
        w.is_constant, op, f"its weights ({w.name}) are computed at run time", "use constant weights"
    )
    problems += require(w.dtype is DType.INT8, op, f"its weights are {w.dtype.value}, not int8", FULL_INTEGER)
    problems += require(w.quantization is not None, op, "its weights have no scale", FULL_INTEGER)
    if w.quantization is not None:
        problems += require(
            not any(w.quantization.zero_point),
            op,
            "its weights have a zero point other than 0",
            "convert with a current TensorFlow: int8 weights are symmetric there",
        )
        scales = len(w.quantization.scale)
        problems += require(
            scales in (1, channels),
            op,
            f"its weights have {scales} scales for {channels} output channels",
            FULL_INTEGER,
        )
        problems += require(
            scales == 1 or w.quantization.axis == axis,
            op,
            f"its weights are quantised along dimension {w.quantization.axis}, not {axis}",
            FULL_INTEGER,
        )
    if bias is not None:
        allowed = (DType.INT64, DType.INT32) if x.dtype is DType.INT16 else (DType.INT32,)
        problems += require(
            bias.dtype in allowed and bias.is_constant and bias.elements == channels,
            op,
            f"its bias ({bias.name}) is not {channels} constant {' or '.join(d.value for d in allowed)}",
            FULL_INTEGER,
        )
    return problems


def _spatial_problems(graph: Graph, op: Operator) -> list[Problem]:
    options = op.options
    assert isinstance(options, Conv2DOptions | DepthwiseConv2DOptions)
    x, w, y = (graph.tensor(i) for i in (op.inputs[0], op.inputs[1], op.outputs[0]))
    if not (len(x.shape) == len(w.shape) == len(y.shape) == 4):
        return require(
            False, op, f"has an input of shape {x.shape} and weights of shape {w.shape}", CONVERT_AGAIN
        )
    strides = (options.stride_h, options.stride_w, options.dilation_h, options.dilation_w)
    if min(strides) < 1 or min(x.shape) < 1 or min(w.shape) < 1:
        return require(False, op, "has a stride, a dilation or a dimension below 1", CONVERT_AGAIN)
    expected = (
        x.shape[0],
        output_extent(options.padding, x.shape[1], w.shape[1], options.stride_h, options.dilation_h),
        output_extent(options.padding, x.shape[2], w.shape[2], options.stride_w, options.dilation_w),
    )
    return [
        *require(x.shape[0] == 1, op, f"has batch {x.shape[0]}", "convert with batch 1"),
        *require(
            y.shape[:3] == expected and min(expected) > 0,
            op,
            f"has an output of shape {y.shape}, where {(*expected, y.shape[3])} follows from its input",
            CONVERT_AGAIN,
        ),
    ]


def _conv_check(graph: Graph, op: Operator) -> list[Problem]:
    problems = require_int8_or_int16(graph, op)
    if problems or graph.operand(op, 1) is None:
        return problems or require_weights(graph, op, 0, 0)
    x, w, y = (graph.tensor(i) for i in (op.inputs[0], op.inputs[1], op.outputs[0]))
    problems = _spatial_problems(graph, op)
    if problems:
        return problems
    groups_ok = x.shape[3] % w.shape[3] == 0 and w.shape[0] % (x.shape[3] // w.shape[3]) == 0
    return [
        *require(
            groups_ok and y.shape[3] == w.shape[0],
            op,
            f"has {x.shape[3]} input and {y.shape[3]} output channels with weights of shape {w.shape}",
            CONVERT_AGAIN,
        ),
        *require_weights(graph, op, w.shape[0], axis=0),
    ]


def _depthwise_check(graph: Graph, op: Operator) -> list[Problem]:
    problems = require_int8_or_int16(graph, op)
    if problems or graph.operand(op, 1) is None:
        return problems or require_weights(graph, op, 0, 3)
    x, w, y = (graph.tensor(i) for i in (op.inputs[0], op.inputs[1], op.outputs[0]))
    problems = _spatial_problems(graph, op)
    if problems:
        return problems
    return [
        *require(
            w.shape[0] == 1 and y.shape[3] == w.shape[3] and w.shape[3] % x.shape[3] == 0,
            op,
            f"has {x.shape[3]} input and {y.shape[3]} output channels with weights of shape {w.shape}",
            CONVERT_AGAIN,
        ),
        *require_weights(graph, op, w.shape[3], axis=3),
    ]


def _conv_macs(graph: Graph, op: Operator) -> int:
    w, y = graph.tensor(op.inputs[1]), graph.tensor(op.outputs[0])
    return y.elements * w.elements // w.shape[0]


def _depthwise_macs(graph: Graph, op: Operator) -> int:
    w, y = graph.tensor(op.inputs[1]), graph.tensor(op.outputs[0])
    return y.elements * w.shape[1] * w.shape[2]


register(
    OperatorSpec(
        "CONV_2D",
        OperatorSchema(("input", "filter", "bias"), optional=("bias",), options=Conv2DOptions),
        _conv_check,
        _conv_evaluate,
        _conv_macs,
        rows=_rows,
    )
)
register(
    OperatorSpec(
        "DEPTHWISE_CONV_2D",
        OperatorSchema(("input", "filter", "bias"), optional=("bias",), options=DepthwiseConv2DOptions),
        _depthwise_check,
        _depthwise_evaluate,
        _depthwise_macs,
        rows=_rows,
    )
)
