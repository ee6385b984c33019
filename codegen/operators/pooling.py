"""AVERAGE_POOL_2D and MAX_POOL_2D.

Source: tensorflow/lite/micro/kernels/pooling_common.cc and
tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from micronets_gen.model.graph import Activation, Array, DType, Graph, Operator, Options, Padding, Tensor
from micronets_gen.model.schema import FusedActivation, OperatorSchema, Positive
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.arithmetic import activation_range, leading_padding, output_extent
from micronets_gen.operators.conditions import (
    CONVERT_AGAIN,
    require,
    require_activation_in_range,
    require_arity,
    require_one_scale,
    require_one_type,
)
from micronets_gen.operators.rows import Rows, Window, is_image


@dataclass(frozen=True)
class Pool2DOptions(Options):
    """AVERAGE_POOL_2D and MAX_POOL_2D. Input NHWC."""

    padding: Padding
    stride_h: Positive
    stride_w: Positive
    filter_height: Positive
    filter_width: Positive
    activation: FusedActivation = Activation.NONE


def _window(size: int, output: int, window: int, stride: int) -> tuple[Array, int]:
    """Return input coordinates [output, window] along one dimension, and the leading padding."""
    padding = leading_padding(size, output, window, stride)
    return np.arange(output)[:, None] * stride - padding + np.arange(window), padding


def _evaluate(graph: Graph, op: Operator, values: Sequence[Array | None]) -> Sequence[Array]:
    x, y = values[0], graph.tensor(op.outputs[0])
    options = op.options
    assert isinstance(options, Pool2DOptions)
    assert x is not None
    _, height, width, _ = x.shape
    _, out_h, out_w, _ = y.shape
    rows, _ = _window(height, out_h, options.filter_height, options.stride_h)
    columns, _ = _window(width, out_w, options.filter_width, options.stride_w)
    row_inside, column_inside = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
    average = op.kind == "AVERAGE_POOL_2D"
    result = np.full(
        (x.shape[0], out_h, out_w, x.shape[3]), 0 if average else np.iinfo(x.dtype).min, dtype=np.int64
    )
    for i in range(options.filter_height):
        for j in range(options.filter_width):
            inside = (row_inside[:, i, None] & column_inside[None, :, j])[None, :, :, None]
            taken = x[:, np.clip(rows[:, i], 0, height - 1)][:, :, np.clip(columns[:, j], 0, width - 1)]
            if average:
                result += np.where(inside, taken, 0)
            else:
                result = np.where(inside, np.maximum(result, taken), result)
    if average:
        count = (row_inside.sum(axis=1)[:, None] * column_inside.sum(axis=1)[None, :])[None, :, :, None]
        result = np.sign(result) * ((np.abs(result) + count // 2) // count)
    low, high = activation_range(options.activation, y)
    return [np.clip(result, low, high).astype(y.dtype.value)]


def takes_all(x: Tensor, y: Tensor, options: Pool2DOptions) -> bool:
    """Whether one window takes in the whole image."""
    extents = ((1, options.filter_height, options.stride_h), (2, options.filter_width, options.stride_w))
    return y.shape[1:3] == (1, 1) and all(
        window - leading_padding(x.shape[axis], 1, window, stride) >= x.shape[axis]
        for axis, window, stride in extents
    )


def _rows(graph: Graph, op: Operator) -> Rows | None:
    x, y, options = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0]), op.options
    assert isinstance(options, Pool2DOptions)
    if not is_image(x):
        return None
    padding = leading_padding(x.shape[1], y.shape[1], options.filter_height, options.stride_h)
    if op.kind == "AVERAGE_POOL_2D" and takes_all(x, y, options):
        return Rows((Window(),), running=True)
    return Rows((Window(options.stride_h, padding, options.filter_height),))


def _check(graph: Graph, op: Operator) -> list[Problem]:
    problems = require_arity(graph, op)
    if problems:
        return problems
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    problems = require_one_type(op, [x, y], {DType.INT8, DType.INT16}) or require_one_scale(op, [x, y])
    if problems:
        return problems
    options = op.options
    assert isinstance(options, Pool2DOptions)
    problems = require_activation_in_range(op, y, options.activation) + require(
        abs(x.scale - y.scale) <= 1e-6 and x.zero_point == y.zero_point,
        op,
        f"its input (scale {x.scale:g}, zero point {x.zero_point}) and output (scale {y.scale:g}, zero point "
        f"{y.zero_point}) are quantised differently",
        CONVERT_AGAIN,
    )
    problems += require(
        len(x.shape) == 4 == len(y.shape)
        and min(options.stride_h, options.stride_w, options.filter_height, options.filter_width) > 0,
        op,
        f"its input has shape {list(x.shape)} (it must be NHWC), window "
        f"{options.filter_height}x{options.filter_width}, stride {options.stride_h}x{options.stride_w}",
        CONVERT_AGAIN,
    )
    if problems:
        return problems
    expected = (
        x.shape[0],
        output_extent(options.padding, x.shape[1], options.filter_height, options.stride_h),
        output_extent(options.padding, x.shape[2], options.filter_width, options.stride_w),
        x.shape[3],
    )
    return require(
        y.shape == expected and y.elements > 0 and x.elements > 0,
        op,
        f"its output has shape {list(y.shape)}; a {options.filter_height}x{options.filter_width} window over "
        f"{list(x.shape)} gives {list(expected)}",
        CONVERT_AGAIN,
    )


for _kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
    register(
        OperatorSpec(_kind, OperatorSchema(("input",), options=Pool2DOptions), _check, _evaluate, rows=_rows)
    )
