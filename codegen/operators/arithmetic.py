"""Fixed-point arithmetic of TensorFlow Lite Micro, in numpy, and the constants its kernels derive.

Source: tensorflow/lite/kernels/internal/{quantization_util.cc,common.h} and gemmlowp's fixedpoint.h, double
rounding (``TFLITE_SINGLE_ROUNDING`` off).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from micronets_gen.common.integers import ceil_div
from micronets_gen.model.graph import Activation, Array, Padding, Tensor

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Split ``real`` into ``(multiplier, shift)`` with ``real ~ multiplier * 2**(shift - 31)``.

    ``multiplier`` is a Q31 value in [2**30, 2**31), or 0 for 0 and for values too small to represent.
    """
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = round_half_away(fraction * 2.0**31)
    if multiplier == 2**31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        return INT32_MAX, 30
    return multiplier, shift


def round_half_away(value: float) -> int:
    """C ``round()`` (``TfLiteRound``)."""
    return math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5)


def rounding_doubling_high_mul(
    a: npt.NDArray[np.int64], b: npt.NDArray[np.int64] | int
) -> npt.NDArray[np.int64]:
    """``SaturatingRoundingDoublingHighMul`` on int32 values held in int64."""
    product = a * np.int64(b) if isinstance(b, int) else a * b
    nudge = np.where(product >= 0, np.int64(1 << 30), np.int64(1 - (1 << 30)))
    total = product + nudge
    quotient = np.where(total >= 0, total >> 31, -((-total) >> 31))
    return np.minimum(quotient, INT32_MAX)


def rounding_divide_by_pot(
    x: npt.NDArray[np.int64], exponent: npt.NDArray[np.int64] | int
) -> npt.NDArray[np.int64]:
    """``RoundingDivideByPOT``: to nearest, ties away from zero."""
    e = np.asarray(exponent, dtype=np.int64)
    mask = (np.int64(1) << e) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (x < 0)
    return (x >> e) + (remainder > threshold)


def multiply_by_quantized_multiplier(
    x: Array, multiplier: Array | int, shift: Array | int
) -> npt.NDArray[np.int64]:
    """``MultiplyByQuantizedMultiplier`` for int32 ``x``: left shift, high product, rounding right shift.

    Args:
        x: int32 values, any shape.
        multiplier: Q31, scalar or broadcastable to ``x``.
        shift: Exponent; positive shifts left.
    """
    s = np.asarray(shift, dtype=np.int64)
    left = np.maximum(s, 0)
    right = np.maximum(-s, 0)
    shifted = wrap_int32(np.asarray(x, dtype=np.int64) << left)
    return rounding_divide_by_pot(
        rounding_doubling_high_mul(shifted, np.asarray(multiplier, dtype=np.int64)), right
    )


def multiply_int64_by_quantized_multiplier(
    x: Array, multiplier: Array | int, shift: Array | int
) -> npt.NDArray[np.int64]:
    """``MultiplyByQuantizedMultiplier`` for a 48-bit accumulator (int16 activations).

    The multiplier is reduced to 16 bits; one rounding.
    """
    m = np.asarray(multiplier, dtype=np.int64)
    reduced = np.where(m < 0x7FFF0000, (m + (1 << 15)) >> 16, 0x7FFF)
    total_shift = 15 - np.asarray(shift, dtype=np.int64)
    value = np.asarray(x, dtype=np.int64) * reduced + (np.int64(1) << (total_shift - 1))
    return value >> total_shift


def wrap_int32(x: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Two's complement wrap to 32 bits, kept in int64."""
    return x.astype(np.int32).astype(np.int64)


def activation_range(activation: Activation, output: Tensor) -> tuple[int, int]:
    """``CalculateActivationRangeQuantized``: the clamp of a fused activation, in the output's units."""
    low, high = output.dtype.limits

    def quantize(real: float) -> int:
        # The kernels divide in single precision.
        return output.zero_point + round_half_away(float(np.float32(real) / np.float32(output.scale)))

    if activation is Activation.RELU:
        low = max(low, quantize(0.0))
    elif activation is Activation.RELU6:
        low, high = max(low, quantize(0.0)), min(high, quantize(6.0))
    elif activation is Activation.RELU_N1_TO_1:
        low, high = max(low, quantize(-1.0)), min(high, quantize(1.0))
    return low, high


def output_extent(padding: Padding, size: int, window: int, stride: int, dilation: int = 1) -> int:
    """``ComputeOutSize``: elements of the output along one spatial dimension."""
    effective = (window - 1) * dilation + 1
    if padding is Padding.SAME:
        return ceil_div(size, stride)
    return max(0, (size + stride - effective) // stride)


def leading_padding(size: int, output: int, window: int, stride: int, dilation: int = 1) -> int:
    """``ComputePadding``: elements of padding before the first input element."""
    effective = (window - 1) * dilation + 1
    return max(0, ((output - 1) * stride + effective - size) // 2)
