"""What simplifying needs to know of operators: which keep channels apart, and which mix them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from micronets_gen.model.graph import Array, Graph, Operator
from micronets_gen.operators.convolution import geometry
from micronets_gen.operators.pad import paddings
from micronets_gen.operators.reduce import axes

Known = Mapping[int, npt.NDArray[np.int64]]
"""Constant channels by tensor: one value a channel (the last dimension), :data:`VARIES` where it is none."""

VARIES = np.iinfo(np.int64).max
"""Stands for a channel that is not known to be constant."""

_ALONE = frozenset(
    {"RELU", "RELU6", "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH", "QUANTIZE"}
    | {"AVERAGE_POOL_2D", "MAX_POOL_2D"}
)
_PAIRS = frozenset({"ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM"})
_VIEWS = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})


def is_head(graph: Graph, op: Operator) -> bool:
    """Whether every output channel is a sum over all input channels, with weights of its own."""
    if op.kind not in ("CONV_2D", "FULLY_CONNECTED"):
        return False
    x, w, y = (graph.tensor(t) for t in (op.inputs[0], op.inputs[1], op.outputs[0]))
    if not x.shape or not y.shape or y.shape[-1] != w.shape[0]:
        return False  # a matrix in a shape of its own
    return op.kind == "FULLY_CONNECTED" or x.shape[-1] == w.shape[-1]


def is_depthwise(graph: Graph, op: Operator) -> bool:
    """Whether it is a convolution of each channel with one filter."""
    if op.kind != "DEPTHWISE_CONV_2D":
        return False
    return graph.tensor(op.inputs[0]).shape[-1] == graph.tensor(op.outputs[0]).shape[-1]


def is_channelwise(graph: Graph, op: Operator) -> bool:
    """Whether every output channel depends on the same channel of the inputs alone."""
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    if not x.shape or not y.shape or x.shape[-1] != y.shape[-1]:
        return False
    if op.kind in _PAIRS:
        return all(graph.tensor(t).shape == y.shape for t in op.inputs)
    if op.kind in ("PAD", "PADV2"):
        return paddings(graph, op)[-1] == (0, 0)
    if op.kind == "MEAN":
        return len(x.shape) - 1 not in axes(graph, op)
    return op.kind in _ALONE or op.kind in _VIEWS or is_depthwise(graph, op)


def weights_by_channel(graph: Graph, op: Operator) -> Array | None:
    """Return a head's weights in the shape ``(outputs, taps, input channels)``; None where they have no such order."""
    channels = graph.tensor(op.inputs[0]).shape[-1]
    weights = graph.tensor(op.inputs[1]).data
    assert weights is not None
    if weights[0].size % channels:
        return None
    return weights.reshape(weights.shape[0], -1, channels)


def bias_of(graph: Graph, op: Operator) -> npt.NDArray[np.int64]:
    """Return the bias of a convolution or fully connected layer, shape ``(outputs,)``; zeros where it has none."""
    bias = graph.operand(op, 2)
    if bias is None or bias.data is None:
        return np.zeros(graph.tensor(op.outputs[0]).shape[-1], dtype=np.int64)
    return bias.data.reshape(-1).astype(np.int64)


def unpadded(graph: Graph, op: Operator) -> bool:
    """Whether every window of a head lies on the input."""
    if op.kind == "FULLY_CONNECTED":
        return True
    g = geometry(graph, op)
    rows = (g.out_h - 1) * g.stride_h + (g.filter_height - 1) * g.dilation_h + 1
    columns = (g.out_w - 1) * g.stride_w + (g.filter_width - 1) * g.dilation_w + 1
    return not g.pad_h and not g.pad_w and rows <= g.in_h and columns <= g.in_w
