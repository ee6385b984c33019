"""PAD and PADV2 against TFLM."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micronets_gen.model.graph import DType
from micronets_gen.runtimes.aot.registry import lowerings
from tests.operators.native import Sample, assert_exact, problems
from tests.operators.strategies import bounded, scale_of, shapes, values
from tests.support.builder import ModelBuilder

pytestmark = pytest.mark.needs("gcc")

TYPES = [DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32]


def pad(
    shape: tuple[int, ...],
    around: list[list[int]],
    dtype: DType,
    zero_point: int = 0,
    value: float | None = None,
) -> ModelBuilder:
    b = ModelBuilder()
    scale = scale_of(dtype)
    x = b.tensor(shape, dtype, scale=scale, zero_point=zero_point)
    operands = [x, b.constant(np.array(around, dtype=np.int32).reshape(-1, 2))]
    if value is not None:
        operands.append(b.tensor((1,), dtype, scale=scale, zero_point=zero_point, data=[value], name="value"))
    padded = tuple(max(0, s + sum(a)) for s, a in zip(shape, around, strict=False))
    y = b.tensor(padded, dtype, scale=scale, zero_point=zero_point, name="out")
    b.operator("PAD" if value is None else "PADV2", operands, [y])
    return b


@st.composite
def pads(draw: st.DrawFn) -> Sample:
    shape, dtype = draw(shapes(max_rank=5, max_size=4)), draw(st.sampled_from(TYPES))
    sides = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(list)
    around = draw(st.lists(sides, min_size=len(shape), max_size=len(shape)))
    zero_point = draw(st.integers(-128, 127)) if dtype is DType.INT8 else 0
    value = draw(st.none() | st.integers(-128, 127))
    if value is not None and dtype is DType.INT16:
        value *= 200
    return Sample(pad(shape, around, dtype, zero_point, value), [values(shape, dtype)])


@bounded
@given(sample=pads())
def test_pad(sample: Sample) -> None:
    assert_exact(sample)


def test_padding_nothing_is_a_view() -> None:
    graph = pad((2, 3), [[0, 0], [0, 0]], DType.INT8).graph()
    assert lowerings()["PAD"](graph, graph.operators[0], "c").alias


def test_problems() -> None:
    assert problems(pad((4,), [[-1, 0]], DType.INT8)) == [
        ("out (PAD)", "has the negative padding -1", "crop with a slice instead of a negative padding")
    ]
    assert problems(pad((1,) * 6, [[0, 0]] * 6, DType.INT8))[0][1] == (
        "pads 6 dimensions; at most 5 are defined"
    )
    assert problems(pad((2, 2), [[1, 1]], DType.INT8))[0][1] == "has 2 paddings for 2 dimensions; it needs 4"

    b = ModelBuilder()
    x = b.tensor((2,), DType.INT8, scale=0.5)
    amounts = b.tensor((1, 2), DType.INT32)
    b.operator("PAD", [x, amounts], [b.tensor((4,), DType.INT8, scale=0.5, name="out")])
    assert problems(b) == [
        (
            "out (PAD)",
            "its paddings is not a constant of int32",
            "give the paddings as fixed int32 numbers in the model, and convert with fixed shapes",
        )
    ]

    b = ModelBuilder()
    x = b.tensor((2,), DType.INT8, scale=0.5)
    value = b.tensor((1,), DType.INT8, scale=0.25, data=[3], name="value")
    b.operator("PADV2", [x, b.constant([[1, 1]]), value], [b.tensor((4,), DType.INT8, scale=0.5)])
    assert problems(b)[0][1] == "its pad value 'value' is quantised otherwise than its output"
