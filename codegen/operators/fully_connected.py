"""FULLY_CONNECTED.

Source: tensorflow/lite/kernels/internal/reference/integer_ops/fully_connected.h and
tensorflow/lite/micro/kernels/fully_connected_common.cc.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from micronets_gen.errors import ModelError
from micronets_gen.model.graph import Activation, Array, Graph, Operator, Options
from micronets_gen.model.schema import FusedActivation, OperatorSchema, Read
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.arithmetic import activation_range, quantize_multiplier
from micronets_gen.operators.conditions import CONVERT_AGAIN, require, require_int8_or_int16
from micronets_gen.operators.convolution import (
    Requantization,
    per_channel_requantization,
    requantize,
    require_weights,
)


def _default_weights(value: int, _name: str, where: str) -> int:
    if value:
        raise ModelError(
            "shuffled weights are not supported",
            where=where,
            remedy="convert the model again with TensorFlow 2",
        )
    return 0


@dataclass(frozen=True)
class FullyConnectedOptions(Options):
    """Filter OI, bias O."""

    activation: FusedActivation = Activation.NONE
    keep_num_dims: bool = False
    weights_format: Annotated[int, Read(_default_weights)] = 0


def requantization(graph: Graph, op: Operator) -> Requantization:
    """Return how the accumulators become outputs."""
    options = op.options
    assert isinstance(options, FullyConnectedOptions)
    x, w, y = (graph.tensor(i) for i in (op.inputs[0], op.inputs[1], op.outputs[0]))
    assert w.quantization is not None
    if w.quantization.per_channel:
        multiplier, shift = per_channel_requantization(x, w, y, w.shape[0])
    else:
        # The kernel multiplies these two scales in single precision.
        product = float(np.float32(x.scale) * np.float32(w.scale))
        m, s = quantize_multiplier(product / y.scale)
        multiplier = np.full(w.shape[0], m, dtype=np.int32)
        shift = np.full(w.shape[0], s, dtype=np.int32)
    low, high = activation_range(options.activation, y)
    return Requantization(multiplier, shift, y.zero_point, low, high)


def _evaluate(graph: Graph, op: Operator, values: Sequence[Array | None]) -> Sequence[Array]:
    x, w, bias = (*values, None)[:3]
    assert x is not None
    assert w is not None
    y = graph.tensor(op.outputs[0])
    rows = x.reshape(-1, w.shape[1]).astype(np.float64) - graph.tensor(op.inputs[0]).zero_point
    accumulators = np.rint(rows @ w.astype(np.float64).T).astype(np.int64)
    if bias is not None:
        accumulators += bias.astype(np.int64)
    return [requantize(accumulators, requantization(graph, op), y.dtype).reshape(y.shape)]


def _check(graph: Graph, op: Operator) -> list[Problem]:
    problems = require_int8_or_int16(graph, op)
    if problems or graph.operand(op, 1) is None:
        return problems or require_weights(graph, op, 0, 0)
    x, w, y = (graph.tensor(i) for i in (op.inputs[0], op.inputs[1], op.outputs[0]))
    fits = (
        len(w.shape) == 2
        and min(w.shape) > 0
        and x.elements > 0
        and x.elements % w.shape[1] == 0
        and y.elements == x.elements // w.shape[1] * w.shape[0]
    )
    if not fits:
        return require(
            False,
            op,
            f"maps shape {x.shape} to {y.shape} with weights of shape {w.shape}",
            CONVERT_AGAIN,
        )
    return require_weights(graph, op, w.shape[0], axis=0)


def _macs(graph: Graph, op: Operator) -> int:
    return graph.tensor(op.outputs[0]).elements * graph.tensor(op.inputs[1]).shape[1]


register(
    OperatorSpec(
        "FULLY_CONNECTED",
        OperatorSchema(("input", "filter", "bias"), optional=("bias",), options=FullyConnectedOptions),
        _check,
        _evaluate,
        _macs,
    )
)
