"""TRANSPOSE against TFLM."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micronets_gen.model.graph import DType
from micronets_gen.runtimes.aot.registry import lowerings
from tests.operators.native import Sample, assert_exact, problems
from tests.operators.strategies import bounded, scale_of, shapes, values
from tests.support.builder import ModelBuilder

pytestmark = pytest.mark.needs("gcc")


def transpose(shape: tuple[int, ...], perm: list[int], dtype: DType) -> ModelBuilder:
    b = ModelBuilder()
    x = b.tensor(shape, dtype, scale=scale_of(dtype))
    permuted = tuple(shape[axis % len(shape)] for axis in perm)
    y = b.tensor(permuted, dtype, scale=scale_of(dtype), name="out")
    b.operator("TRANSPOSE", [x, b.constant(perm)], [y])
    return b


@st.composite
def transposes(draw: st.DrawFn) -> Sample:
    shape = draw(shapes(max_rank=5))
    dtype = draw(st.sampled_from([DType.INT8, DType.INT16, DType.FLOAT32]))
    perm = draw(st.permutations(range(len(shape))))
    return Sample(transpose(shape, list(perm), dtype), [values(shape, dtype)])


@bounded
@given(sample=transposes())
def test_transpose(sample: Sample) -> None:
    assert_exact(sample)


def test_moving_dimensions_of_size_one_is_a_view() -> None:
    graph = transpose((1, 4, 1, 3), [2, 1, 0, 3], DType.INT8).graph()
    assert lowerings()["TRANSPOSE"](graph, graph.operators[0], "c").alias


def test_the_largest_rank_copies_element_by_element() -> None:
    graph = transpose((2, 3, 4, 5, 6), [4, 3, 2, 1, 0], DType.INT16).graph()
    (call,) = lowerings()["TRANSPOSE"](graph, graph.operators[0], "c").calls
    assert dict(call.params)["run"] == 2
    assert dict(call.params)["size"] == (2, 3, 4, 5, 6)


def test_channels_first_to_last_needs_two_loops() -> None:
    graph = transpose((1, 3, 8, 8), [0, 2, 3, 1], DType.INT8).graph()
    (call,) = lowerings()["TRANSPOSE"](graph, graph.operators[0], "c").calls
    assert dict(call.params)["size"] == (1, 1, 1, 3, 64)


def test_problems() -> None:
    assert problems(transpose((2, 3), [0, 0], DType.INT8))[0][1] == (
        "its permutation [0, 0] does not order the 2 dimensions of its input"
    )
    assert problems(transpose((2,) * 6, [0, 1, 2, 3, 4, 5], DType.INT8))[0][1] == (
        "transposes 6 dimensions; at most 5 are defined"
    )
    assert problems(transpose((2, 3), [1, 0], DType.INT32))[0][1] == (
        "works on int32; it must be float32 or int16 or int8"
    )
