"""Conditions that several operators put on their tensors, for ``check`` functions."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from micronets_gen.model.graph import Activation, DType, Graph, Operator, Tensor
from micronets_gen.operators import Problem, layer_title, operator_specs

FULL_INTEGER = (
    "convert with full-integer quantisation (a representative dataset, and inference_input_type = "
    "inference_output_type = tf.int8)"
)
CONVERT_AGAIN = "convert the model again with a current TensorFlow; a converter does not write this"


def require(ok: bool, op: Operator, reason: str, remedy: str) -> list[Problem]:
    """Return one problem unless ``ok``; for ``check`` functions."""
    return [] if ok else [Problem(layer_title(op), reason, remedy)]


def require_arity(graph: Graph, op: Operator) -> list[Problem]:
    """Check that the operator has every input of its schema, no other, and one output."""
    inputs = len(operator_specs()[op.kind].schema.inputs)
    present = all(graph.operand(op, i) is not None for i in range(len(op.inputs)))
    return require(
        len(op.inputs) == inputs and len(op.outputs) == 1 and present,
        op,
        f"has {len(op.inputs)} inputs and {len(op.outputs)} outputs; it must have {inputs} and 1",
        CONVERT_AGAIN,
    )


def require_type_pair(graph: Graph, op: Operator, allowed: Collection[tuple[DType, DType]]) -> list[Problem]:
    """Check that (first input's type, first output's type) is one of ``allowed``."""
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    names = ", ".join(
        f"{a.value} to {b.value}" for a, b in sorted(allowed, key=lambda p: [t.value for t in p])
    )
    return require(
        (x.dtype, y.dtype) in allowed,
        op,
        f"maps {x.dtype.value} to {y.dtype.value}; TFLM and this generator know {names}",
        FULL_INTEGER,
    )


def require_one_type(op: Operator, tensors: Iterable[Tensor], allowed: Collection[DType]) -> list[Problem]:
    """Check that all ``tensors`` have one type of ``allowed``."""
    found = list(dict.fromkeys(t.dtype for t in tensors))
    names = " or ".join(sorted(d.value for d in allowed))
    return require(
        len(found) == 1 and found[0] in allowed,
        op,
        f"works on {' and '.join(d.value for d in found)}; all its tensors must be {names}",
        FULL_INTEGER,
    )


def require_one_scale(op: Operator, tensors: Iterable[Tensor]) -> list[Problem]:
    """Check that each tensor has exactly one scale, positive and finite."""
    problems = []
    for tensor in tensors:
        q = tensor.quantization
        good = q is not None and len(q.scale) == 1 == len(q.zero_point)
        problems += require(
            good and math.isfinite(tensor.scale) and tensor.scale > 0,
            op,
            f"tensor '{tensor.name}' does not have one positive scale and one zero point",
            FULL_INTEGER,
        )
    return problems


def require_symmetric_int16(op: Operator, tensors: Iterable[Tensor]) -> list[Problem]:
    """Check that int16 tensors have zero point 0."""
    return [
        problem
        for tensor in tensors
        for problem in require(
            tensor.dtype is not DType.INT16 or tensor.zero_point == 0,
            op,
            f"int16 tensor '{tensor.name}' has zero point {tensor.zero_point}; it must be 0",
            "convert with EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8, which quantises int16 "
            "symmetrically",
        )
    ]


def require_activation_in_range(op: Operator, output: Tensor, activation: Activation) -> list[Problem]:
    """Check that the bounds of a fused activation are 32-bit integers in the output's quantisation."""
    bound = {Activation.RELU6: 6.0, Activation.RELU_N1_TO_1: 1.0}.get(activation, 0.0)
    return require(
        bound / output.scale < 2.0**31,
        op,
        f"its output scale {output.scale:g} is too small for the fused {activation.value}",
        "check the representative dataset: the outputs are all but zero",
    )


def require_same_shape(graph: Graph, op: Operator) -> list[Problem]:
    """Check that output 0 has the shape of input 0, and at least one element."""
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    return require(
        x.shape == y.shape and x.elements > 0,
        op,
        f"maps shape {list(x.shape)} to {list(y.shape)}; they must be the same, and not empty",
        CONVERT_AGAIN,
    )


def require_int8_or_int16(graph: Graph, op: Operator) -> list[Problem]:
    """Check that the first input and output are both int8 or both int16."""
    tensor_in, tensor_out = graph.operand(op, 0), graph.tensor(op.outputs[0])
    if tensor_in is None:
        return require(False, op, "its first input is missing", CONVERT_AGAIN)
    return require(
        tensor_in.dtype in (DType.INT8, DType.INT16) and tensor_out.dtype is tensor_in.dtype,
        op,
        f"maps {tensor_in.dtype.value} to {tensor_out.dtype.value}; it must be int16 or int8 on both sides",
        FULL_INTEGER,
    )
