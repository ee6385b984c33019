"""Transcendental functions of TensorFlow Lite Micro's int8 kernels: fixed-point approximations, bit by bit.

A number with ``n`` integer bits is an int32 ``raw`` (held in int64) that stands for ``raw / 2**(31 - n)``.

Source: gemmlowp's fixedpoint.h and tensorflow/lite/kernels/internal/common.h.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from micronets_gen.operators.arithmetic import (
    INT32_MAX,
    INT32_MIN,
    rounding_divide_by_pot,
    rounding_doubling_high_mul,
)

Raw = npt.NDArray[np.int64]

_multiply = rounding_doubling_high_mul


def _q31(real: float) -> int:
    return math.floor(real * 2.0**31 + 0.5)


def _shift_left(x: Raw, bits: int) -> Raw:
    return np.asarray(np.clip(x << np.int64(bits), INT32_MIN, INT32_MAX))


def _exp_last_quarter(a: Raw) -> Raw:
    """``exp(a)`` for -1/4 <= a < 0: a Taylor polynomial around -1/8; no integer bits in or out."""
    centre = _q31(math.exp(-1 / 8))
    x = a + (1 << 28)
    x2 = _multiply(x, x)
    x3 = _multiply(x2, x)
    x4 = _multiply(x2, x2)
    cubic = _multiply(rounding_divide_by_pot(x4, 2) + x3, _q31(1 / 3))
    return centre + _multiply(x + rounding_divide_by_pot(cubic + x2, 1), centre)


def exp_on_negative_values(a: Raw, integer_bits: int) -> Raw:
    """``exp(a)`` for a <= 0 with ``integer_bits``; the result has none."""
    fraction = 31 - integer_bits
    quarter = 1 << (fraction - 2)
    within = (a & (quarter - 1)) - quarter
    result = _exp_last_quarter(_shift_left(within, integer_bits))
    whole_quarters = within - a
    for exponent in range(-2, integer_bits):
        scaled = _multiply(result, _q31(math.exp(-(2.0**exponent))))
        result = np.where(whole_quarters & (1 << (fraction + exponent)), scaled, result)
    return np.where(a == 0, INT32_MAX, result)


def _inverse_of_half_denominator(a: Raw) -> Raw:
    """``2 / (1 + a)`` for 0 <= a <= 1 by Newton's method; two integer bits in the result."""
    half_denominator = (a + INT32_MAX + 1) >> 1
    x = _multiply(half_denominator, _q31(-32 / 17 / 4)) + _q31(48 / 17 / 4)
    for _ in range(3):
        error = (1 << 29) - _multiply(half_denominator, x)
        x = x + _shift_left(_multiply(x, error), 2)
    return x


def one_over_one_plus(a: Raw) -> Raw:
    """``1 / (1 + a)`` for 0 <= a <= 1; no integer bits in or out."""
    return _shift_left(_inverse_of_half_denominator(a), 1)


def logistic(a: Raw, integer_bits: int) -> Raw:
    """``1 / (1 + exp(-a))``; no integer bits in the result."""
    positive = one_over_one_plus(exp_on_negative_values(-np.abs(a), integer_bits))
    return np.where(a == 0, 1 << 30, np.where(a > 0, positive, INT32_MAX - positive))


def tanh(a: Raw, integer_bits: int) -> Raw:
    """``tanh(a)``; no integer bits in the result."""
    # tanh(a) = (1 - exp(-2a)) / (1 + exp(-2a)); one integer bit more reads the same raw value as 2a.
    inverse = _inverse_of_half_denominator(exp_on_negative_values(-np.abs(a), integer_bits + 1))
    magnitude = _shift_left(inverse - (1 << 29), 2)
    return np.where(a == 0, 0, np.where(a < 0, -magnitude, magnitude))


def reciprocal(x: Raw, integer_bits: int) -> tuple[Raw, Raw]:
    """``1 / x`` as ``(scale, bits)``: ``scale / 2**31 / 2**bits``, for x >= 1 with ``integer_bits``."""
    headroom = 32 - np.frexp(x.astype(np.float64))[1].astype(np.int64)
    normalised = (x << headroom) - (1 << 31)
    return one_over_one_plus(normalised), integer_bits - headroom
