"""LOGISTIC, TANH, RELU, RELU6, LEAKY_RELU, HARD_SWISH: functions of one element.

Source: tensorflow/lite/micro/kernels/{logistic,tanh,activations,leaky_relu,hard_swish}_common.cc and
tensorflow/lite/kernels/internal/reference/{integer_ops/logistic.h,integer_ops/tanh.h,leaky_relu.h,hard_swish.h}.

RELU and LEAKY_RELU divide their scales in double precision, as TFLM does since autumn 2026. Before, and in
LiteRT, it was single precision, which now and then rounds an int16 result the other way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from micronets_gen.model.graph import Array, DType, Graph, Operator, Options, Tensor
from micronets_gen.model.schema import OperatorSchema
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.arithmetic import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    round_half_away,
    rounding_divide_by_pot,
    wrap_int32,
)
from micronets_gen.operators.conditions import (
    CONVERT_AGAIN,
    require,
    require_arity,
    require_one_scale,
    require_one_type,
    require_same_shape,
    require_symmetric_int16,
)
from micronets_gen.operators.fixed_point import logistic, tanh
from micronets_gen.operators.rows import row_by_row


@dataclass(frozen=True)
class LeakyReluOptions(Options):
    alpha: float = 0.0


Values = npt.NDArray[np.int64]

_INPUT_INTEGER_BITS = 4


@dataclass(frozen=True)
class Rescaling:
    """``offset + (x - zero_point) * multiplier * 2**(shift - 31)``, clamped to ``low`` .. ``high``."""

    zero_point: int
    multiplier: int
    shift: int
    offset: int
    low: int
    high: int

    @property
    def is_identity(self) -> bool:
        """Whether it only clamps."""
        return (self.multiplier, self.shift) == (1 << 30, 1) and self.zero_point == self.offset

    def __call__(self, x: Values) -> Values:
        scaled = multiply_by_quantized_multiplier(x - self.zero_point, self.multiplier, self.shift)
        return np.asarray(np.clip(wrap_int32(scaled + self.offset), self.low, self.high))


def relu_rescaling(x: Tensor, y: Tensor) -> Rescaling:
    """RELU: rescales from the input's to the output's quantisation."""
    multiplier, shift = quantize_multiplier(x.scale / y.scale)
    low, high = y.dtype.limits
    return Rescaling(x.zero_point, multiplier, shift, y.zero_point, max(low, y.zero_point), high)


def relu6_range(x: Tensor) -> tuple[int, int]:
    """RELU6: what 0 and 6 are in the input's quantisation; TFLM clamps to them and does not rescale."""
    low, high = x.dtype.limits
    six = round_half_away(float(np.float32(6) / np.float32(x.scale))) + x.zero_point
    return x.zero_point, max(low, min(high, six))


def leaky_relu_rescalings(graph: Graph, op: Operator) -> tuple[Rescaling, Rescaling, int]:
    """LEAKY_RELU: the rescalings of inputs at or above, and below, the zero point, and the sign of alpha.

    The second is for ``-alpha`` where alpha is negative; neither clamps.
    """
    assert isinstance(op.options, LeakyReluOptions)
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    alpha = float(np.float32(op.options.alpha))
    m0, s0 = quantize_multiplier(x.scale / y.scale)
    m1, s1 = quantize_multiplier(x.scale * alpha / y.scale)
    low, high = y.dtype.limits
    return (
        Rescaling(x.zero_point, m0, s0, y.zero_point, low, high),
        Rescaling(x.zero_point, abs(m1), s1, y.zero_point, low, high),
        -1 if m1 < 0 else 1,
    )


def _relu(graph: Graph, op: Operator, q: Values) -> Values:
    return relu_rescaling(graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0]))(q)


def _relu6(graph: Graph, op: Operator, q: Values) -> Values:
    low, high = relu6_range(graph.tensor(op.inputs[0]))
    return np.where(q > high, high, np.where(q < low, low, q))


def _leaky_relu(graph: Graph, op: Operator, q: Values) -> Values:
    identity, slope, sign = leaky_relu_rescalings(graph, op)
    x = q - identity.zero_point
    positive = multiply_by_quantized_multiplier(x, identity.multiplier, identity.shift)
    negative = sign * multiply_by_quantized_multiplier(x, slope.multiplier, slope.shift)
    result = wrap_int32(identity.offset + np.where(x >= 0, positive, negative))
    return np.asarray(np.clip(result, identity.low, identity.high))


