"""ABS: numpy, C and TFLM give the same bytes, and what cannot be executed is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micronets_gen.model.graph import DType
from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.plan.reference import evaluate
from micronets_gen.runtimes.aot.planner import plan_layers
from tests.operators.native import Sample, assert_exact, problems
from tests.operators.strategies import bounded, shapes, values
from tests.support.builder import ModelBuilder
from tests.support.harness import run_on

pytestmark = pytest.mark.needs("gcc")


def absolute(
    shape: tuple[int, ...], zero_point: int = 0, output_zero_point: int | None = None
) -> ModelBuilder:
    b = ModelBuilder("absolute")
    x = b.tensor(shape, DType.INT8, scale=0.5, zero_point=zero_point)
    zero = zero_point if output_zero_point is None else output_zero_point
    b.operator("ABS", [x], [b.tensor(shape, DType.INT8, scale=0.5, zero_point=zero)])
    return b


@bounded
@given(shapes(), st.integers(-128, 127))
def test_abs_is_exact(shape: tuple[int, ...], zero_point: int) -> None:
    assert_exact(Sample(absolute(shape, zero_point), [values(shape, DType.INT8)]))


@pytest.mark.parametrize("target", ["host", pytest.param("m4", marks=pytest.mark.needs("compiler", "qemu"))])
def test_abs_is_exact_in_a_model(target: str) -> None:
    model = absolute((1, 300), 3).build()
    graph = read_model_bytes(model, "absolute.tflite")
    # One buffer: the record lets the output take the input's bytes.
    assert plan_layers(graph, "dsp")[1].size == 300
    inputs = [[values((1, 300), DType.INT8, seed)] for seed in range(3)]
    for given_inputs, outputs in zip(inputs, run_on(target, model, inputs), strict=True):
        np.testing.assert_array_equal(outputs[0], evaluate(graph, given_inputs)[0])


def test_abs_keeps_the_quantisation() -> None:
    assert problems(absolute((4,), 3, 4))[0][1] == "its input and output are quantised differently"
