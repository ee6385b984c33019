"""Takes channels out of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.simplify.channels import Run, constant_part
from micronets_gen.simplify.edit import Draft, sliced
from micronets_gen.simplify.result import Change
from micronets_gen.simplify.roles import VARIES, Known, bias_of, is_depthwise, is_head


def without(graph: Graph, run: Run, known: Known) -> tuple[Graph, Sequence[Change]]:
    """Return the graph without the channels that a run leaves out, and what that changes."""
    draft = Draft(graph)
    kept = np.flatnonzero(~run.left_out)
    for op in graph.operators:
        draft.swap(op, _fitted(graph, draft, op, run, known))
    for t in run.tensors:
        draft.reshape(t, (*graph.tensor(t).shape[:-1], len(kept)))
    total, gone = len(run.left_out), int(run.left_out.sum())
    what = f"{gone} of its {total} channels are constant or unused and left out"
    return draft.graph(), [Change(op.name, what) for op in run.heads]


def _fitted(graph: Graph, draft: Draft, op: Operator, run: Run, known: Known) -> Operator:
    """Return an operator as it is with the channels that stay."""
    kept = np.flatnonzero(~run.left_out)
    made = op.outputs[0] in run.tensors
    head, depthwise = is_head(graph, op), is_depthwise(graph, op)
    if op.index in {end.index for end in run.ends}:
        op = _with_inputs(graph, draft, op, run, known)
    if made and head:
        return _with_outputs(draft, op, kept, axis=0)
    if made and depthwise:
        return _with_outputs(draft, op, kept, axis=3)
    if made and op.kind == "RESHAPE" and len(op.inputs) > 1:
        shape = np.array((*graph.tensor(op.outputs[0]).shape[:-1], len(kept)), dtype=np.int32)
        return _with_operand(op, 1, draft.constant(shape, f"{op.name}_shape"))
    return op


def _with_operand(op: Operator, position: int, tensor: int) -> Operator:
    inputs = [*op.inputs, *[-1] * (position + 1 - len(op.inputs))]
    inputs[position] = tensor
    return replace(op, inputs=tuple(inputs))


def _with_outputs(draft: Draft, op: Operator, kept: npt.NDArray[np.intp], axis: int) -> Operator:
    """Return an operator with some of its filters."""
    for position, along in ((1, axis), (2, 0)):
        if position < len(op.inputs) and op.inputs[position] >= 0:
            tensor = draft.tensors[op.inputs[position]]
            data, quantization = sliced(tensor, kept, along)
            op = _with_operand(op, position, draft.constant(data, tensor.name, quantization))
    return op


def _with_inputs(graph: Graph, draft: Draft, op: Operator, run: Run, known: Known) -> Operator:
    """Return a head with some of its input channels, what the others add in its bias."""
    x, w = graph.tensor(op.inputs[0]), graph.tensor(op.inputs[1])
    assert w.data is not None
    channels = len(run.left_out)
    by_channel = w.data.reshape(*w.shape[:-1], -1, channels)
    data = np.ascontiguousarray(by_channel[..., ~run.left_out]).reshape(*w.shape[:-1], -1)
    values = known.get(x.index, np.full(channels, VARIES))
    constant = run.left_out & (values != VARIES)
    bias = bias_of(graph, op)
    moved = bias + constant_part(graph, op, values, constant)
    op = _with_operand(op, 1, draft.constant(data, w.name, w.quantization))
    if (moved == bias).all():
        return op
    old = graph.operand(op, 2)
    dtype = old.dtype.value if old else "int32" if x.dtype.size == 1 else "int64"
    quantization = old.quantization if old else None
    name = old.name if old else f"{op.name}_bias"
    return _with_operand(op, 2, draft.constant(moved.astype(dtype), name, quantization))
