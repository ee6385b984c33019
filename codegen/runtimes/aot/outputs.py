"""From accumulators to int8 outputs in few instructions, exact by proof: see ``templates/aot/mn_proved.h``.

The reference rounds twice, but what it makes is a step function of the accumulator: it meets the output ``v`` at one
accumulator and not at the one before. A cheaper function that rises, too, is the same wherever it is the same at these
thresholds, of which there are at most 255.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from micronets_gen.operators.arithmetic import INT32_MAX, INT32_MIN, multiply_by_quantized_multiplier
from micronets_gen.operators.convolution import Requantization

_Ints = npt.NDArray[np.int64]

SHIFT_A, SHIFT_B = 4, 12
"""The last shift of channels whose accumulator is plain, and of those whose accumulator is 256 times as large."""
_MOST_ROUNDING = 2**15
_TRIES = (32, 1024, _MOST_ROUNDING)
_MOST_SHIFT = 22
_BOUND_A, _BOUND_B = 2**30, 2**23
_CONSTANT_MULTIPLIER = 2**28


@dataclass(frozen=True)
class Channels:
    """Accumulators of some channels; arrays of shape ``(channels,)``.

    Attributes:
        multiplier: Q31.
        right: Bits to the right, below 0 to the left.
        low: Smallest sum of any input, with the bias.
        high: Largest.
        second: Whether the accumulator is 256 times the sum.
    """

    multiplier: _Ints
    right: _Ints
    low: _Ints
    high: _Ints
    second: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Outputs:
    """What the kernels' tables hold; arrays of shape ``(channels,)``.

    Attributes:
        found: Whether there is a way.
        bias: To be added to the channel's own; it replaces it where the channel is constant.
        multiplier: int32.
        rounding: See ``mn_proved.h``.
        constant: Whether the weights do not matter and have to be zero.
    """

    found: npt.NDArray[np.bool_]
    bias: _Ints
    multiplier: _Ints
    rounding: _Ints
    constant: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Steps:
    """The thresholds within the accumulators' range; shape ``(channels, 255)``.

    Attributes:
        value: Outputs from -127 to 127, shape ``(1, 255)``.
        at: Smallest accumulator that makes at least that output.
        inside: Whether some accumulators are below it, and some not.
        lowest: Output of the lowest accumulator, shape ``(channels,)``.
        highest: Of the highest.
    """

    value: _Ints
    at: _Ints
    inside: npt.NDArray[np.bool_]
    lowest: _Ints
    highest: _Ints


def is_shared(r: Requantization) -> bool:
    """Whether one multiplier and shift serve every channel."""
    return bool((r.multiplier == r.multiplier[0]).all() and (r.shift == r.shift[0]).all())


def reaches(weights: npt.NDArray[np.int64], bias: _Ints, zero_point: int) -> tuple[_Ints, _Ints]:
    """Return the smallest and largest accumulators of any input.

    Args:
        weights: Shape ``(channels, depth)``.
        bias: Of the model, shape ``(channels,)``.
        zero_point: Of the input.
    """
    positive, negative = np.maximum(weights, 0).sum(axis=1), np.minimum(weights, 0).sum(axis=1)
    least, most = -128 - zero_point, 127 - zero_point
    return bias + positive * least + negative * most, bias + positive * most + negative * least


def _steps(c: Channels, zero_point: int) -> _Steps:
    """Invert the reference: ``right`` is from 1 to 22."""
    value = np.arange(-127, 128, dtype=np.int64)[None]
    real = value - zero_point
    right = c.right[:, None]
    # Ties away from zero: a negative one belongs to the output below.
    halves = (real << right) - (1 << (right - 1)) + (real <= 0)
    at = -((2**30 - halves * 2**31) // c.multiplier[:, None])
    inside = (at > c.low[:, None]) & (at <= c.high[:, None])
    lowest = np.where(at <= c.low[:, None], value, -128).max(axis=1)
    highest = np.where(at <= c.high[:, None], value, -128).max(axis=1)
    return _Steps(value, at, inside, lowest, highest)


def _proved(c: Channels, steps: _Steps, zero_point: int) -> Outputs:
    """Search bias, multiplier and rounding with which one product and one shift meet every threshold.

    ``(accumulator + bias) * multiplier + (addend << 32)`` has to lie between two lines through all thresholds: what
    is added, ``constant``, between the largest lower and the smallest upper limit. The addend brings it near, in
    steps of ``2 ** 32`` that are any fraction of a step of the bias.
    """
    shift = np.where(c.second, SHIFT_B, SHIFT_A)
    scale = np.where(c.second, 256, 1)
    exponent = shift - c.right + 1
    multiplier = np.rint(np.ldexp(c.multiplier.astype(np.float64), exponent) / scale).astype(np.int64)
    count = len(multiplier)
    found, bias, rounding = np.zeros(count, bool), np.zeros(count, np.int64), np.zeros(count, np.int64)
    possible = (multiplier > 0) & (multiplier < 2**31)
    slope = multiplier * scale
    lower, upper = _limits(c, steps, slope, shift)
    possible &= lower < upper
    base = zero_point * (1 << shift)
    for tries in _TRIES:
        left = np.flatnonzero(possible & ~found)
        if not len(left):
            break
        addend = (base[left, None] + np.arange(tries)) << 32
        step = -((addend - lower[left, None]) // slope[left, None])
        hit = step * slope[left, None] + addend < upper[left, None]
        first = hit.argmax(axis=1)
        rows = np.arange(len(left))
        found[left] = hit[rows, first]
        rounding[left] = first
        bias[left] = step[rows, first]
    return Outputs(found, bias, multiplier, rounding, np.zeros(count, bool))


def _limits(c: Channels, steps: _Steps, slope: _Ints, shift: _Ints) -> tuple[_Ints, _Ints]:
    """Return the smallest constant that reaches every threshold, and the one from which on one is met too early."""
    unit = np.int64(1) << (32 + shift)
    at = np.where(steps.inside, steps.at, 0)
    goal = steps.value * unit[:, None]
    lower = np.where(steps.inside, goal - at * slope[:, None], -(2**62)).max(axis=1)
    upper = np.where(steps.inside, goal - (at - 1) * slope[:, None], 2**62).min(axis=1)
    low, high = steps.lowest * unit - c.low * slope, (steps.highest + 1) * unit - c.high * slope
    lower = np.where(steps.lowest > -128, np.maximum(lower, low), lower)
    upper = np.where(steps.highest < 127, np.minimum(upper, high), upper)
    return lower, upper


def _constants(c: Channels, zero_point: int) -> tuple[_Ints, npt.NDArray[np.bool_]]:
    """Return what the output is beyond its zero point, and whether it is that of every accumulator."""
    low, high = (
        np.clip(multiply_by_quantized_multiplier(x, c.multiplier, -c.right) + zero_point, -128, 127)
        for x in (c.low, c.high)
    )
    whole = (c.low >= INT32_MIN) & (c.high <= INT32_MAX) & ((c.right >= 0) | (c.low == c.high))
    return low - zero_point, whole & (low == high)


def outputs(c: Channels, zero_point: int, block: int) -> Outputs:
    """Find a way from accumulators to outputs for each block of channels.

    Args:
        c: Accumulators; a multiple of ``block`` channels.
        zero_point: Of the output, which saturates at -128 and 127.
        block: Channels that go the same way.
    """
    usable = (c.right >= 1) & (c.right <= _MOST_SHIFT) & (c.multiplier >= 2**30)
    safe = Channels(
        np.where(usable, c.multiplier, 2**30), np.where(usable, c.right, 1), c.low, c.high, c.second
    )
    steps = _steps(safe, zero_point)
    value, constant = _constants(c, zero_point)
    bound = np.where(c.second, _BOUND_B, _BOUND_A)
    usable &= np.maximum(c.high, -c.low) < bound
    proved = _proved(safe, steps, zero_point)
    quick = proved.found & usable & (np.maximum(c.high + proved.bias, -c.low - proved.bias) < bound)
    quick = (quick | constant).reshape(-1, block).all(axis=1).repeat(block)
    return Outputs(
        found=quick | usable | constant,
        bias=np.where(
            constant, np.where(quick, value * 256 + 128, value * 512), np.where(quick, proved.bias, 0)
        ),
        multiplier=np.where(
            constant,
            np.where(quick, _CONSTANT_MULTIPLIER, 2**30),
            np.where(quick, proved.multiplier, safe.multiplier),
        ),
        rounding=np.where(constant, np.where(quick, 0, -8), np.where(quick, proved.rounding, -safe.right)),
        constant=constant,
    )
