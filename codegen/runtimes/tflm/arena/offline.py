"""A better layout of tensors than TFLM's own, brought along in the file.

TFLM reads offsets for tensors from metadata named ``OfflineMemoryAllocation`` and fits scratch around them;
overlap is not checked. So :mod:`micronets_gen.plan.memory`, which searches longer than a greedy planner can on the
device and lets operators work in place, decides, and the arena's replay
(:mod:`micronets_gen.runtimes.tflm.arena.predict`) says what it is worth.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from micronets_gen.common.integers import round_up
from micronets_gen.model.graph import DType, Graph, NoOptions, Operator
from micronets_gen.model.graph import Tensor as GraphTensor
from micronets_gen.plan.memory import plan_memory
from micronets_gen.plan.plan import LayerCode
from micronets_gen.runtimes.tflm.arena.greedy import ALIGN
from micronets_gen.runtimes.tflm.arena.kernels import Target, requests_of
from micronets_gen.runtimes.tflm.arena.model import ONLINE, Model, Node
from micronets_gen.runtimes.tflm.arena.predict import Prediction, predict, wanted_buffers
from micronets_gen.runtimes.tflm.arena.structures import Structures

_UNARY = frozenset({"RELU", "RELU6", "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH", "QUANTIZE"})
_BINARY = frozenset({"ADD", "SUB", "MUL"})


def better_plan(model: Model, target: Target, structures: Structures) -> tuple[Model, Prediction] | None:
    """Look for a layout with which the arena is smaller than with TFLM's planner.

    Returns:
        The model with the layout (``offsets``) and its arena, or None where there is no gain.

    Raises:
        ModelError: the arena of the model cannot be predicted.
        ToolError: a size is missing.
    """
    before = predict(model, target, structures)
    if model.offsets is not None or any(t.variable for t in model.tensors):
        return None
    best: tuple[Model, Prediction] | None = None
    for in_place in (True, False):
        planned = replace(model, offsets=_offsets(model, target, in_place=in_place))
        after = predict(planned, target, structures)
        if after.needed < (best[1] if best else before).needed:
            best = planned, after
    return best


def _offsets(model: Model, target: Target, *, in_place: bool) -> tuple[int, ...]:
    """Lay out every tensor that TFLM would plan; scratch has room in the layout, at offsets that TFLM chooses."""
    buffers = wanted_buffers(model, ())
    used = {t for node in model.nodes for t in (*node.inputs, *node.outputs)} | {
        *model.inputs,
        *model.outputs,
    }
    # Sizes in multiples of 16 make offsets such multiples.
    tensors = tuple(
        GraphTensor(
            i, "", (round_up(t.nbytes, ALIGN),), DType.INT8, None, None if i in buffers else np.empty(0)
        )
        for i, t in enumerate(model.tensors)
    )
    operators = tuple(
        Operator(n.index, n.kind, 1, n.inputs, n.outputs, NoOptions(), f"operator_{n.index}")
        for n in model.nodes
    )
    layers = []
    for node in model.nodes:
        scratch = sum(round_up(size, ALIGN) for size in requests_of(model, node, target).scratch)
        view = in_place and _is_view(model, node)
        over = () if view or not in_place else _may_overwrite(model, node)
        layers.append(LayerCode((), (), may_overwrite=over, alias=view, scratch_bytes=scratch))
    plan = plan_memory(Graph("", tensors, operators, model.inputs, model.outputs), layers)
    return tuple(plan.offset_of(i) if i in buffers and i in used else ONLINE for i in range(len(tensors)))


def _is_view(model: Model, node: Node) -> bool:
    """Whether the kernel leaves the bytes alone where input and output are at one address."""
    source = model.operand(node, 0)
    return node.kind == "RESHAPE" and source is not None and not source.constant


def _may_overwrite(model: Model, node: Node) -> tuple[tuple[int, int], ...]:
    """Inputs whose bytes the output may take: the kernel reads each element before it writes it, and never after."""
    out = model.tensors[node.outputs[0]]
    if node.kind in _UNARY:
        positions: tuple[int, ...] = (0,)
    elif node.kind in _BINARY:
        positions = (0, 1)
        shapes = {operand.shape for p in positions if (operand := model.operand(node, p)) is not None}
        if shapes != {out.shape}:
            return ()
    else:
        return ()
    operands = ((p, model.operand(node, p)) for p in positions)
    return tuple((p, 0) for p, t in operands if t is not None and t.nbytes == out.nbytes)