def _saturating(
    function: Callable[[Values, int], Values], x: Tensor, q: Values
) -> tuple[Values, Values, Values]:
    """Return ``function`` of int8 inputs, and where the input is beyond what it can represent."""
    fraction, shift = math.frexp(x.scale * 2.0 ** (31 - _INPUT_INTEGER_BITS))
    multiplier = round_half_away(fraction * 2.0**31)
    radius = math.floor((2**_INPUT_INTEGER_BITS - 1) * 2.0 ** (31 - _INPUT_INTEGER_BITS) / 2.0**shift)
    value = q - x.zero_point
    inside = np.abs(value) < radius
    scaled = multiply_by_quantized_multiplier(np.where(inside, value, 0), multiplier, shift)
    return function(scaled, _INPUT_INTEGER_BITS), value <= -radius, value >= radius


def _select(result: Values, below: Values, above: Values) -> Values:
    return np.where(below, -128, np.where(above, 127, np.clip(result, -128, 127)))


def _logistic(graph: Graph, op: Operator, q: Values) -> Values:
    x = graph.tensor(op.inputs[0])
    if x.dtype is DType.INT16:
        return _logistic_int16(x, q)
    result, below, above = _saturating(logistic, x, q)
    return _select(rounding_divide_by_pot(result, 23) - 128, below, above)


def _tanh(graph: Graph, op: Operator, q: Values) -> Values:
    x = graph.tensor(op.inputs[0])
    if x.dtype is DType.INT16:
        return _tanh_int16(x, q)
    result, below, above = _saturating(tanh, x, q)
    return _select(rounding_divide_by_pot(result, 24), below, above)


# --- int16: interpolation in a table of the logistic function --------------------------------------------


def sigmoid_table() -> npt.NDArray[np.uint16]:
    """``65536 / (1 + exp(-i / 24))`` for i in 0..255.

    Each entry is moved by half of what linear interpolation overshoots in the middle of its interval.
    """
    x = np.arange(256, dtype=np.float64)

    def value(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(65536 / (1 + np.exp(-t / 24)))

    error = (value(x) + value(x + 1)) / 2 - value(x + 0.5)
    table = np.floor(value(x) - error / 2 + 0.5)
    table[255] = 65535
    return table.astype(np.uint16)


def is_power_of_two(scale: float) -> tuple[bool, int]:
    """``CheckedLog2``: whether ``scale`` is a power of two to one part in 1400, and which."""
    log2 = np.log(np.float32(scale)) * (np.float32(1) / np.log(np.float32(2)))
    rounded = round_half_away(float(log2))
    return bool(abs(log2 - np.float32(rounded)) < np.float32(1e-3)), rounded


def sigmoid_input_rescaling(x: Tensor, kind: str) -> tuple[int, int]:
    """int16 LOGISTIC and TANH: ``(multiplier, shift)``; ``x * multiplier >> shift`` counts 1/12288."""
    power, log2 = is_power_of_two(x.scale)
    if power and 0 <= log2 + 12 <= (1 if kind == "TANH" else 0):
        return 3 << (log2 + 12), 0
    multiplier, shift = x.scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        shift += 1
        multiplier *= 2.0
    return int(multiplier), shift


def _table_input(x: Tensor, kind: str, q: Values) -> Values:
    multiplier, shift = sigmoid_input_rescaling(x, kind)
    return (q * multiplier + ((1 << shift) >> 1)) >> shift


def _interpolate(magnitude: Values, bits: int, beyond: int) -> Values:
    """Look up ``magnitude >> bits`` and interpolate with the rest; the result has ``bits`` more bits."""
    table = sigmoid_table().astype(np.int64)
    index = np.minimum(magnitude >> bits, 254)
    rest = magnitude & ((1 << bits) - 1)
    inner = (table[index] << bits) + rest * (table[index + 1] - table[index])
    return np.where(magnitude >> bits >= 255, beyond, inner)


def _logistic_int16(x: Tensor, q: Values) -> Values:
    value = _table_input(x, "LOGISTIC", q)
    result = _interpolate(np.abs(value), 9, 0x7FFF << 10)
    return np.where(value >= 0, result + (1 << 9), (1 << 25) - result + (1 << 9) - 1) >> 10


def _tanh_int16(x: Tensor, q: Values) -> Values:
    value = _table_input(x, "TANH", q)
    result = _interpolate(np.abs(value), 8, 0xFFFF << 8) - (1 << 23)
    return np.where(value >= 0, result + (1 << 7), -result + (1 << 7) - 1) >> 8


# --- HARD_SWISH ------------------------------------------------------------------------------------------


def _int16_multiplier(real: float) -> tuple[int, int]:
    multiplier, exponent = quantize_multiplier(real)
    return min((multiplier + (1 << 15)) >> 16, 0x7FFF), exponent


def _hard_swish_multipliers(graph: Graph, op: Operator) -> tuple[tuple[int, int], tuple[int, int]]:
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    fine = np.float32(1 / 128) * np.float32(x.scale)
    reluish = np.float32(3) / np.float32(32768)
    return _int16_multiplier(float(fine / np.float32(y.scale))), _int16_multiplier(float(fine / reluish))


def _high_mul_int16(a: Values, b: int) -> Values:
    product = a * b
    return (product + (1 << 14)) >> 15


def _saturate_int16(x: Values) -> Values:
    return np.clip(x, -32768, 32767)


def _hard_swish(graph: Graph, op: Operator, q: Values) -> Values:
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    (output_multiplier, output_exponent), (multiplier, exponent) = _hard_swish_multipliers(graph, op)
    fine = (q - x.zero_point) << 7
    scaled = _high_mul_int16(fine, output_multiplier)
    gate = fine
    if exponent > 0:
        gate = _saturate_int16(gate << (exponent - 1))
    gate = _high_mul_int16(gate, multiplier)
    if exponent > 0:
        gate = _saturate_int16(gate << 1)
    if exponent < 0:
        gate = rounding_divide_by_pot(gate, -exponent)
    gate = (gate + (1 << 15)) >> 1
    product = gate * scaled
    truncated = np.sign(product) * (np.abs(product) >> 15)
    return np.clip(rounding_divide_by_pot(truncated, -output_exponent) + y.zero_point, -128, 127)


# --- records ---------------------------------------------------------------------------------------------

_Function = Callable[[Graph, Operator, Values], Values]


def _evaluator(function: _Function) -> Callable[[Graph, Operator, Sequence[Array | None]], Sequence[Array]]:
    def evaluate(graph: Graph, op: Operator, values: Sequence[Array | None]) -> Sequence[Array]:
        x = values[0]
        assert x is not None
        return [function(graph, op, x.astype(np.int64)).astype(graph.tensor(op.outputs[0]).dtype.value)]

    return evaluate


def _common(graph: Graph, op: Operator, allowed: frozenset[DType]) -> list[Problem]:
    problems = require_arity(graph, op)
    if problems:
        return problems
    ends = [graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])]
    return require_one_type(op, ends, allowed) or (
        require_one_scale(op, ends) + require_same_shape(graph, op)
    )


