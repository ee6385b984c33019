"""Which channels of a tensor have the same value at every position, whatever the input.

Of a convolution or a fully connected layer it is proved by the bounds of its accumulators: requantisation is monotone,
so where both ends give one output, all between do. Operators that keep channels apart are run on what is known.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from micronets_gen.model.graph import Array, Graph, Operator, Tensor
from micronets_gen.operators import operator_specs
from micronets_gen.operators.arithmetic import INT32_MAX, INT32_MIN
from micronets_gen.operators.convolution import Requantization, requantization, requantize
from micronets_gen.operators.fully_connected import requantization as fully_connected_requantization
from micronets_gen.simplify.roles import (
    VARIES,
    Known,
    bias_of,
    is_channelwise,
    is_depthwise,
    is_head,
    weights_by_channel,
)


def known_channels(graph: Graph) -> Known:
    """Return the tensors that have constant channels."""
    known: dict[int, npt.NDArray[np.int64]] = {}
    for op in graph.operators:
        values = _values(graph, op, known)
        if values is not None and (values != VARIES).any():
            known[op.outputs[0]] = values
    return known


def _values(graph: Graph, op: Operator, known: Known) -> npt.NDArray[np.int64] | None:
    if is_head(graph, op):
        return _bounded(graph, op, _head_bounds(graph, op, known))
    if not is_channelwise(graph, op):
        return None
    carried = _carried(graph, op, known)
    if not is_depthwise(graph, op):
        return carried
    values = _bounded(graph, op, _depthwise_bounds(graph, op))
    return values if carried is None else np.where(carried == VARIES, values, carried)


def _carried(graph: Graph, op: Operator, known: Known) -> npt.NDArray[np.int64] | None:
    """Run an operator that keeps channels apart on its constant channels."""
    sources = [t for t in op.inputs if t >= 0 and not graph.tensor(t).is_constant]
    if not all(t in known for t in sources):
        return None
    constant = np.logical_and.reduce([known[t] != VARIES for t in sources])
    if not constant.any():
        return None
    operands = [_operand(graph, t, known) for t in op.inputs]
    result = operator_specs()[op.kind].evaluate(graph, op, operands)[0].astype(np.int64)
    pixels = result.reshape(-1, result.shape[-1])
    uniform = constant & (pixels == pixels[0]).all(axis=0)
    return np.where(uniform, pixels[0], VARIES)


def _operand(graph: Graph, t: int, known: Known) -> Array | None:
    if t < 0:
        return None
    tensor = graph.tensor(t)
    if tensor.data is not None:
        return tensor.data
    values = np.where(known[t] == VARIES, 0, known[t])
    return np.broadcast_to(values, tensor.shape).astype(tensor.dtype.value)


_Bounds = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _head_bounds(graph: Graph, op: Operator, known: Known) -> _Bounds:
    """Return the least and the greatest accumulator of each output channel."""
    x, weights = graph.tensor(op.inputs[0]), weights_by_channel(graph, op)
    if weights is None:
        w = graph.tensor(op.inputs[1])
        assert w.data is not None
        return _sums(w.data[:, :, None], *_offsets(x, None, 1), bias_of(graph, op))
    low, high = _offsets(x, known.get(x.index), weights.shape[-1])
    return _sums(weights, low, high, bias_of(graph, op))


def _depthwise_bounds(graph: Graph, op: Operator) -> _Bounds:
    x, w = graph.tensor(op.inputs[0]), graph.tensor(op.inputs[1])
    assert w.data is not None
    weights = w.data[0].transpose(2, 0, 1).reshape(x.shape[3], -1, 1)
    return _sums(weights, *_offsets(x, None, 1), bias_of(graph, op))


def _offsets(x: Tensor, values: npt.NDArray[np.int64] | None, channels: int) -> _Bounds:
    """Return the ends of what an input less its zero point can be, by channel; padding is 0 and lies between them."""
    least, greatest = x.dtype.limits
    low = np.full(channels, min(least - x.zero_point, 0), dtype=np.int64)
    high = np.full(channels, max(greatest - x.zero_point, 0), dtype=np.int64)
    if values is not None and len(values) == channels:
        offset = values - x.zero_point
        low = np.where(values == VARIES, low, np.minimum(offset, 0))
        high = np.where(values == VARIES, high, np.maximum(offset, 0))
    return low, high


def _sums(
    weights: Array,
    low: npt.NDArray[np.int64],
    high: npt.NDArray[np.int64],
    bias: npt.NDArray[np.int64],
) -> _Bounds:
    """Return bounds of accumulators; weights of shape (outputs, taps, channels)."""
    wide = weights.astype(np.int64)
    positive, negative = np.maximum(wide, 0).sum(axis=1), np.minimum(wide, 0).sum(axis=1)
    return bias + positive @ low + negative @ high, bias + positive @ high + negative @ low


def _bounded(graph: Graph, op: Operator, bounds: _Bounds) -> npt.NDArray[np.int64]:
    """Return the output of the channels whose least and greatest accumulator give the same."""
    low, high = bounds
    y = graph.tensor(op.outputs[0])
    rules: Callable[[Graph, Operator], Requantization] = (
        fully_connected_requantization if op.kind == "FULLY_CONNECTED" else requantization
    )
    ends = [requantize(end, rules(graph, op), y.dtype).astype(np.int64) for end in bounds]
    within = (low >= INT32_MIN) & (high <= INT32_MAX)
    return np.where(within & (ends[0] == ends[1]), ends[0], VARIES)
