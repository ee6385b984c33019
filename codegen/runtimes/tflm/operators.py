"""What TFLM will be asked to execute: the operators of a ``.tflite`` file as they stand in it.

The graph that the rest of the generator works with leaves some operators out (results that nothing uses, the
arithmetic of shapes); the interpreter does not, so its operators are read from the file itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from micronets_gen.model.tflite_file import OMITTED, FileOperator, FileTensor, Subgraph, load


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
    graph = load(data, file).main
    return tuple(_signature(graph, operator) for operator in graph.operators)


def scan_operators(data: bytes, file: str) -> tuple[OperatorUse, ...]:
    """Return the operators of the first subgraph.

    Args:
        data: The contents of the ``.tflite`` file.
        file: Its name, for messages.

    Raises:
        ModelError: no ``.tflite`` file, or a damaged one.
    """
    graph = load(data, file).main
    return tuple(_use(graph, operator) for operator in graph.operators)


def _use(graph: Subgraph, operator: FileOperator) -> OperatorUse:
    operands = [graph.tensors[i] for i in operator.inputs if i != OMITTED]
    inputs = [t for t in operands if not t.is_stored]
    weights = [t for t in operands if t.is_stored and t.scale]
    return OperatorUse(
        kind=operator.kind,
        input=inputs[0].type if inputs else "",
        weights=weights[0].type if weights else "",
        output=graph.tensors[operator.outputs[0]].type,
        result=operator.outputs[0],
    )


def _signature(graph: Subgraph, operator: FileOperator) -> Signature:
    return Signature(
        kind=operator.kind,
        inputs=tuple(_operand(graph.tensors[i]) if i != OMITTED else None for i in operator.inputs),
        outputs=tuple(_operand(graph.tensors[i]) for i in operator.outputs),
        result=operator.outputs[0],
        name=graph.tensors[operator.outputs[0]].name,
    )


def _operand(tensor: FileTensor) -> Operand:
    return Operand(tensor.type, len(tensor.shape), tensor.is_stored)
