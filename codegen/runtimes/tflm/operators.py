"""What TFLM will be asked to execute: the operators of a ``.tflite`` file as they stand in it.

The graph that the rest of the generator works with leaves some operators out (results that nothing uses, the
arithmetic of shapes); the interpreter does not, so its operators are read from the file itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from micronets_gen.errors import ModelError
from micronets_gen.model.tflite_file import RawModel, RawTensor, load

_T = TypeVar("_T")


@dataclass(frozen=True)
class OperatorUse:
    """One operator of the file, in execution order.

    Attributes:
        kind: The schema's name, for example ``CONV_2D``.
        input: Type of the first input that is no constant, as the schema names it; empty without one.
        weights: Type of the first quantised constant; empty without one.
        output: Type of the first output.
        result: Index of the first output's tensor in the file.
    """

    kind: str
    input: str
    weights: str
    output: str
    result: int


@dataclass(frozen=True)
class Operand:
    """A tensor as an operator meets it: the schema's name of its type, and whether the file holds its data."""

    type: str
    rank: int
    constant: bool


@dataclass(frozen=True)
class Signature:
    """One operator of the file with all its tensors.

    Attributes:
        inputs: ``None`` for one that is omitted.
        result: Index of the first output's tensor in the file.
        name: That tensor's name.
    """

    kind: str
    inputs: tuple[Operand | None, ...]
    outputs: tuple[Operand, ...]
    result: int
    name: str


def scan_signatures(data: bytes, file: str) -> tuple[Signature, ...]:
    """Return the operators of the first subgraph with their tensors; as :func:`scan_operators`."""
    return _scan(data, file, _signature)


def scan_operators(data: bytes, file: str) -> tuple[OperatorUse, ...]:
    """Return the operators of the first subgraph.

    Args:
        data: The contents of the ``.tflite`` file.
        file: Its name, for messages.

    Raises:
        ModelError: no ``.tflite`` file, or a damaged one.
    """
    return _scan(data, file, _use)


def _scan(data: bytes, file: str, read: Callable[[RawModel, int], _T]) -> tuple[_T, ...]:
    model = load(data, file)
    try:
        return tuple(read(model, i) for i in range(len(model.operators)))
    except (IndexError, KeyError) as error:
        raise ModelError(
            "an operator refers to something that is not in the file",
            where=file,
            why=f"no {error}",
            remedy="convert the model again",
        ) from None


def _use(model: RawModel, index: int) -> OperatorUse:
    operator = model.operators[index]
    operands = [model.tensors[i] for i in operator.inputs if i >= 0]
    inputs = [t for t in operands if not _is_constant(model, t)]
    weights = [t for t in operands if _is_constant(model, t) and t.scale]
    return OperatorUse(
        kind=_builtin_names()[model.codes[operator.code].builtin],
        input=_type_names()[inputs[0].type] if inputs else "",
        weights=_type_names()[weights[0].type] if weights else "",
        output=_type_names()[model.tensors[operator.outputs[0]].type],
        result=operator.outputs[0],
    )


def _signature(model: RawModel, index: int) -> Signature:
    operator = model.operators[index]
    first = model.tensors[operator.outputs[0]]
    return Signature(
        kind=_builtin_names()[model.codes[operator.code].builtin],
        inputs=tuple(_operand(model, i) if i >= 0 else None for i in operator.inputs),
        outputs=tuple(_operand(model, i) for i in operator.outputs),
        result=operator.outputs[0],
        name=(first.name or b"").decode("utf-8", "replace"),
    )


def _operand(model: RawModel, index: int) -> Operand:
    tensor = model.tensors[index]
    return Operand(_type_names()[tensor.type], len(tensor.shape), _is_constant(model, tensor))


def _is_constant(model: RawModel, tensor: RawTensor) -> bool:
    return len(model.buffers[tensor.buffer]) > 0


@cache
def _builtin_names() -> dict[int, str]:
    from tflite.BuiltinOperator import BuiltinOperator

    return {value: name for name, value in vars(BuiltinOperator).items() if isinstance(value, int)}


@cache
def _type_names() -> dict[int, str]:
    from tflite.TensorType import TensorType

    return {value: name for name, value in vars(TensorType).items() if isinstance(value, int)}
