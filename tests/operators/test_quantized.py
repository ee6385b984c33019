"""Arithmetic, activations, softmax, reductions, pooling, quantisation: numpy and the kernels against TFLM."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from micronets_gen.model.graph import DType, Padding
from micronets_gen.operators.pooling import Pool2DOptions
from micronets_gen.operators.reduce import ReducerOptions
from tests.operators.native import Sample, assert_exact
from tests.operators.quantized_cases import CASES
from tests.operators.strategies import values
from tests.support.builder import ModelBuilder

pytestmark = pytest.mark.needs("gcc")

thorough = settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@pytest.mark.parametrize("kind", CASES)
@thorough
@given(data=st.data())
def test_exact(kind: str, data: st.DataObject) -> None:
    assert_exact(data.draw(CASES[kind]))


@pytest.mark.parametrize("value", [-128, 127, None])
@pytest.mark.parametrize("channels", [3, 4, 7])
def test_sums_of_more_than_256_pixels(channels: int, value: int | None) -> None:
    shape = (1, 19, 31, channels)
    data = values(shape, DType.INT8) if value is None else np.full(shape, value, dtype=np.int8)
    assert_exact(Sample(_whole_image("AVERAGE_POOL_2D", shape), [data]))
    assert_exact(Sample(_whole_image("MEAN", shape), [data]))


def _whole_image(kind: str, shape: tuple[int, ...]) -> ModelBuilder:
    b = ModelBuilder()
    _, height, width, channels = shape
    x = b.tensor(shape, "int8", scale=0.5, zero_point=-3)
    y = b.tensor((1, 1, 1, channels), "int8", scale=0.5, zero_point=-3, name="out")
    if kind == "MEAN":
        b.operator(kind, [x, b.constant([1, 2])], [y], ReducerOptions(keep_dims=True))
    else:
        b.operator(kind, [x], [y], Pool2DOptions(Padding.VALID, 1, 1, height, width))
    return b
