"""PAD and PADV2: a border of one value.

Source: tensorflow/lite/micro/kernels/{pad,pad_common}.cc. Without a value, int8 pads with the output's zero
point and every other type with 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from micronets_gen.model.graph import Array, DType, Graph, Operator
from micronets_gen.model.schema import OperatorSchema
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.conditions import CONVERT_AGAIN, require
from micronets_gen.operators.layout import constant_ints, require_constant, require_shape, require_type_kept

MAX_RANK = 5


def paddings(graph: Graph, op: Operator) -> tuple[tuple[int, int], ...]:
    """Return elements before and after, one pair a dimension."""
    flat = constant_ints(graph, op, 1)
    assert flat is not None
    return tuple(zip(flat[::2], flat[1::2], strict=True))


def pad_value(graph: Graph, op: Operator) -> int | float:
    """Return the border's value as stored."""
    value = graph.operand(op, 2)
    if value is not None:
        assert value.data is not None
        stored: int | float = value.data.reshape(-1)[0].item()
        return stored
    output = graph.tensor(op.outputs[0])
    return output.zero_point if output.dtype is DType.INT8 else 0


def check(graph: Graph, op: Operator) -> Iterable[Problem]:
    """Types, rank, constant paddings that are not negative, and the value."""
    problems = [*require_type_kept(graph, op, [0]), *require_constant(graph, op, 1, "paddings")]
    if problems:
        return problems
    source = graph.tensor(op.inputs[0])
    flat = constant_ints(graph, op, 1) or ()
    rank = len(source.shape)
    problems = [
        *require(
            rank <= MAX_RANK,
            op,
            f"pads {rank} dimensions; at most {MAX_RANK} are defined",
            "reshape the tensor to fewer dimensions before the padding",
        ),
        *require(
            len(flat) == 2 * rank,
            op,
            f"has {len(flat)} paddings for {rank} dimensions; it needs {2 * rank}",
            CONVERT_AGAIN,
        ),
        *require(
            min(flat, default=0) >= 0,
            op,
            f"has the negative padding {min(flat, default=0)}",
            "crop with a slice instead of a negative padding",
        ),
        *require(source.elements > 0, op, "its input has no elements", CONVERT_AGAIN),
        *_check_value(graph, op),
    ]
    if problems:
        return problems
    expected = tuple(
        size + before + after for size, (before, after) in zip(source.shape, paddings(graph, op), strict=True)
    )
    return require_shape(graph, op, expected, because="input and paddings")


def _check_value(graph: Graph, op: Operator) -> list[Problem]:
    output, value = graph.tensor(op.outputs[0]), graph.operand(op, 2)
    if value is None:
        return require(
            output.dtype is not DType.INT8 or -128 <= output.zero_point <= 127,
            op,
            f"pads with the zero point {output.zero_point}, which int8 does not hold",
            CONVERT_AGAIN,
        )
    if value.data is None or value.elements != 1 or value.dtype is not output.dtype:
        return require(
            False,
            op,
            f"its pad value '{value.name}' is not one constant {output.dtype.value}",
            "pad with a fixed number",
        )
    quantized = output.dtype is DType.INT8 and (output.quantization or value.quantization) is not None
    same = (
        value.quantization is not None
        and output.quantization is not None
        and (value.scale, value.zero_point) == (output.scale, output.zero_point)
    )
    return require(
        not quantized or same,
        op,
        f"its pad value '{value.name}' is quantised otherwise than its output",
        "convert with the current TensorFlow converter, which gives the pad value the output's quantisation",
    )


def evaluate(graph: Graph, op: Operator, inputs: Sequence[Array | None]) -> Sequence[Array]:
    """Surround the input with the value."""
    value = inputs[0]
    assert value is not None
    return [np.pad(value, paddings(graph, op), constant_values=pad_value(graph, op))]


register(OperatorSpec("PAD", OperatorSchema(("input", "paddings")), check, evaluate))
register(OperatorSpec("PADV2", OperatorSchema(("input", "paddings", "constant_values")), check, evaluate))
