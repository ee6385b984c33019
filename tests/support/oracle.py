"""What a model's output is, by TensorFlow Lite Micro itself, seconded by LiteRT's reference kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from micronets_gen.model.graph import Array

DIFFERS = {
    "FULLY_CONNECTED": "per-tensor weights: LiteRT rounds once, TFLM twice",
    "LEAKY_RELU": "LiteRT divides the scales in single precision",
    "LOGISTIC": "int8: LiteRT has a table made in floating point, TFLM computes in fixed point",
    "RELU": "LiteRT divides the scales in single precision",
    "SUM": "int8: LiteRT rounds otherwise; int16: LiteRT has none",
    "TANH": "as LOGISTIC",
}
"""Operators whose LiteRT reference kernel is known to differ from TFLM, and why."""

_NAMES = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
_ITEM_BYTES = 8


def run_tflm(model: bytes, inputs: Sequence[Array]) -> list[Array]:
    """Run one inference in TFLM with its reference kernels.

    Args:
        model: The file.
        inputs: One array per graph input, of its exact shape and type.

    Raises:
        RuntimeError: TFLM refuses the model. (Some refusals are ``abort()``: use models that pass ``check``.)
    """
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(model, arena_size=_arena_bytes(model))
    for i, value in enumerate(inputs):
        interpreter.set_input(np.ascontiguousarray(value), i)
    interpreter.invoke()
    count = len(schema.Model.GetRootAsModel(model, 0).Subgraphs(0).OutputsAsNumpy())
    return [np.array(interpreter.get_output(i)) for i in range(count)]


def run_litert(model: bytes, inputs: Sequence[Array]) -> list[Array]:
    """Run one inference with LiteRT's ``BUILTIN_REF`` kernels."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [np.array(interpreter.get_tensor(d["index"])) for d in interpreter.get_output_details()]


def run_reference(model: bytes, inputs: Sequence[Array], *, second_opinion: bool = True) -> list[Array]:
    """Return TFLM's outputs.

    With ``second_opinion`` LiteRT's must be the same, save for models with operators of :data:`DIFFERS`.

    Raises:
        AssertionError: The two disagree where they should not.
    """
    outputs = run_tflm(model, inputs)
    if second_opinion and not operator_kinds(model) & DIFFERS.keys():
        for i, (ours, theirs) in enumerate(zip(outputs, run_litert(model, inputs), strict=True)):
            np.testing.assert_array_equal(ours, theirs, err_msg=f"output {i}: TFLM against LiteRT")
    return outputs


def operator_kinds(model: bytes) -> set[str]:
    """Return the builtin names of the operators in the file."""
    root = schema.Model.GetRootAsModel(model, 0)
    codes = [root.OperatorCodes(i) for i in range(root.OperatorCodesLength())]
    return {_NAMES[max(c.BuiltinCode(), c.DeprecatedBuiltinCode())] for c in codes}


def _arena_bytes(model: bytes) -> int:
    subgraph = schema.Model.GetRootAsModel(model, 0).Subgraphs(0)
    elements = 0
    for i in range(subgraph.TensorsLength()):
        shape = subgraph.Tensors(i).ShapeAsNumpy()
        elements += int(np.prod(shape)) if isinstance(shape, np.ndarray) else 1
    # Tensors, kernels' scratch of the same order, and the interpreter's own structures.
    return 2 * _ITEM_BYTES * elements + 4096 * (subgraph.OperatorsLength() + 16)
