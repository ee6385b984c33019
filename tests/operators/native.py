"""Runs the kernel calls of single operators on the host: many shapes a second, without compiling each.

The sources are built once into a shared library; parameter structures are laid out by ctypes from the calls.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from micronets_gen.model.graph import Array, Graph, Operator
from micronets_gen.operators import operator_specs
from micronets_gen.plan.plan import Call, Constant, Field
from micronets_gen.runtimes.aot.registry import lowerings
from tests.support.builder import ModelBuilder
from tests.support.oracle import run_reference

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "aot"
_GUARD = 64


@dataclass(frozen=True)
class Sample:
    """A model of one operator and what to feed it.

    Attributes:
        second_opinion: Whether LiteRT can run it too.
    """

    builder: ModelBuilder
    inputs: Sequence[Array]
    second_opinion: bool = True


def deployable(sample: Sample) -> tuple[bytes, list[list[Array]]]:
    """Return the model and its inputs with batch 1, as firmware takes them; others it reshapes first."""
    builder, graph = deepcopy(sample.builder), sample.builder.graph()
    fed = []
    for index, value in zip(graph.inputs, sample.inputs, strict=True):
        tensor, q = graph.tensor(index), graph.tensor(index).quantization
        shape = (1, tensor.elements)
        scale, zero_point = (q.scale, q.zero_point) if q else (None, 0)
        flat = builder.tensor(shape, tensor.dtype, scale=scale, zero_point=zero_point)
        builder.operator("RESHAPE", [flat], [index])
        builder._operations.insert(0, builder._operations.pop())
        fed.append(value.reshape(shape))
    return builder.build(), [fed]


def evaluate(sample: Sample) -> list[Array]:
    """Run the operator's reference semantics in numpy."""
    graph = sample.builder.graph()
    (op,) = graph.operators
    return list(operator_specs()[op.kind].evaluate(graph, op, _operands(sample, graph, op)))


def assert_exact(sample: Sample) -> None:
    """Check that no problem is found and that numpy, the C kernels and TFLM give the same bytes."""
    graph = sample.builder.graph()
    (op,) = graph.operators
    assert list(operator_specs()[op.kind].check(graph, op)) == []
    expected = run_reference(sample.builder.build(), sample.inputs, second_opinion=sample.second_opinion)
    evaluated = evaluate(sample)
    values = _operands(sample, graph, op)
    executed = execute(graph, op, values)
    for index, reference, ours, native in zip(op.outputs, expected, evaluated, executed, strict=True):
        tensor = graph.tensor(index)
        assert (ours.shape, ours.dtype.name) == (tensor.shape, tensor.dtype.value)
        np.testing.assert_array_equal(ours, reference.reshape(tensor.shape), err_msg="numpy against TFLM")
        np.testing.assert_array_equal(native, ours, err_msg="C against numpy")


def _operands(sample: Sample, graph: Graph, op: Operator) -> list[Array | None]:
    fed = dict(zip(graph.inputs, sample.inputs, strict=True))
    return [None if i < 0 else fed.get(i, graph.tensor(i).data) for i in op.inputs]


def problems(builder: ModelBuilder) -> list[tuple[str, str, str]]:
    """Return what ``check`` says about the only operator of a model."""
    graph = builder.graph()
    (op,) = graph.operators
    return [(p.layer, p.reason, p.remedy) for p in operator_specs()[op.kind].check(graph, op)]


def execute(graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
    """Lower ``op`` and run its calls; outputs start as garbage between guard bytes that must survive."""
    code = lowerings()[op.kind](graph, op, "c")
    given = {
        index: np.ascontiguousarray(value)
        for index, value in zip(op.inputs, values, strict=True)
        if value is not None
    }
    if code.alias:
        target = graph.tensor(op.outputs[0])
        assert not code.calls
        assert not graph.tensor(op.inputs[0]).is_constant
        return [given[op.inputs[0]].reshape(target.shape)]
    buffers = {
        index: np.full(graph.tensor(index).nbytes + 2 * _GUARD, 0xA5, dtype=np.uint8) for index in op.outputs
    }
    for call in code.calls:
        assert not call.scratch
        arguments = [given[i].ctypes.data_as(ctypes.c_void_p) for i in call.inputs]
        arguments += [ctypes.c_void_p(buffers[i].ctypes.data + _GUARD) for i in call.outputs]
        if call.rows:
            arguments += [ctypes.c_int32(0), ctypes.c_int32(call.rows)]
        function = getattr(_library(code.sources), call.function)
        function.restype = None
        function(ctypes.byref(_parameters(call)), *arguments)
    results = []
    for index in op.outputs:
        buffer, tensor = buffers[index], graph.tensor(index)
        guards = np.concatenate([buffer[:_GUARD], buffer[len(buffer) - _GUARD :]])
        assert (guards == 0xA5).all(), "wrote outside its output"
        inner = buffer[_GUARD : len(buffer) - _GUARD]
        results.append(inner.view(tensor.dtype.value).reshape(tensor.shape))
    return results


def _parameters(call: Call) -> ctypes.Structure:
    kept: list[Array] = []

    def field(value: Field) -> tuple[type, object]:
        if isinstance(value, Constant):
            kept.append(np.ascontiguousarray(value.data, dtype=value.ctype.removesuffix("_t")))
            return ctypes.c_void_p, kept[-1].ctypes.data
        if isinstance(value, tuple):
            return ctypes.c_int32 * len(value), (ctypes.c_int32 * len(value))(*value)
        if isinstance(value, float):
            return ctypes.c_float, value
        if isinstance(value, str):
            assert value == "NULL"
            return ctypes.c_void_p, None
        return ctypes.c_int32, ctypes.c_int32(int(value)).value

    converted = [(name, *field(value)) for name, value in call.params]
    fields = [(name, kind) for name, kind, _ in converted]
    layout = type("Parameters", (ctypes.Structure,), {"_fields_": fields})
    structure: ctypes.Structure = layout(*(value for _, _, value in converted))
    structure.kept = kept
    return structure


@cache
def _library(sources: tuple[str, ...]) -> ctypes.CDLL:
    target = Path(mkdtemp(prefix="micronets-native-")) / "kernels.so"
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-shared", "-fPIC"]
    files = [str(TEMPLATES / source) for source in sources]
    subprocess.run(["gcc", *flags, *files, "-o", str(target)], check=True)
    return ctypes.CDLL(str(target))
