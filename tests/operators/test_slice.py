"""SLICE, STRIDED_SLICE and SPLIT against TFLM."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from micronets_gen.model.graph import DType
from micronets_gen.operators.slice import SplitOptions, StridedSliceOptions
from tests.operators.native import Sample, assert_exact, problems
from tests.operators.strategies import bounded, scale_of, shapes, values
from tests.support.builder import ModelBuilder

pytestmark = pytest.mark.needs("gcc")

TYPES = [DType.INT8, DType.INT16, DType.INT32, DType.BOOL, DType.FLOAT32]


def sliced(
    shape: tuple[int, ...], begin: list[int], size: list[int], dtype: DType, index: DType = DType.INT32
) -> ModelBuilder:
    b = ModelBuilder()
    x = b.tensor(shape, dtype, scale=scale_of(dtype))
    taken = tuple(e - a if n == -1 else n for a, n, e in zip(begin, size, shape, strict=False))
    y = b.tensor(taken, dtype, scale=scale_of(dtype), name="out")
    b.operator("SLICE", [x, b.constant(begin, index), b.constant(size, index)], [y])
    return b


@st.composite
def slices(draw: st.DrawFn) -> Sample:
    shape, dtype = draw(shapes(max_rank=5)), draw(st.sampled_from(TYPES))
    index = draw(st.sampled_from([DType.INT32, DType.INT64]))
    begin = [draw(st.integers(0, extent - 1)) for extent in shape]
    size = [
        draw(st.just(-1) | st.integers(1, extent - start)) for extent, start in zip(shape, begin, strict=True)
    ]
    return Sample(sliced(shape, begin, size, dtype, index), [values(shape, dtype)])


@bounded
@given(sample=slices())
def test_slice(sample: Sample) -> None:
    assert_exact(sample)


def strided(
    shape: tuple[int, ...],
    bounds: list[tuple[int, int, int]],
    dtype: DType,
    options: StridedSliceOptions,
    output: tuple[int, ...],
) -> ModelBuilder:
    b = ModelBuilder()
    x = b.tensor(shape, dtype, scale=scale_of(dtype))
    begin, end, step = (b.constant([bound[i] for bound in bounds]) for i in range(3))
    y = b.tensor(output, dtype, scale=scale_of(dtype), name="out")
    b.operator("STRIDED_SLICE", [x, begin, end, step], [y], options)
    return b


def python_shape(
    shape: tuple[int, ...], bounds: list[tuple[int, int, int]], options: StridedSliceOptions
) -> tuple[int, ...]:
    """The shape by Python's own slices, which clamp as the operator does."""
    result = []
    for axis, (size, (begin, end, step)) in enumerate(zip(shape, bounds, strict=True)):
        if options.shrink_axis_mask >> axis & 1:
            continue
        start = None if options.begin_mask >> axis & 1 else begin
        stop = None if options.end_mask >> axis & 1 else end
        result.append(len(range(size)[start:stop:step]))
    return tuple(result)


@st.composite
def strided_slices(draw: st.DrawFn) -> Sample:
    shape, dtype = draw(shapes()), draw(st.sampled_from(TYPES))
    begin_mask, end_mask, shrink = (draw(st.integers(0, 15)) for _ in range(3))
    steps = st.sampled_from([1, 1, 1, 2, 3, -1, -2])
    bounds = []
    for axis, size in enumerate(shape):
        if shrink >> axis & 1:
            begin_mask &= ~(1 << axis)
            bounds.append((draw(st.integers(-size, size - 1)), 0, 1))
        else:
            edges = st.integers(-size - 2, size + 2)
            bounds.append((draw(edges), draw(edges), draw(steps)))
    options = StridedSliceOptions(begin_mask, end_mask, shrink_axis_mask=shrink)
    output = python_shape(shape, bounds, options)
    assume(0 not in output)
    return Sample(strided(shape, bounds, dtype, options, output), [values(shape, dtype)])


@bounded
@given(sample=strided_slices())
def test_strided_slice(sample: Sample) -> None:
    assert_exact(sample)


@st.composite
def splits(draw: st.DrawFn) -> Sample:
    shape, count = draw(shapes()), draw(st.integers(1, 4))
    dtype = draw(st.sampled_from([DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32]))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    whole = list(shape)
    whole[axis] *= count
    b = ModelBuilder()
    x = b.tensor(whole, dtype, scale=scale_of(dtype))
    parts = [b.tensor(shape, dtype, scale=scale_of(dtype)) for _ in range(count)]
    b.operator("SPLIT", [b.tensor((), DType.INT32, data=axis), x], parts, SplitOptions(count))
    return Sample(b, [values(tuple(whole), dtype)])


@bounded
@given(sample=splits())
def test_split(sample: Sample) -> None:
    assert_exact(sample)


@pytest.mark.parametrize(
    ("builder", "reason"),
    [
        (sliced((4,), [2], [3], DType.INT8), "takes 3 elements from 2 of dimension 0, which has 4"),
        (sliced((4, 4), [2], [1], DType.INT8), "its begin has 1 elements for 2 dimensions"),
        (
            strided((4,), [(0, 4, 0)], DType.INT8, StridedSliceOptions(), (4,)),
            "has a stride of 0",
        ),
        (
            strided((4,), [(4, 5, 1)], DType.INT8, StridedSliceOptions(shrink_axis_mask=1), ()),
            "takes element 4, stride 1, of dimension 0, which has 4",
        ),
        (
            strided((4,), [(0, 4, 1)], DType.INT8, StridedSliceOptions(ellipsis_mask=1), (4,)),
            "uses an ellipsis or a new axis in its index, which TensorFlow Lite Micro ignores",
        ),
        (
            strided((4,), [(0, 4, 1)], DType.INT8, StridedSliceOptions(offset=True), (4,)),
            "gives its end relative to its begin (offset), which TensorFlow Lite Micro ignores",
        ),
        (
            strided((4,), [(0, 4, 2)], DType.INT8, StridedSliceOptions(), (3,)),
            "its output has shape [3], but begin, end and strides give [2]",
        ),
    ],
)
def test_problems(builder: ModelBuilder, reason: str) -> None:
    assert reason in [found for _, found, _ in problems(builder)]


def test_unequal_split() -> None:
    b = ModelBuilder()
    x = b.tensor((5,), DType.INT8, scale=0.5)
    parts = [b.tensor((2,), DType.INT8, scale=0.5, name="part"), b.tensor((3,), DType.INT8, scale=0.5)]
    b.operator("SPLIT", [b.tensor((), DType.INT32, data=0), x], parts, SplitOptions(2))
    assert problems(b) == [
        (
            "part (SPLIT)",
            "splits 5 elements into 2 parts",
            "split a dimension that the number of parts divides",
        )
    ]
