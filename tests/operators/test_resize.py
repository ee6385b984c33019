"""RESIZE_NEAREST_NEIGHBOR against TFLM."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micronets_gen.model.graph import DType
from micronets_gen.operators.resize import ResizeOptions
from tests.operators.native import Sample, assert_exact, problems
from tests.operators.strategies import bounded, scale_of, values
from tests.support.builder import ModelBuilder

pytestmark = pytest.mark.needs("gcc")


def resize(shape: tuple[int, ...], size: list[int], options: ResizeOptions, dtype: DType) -> ModelBuilder:
    b = ModelBuilder()
    x = b.tensor(shape, dtype, scale=scale_of(dtype))
    y = b.tensor((shape[0], *size, shape[-1]), dtype, scale=scale_of(dtype), name="out")
    b.operator("RESIZE_NEAREST_NEIGHBOR", [x, b.constant(size)], [y], options)
    return b


MODES = [(False, False), (True, False), (False, True), (True, True)]


@st.composite
def resizes(draw: st.DrawFn) -> Sample:
    shape = (draw(st.integers(1, 2)), *(draw(st.integers(1, n)) for n in (13, 13, 5)))
    size = [draw(st.integers(1, 29)), draw(st.integers(1, 29))]
    mode, dtype = draw(st.sampled_from(MODES)), draw(st.sampled_from([DType.INT8, DType.INT16]))
    return Sample(resize(shape, size, ResizeOptions(*mode), dtype), [values(shape, dtype)])


@bounded
@given(sample=resizes())
def test_resize(sample: Sample) -> None:
    assert_exact(sample)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [97, 331, 1021])
def test_long_rows_round_in_single_precision(size: int, mode: tuple[bool, bool]) -> None:
    for length in (size - 2, 3 * size, 7 * size + 1):
        b = resize((1, 1, size, 1), [1, length], ResizeOptions(*mode), DType.INT16)
        assert_exact(Sample(b, [values((1, 1, size, 1), DType.INT16)]))


def test_problems() -> None:
    b = resize((2, 3, 4), [5, 6], ResizeOptions(), DType.INT8)
    assert problems(b)[0][1] == (
        "resizes [2, 3, 4] to [5, 6]; it takes an image [batch, height, width, channels] "
        "of 1 to 65536 rows and columns, and two sizes"
    )
    assert problems(resize((1, 2, 2, 1), [2, 0], ResizeOptions(), DType.INT8))[0][1] == (
        "resizes [1, 2, 2, 1] to [2, 0]; it takes an image [batch, height, width, channels] "
        "of 1 to 65536 rows and columns, and two sizes"
    )
