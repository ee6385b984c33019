"""Arithmetic, activations, softmax, reductions, pooling, quantisation: numpy and the kernels against TFLM."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.operators.native import assert_exact
from tests.operators.quantized_cases import CASES

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
