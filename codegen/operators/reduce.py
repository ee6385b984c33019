"""MEAN and SUM over constant axes.

Source: tensorflow/lite/micro/kernels/reduce_common.cc and
tensorflow/lite/kernels/internal/reference/reduce.h (QuantizedMeanOrSum).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from micronets_gen.model.graph import Array, DType, Graph, Operator, Options
from micronets_gen.model.schema import OperatorSchema
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.arithmetic import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    wrap_int32,
)
from micronets_gen.operators.conditions import (
    CONVERT_AGAIN,
    require,
    require_arity,
    require_one_scale,
    require_one_type,
)
from micronets_gen.operators.rows import Rows, Window, is_image


@dataclass(frozen=True)
class ReducerOptions(Options):
    """MEAN, SUM: the axes are the second input."""

    keep_dims: bool = False


def axes(graph: Graph, op: Operator) -> tuple[int, ...]:
    """Return the reduced dimensions, non-negative and sorted."""
    x, axis = graph.tensor(op.inputs[0]), graph.tensor(op.inputs[1])
    assert axis.data is not None
    rank = len(x.shape)
    return tuple(sorted({int(a) + rank if a < 0 else int(a) for a in axis.data.reshape(-1)}))


@dataclass(frozen=True)
class ReduceRescaling:
    """From the sum of the inputs, less ``zero`` (their zero points), to the output."""

    zero: int
    multiplier: int
    shift: int
    offset: int


def reduce_rescaling(graph: Graph, op: Operator) -> ReduceRescaling:
    """Return the constants of MEAN (the division is part of the multiplier) or SUM."""
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    count = prod(x.shape[a] for a in axes(graph, op))
    multiplier, shift = quantize_multiplier(x.scale / y.scale)
    if op.kind == "MEAN":
        bits = min(count.bit_length() - 1, 32, 31 + shift)
        multiplier, shift = (multiplier << bits) // count, shift - bits
    return ReduceRescaling(x.zero_point * count, multiplier, shift, y.zero_point)


def _evaluate(graph: Graph, op: Operator, values: Sequence[Array | None]) -> Sequence[Array]:
    x, y = values[0], graph.tensor(op.outputs[0])
    assert x is not None
    r = reduce_rescaling(graph, op)
    total = wrap_int32(x.astype(np.int64).sum(axis=axes(graph, op)) - r.zero)
    result = wrap_int32(multiply_by_quantized_multiplier(total, r.multiplier, r.shift) + r.offset)
    return [np.clip(result, *y.dtype.limits).astype(y.dtype.value).reshape(y.shape)]


def _check(graph: Graph, op: Operator) -> list[Problem]:
    problems = require_arity(graph, op)
    if problems:
        return problems
    x, axis, y = graph.tensor(op.inputs[0]), graph.tensor(op.inputs[1]), graph.tensor(op.outputs[0])
    problems = require_one_type(op, [x, y], {DType.INT8, DType.INT16}) or require_one_scale(op, [x, y])
    problems += require(
        axis.data is not None and axis.dtype is DType.INT32,
        op,
        f"its axes '{axis.name}' are computed at run time or not int32",
        "make the axes a Python constant before converting",
    )
    if problems:
        return problems
    assert axis.data is not None
    rank = len(x.shape)
    problems = require(
        all(-rank <= int(a) < rank for a in axis.data.reshape(-1)),
        op,
        f"an axis of {axis.data.reshape(-1).tolist()} is not a dimension of shape {list(x.shape)}",
        CONVERT_AGAIN,
    )
    if problems:
        return problems
    reduced = axes(graph, op)
    kept = [n for i, n in enumerate(x.shape) if i not in reduced]
    problems = require(
        prod(kept) == y.elements > 0 and x.elements > 0,
        op,
        f"reducing axes {list(reduced)} of shape {list(x.shape)} does not give shape {list(y.shape)}",
        CONVERT_AGAIN,
    )
    return problems or require(
        len(reduce_dimensions(x.shape, reduced)) <= MAX_RUNS,
        op,
        f"its axes {list(reduced)} of shape {list(x.shape)} alternate between kept and reduced more than "
        f"{MAX_RUNS - 1} times",
        "transpose the input so that the reduced dimensions are neighbours",
    )


MAX_RUNS = 6
"""Most runs of kept and reduced dimensions that :func:`reduce_dimensions` may leave."""


def reduce_dimensions(shape: tuple[int, ...], reduced: tuple[int, ...]) -> list[tuple[int, int, bool]]:
    """Merge neighbouring dimensions that are all kept or all reduced.

    Returns:
        ``(size, step in elements, is reduced)`` per run, outermost first.
    """
    runs: list[tuple[int, int, bool]] = []
    step = prod(shape)
    for i, size in enumerate(shape):
        step //= size
        if size == 1:
            continue
        if runs and runs[-1][2] == (i in reduced):
            runs[-1] = (runs[-1][0] * size, step, runs[-1][2])
        else:
            runs.append((size, step, i in reduced))
    return runs


def _rows(graph: Graph, op: Operator) -> Rows | None:
    if not is_image(graph.tensor(op.inputs[0])) or axes(graph, op) != (1, 2):
        return None
    return Rows((Window(), None), running=True)


for _kind in ("MEAN", "SUM"):
    register(
        OperatorSpec(
            _kind, OperatorSchema(("input", "axis"), options=ReducerOptions), _check, _evaluate, rows=_rows
        )
    )
