"""Whatever ``check`` accepts can be executed, and it never fails itself: samples with a random change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from micronets_gen.model.graph import DType, Graph, Operator, Tensor
from micronets_gen.operators import operator_specs
from tests.operators.native import Sample, execute
from tests.operators.strategies import bounded, values
from tests.operators.test_moved_on_targets import FAMILIES

pytestmark = pytest.mark.needs("gcc")


@st.composite
def changed(draw: st.DrawFn, tensor: Tensor) -> Tensor:
    if tensor.data is not None and tensor.dtype in (DType.INT32, DType.INT64) and draw(st.booleans()):
        numbers = st.integers(-4, 4) | st.sampled_from([-(2**31), 2**31 - 1])
        drawn = tensor.data.copy()
        drawn.reshape(-1)[draw(st.integers(0, tensor.elements - 1))] = draw(numbers)
        return replace(tensor, data=drawn)
    what = draw(st.sampled_from(["shape", "dtype", "quantization", "constant"]))
    if what == "shape":
        shape = tuple(draw(st.lists(st.integers(0, 4), max_size=6)))
        data = None if tensor.data is None else np.resize(tensor.data, shape)
        return replace(tensor, shape=shape, data=data)
    if what == "dtype":
        dtype = draw(st.sampled_from(DType))
        data = None if tensor.data is None else tensor.data.astype(dtype.value)
        return replace(tensor, dtype=dtype, data=data)
    if what == "quantization":
        return replace(tensor, quantization=None)
    return replace(tensor, data=None if tensor.is_constant else values(tensor.shape, tensor.dtype))


def _executable(graph: Graph, op: Operator) -> bool:
    # What the reader sees to: outputs hold no data, tensors are of a size, quantised tensors have a scale.
    used = [graph.tensor(i) for i in (*op.inputs, *op.outputs)]
    return not any(graph.tensor(i).is_constant or graph.tensor(i).elements == 0 for i in op.outputs) and all(
        t.quantization is not None or t.dtype not in (DType.INT8, DType.INT16) for t in used
    )


@settings(bounded, max_examples=500)
@given(sample=st.one_of(*FAMILIES), data=st.data())
def test_accepted_is_executable(sample: Sample, data: st.DataObject) -> None:
    graph = sample.builder.graph()
    tensors = list(graph.tensors)
    (op,) = graph.operators
    victim = data.draw(st.sampled_from([*op.inputs, *op.outputs]))
    tensors[victim] = data.draw(changed(tensors[victim]))
    if data.draw(st.booleans()) and len(op.inputs) > 1:
        op = replace(op, inputs=op.inputs[:-1])
    graph = replace(graph, tensors=tuple(tensors), operators=(op,))
    found = list(operator_specs()[op.kind].check(graph, op))
    assert all(p.layer and p.reason and p.remedy for p in found)
    if found or not _executable(graph, op):
        return
    fed = [graph.operand(op, i) for i in range(len(op.inputs))]
    arrays = [None if t is None else values(t.shape, t.dtype) if t.data is None else t.data for t in fed]
    evaluated = operator_specs()[op.kind].evaluate(graph, op, arrays)
    for index, ours, native in zip(op.outputs, evaluated, execute(graph, op, arrays), strict=True):
        assert ours.shape == graph.tensor(index).shape
        np.testing.assert_array_equal(native, ours)
