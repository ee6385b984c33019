"""Fake quantisation: what the integers of the exported file make of a value, with gradients for value and range.

Rounding lets the gradient of the value through where the range holds it. The gradient of the range is the true one
of what the value becomes, the integers held fixed: LSQ's (arXiv:1902.08153) of the step, which is TQT's
(arXiv:1903.08066) where the logarithm of a range is learnt. So a range moves for its rounding errors, too, not for
what it clips alone.

All operations have deterministic kernels on a GPU; TensorFlow's own fake quantisation has none for its gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf


@dataclass(frozen=True)
class Levels:
    """The integers that stand for a tensor's values, as the file has them: whole numbers, or float32 scalars.

    Attributes:
        low: The smallest.
        high: The largest.
        zero_point: The one that stands for 0.
    """

    low: Any
    high: Any
    zero_point: Any

    @property
    def positive(self) -> Any:
        """How many levels lie above zero."""
        return self.high - self.zero_point


def symmetric(bits: int = 8) -> Levels:
    """Return as many levels below zero as above: those of weights, and of activations that can be negative."""
    high = 2 ** (bits - 1) - 1
    return Levels(-high, high, 0)


def around(zero_point: Any, bits: int = 8) -> Levels:
    """Return all integers of so many bits, one of which stands for 0."""
    half = 2 ** (bits - 1)
    return Levels(-half, half - 1, zero_point)


def unsigned(bits: int = 8) -> Levels:
    """Return all integers of so many bits, the smallest of which stands for 0: those of what ReLU leaves."""
    return around(-(2 ** (bits - 1)), bits)


def fake_quantise(value: Any, step: Any, levels: Levels, halves_up: bool = False) -> Any:
    """Return values rounded to whole steps and clipped to the levels.

    Args:
        value: float32, any shape.
        step: float32, positive, a scalar or one for each place of the last axis.
        halves_up: Round what lies half-way as :func:`micronets_gen.search.learn.int8.quantise_features` does: features
            often do. Sums of products hardly ever do, and what is quicker rounds them.
    """
    axes = list(range(len(value.shape) - len(step.shape)))
    low, high = (tf.cast(level - levels.zero_point, tf.float32) for level in (levels.low, levels.high))

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def quantised(value: Any, step: Any) -> tuple[Any, Any]:
        steps = value / step if halves_up else value * (1.0 / step)
        held = tf.clip_by_value(steps, low, high)
        result = (tf.floor(held + 0.5) if halves_up else tf.round(held)) * step

        def gradients(upstream: Any) -> tuple[Any, Any]:
            passed = upstream * tf.cast(steps == held, tf.float32)
            moved = tf.reduce_sum(upstream * result, axes) - tf.reduce_sum(passed * value, axes)
            return passed, moved / step

        return result, gradients

    # A variable of several replicas would count as one that the function holds, not one that it is given.
    return quantised(tf.convert_to_tensor(value), tf.convert_to_tensor(step))


def fake_quantise_mean(value: Any, step: Any, levels: Levels, counts: npt.NDArray[np.float32]) -> Any:
    """Return means of whole steps as the int8 kernel of average pooling rounds them: halves away from zero.

    The kernel adds integers as the file has them: it is the integer 0 that halves go away from.

    Args:
        value: The means, float32 (samples, height, width, channels).
        step: float32 scalar, positive.
        counts: How many elements each mean is of, (height, width, 1).
    """
    zero_point = tf.cast(levels.zero_point, tf.float32)
    sums = tf.round(value / step * counts) + zero_point * counts
    integers = tf.sign(sums) * tf.floor((tf.abs(sums) + np.floor(counts / 2)) / counts)
    error = integers - zero_point - value / step
    return value + step * tf.stop_gradient(error)
