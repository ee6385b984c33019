"""CONCATENATION and PACK: several tensors become one.

Source: tensorflow/lite/micro/kernels/{concatenation,pack}.cc. Both copy: the int8 concatenation demands one
common quantisation, the int16 one only that zero points are 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from micronets_gen.model.graph import Activation, Array, DType, Graph, Operator, Options, Tensor
from micronets_gen.model.schema import FusedActivation, OperatorSchema
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.conditions import CONVERT_AGAIN, require
from micronets_gen.operators.layout import MOVED_TYPES, normalized_axis, require_shape, require_type_kept
from micronets_gen.operators.rows import along_channels


@dataclass(frozen=True)
class ConcatenationOptions(Options):
    axis: int
    activation: FusedActivation = Activation.NONE


@dataclass(frozen=True)
class PackOptions(Options):
    axis: int


_CONCATENATION_TYPES = MOVED_TYPES | {DType.INT64, DType.BOOL}
_PACK_TYPES = MOVED_TYPES | {DType.INT64}


def concatenation_axis(graph: Graph, op: Operator) -> int | None:
    """Return the axis counted from 0; ``None`` where it is out of range."""
    assert isinstance(op.options, ConcatenationOptions)
    return normalized_axis(op.options.axis, len(graph.tensor(op.outputs[0]).shape))


def pack_axis(graph: Graph, op: Operator) -> int | None:
    """Return the axis of the output that PACK adds, counted from 0; ``None`` where it is out of range."""
    assert isinstance(op.options, PackOptions)
    return normalized_axis(op.options.axis, len(graph.tensor(op.outputs[0]).shape))


def check_concatenation(graph: Graph, op: Operator) -> Iterable[Problem]:
    """Types, shapes but for the axis, quantisation and activation."""
    assert isinstance(op.options, ConcatenationOptions)
    problems = [
        *require_type_kept(graph, op, range(len(op.inputs)), _CONCATENATION_TYPES),
        *require(
            op.options.activation is Activation.NONE,
            op,
            f"has the fused activation {op.options.activation.value}, which concatenation does not take",
            "apply the activation to the inputs of the concatenation",
        ),
    ]
    if problems:
        return problems
    output, axis = graph.tensor(op.outputs[0]), concatenation_axis(graph, op)
    if axis is None:
        return require(
            False, op, f"its axis {op.options.axis} is outside {list(output.shape)}", CONVERT_AGAIN
        )
    inputs = [graph.tensor(i) for i in op.inputs]
    for tensor in inputs:
        problems += require(
            len(tensor.shape) == len(output.shape)
            and all(
                a == b for i, (a, b) in enumerate(zip(tensor.shape, output.shape, strict=True)) if i != axis
            ),
            op,
            f"its input '{tensor.name}' {list(tensor.shape)} differs from its output {list(output.shape)} "
            f"in more than axis {axis}",
            CONVERT_AGAIN,
        )
        problems += _check_quantization(op, tensor, output)
    if problems:
        return problems
    total = sum(t.shape[axis] for t in inputs)
    return require_shape(graph, op, (*output.shape[:axis], total, *output.shape[axis + 1 :]))


def _check_quantization(op: Operator, tensor: Tensor, output: Tensor) -> list[Problem]:
    if tensor.dtype is DType.INT16:
        return require(
            tensor.zero_point == 0 and output.zero_point == 0,
            op,
            f"joins int16 tensors with a zero point other than 0 ('{tensor.name}')",
            "convert with symmetric int16 activations (the 16x8 mode)",
        )
    if tensor.dtype is not DType.INT8 or (tensor.quantization is None and output.quantization is None):
        return []
    same = tensor.quantization is not None and output.quantization is not None
    return require(
        same and (tensor.scale, tensor.zero_point) == (output.scale, output.zero_point),
        op,
        f"its input '{tensor.name}' is quantised with {_quantization(tensor)}, its output with "
        f"{_quantization(output)}; int8 concatenation copies, so they must be the same",
        "convert with the current TensorFlow converter, which inserts a QUANTIZE before the concatenation",
    )


def _quantization(tensor: Tensor) -> str:
    if tensor.quantization is None:
        return "nothing"
    return f"scale {tensor.scale:.9g}, zero point {tensor.zero_point}"


def check_pack(graph: Graph, op: Operator) -> Iterable[Problem]:
    """Types and shapes."""
    assert isinstance(op.options, PackOptions)
    problems = require_type_kept(graph, op, range(len(op.inputs)), _PACK_TYPES)
    if problems:
        return problems
    output, axis = graph.tensor(op.outputs[0]), pack_axis(graph, op)
    if axis is None:
        return require(
            False, op, f"its axis {op.options.axis} is outside {list(output.shape)}", CONVERT_AGAIN
        )
    for tensor in (graph.tensor(i) for i in op.inputs):
        expected = (*tensor.shape[:axis], len(op.inputs), *tensor.shape[axis:])
        problems += require_shape(
            graph, op, expected, because=f"{len(op.inputs)} inputs like '{tensor.name}'"
        )
    return problems


def evaluate_concatenation(graph: Graph, op: Operator, inputs: Sequence[Array | None]) -> Sequence[Array]:
    """Join along the axis."""
    axis = concatenation_axis(graph, op)
    assert axis is not None
    return [np.concatenate([value for value in inputs if value is not None], axis=axis)]


def evaluate_pack(graph: Graph, op: Operator, inputs: Sequence[Array | None]) -> Sequence[Array]:
    """Stack along a new axis."""
    axis = pack_axis(graph, op)
    assert axis is not None
    return [np.stack([value for value in inputs if value is not None], axis=axis)]


register(
    OperatorSpec(
        "CONCATENATION",
        OperatorSchema(("input",), options=ConcatenationOptions),
        check_concatenation,
        evaluate_concatenation,
        rows=along_channels(concatenation_axis),
    )
)
register(OperatorSpec("PACK", OperatorSchema(("input",), options=PackOptions), check_pack, evaluate_pack))
