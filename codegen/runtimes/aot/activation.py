"""LOGISTIC, TANH, RELU, RELU6, LEAKY_RELU, HARD_SWISH.

An int8 activation is a table of 256 bytes made here; where it only clamps, a clamp; where it changes nothing,
no code.
"""

from __future__ import annotations

import numpy as np

from micronets_gen.model.graph import DType, Graph, Operator
from micronets_gen.operators import operator_specs
from micronets_gen.operators.activation import (
    leaky_relu_rescalings,
    relu6_range,
    relu_rescaling,
    sigmoid_input_rescaling,
    sigmoid_table,
)
from micronets_gen.plan.plan import Call, Constant, Field, LayerCode
from micronets_gen.runtimes.aot.elementwise import SUFFIX
from micronets_gen.runtimes.aot.registry import lowering

_SOURCES = ("mn_activation.c",)


def table_layer(graph: Graph, op: Operator) -> LayerCode:
    """Return a look-up of every 8-bit input, in the order of its bytes, from the operator's own semantics."""
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    every_byte = np.arange(256, dtype=np.uint8).view(x.dtype.value)
    (outputs,) = operator_specs()[op.kind].evaluate(graph, op, [every_byte])
    comment = f"{op.kind} of every {x.dtype.value}: 0, 1, ..."
    table = Constant(f"{op.name}_table", "uint8_t", outputs.view(np.uint8), comment)
    call = Call("mn_table_s8", (("count", y.elements), ("table", table)), op.inputs, op.outputs)
    return LayerCode(_SOURCES, (call,))


def _call(op: Operator, function: str, *params: tuple[str, Field]) -> LayerCode:
    return LayerCode(_SOURCES, (Call(function, params, op.inputs, op.outputs),))


def _limit(graph: Graph, op: Operator, low: int, high: int) -> LayerCode:
    x = graph.tensor(op.inputs[0])
    lowest, highest = x.dtype.limits
    if low <= lowest and high >= highest:
        return LayerCode((), (), alias=True)
    function = f"mn_limit_{SUFFIX[x.dtype]}"
    return _call(op, function, ("count", x.elements), ("low", low), ("high", high))


@lowering("HARD_SWISH")
def lower_table(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Look up."""
    return table_layer(graph, op)


@lowering("RELU")
def lower_relu(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Clamp where input and output are quantised alike; else look up (int8) or rescale (int16)."""
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    r = relu_rescaling(x, y)
    if r.is_identity:
        return _limit(graph, op, r.low, r.high)
    if x.dtype is DType.INT8:
        return table_layer(graph, op)
    params: tuple[tuple[str, Field], ...] = (
        ("count", x.elements),
        ("zero_point", r.zero_point),
        ("multiplier", r.multiplier),
        ("shift", r.shift),
        ("offset", r.offset),
        ("low", r.low),
        ("high", r.high),
    )
    call = Call("mn_requantize_s16_s16", params, op.inputs, op.outputs)
    return LayerCode(("mn_quantize.c",), (call,))


@lowering("RELU6")
def lower_relu6(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Clamp."""
    return _limit(graph, op, *relu6_range(graph.tensor(op.inputs[0])))


@lowering("LEAKY_RELU")
def lower_leaky_relu(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Look up (int8), or rescale by two factors (int16)."""
    x = graph.tensor(op.inputs[0])
    if x.dtype is DType.INT8:
        return table_layer(graph, op)
    identity, slope, sign = leaky_relu_rescalings(graph, op)
    return _call(
        op,
        "mn_leaky_relu_s16",
        ("count", x.elements),
        ("zero_point", identity.zero_point),
        ("multiplier", identity.multiplier),
        ("shift", identity.shift),
        ("negative_multiplier", slope.multiplier),
        ("negative_shift", slope.shift),
        ("negative_sign", sign),
        ("offset", identity.offset),
    )


@lowering("LOGISTIC", "TANH")
def lower_sigmoid(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Look up (int8), or interpolate in one table that all layers share (int16)."""
    x = graph.tensor(op.inputs[0])
    if x.dtype is DType.INT8:
        return table_layer(graph, op)
    multiplier, shift = sigmoid_input_rescaling(x, op.kind)
    table = Constant("sigmoid_table", "uint16_t", sigmoid_table(), "65536 / (1 + exp(-i / 24))")
    return _call(
        op,
        f"mn_{op.kind.lower()}_s16",
        ("count", x.elements),
        ("multiplier", multiplier),
        ("shift", shift),
        ("table", table),
    )
