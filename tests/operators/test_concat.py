"""CONCATENATION and PACK against TFLM."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micronets_gen.model.graph import Activation, DType
from micronets_gen.operators.concat import ConcatenationOptions, PackOptions
from micronets_gen.runtimes.aot.registry import lowerings
from tests.operators.native import Sample, assert_exact, execute, problems
from tests.operators.strategies import bounded, scale_of, shapes, values
from tests.support.builder import ModelBuilder

pytestmark = pytest.mark.needs("gcc")

TYPES = [DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32]


def concatenation(parts: list[tuple[int, ...]], axis: int, dtype: DType) -> ModelBuilder:
    b = ModelBuilder()
    total = list(parts[0])
    total[axis] = sum(p[axis] for p in parts)
    inputs = [b.tensor(p, dtype, scale=scale_of(dtype)) for p in parts]
    y = b.tensor(total, dtype, scale=scale_of(dtype), name="out")
    b.operator("CONCATENATION", inputs, [y], ConcatenationOptions(axis))
    return b


@st.composite
def concatenations(draw: st.DrawFn) -> Sample:
    shape, dtype = draw(shapes()), draw(st.sampled_from(TYPES))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    parts = []
    for size in draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)):
        part = list(shape)
        part[axis] = size
        parts.append(tuple(part))
    return Sample(concatenation(parts, axis, dtype), [values(p, dtype, i) for i, p in enumerate(parts)])


@st.composite
def packs(draw: st.DrawFn) -> Sample:
    shape, dtype, count = draw(shapes(max_rank=3)), draw(st.sampled_from(TYPES)), draw(st.integers(1, 4))
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    at = axis % (len(shape) + 1)
    b = ModelBuilder()
    inputs = [b.tensor(shape, dtype, scale=scale_of(dtype)) for _ in range(count)]
    y = b.tensor((*shape[:at], count, *shape[at:]), dtype, scale=scale_of(dtype))
    b.operator("PACK", inputs, [y], PackOptions(axis))
    return Sample(b, [values(shape, dtype, i) for i in range(count)])


@bounded
@given(sample=concatenations())
def test_concatenation(sample: Sample) -> None:
    assert_exact(sample)


@bounded
@given(sample=packs())
def test_pack(sample: Sample) -> None:
    assert_exact(sample)


def test_concatenation_with_a_constant() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 2, 3), DType.INT8, scale=0.5)
    c = b.constant(np.arange(8).reshape(1, 2, 4), DType.INT8, scale=0.5)
    y = b.tensor((1, 2, 10), DType.INT8, scale=0.5)
    b.operator("CONCATENATION", [c, x, x], [y], ConcatenationOptions(-1))
    assert_exact(Sample(b, [values((1, 2, 3), DType.INT8)]))


def test_one_input_is_a_view() -> None:
    b = concatenation([(2, 3)], 1, DType.INT8)
    graph = b.graph()
    assert lowerings()["CONCATENATION"](graph, graph.operators[0], "c").alias
    x = values((2, 3), DType.INT8)
    np.testing.assert_array_equal(execute(graph, graph.operators[0], [x])[0], x)


def test_different_scales_are_refused() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 2), DType.INT8, scale=0.5, zero_point=3, name="left")
    y = b.tensor((1, 4), DType.INT8, scale=0.25, name="out")
    b.operator("CONCATENATION", [x, x], [y], ConcatenationOptions(1))
    found = problems(b)
    assert found[0] == (
        "out (CONCATENATION)",
        "its input 'left' is quantised with scale 0.5, zero point 3, its output with scale 0.25, "
        "zero point 0; int8 concatenation copies, so they must be the same",
        "convert with the current TensorFlow converter, which inserts a QUANTIZE before the concatenation",
    )


def test_problems() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 2), DType.INT16, scale=0.5, zero_point=1, name="left")
    y = b.tensor((1, 2), DType.INT16, scale=0.5)
    b.operator("CONCATENATION", [x], [y], ConcatenationOptions(1))
    assert problems(b)[0][1] == "joins int16 tensors with a zero point other than 0 ('left')"

    b = ModelBuilder()
    x = b.tensor((1, 2), DType.INT8, scale=0.5)
    b.operator("CONCATENATION", [x, x], [b.tensor((1, 4), DType.INT8, scale=0.5)], ConcatenationOptions(2))
    assert problems(b)[0][1] == "its axis 2 is outside [1, 4]"

    b = ModelBuilder()
    x = b.tensor((1, 2), DType.INT8, scale=0.5)
    y = b.tensor((1, 4), DType.INT8, scale=0.5)
    b.operator("CONCATENATION", [x, x], [y], ConcatenationOptions(1, Activation.RELU))
    assert problems(b)[0][1] == "has the fused activation RELU, which concatenation does not take"

    b = ModelBuilder()
    x = b.tensor((1, 2), DType.INT8, scale=0.5, name="left")
    b.operator("PACK", [x, x], [b.tensor((1, 2, 2, 1), DType.INT8, scale=0.5)], PackOptions(0))
    assert problems(b)[0][1] == ("its output has shape [1, 2, 2, 1], but 2 inputs like 'left' give [2, 1, 2]")
