"""TRANSPOSE_CONV: every input element adds its weighted kernel to the output.

Source: tensorflow/lite/micro/kernels/transpose_conv.cc and
tensorflow/lite/kernels/internal/reference/integer_ops/transpose_conv.h. The padding follows from the
output's size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from micronets_gen.model.graph import Activation, Array, DType, Graph, Operator, Options, Padding, Tensor
from micronets_gen.model.schema import FusedActivation, OperatorSchema, Positive
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.arithmetic import activation_range, leading_padding, output_extent
from micronets_gen.operators.conditions import CONVERT_AGAIN, FULL_INTEGER, require
from micronets_gen.operators.convolution import Requantization, per_channel_requantization, requantize
from micronets_gen.operators.layout import require_type_kept


@dataclass(frozen=True)
class TransposeConvOptions(Options):
    """Input NHWC, filter OHWI, bias O."""

    padding: Padding
    stride_h: Positive
    stride_w: Positive
    activation: FusedActivation = Activation.NONE


SHAPE, FILTER, INPUT, BIAS = range(4)
"""Positions of the inputs."""

_BIAS_TYPES = {
    DType.INT8: (DType.INT32,),
    DType.INT16: (DType.INT16, DType.INT64),
}


@dataclass(frozen=True)
class Geometry:
    """Extents in elements; input ``i`` reaches output ``i * stride - pad`` and ``kernel - 1`` more."""

    batches: int
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
    pad_h: int
    pad_w: int


def geometry(graph: Graph, op: Operator) -> Geometry:
    """Return the extents."""
    options = op.options
    assert isinstance(options, TransposeConvOptions)
    weights, source, output = (graph.tensor(i) for i in (op.inputs[FILTER], op.inputs[INPUT], op.outputs[0]))

    def pad(size: int, kernel: int, stride: int) -> int:
        return leading_padding(size, output_extent(options.padding, size, kernel, stride), kernel, stride)

    batches, out_h, out_w, out_c = output.shape
    _, in_h, in_w, in_c = source.shape
    _, filter_height, filter_width, _ = weights.shape
    return Geometry(
        batches=batches,
        in_h=in_h,
        in_w=in_w,
        in_c=in_c,
        out_h=out_h,
        out_w=out_w,
        out_c=out_c,
        filter_height=filter_height,
        filter_width=filter_width,
        stride_h=options.stride_h,
        stride_w=options.stride_w,
        pad_h=pad(out_h, filter_height, options.stride_h),
        pad_w=pad(out_w, filter_width, options.stride_w),
    )


def requantization(graph: Graph, op: Operator) -> Requantization:
    """Return how accumulators become outputs."""
    assert isinstance(op.options, TransposeConvOptions)
    weights, source, output = (graph.tensor(i) for i in (op.inputs[FILTER], op.inputs[INPUT], op.outputs[0]))
    multiplier, shift = per_channel_requantization(source, weights, output, output.shape[3])
    low, high = activation_range(op.options.activation, output)
    return Requantization(multiplier, shift, output.zero_point, low, high)


def check(graph: Graph, op: Operator) -> Iterable[Problem]:
    """Types, shapes, quantisation, bias."""
    options = op.options
    assert isinstance(options, TransposeConvOptions)
    weights = graph.operand(op, FILTER)
    if weights is None:
        return require(False, op, "its weights are missing", CONVERT_AGAIN)
    problems = require_type_kept(graph, op, [INPUT], frozenset(_BIAS_TYPES))
    if problems:
        return problems
    source, output = graph.tensor(op.inputs[INPUT]), graph.tensor(op.outputs[0])
    if not len(source.shape) == len(weights.shape) == len(output.shape) == 4:
        return require(
            False,
            op,
            f"has an input {list(source.shape)}, weights {list(weights.shape)} and an output "
            f"{list(output.shape)} that are not all four-dimensional",
            CONVERT_AGAIN,
        )
    return [
        *require(
            min(options.stride_h, options.stride_w, *source.shape, *weights.shape, *output.shape) > 0,
            op,
            "has a stride or a dimension below 1",
            CONVERT_AGAIN,
        ),
        *require(
            source.shape[0] == output.shape[0]
            and source.shape[3] == weights.shape[3]
            and output.shape[3] == weights.shape[0],
            op,
            f"its input {list(source.shape)}, weights {list(weights.shape)} and output {list(output.shape)} "
            "do not go together",
            CONVERT_AGAIN,
        ),
        *_check_quantization(op, source, weights, output),
        *_check_bias(op, source, weights, graph.operand(op, BIAS)),
    ]


def _check_quantization(op: Operator, source: Tensor, weights: Tensor, output: Tensor) -> list[Problem]:
    quantization = weights.quantization
    if source.quantization is None or output.quantization is None or quantization is None:
        return require(False, op, "its input, weights or output have no scale", FULL_INTEGER)
    channels = weights.shape[0]
    return [
        *require(
            weights.is_constant and weights.dtype is DType.INT8,
            op,
            f"its weights '{weights.name}' are not a constant of int8",
            FULL_INTEGER,
        ),
        *require(
            not any(quantization.zero_point),
            op,
            "its weights have a zero point other than 0",
            "convert with a current TensorFlow: int8 weights are symmetric there",
        ),
        *require(
            len(quantization.scale) == 1 or (len(quantization.scale), quantization.axis) == (channels, 0),
            op,
            f"its weights have {len(quantization.scale)} scales along dimension {quantization.axis} "
            f"for {channels} output channels",
            FULL_INTEGER,
        ),
        *require(
            source.dtype is not DType.INT16 or (source.zero_point, output.zero_point) == (0, 0),
            op,
            "has int16 activations with a zero point other than 0",
            "convert with symmetric int16 activations (the 16x8 mode)",
        ),
    ]


def _check_bias(op: Operator, source: Tensor, weights: Tensor, bias: Tensor | None) -> list[Problem]:
    if bias is None:
        return []
    allowed, channels = _BIAS_TYPES[source.dtype], weights.shape[0]
    return require(
        bias.is_constant and bias.dtype in allowed and bias.elements == channels,
        op,
        f"its bias '{bias.name}' is not {channels} constant {' or '.join(t.value for t in allowed)} numbers",
        FULL_INTEGER,
    )


def macs(graph: Graph, op: Operator) -> int:
    """Count every product, those that fall outside the output included."""
    source, weights = graph.tensor(op.inputs[INPUT]), graph.tensor(op.inputs[FILTER])
    return source.elements * weights.elements // weights.shape[3]


def evaluate(graph: Graph, op: Operator, inputs: Sequence[Array | None]) -> Sequence[Array]:
    """Add up the kernels in a frame that holds all of them, cut the output from it, requantise."""
    _, weights, source, bias = (*inputs, None)[:4]
    assert weights is not None
    assert source is not None
    g = geometry(graph, op)
    # Products and sums of int8 weights stay exact in float64, which numpy multiplies fast.
    x = source.astype(np.float64) - graph.tensor(op.inputs[INPUT]).zero_point
    frame_h = max((g.in_h - 1) * g.stride_h + g.filter_height, g.pad_h + g.out_h)
    frame_w = max((g.in_w - 1) * g.stride_w + g.filter_width, g.pad_w + g.out_w)
    frame = np.zeros((g.batches, frame_h, frame_w, g.out_c))
    for y in range(g.filter_height):
        for column in range(g.filter_width):
            rows = slice(y, y + (g.in_h - 1) * g.stride_h + 1, g.stride_h)
            columns = slice(column, column + (g.in_w - 1) * g.stride_w + 1, g.stride_w)
            frame[:, rows, columns] += x @ weights[:, y, column].astype(np.float64).T
    total = frame[:, g.pad_h : g.pad_h + g.out_h, g.pad_w : g.pad_w + g.out_w].astype(np.int64)
    if bias is not None:
        total = total + bias.reshape(-1).astype(np.int64)
    return [requantize(total, requantization(graph, op), graph.tensor(op.outputs[0]).dtype)]


register(
    OperatorSpec(
        "TRANSPOSE_CONV",
        OperatorSchema(
            ("output_shape", "filter", "input", "bias"),
            optional=("bias",),
            shape="output_shape",
            options=TransposeConvOptions,
        ),
        check,
        evaluate,
        macs,
    )
)
