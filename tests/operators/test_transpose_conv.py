"""TRANSPOSE_CONV against TFLM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micronets_gen.model.graph import Activation, DType, Padding
from micronets_gen.operators import operator_specs
from micronets_gen.operators.conditions import FULL_INTEGER
from micronets_gen.operators.transpose_conv import TransposeConvOptions
from tests.operators.native import Sample, assert_exact, problems
from tests.operators.strategies import bounded, values
from tests.support.builder import ModelBuilder

pytestmark = pytest.mark.needs("gcc")


@dataclass(frozen=True)
class Case:
    dtype: DType
    batches: int
    in_size: tuple[int, int]
    in_c: int
    out_c: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding
    slack: tuple[int, int]
    activation: Activation
    bias: DType | None
    zero_points: tuple[int, int]
    per_channel: bool
    exponent: int

    def build(self) -> ModelBuilder:
        b = ModelBuilder()
        rng = np.random.default_rng(self.in_c * 100 + self.out_c)
        wide = self.dtype is DType.INT16
        in_zero, out_zero = (0, 0) if wide else self.zero_points
        if self.padding is Padding.SAME:
            size = [n * s - x % s for n, s, x in zip(self.in_size, self.stride, self.slack, strict=True)]
        else:
            size = [
                (n - 1) * s + k + x % s
                for n, s, k, x in zip(self.in_size, self.stride, self.kernel, self.slack, strict=True)
            ]
        shape = (self.batches, *size, self.out_c)
        scales = rng.uniform(0.002, 0.03, self.out_c if self.per_channel else 1)
        x = b.tensor(self.input_shape, self.dtype, scale=0.05, zero_point=in_zero)
        w = b.constant(
            rng.integers(-127, 127, (self.out_c, *self.kernel, self.in_c), endpoint=True),
            DType.INT8,
            scale=list(scales),
        )
        operands = [b.constant(shape), w, x]
        if self.bias is not None:
            limit = 32767 if self.bias is DType.INT16 else 200_000
            operands.append(
                b.constant(
                    rng.integers(-limit, limit, self.out_c), self.bias, scale=list(0.05 * scales), axis=0
                )
            )
        y = b.tensor(shape, self.dtype, scale=2.0**self.exponent, zero_point=out_zero, name="out")
        options = TransposeConvOptions(self.padding, *self.stride, self.activation)
        b.operator("TRANSPOSE_CONV", operands, [y], options)
        return b

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.batches, *self.in_size, self.in_c)


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


def cases(dtype: DType, biases: list[DType | None], exponents: tuple[int, int]) -> st.SearchStrategy[Case]:
    return st.builds(
        Case,
        dtype=st.just(dtype),
        batches=st.integers(1, 2),
        in_size=pairs(1, 5),
        in_c=st.integers(1, 9),
        out_c=st.integers(1, 4),
        kernel=pairs(1, 5),
        stride=pairs(1, 3),
        padding=st.sampled_from(Padding),
        slack=pairs(0, 2),
        activation=st.sampled_from(Activation),
        bias=st.sampled_from(biases),
        zero_points=pairs(-128, 127),
        per_channel=st.booleans(),
        exponent=st.integers(*exponents),
    )


def _sample(case: Case) -> Sample:
    # LiteRT takes no 16-bit bias.
    return Sample(case.build(), [values(case.input_shape, case.dtype)], case.bias is not DType.INT16)


int8_samples = cases(DType.INT8, [None, DType.INT32], (-24, 12)).map(_sample)
int16_samples = cases(DType.INT16, [None, DType.INT64, DType.INT16], (-12, 8)).map(_sample)


@bounded
@given(sample=int8_samples)
def test_int8(sample: Sample) -> None:
    assert_exact(sample)


@bounded
@given(sample=int16_samples)
def test_int16(sample: Sample) -> None:
    assert_exact(sample)


def _plain(bias: DType | None = None, dtype: DType = DType.INT8) -> Case:
    return Case(
        dtype, 1, (3, 4), 5, 2, (3, 3), (2, 2), Padding.SAME, (0, 0), Activation.NONE, bias, (0, 0), True, -2
    )


def test_macs_count_every_product() -> None:
    graph = _plain().build().graph()
    assert operator_specs()["TRANSPOSE_CONV"].macs(graph, graph.operators[0]) == 3 * 4 * 5 * 3 * 3 * 2


def test_problems() -> None:
    assert problems(_plain(DType.INT32, DType.INT16).build()) == [
        (
            "out (TRANSPOSE_CONV)",
            "its bias 't3' is not 2 constant int16 or int64 numbers",
            FULL_INTEGER,
        )
    ]

    b = ModelBuilder()
    x = b.tensor((1, 3, 3, 2), DType.INT8, scale=0.5)
    w = b.constant(np.ones((4, 2, 2, 3)), DType.INT8, scale=0.5)
    y = b.tensor((1, 6, 6, 4), DType.INT8, scale=0.5)
    b.operator(
        "TRANSPOSE_CONV", [b.constant([1, 6, 6, 4]), w, x], [y], TransposeConvOptions(Padding.SAME, 2, 2)
    )
    assert problems(b)[0][1] == (
        "its input [1, 3, 3, 2], weights [4, 2, 2, 3] and output [1, 6, 6, 4] do not go together"
    )
