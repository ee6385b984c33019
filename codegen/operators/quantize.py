"""QUANTIZE and DEQUANTIZE: between float and quantised types, and between quantisations.

Source: tensorflow/lite/micro/kernels/{quantize,dequantize}_common.cc and
tensorflow/lite/kernels/internal/reference/{quantize,requantize,dequantize}.h.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from micronets_gen.model.graph import Array, DType, Graph, Operator, Tensor
from micronets_gen.model.schema import OperatorSchema
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.arithmetic import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    wrap_int32,
)
from micronets_gen.operators.conditions import (
    require_arity,
    require_one_scale,
    require_same_shape,
    require_type_pair,
)
from micronets_gen.operators.rows import row_by_row

_FLOAT_LIMIT = 2.0**24

_QUANTIZE_PAIRS = frozenset(
    {
        (DType.FLOAT32, DType.INT8),
        (DType.FLOAT32, DType.INT16),
        (DType.INT8, DType.INT8),
        (DType.INT8, DType.UINT8),
        (DType.INT8, DType.INT16),
        (DType.INT8, DType.INT32),
        (DType.UINT8, DType.INT8),
        (DType.INT16, DType.INT8),
        (DType.INT16, DType.INT16),
        (DType.INT16, DType.INT32),
        (DType.INT32, DType.INT8),
        (DType.INT32, DType.INT16),
    }
)
_DEQUANTIZE_PAIRS = frozenset((t, DType.FLOAT32) for t in (DType.INT8, DType.INT16))


def requantization(graph: Graph, op: Operator) -> tuple[int, int]:
    """Return ``(multiplier, shift)`` from the input's to the output's scale."""
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    return quantize_multiplier(x.scale / y.scale)


def quantize(value: Array, tensor: Tensor) -> Array:
    """Return real numbers, float32, as a tensor of one scale has them; what is beyond its range saturates."""
    # What is beyond every output, and what is not a number, TFLM leaves undefined.
    with np.errstate(over="ignore", invalid="ignore"):
        real = np.asarray(value, dtype=np.float32) / np.float32(tensor.scale)
    real = np.clip(np.nan_to_num(real, nan=-_FLOAT_LIMIT), -_FLOAT_LIMIT, _FLOAT_LIMIT).astype(np.float64)
    result = np.trunc(real + np.copysign(0.5, real)).astype(np.int64) + tensor.zero_point
    quantised: Array = np.clip(result, *tensor.dtype.limits).astype(tensor.dtype.value)
    return quantised


def _evaluate_quantize(graph: Graph, op: Operator, values: Sequence[Array | None]) -> Sequence[Array]:
    value = values[0]
    assert value is not None
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    if x.dtype is DType.FLOAT32:
        return [quantize(value, y)]
    multiplier, shift = requantization(graph, op)
    difference = wrap_int32(value.astype(np.int64) - x.zero_point)
    result = wrap_int32(multiply_by_quantized_multiplier(difference, multiplier, shift) + y.zero_point)
    return [np.clip(result, *y.dtype.limits).astype(y.dtype.value)]


def _evaluate_dequantize(graph: Graph, op: Operator, values: Sequence[Array | None]) -> Sequence[Array]:
    value, x = values[0], graph.tensor(op.inputs[0])
    assert value is not None
    return [(x.scale * (value.astype(np.float64) - x.zero_point)).astype(np.float32)]


def _check_quantize(graph: Graph, op: Operator) -> list[Problem]:
    problems = require_arity(graph, op) or require_type_pair(graph, op, _QUANTIZE_PAIRS)
    if problems:
        return problems
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    return require_one_scale(op, [y] if x.dtype is DType.FLOAT32 else [x, y]) + require_same_shape(graph, op)


def _check_dequantize(graph: Graph, op: Operator) -> list[Problem]:
    problems = require_arity(graph, op) or require_type_pair(graph, op, _DEQUANTIZE_PAIRS)
    return problems or require_one_scale(op, [graph.tensor(op.inputs[0])]) + require_same_shape(graph, op)


register(
    OperatorSpec(
        "QUANTIZE",
        OperatorSchema(("input",)),
        _check_quantize,
        _evaluate_quantize,
        in_place=("input",),
        rows=row_by_row,
    )
)
register(
    OperatorSpec(
        "DEQUANTIZE",
        OperatorSchema(("input",)),
        _check_dequantize,
        _evaluate_dequantize,
        in_place=("input",),
        rows=row_by_row,
    )
)
