"""ADD, SUB, MUL, MINIMUM, MAXIMUM: functions of two elements, with broadcasting.

Source: tensorflow/lite/micro/kernels/{add,sub,mul}_common.cc, maximum_minimum.cc and
tensorflow/lite/kernels/internal/reference/{integer_ops/add.h,sub.h,integer_ops/mul.h,maximum_minimum.h}.
SUB derives its constants in double precision, as ADD does, LiteRT does and TFLM does since autumn 2026.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from micronets_gen.model.graph import Activation, Array, DType, Graph, Operator, Options
from micronets_gen.model.schema import FusedActivation, OperatorSchema
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.arithmetic import (
    activation_range,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    wrap_int32,
)
from micronets_gen.operators.conditions import (
    CONVERT_AGAIN,
    require,
    require_activation_in_range,
    require_arity,
    require_one_scale,
    require_one_type,
    require_symmetric_int16,
)
from micronets_gen.operators.rows import row_by_row


@dataclass(frozen=True)
class BinaryOptions(Options):
    """ADD, SUB, MUL."""

    activation: FusedActivation = Activation.NONE
    pot_scale_int16: bool = False


@dataclass(frozen=True)
class SumRescaling:
    """ADD and SUB: both operands are brought to twice the larger scale, then the sum to the output's.

    Attributes:
        left_shift: Applied to the operands first: 20 for int8, 15 for int16.
        operands: ``(zero point, multiplier, shift)`` of each.
        multiplier: From the sum to the output, with ``shift`` (both 0 or negative exponents).
        low: Clamp, with ``high``.
    """

    left_shift: int
    operands: tuple[tuple[int, int, int], tuple[int, int, int]]
    multiplier: int
    shift: int
    offset: int
    low: int
    high: int


def sum_rescaling(graph: Graph, op: Operator) -> SumRescaling:
    """Return the constants of ADD or SUB."""
    assert isinstance(op.options, BinaryOptions)
    a, b, y = graph.tensor(op.inputs[0]), graph.tensor(op.inputs[1]), graph.tensor(op.outputs[0])
    left_shift = 15 if y.dtype is DType.INT16 else 20
    twice = 2.0 * max(a.scale, b.scale)
    scaled = [(t.zero_point, *quantize_multiplier(t.scale / twice)) for t in (a, b)]
    multiplier, shift = quantize_multiplier(twice / ((1 << left_shift) * y.scale))
    low, high = activation_range(op.options.activation, y)
    return SumRescaling(left_shift, (scaled[0], scaled[1]), multiplier, shift, y.zero_point, low, high)


@dataclass(frozen=True)
class ProductRescaling:
    """MUL: from the product of the operands (less their zero points) to the output."""

    zero_points: tuple[int, int]
    multiplier: int
    shift: int
    offset: int
    low: int
    high: int


def product_rescaling(graph: Graph, op: Operator) -> ProductRescaling:
    """Return the constants of MUL."""
    assert isinstance(op.options, BinaryOptions)
    a, b, y = graph.tensor(op.inputs[0]), graph.tensor(op.inputs[1]), graph.tensor(op.outputs[0])
    multiplier, shift = quantize_multiplier(a.scale * b.scale / y.scale)
    low, high = activation_range(op.options.activation, y)
    return ProductRescaling((a.zero_point, b.zero_point), multiplier, shift, y.zero_point, low, high)


def _operands(values: Sequence[Array | None]) -> tuple[Array, Array]:
    a, b = values
    assert a is not None
    assert b is not None
    return a.astype(np.int64), b.astype(np.int64)


def _evaluate_sum(graph: Graph, op: Operator, values: Sequence[Array | None]) -> Sequence[Array]:
    r, y = sum_rescaling(graph, op), graph.tensor(op.outputs[0])
    scaled = [
        multiply_by_quantized_multiplier((x - zero_point) << r.left_shift, multiplier, shift)
        for x, (zero_point, multiplier, shift) in zip(_operands(values), r.operands, strict=True)
    ]
    total = scaled[0] - scaled[1] if op.kind == "SUB" else scaled[0] + scaled[1]
    result = multiply_by_quantized_multiplier(total, r.multiplier, r.shift) + r.offset
    return [np.clip(result, r.low, r.high).astype(y.dtype.value).reshape(y.shape)]


def _evaluate_product(graph: Graph, op: Operator, values: Sequence[Array | None]) -> Sequence[Array]:
    r, y = product_rescaling(graph, op), graph.tensor(op.outputs[0])
    a, b = _operands(values)
    product = (a - r.zero_points[0]) * (b - r.zero_points[1])
    result = wrap_int32(multiply_by_quantized_multiplier(product, r.multiplier, r.shift) + r.offset)
    return [np.clip(result, r.low, r.high).astype(y.dtype.value).reshape(y.shape)]


def _evaluate_extremum(graph: Graph, op: Operator, values: Sequence[Array | None]) -> Sequence[Array]:
    a, b = values
    assert a is not None
    assert b is not None
    choose = np.minimum if op.kind == "MINIMUM" else np.maximum
    return [choose(a, b).reshape(graph.tensor(op.outputs[0]).shape)]


def _check_shapes(graph: Graph, op: Operator) -> list[Problem]:
    a, b, y = graph.tensor(op.inputs[0]), graph.tensor(op.inputs[1]), graph.tensor(op.outputs[0])
    try:
        broadcast = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        broadcast = (-1,)
    problems = require(
        broadcast == y.shape and y.elements > 0,
        op,
        f"shapes {list(a.shape)} and {list(b.shape)} do not broadcast to its output shape {list(y.shape)}",
        CONVERT_AGAIN,
    )
    return problems or require(
        len(broadcast_dimensions(a.shape, b.shape)) <= MAX_BROADCAST,
        op,
        f"shapes {list(a.shape)} and {list(b.shape)} alternate between broadcast and equal dimensions more "
        f"than {MAX_BROADCAST - 1} times",
        "reshape the operands so that they differ in fewer dimensions",
    )


MAX_BROADCAST = 5
"""Most dimensions of a broadcast after :func:`broadcast_dimensions` has merged what it can."""


def broadcast_dimensions(a: tuple[int, ...], b: tuple[int, ...]) -> list[tuple[int, bool, bool]]:
    """Merge the dimensions of a broadcast as far as possible.

    Returns:
        ``(size, a varies, b varies)`` per remaining dimension, outermost first; at least one.
    """
    rank = max(len(a), len(b))
    merged: list[tuple[int, bool, bool]] = []
    for m, n in zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True):
        size = max(m, n)
        if size == 1:
            continue
        varies = (m > 1, n > 1)
        if merged and merged[-1][1:] == varies:
            merged[-1] = (merged[-1][0] * size, *varies)
        else:
            merged.append((size, *varies))
    return merged or [(1, True, True)]


def _check_extremum(graph: Graph, op: Operator) -> list[Problem]:
    problems = require_arity(graph, op)
    if problems:
        return problems
    tensors = [graph.tensor(i) for i in (*op.inputs, *op.outputs)]
    return require_one_type(op, tensors, {DType.INT8, DType.INT16, DType.INT32}) or _check_shapes(graph, op)


def _check_arithmetic(graph: Graph, op: Operator) -> list[Problem]:
    problems = require_arity(graph, op)
    if problems:
        return problems
    assert isinstance(op.options, BinaryOptions)
    tensors = [graph.tensor(i) for i in (*op.inputs, *op.outputs)]
    return require_one_type(op, tensors, {DType.INT8, DType.INT16}) or (
        require_one_scale(op, tensors)
        or require_activation_in_range(op, tensors[2], op.options.activation)
        + require_symmetric_int16(op, tensors)
        + _check_shapes(graph, op)
    )


def _check_sum(graph: Graph, op: Operator) -> list[Problem]:
    problems = _check_arithmetic(graph, op)
    if problems:
        return problems
    rescaling = sum_rescaling(graph, op)
    scales = ", ".join(f"{graph.tensor(i).scale:g}" for i in (*op.inputs, *op.outputs))
    return require(
        rescaling.shift <= 0 and rescaling.multiplier > 0,
        op,
        f"its scales {scales} are too far apart: the output's is less than a millionth of an input's or the "
        "reverse",
        "check the representative dataset: a sum has about the range of its operands",
    )


_OPERANDS = ("input1", "input2")


def _arithmetic(table: str) -> OperatorSchema:
    return OperatorSchema(_OPERANDS, options=BinaryOptions, table=table)


register(
    OperatorSpec(
        "ADD", _arithmetic("AddOptions"), _check_sum, _evaluate_sum, in_place=_OPERANDS, rows=row_by_row
    )
)
register(
    OperatorSpec(
        "SUB", _arithmetic("SubOptions"), _check_sum, _evaluate_sum, in_place=_OPERANDS, rows=row_by_row
    )
)
register(
    OperatorSpec(
        "MUL",
        _arithmetic("MulOptions"),
        _check_arithmetic,
        _evaluate_product,
        in_place=_OPERANDS,
        rows=row_by_row,
    )
)
for _kind in ("MINIMUM", "MAXIMUM"):
    register(
        OperatorSpec(
            _kind,
            OperatorSchema(_OPERANDS),
            _check_extremum,
            _evaluate_extremum,
            in_place=_OPERANDS,
            rows=row_by_row,
        )
    )
