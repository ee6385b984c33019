"""Which channels can be left out.

Operators that keep channels apart tie their tensors together: a channel goes from all of them or from none. Such a
*run* of tensors begins at layers that can do without an output (*heads*: convolutions, fully connected layers) and
ends at heads that can do without an input: one whose weights are zero, or one of a constant whose product goes to the
bias. What begins or ends elsewhere keeps all its channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.operators.arithmetic import INT32_MAX, INT32_MIN
from micronets_gen.simplify.roles import (
    VARIES,
    Known,
    bias_of,
    is_channelwise,
    is_head,
    unpadded,
    weights_by_channel,
)

GROUP = 4
"""Kernels work on as many channels at a time: a multiple of it stays one."""


@dataclass(frozen=True, eq=False)
class Run:
    """Tensors with the same channels.

    Attributes:
        tensors: Indices.
        heads: Operators that make the channels.
        ends: Operators that use them.
        left_out: Whether a channel is left out, shape ``(channels,)``.
    """

    tensors: tuple[int, ...]
    heads: tuple[Operator, ...]
    ends: tuple[Operator, ...]
    left_out: npt.NDArray[np.bool_]


def runs(graph: Graph, known: Known) -> Iterator[Run]:
    """Yield the runs from which a channel is left out.

    Args:
        known: Constant channels.
    """
    for tensors in _tied(graph):
        run = _run(graph, tensors, known)
        if run is not None and run.left_out.any():
            yield run


def _tied(graph: Graph) -> list[tuple[int, ...]]:
    """Return the activations in groups that operators tie together."""
    owner = {t.index: t.index for t in graph.tensors if not t.is_constant}

    def root(t: int) -> int:
        while owner[t] != t:
            t = owner[t]
        return t

    for op in graph.operators:
        if is_channelwise(graph, op):
            for t in _activations(graph, op.inputs):
                owner[root(t)] = root(op.outputs[0])
    groups: dict[int, list[int]] = {}
    for t in owner:
        groups.setdefault(root(t), []).append(t)
    return [tuple(group) for group in groups.values()]


def _activations(graph: Graph, tensors: Sequence[int]) -> list[int]:
    return [t for t in tensors if t >= 0 and not graph.tensor(t).is_constant]


def _run(graph: Graph, tensors: tuple[int, ...], known: Known) -> Run | None:
    """Return a run and its channels that can go; None where something in it needs them all."""
    members = set(tensors)
    makers = [op for op in graph.operators if members & set(op.outputs)]
    users = [op for op in graph.operators if members & set(op.inputs)]
    inner = {op.index for op in (*makers, *users) if is_channelwise(graph, op)}
    heads = tuple(op for op in makers if op.index not in inner)
    ends = tuple(op for op in users if op.index not in inner)
    if members & {*graph.inputs, *graph.outputs} or not heads or not ends:
        return None
    if not all(is_head(graph, op) for op in (*heads, *ends)):
        return None
    left_out = np.ones(graph.tensor(tensors[0]).shape[-1], dtype=np.bool_)
    for op in ends:
        left_out &= _dispensable(graph, op, known.get(op.inputs[0]))
    return Run(tensors, heads, ends, _rounded(left_out))


def _dispensable(graph: Graph, op: Operator, values: npt.NDArray[np.int64] | None) -> npt.NDArray[np.bool_]:
    """Return which input channels a head can do without, shape ``(channels,)``."""
    x, weights = graph.tensor(op.inputs[0]), weights_by_channel(graph, op)
    if weights is None:
        return np.zeros(x.shape[-1], dtype=np.bool_)
    unused: npt.NDArray[np.bool_] = np.logical_not(weights.any(axis=(0, 1)))
    if values is None:
        return unused
    constant = (values != VARIES) if unpadded(graph, op) else (values == x.zero_point)
    bias = bias_of(graph, op) + constant_part(graph, op, values, constant)
    in_range = bool(((bias >= INT32_MIN) & (bias <= INT32_MAX)).all())
    return unused | constant if in_range else unused


def constant_part(
    graph: Graph, op: Operator, values: npt.NDArray[np.int64], channels: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Return what constant input channels add to each accumulator of a head, shape ``(outputs,)``."""
    weights = weights_by_channel(graph, op)
    assert weights is not None
    offsets = np.where(channels, values, 0) - graph.tensor(op.inputs[0]).zero_point * channels
    return np.asarray(weights.astype(np.int64).sum(axis=1) @ offsets)


def _rounded(left_out: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Keep a channel at least, and of a multiple of :data:`GROUP` a multiple."""
    channels = len(left_out)
    group = GROUP if channels % GROUP == 0 else 1
    kept = max(int((~left_out).sum()), 1)
    spare = -(-kept // group) * group - int((~left_out).sum())
    back = np.flatnonzero(left_out)[:spare]
    result = left_out.copy()
    result[back] = False
    return result
