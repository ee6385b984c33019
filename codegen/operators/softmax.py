"""SOFTMAX over the last dimension.

Source: tensorflow/lite/micro/kernels/softmax_common.cc and
tensorflow/lite/kernels/internal/reference/softmax.h.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from micronets_gen.model.graph import Array, DType, Graph, Operator, Options
from micronets_gen.model.schema import OperatorSchema
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.arithmetic import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_pot,
    rounding_doubling_high_mul,
    wrap_int32,
)
from micronets_gen.operators.conditions import (
    CONVERT_AGAIN,
    require,
    require_arity,
    require_one_scale,
    require_same_shape,
    require_type_pair,
)
from micronets_gen.operators.fixed_point import exp_on_negative_values, reciprocal
from micronets_gen.operators.rows import row_by_row


@dataclass(frozen=True)
class SoftmaxOptions(Options):
    beta: float = 1.0


Values = npt.NDArray[np.int64]

_INTEGER_BITS = 5
_SUM_INTEGER_BITS = 12
_PAIRS = frozenset({(DType.INT8, DType.INT8), (DType.INT8, DType.INT16), (DType.INT16, DType.INT16)})


def input_rescaling(graph: Graph, op: Operator) -> tuple[int, int, int]:
    """Return ``(multiplier, shift, smallest difference)`` for differences to the row's maximum.

    int8: to 5 integer bits; differences below the smallest give 0. int16: such that -65535 is -10 (the
    smallest difference has no meaning and is 0).
    """
    assert isinstance(op.options, SoftmaxOptions)
    x = graph.tensor(op.inputs[0])
    beta = float(np.float32(op.options.beta))
    if x.dtype is DType.INT16:
        return (*quantize_multiplier(x.scale * beta / (10.0 / 65535.0)), 0)
    multiplier, shift = quantize_multiplier(min(beta * x.scale * 2.0 ** (31 - _INTEGER_BITS), 2.0**31 - 1))
    radius = math.floor((2**_INTEGER_BITS - 1) * 2.0 ** (31 - _INTEGER_BITS) / 2.0**shift)
    return multiplier, shift, -radius


def _lookup_table(function: Callable[[Array], Array], low: float, high: float) -> npt.NDArray[np.int16]:
    """``LUTPopulate``: ``function`` at 513 points of [low, high] as Q15, in single precision throughout."""
    f32 = np.float32
    scale = f32(2) / f32(65535)
    inverse = f32(65536) / (scale * f32(32767) - scale * f32(-32768))
    start = f32(low)
    step = (f32(high) - start) / f32(512)
    i = np.arange(512, dtype=f32)

    def rounded(v: Array) -> Array:
        return np.asarray(np.trunc(v + np.copysign(f32(0.5), v)), dtype=f32)

    value, middle, following = (
        function(np.asarray(x, dtype=f32))
        for x in (start + i * step, start + i * step + step / 2, start + (i + 1) * step)
    )
    interpolated = rounded((following * inverse + rounded(value * inverse)) / f32(2))
    bias = rounded((interpolated - rounded(middle * inverse)) / f32(2))
    last = rounded(function(np.asarray([high], dtype=f32)) * inverse)
    return np.asarray(
        np.clip(np.concatenate([rounded(value * inverse) - bias, last]), -32768, 32767), dtype=np.int16
    )


def exp_table() -> npt.NDArray[np.int16]:
    """``exp(x)`` for x from -10 to 0, Q15, 513 entries."""
    low = float(np.float32(10) / np.float32(65535) * np.float32(-65535))
    return _lookup_table(np.exp, low, 0.0)


def one_over_one_plus_table() -> npt.NDArray[np.int16]:
    """``1 / (1 + x)`` for x from 0 to 1, Q15, 513 entries."""
    high = float(np.float32(1) / np.float32(65535) * np.float32(65535))
    return _lookup_table(lambda x: np.float32(1) / (np.float32(1) + x), 0.0, high)


def _look_up(table: npt.NDArray[np.int16], value: Values) -> Values:
    entries = table.astype(np.int64)
    index = 256 + (value >> 7)
    slope = entries[index + 1] - entries[index]
    return np.asarray(entries[index] + ((slope * (value & 0x7F) + 64) >> 7))


def _softmax_int8(rows: Values, rescaling: tuple[int, int, int], output: DType) -> Values:
    multiplier, shift, smallest = rescaling
    difference = rows - rows.max(axis=1, keepdims=True)
    counted = difference >= smallest
    scaled = rounding_doubling_high_mul(
        wrap_int32(np.where(counted, difference, 0) << np.int64(shift)), multiplier
    )
    exponentials = exp_on_negative_values(scaled, _INTEGER_BITS)
    rounded = rounding_divide_by_pot(exponentials, _SUM_INTEGER_BITS)
    total = np.where(counted, rounded, 0).sum(axis=1, keepdims=True)
    scale, bits = reciprocal(total, _SUM_INTEGER_BITS)
    result = rounding_divide_by_pot(
        rounding_doubling_high_mul(exponentials, scale), bits + 31 - 8 * output.size
    )
    low = -(1 << (8 * output.size - 1))
    return np.where(counted, np.clip(result + low, low, -low - 1), low)


def _softmax_int16(rows: Values, rescaling: tuple[int, int, int]) -> Values:
    multiplier, shift, _ = rescaling
    difference = rows - rows.max(axis=1, keepdims=True)
    scaled = multiply_by_quantized_multiplier(difference, multiplier, shift) + 32767
    exponentials = _look_up(exp_table(), np.clip(scaled, -32768, 32767))
    total = exponentials.sum(axis=1, keepdims=True)
    headroom = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    shifted = ((total << (headroom - 1)) + (1 << 13)) >> 14
    inverse = _look_up(one_over_one_plus_table(), np.clip(shifted - (1 << 15) - (1 << 16), -32768, 32767))
    right = 31 - headroom
    return np.asarray(np.clip((exponentials * inverse + (np.int64(1) << (right - 1))) >> right, 0, 32767))


def _evaluate(graph: Graph, op: Operator, values: Sequence[Array | None]) -> Sequence[Array]:
    x, y = values[0], graph.tensor(op.outputs[0])
    assert x is not None
    rows = x.astype(np.int64).reshape(-1, x.shape[-1])
    rescaling = input_rescaling(graph, op)
    result = (
        _softmax_int16(rows, rescaling) if x.dtype == np.int16 else _softmax_int8(rows, rescaling, y.dtype)
    )
    return [result.astype(y.dtype.value).reshape(y.shape)]


def _check(graph: Graph, op: Operator) -> list[Problem]:
    problems = require_arity(graph, op) or require_type_pair(graph, op, _PAIRS)
    if problems:
        return problems
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    problems = require_one_scale(op, [x, y]) + require_same_shape(graph, op)
    if problems:
        return problems
    expected = {
        (DType.INT8, DType.INT8): (1 / 256, -128, 0.0),
        (DType.INT8, DType.INT16): (1 / 65536, -32768, 1e-3),
        (DType.INT16, DType.INT16): (1 / 32768, 0, 1e-3),
    }
    scale, zero_point, tolerance = expected[(x.dtype, y.dtype)]
    problems = require(
        abs(y.scale - scale) <= tolerance * scale and y.zero_point == zero_point,
        op,
        f"its output has scale {y.scale:g} and zero point {y.zero_point}; {x.dtype.value} to {y.dtype.value} "
        f"SOFTMAX has {scale:g} and {zero_point}",
        CONVERT_AGAIN,
    )
    problems += require(
        x.dtype is not DType.INT16 or x.zero_point == 0,
        op,
        f"its int16 input has zero point {x.zero_point}; it must be 0",
        CONVERT_AGAIN,
    )
    depth = x.shape[-1] if x.shape else 0
    most = 4095 if x.dtype is DType.INT8 else 65535
    problems += require(
        0 < depth <= most,
        op,
        f"its rows have {depth} elements; the kernel's sum holds 1 to {most}",
        "split the last dimension",
    )
    multiplier, shift, _ = input_rescaling(graph, op)
    return problems + require(
        multiplier > 0 and (x.dtype is DType.INT16 or (shift >= 0 and (multiplier, shift) != (1 << 30, 0))),
        op,
        f"scale {x.scale:g} times beta is too small for the kernel's arithmetic",
        "check the representative dataset and beta: every output is the same",
    )


register(
    OperatorSpec(
        "SOFTMAX",
        OperatorSchema(("input",), options=SoftmaxOptions, table_required=True),
        _check,
        _evaluate,
        in_place=("input",),
        rows=row_by_row,
    )
)
