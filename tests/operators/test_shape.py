"""RESHAPE, SQUEEZE and EXPAND_DIMS against TFLM."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micronets_gen.model.graph import DType
from micronets_gen.runtimes.aot.registry import lowerings
from tests.operators.native import Sample, assert_exact, execute, problems
from tests.operators.strategies import bounded, scale_of, shapes, values
from tests.support.builder import ModelBuilder

pytestmark = pytest.mark.needs("gcc")

FEW = [DType.INT8, DType.INT16, DType.FLOAT32]


def moved(
    kind: str, before: tuple[int, ...], after: tuple[int, ...], dtype: DType, *more: int
) -> ModelBuilder:
    b = ModelBuilder()
    x = b.tensor(before, dtype, scale=scale_of(dtype))
    operands = [b.constant(np.array(m), DType.INT32) for m in more]
    b.operator(kind, [x, *operands], [b.tensor(after, dtype, scale=scale_of(dtype), name="out")])
    return b


@st.composite
def reshapes(draw: st.DrawFn) -> Sample:
    shape, dtype = draw(shapes()), draw(st.sampled_from([*FEW, DType.INT32]))
    cut = draw(st.integers(0, len(shape)))
    after = (prod(shape[:cut]), prod(shape[cut:]))
    return Sample(moved("RESHAPE", shape, after, dtype), [values(shape, dtype)])


@st.composite
def expansions(draw: st.DrawFn, *, squeeze: bool) -> Sample:
    shape, dtype = draw(shapes()), draw(st.sampled_from(FEW))
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    at = axis % (len(shape) + 1)
    expanded = (*shape[:at], 1, *shape[at:])
    if squeeze:
        return Sample(moved("SQUEEZE", expanded, shape, dtype), [values(expanded, dtype)])
    return Sample(moved("EXPAND_DIMS", shape, expanded, dtype, axis), [values(shape, dtype)])


@bounded
@given(sample=reshapes())
def test_reshape(sample: Sample) -> None:
    assert_exact(sample)


@bounded
@given(sample=expansions(squeeze=False))
def test_expand_dims(sample: Sample) -> None:
    assert_exact(sample)


@bounded
@given(sample=expansions(squeeze=True))
def test_squeeze(sample: Sample) -> None:
    assert_exact(sample)


def test_constant_is_copied_into_the_arena() -> None:
    constant = np.arange(6, dtype=np.int8)
    b = ModelBuilder()
    x = b.constant(constant, DType.INT8, scale=0.5)
    b.operator("RESHAPE", [x], [b.tensor((2, 3), DType.INT8, scale=0.5)])
    graph = b.graph()
    code = lowerings()["RESHAPE"](graph, graph.operators[0], "c")
    assert not code.alias
    assert len(code.calls) == 1
    (copied,) = execute(graph, graph.operators[0], [constant])
    np.testing.assert_array_equal(copied, constant.reshape(2, 3))


@pytest.mark.parametrize(
    ("builder", "reason"),
    [
        (moved("RESHAPE", (2, 3), (7,), DType.INT8), "maps 6 elements [2, 3] to 7 [7]"),
        (
            moved("EXPAND_DIMS", (2, 3), (2, 3, 1), DType.INT8, 0),
            "its output has shape [2, 3, 1], but its inputs give [1, 2, 3]",
        ),
        (moved("EXPAND_DIMS", (2, 3), (2, 3, 1), DType.INT8, 3), "its axis [3] is outside [2, 3]"),
        (
            moved("EXPAND_DIMS", (2, 3), (1, 2, 3), DType.INT32, 0),
            "works on int32; it must be float32 or int16 or int8",
        ),
    ],
)
def test_problems(builder: ModelBuilder, reason: str) -> None:
    ((layer, found, remedy),) = problems(builder)
    assert layer == f"out ({builder.graph().operators[0].kind})"
    assert found == reason
    assert remedy