_INT8 = frozenset({DType.INT8})
_BOTH = frozenset({DType.INT8, DType.INT16})


def _check_simple(graph: Graph, op: Operator) -> list[Problem]:
    return _common(graph, op, _BOTH)


def _check_relu(graph: Graph, op: Operator) -> list[Problem]:
    return _common(graph, op, _BOTH) or require_symmetric_int16(
        op, [graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])]
    )


def _check_sigmoid(graph: Graph, op: Operator) -> list[Problem]:
    problems = _check_relu(graph, op)
    if problems:
        return problems
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    if x.dtype is DType.INT8:
        return require(
            op.kind == "TANH" or y.zero_point == -128,
            op,
            f"its output has zero point {y.zero_point}; int8 LOGISTIC always has -128",
            CONVERT_AGAIN,
        )
    problems = require(
        is_power_of_two(y.scale) == (True, -15),
        op,
        f"its output has scale {y.scale:g}; an int16 {op.kind} always has 1/32768",
        CONVERT_AGAIN,
    )
    return problems + require(
        sigmoid_input_rescaling(x, op.kind)[0] <= 32767,
        op,
        f"its input scale {x.scale:g} is more than 2.66, where the kernel's arithmetic overflows",
        "check the representative dataset: inputs of such a size saturate the function",
    )


def _check_hard_swish(graph: Graph, op: Operator) -> list[Problem]:
    problems = _common(graph, op, _INT8)
    if problems:
        return problems
    (_, output_exponent), (_, exponent) = _hard_swish_multipliers(graph, op)
    return require(
        -15 <= output_exponent <= 0 and -15 <= exponent <= 30,
        op,
        "its scales are too far apart, or too small, for the kernel's 16-bit arithmetic",
        "check the representative dataset: input and output of HARD_SWISH have about the same range",
    )


_ELEMENT = OperatorSchema(("input",))

register(
    OperatorSpec(
        "LOGISTIC", _ELEMENT, _check_sigmoid, _evaluator(_logistic), in_place=("input",), rows=row_by_row
    )
)
register(
    OperatorSpec("TANH", _ELEMENT, _check_sigmoid, _evaluator(_tanh), in_place=("input",), rows=row_by_row)
)
register(OperatorSpec("RELU", _ELEMENT, _check_relu, _evaluator(_relu), in_place=("input",), rows=row_by_row))
register(
    OperatorSpec("RELU6", _ELEMENT, _check_simple, _evaluator(_relu6), in_place=("input",), rows=row_by_row)
)
register(
    OperatorSpec(
        "LEAKY_RELU",
        OperatorSchema(("input",), options=LeakyReluOptions, table_required=True),
        _check_simple,
        _evaluator(_leaky_relu),
        in_place=("input",),
        rows=row_by_row,
    )
)
register(
    OperatorSpec(
        "HARD_SWISH",
        _ELEMENT,
        _check_hard_swish,
        _evaluator(_hard_swish),
        in_place=("input",),
        rows=row_by_row,
    )
)
