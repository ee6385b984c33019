"""What the operators that only move elements share: types that must agree, constant index operands."""

from __future__ import annotations

from collections.abc import Iterable

from micronets_gen.model.graph import DType, Graph, Operator
from micronets_gen.operators import Problem
from micronets_gen.operators.conditions import CONVERT_AGAIN, FULL_INTEGER, require

MOVED_TYPES = frozenset({DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32})
"""Element types that most of these operators have in TensorFlow Lite Micro."""


def require_type_kept(
    graph: Graph, op: Operator, positions: Iterable[int], allowed: frozenset[DType] = MOVED_TYPES
) -> list[Problem]:
    """Check that the inputs at ``positions`` and every output have one type, of ``allowed``."""
    tensors = [graph.operand(op, position) for position in positions]
    inputs = [t for t in tensors if t is not None]
    if not inputs or len(inputs) < len(tensors):
        return require(False, op, "an input is missing", CONVERT_AGAIN)
    dtype = inputs[0].dtype
    names = " or ".join(sorted(t.value for t in allowed))
    if dtype not in allowed:
        return require(False, op, f"works on {dtype.value}; it must be {names}", FULL_INTEGER)
    for tensor in (*inputs, *map(graph.tensor, op.outputs)):
        if tensor.dtype is not dtype:
            return require(
                False,
                op,
                f"mixes {dtype.value} and {tensor.dtype.value} (tensor '{tensor.name}'); one type is needed",
                FULL_INTEGER,
            )
    return []


def constant_ints(graph: Graph, op: Operator, position: int) -> tuple[int, ...] | None:
    """Return the values of a constant int32 or int64 input, flat; ``None`` where it is not one."""
    tensor = graph.operand(op, position)
    if tensor is None or tensor.data is None or tensor.dtype not in (DType.INT32, DType.INT64):
        return None
    return tuple(int(value) for value in tensor.data.reshape(-1))


def require_constant(
    graph: Graph, op: Operator, position: int, role: str, *, wide: bool = False
) -> list[Problem]:
    """Check that input ``position``, the operator's ``role``, is a constant of int32 (``wide``: or int64)."""
    tensor = graph.operand(op, position)
    allowed = (DType.INT32, DType.INT64) if wide else (DType.INT32,)
    names = " or ".join(t.value for t in allowed)
    return require(
        tensor is not None and tensor.data is not None and tensor.dtype in allowed,
        op,
        f"its {role} is not a constant of {names}",
        f"give the {role} as fixed {names} numbers in the model, and convert with fixed shapes",
    )


def require_shape(
    graph: Graph, op: Operator, expected: tuple[int, ...], output: int = 0, because: str = ""
) -> list[Problem]:
    """Check the shape of one output against what the inputs make of it."""
    actual = graph.tensor(op.outputs[output]).shape
    return require(
        actual == expected,
        op,
        f"its output has shape {list(actual)}, but {because or 'its inputs'} give {list(expected)}",
        CONVERT_AGAIN,
    )


def normalized_axis(axis: int, rank: int) -> int | None:
    """Count a negative axis from the end; ``None`` where it is out of range."""
    if axis < 0:
        axis += rank
    return axis if 0 <= axis < rank else None
