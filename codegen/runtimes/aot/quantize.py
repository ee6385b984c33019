"""QUANTIZE and DEQUANTIZE: a table between 8-bit types, arithmetic otherwise."""

from __future__ import annotations

from micronets_gen.model.graph import DType, Graph, Operator
from micronets_gen.operators.quantize import requantization
from micronets_gen.plan.plan import Call, Field, LayerCode
from micronets_gen.runtimes.aot.activation import table_layer
from micronets_gen.runtimes.aot.elementwise import SUFFIX
from micronets_gen.runtimes.aot.registry import lowering


def _layer(graph: Graph, op: Operator, family: str, *params: tuple[str, Field]) -> LayerCode:
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    function = f"mn_{family}_{SUFFIX[x.dtype]}_{SUFFIX[y.dtype]}"
    call = Call(function, (("count", y.elements), *params), op.inputs, op.outputs)
    return LayerCode(("mn_quantize.c",), (call,))


@lowering("QUANTIZE")
def lower_quantize(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Nothing where the quantisation stays; else look up (8 bits to 8), rescale, or divide (float)."""
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    if x.dtype is DType.FLOAT32:
        return _layer(graph, op, "quantize", ("scale", y.scale), ("zero_point", y.zero_point))
    multiplier, shift = requantization(graph, op)
    if x.dtype is y.dtype and (multiplier, shift) == (1 << 30, 1) and x.zero_point == y.zero_point:
        return LayerCode((), (), alias=True)
    if x.dtype.size == y.dtype.size == 1:
        return table_layer(graph, op)
    low, high = y.dtype.limits
    return _layer(
        graph,
        op,
        "requantize",
        ("zero_point", x.zero_point),
        ("multiplier", multiplier),
        ("shift", shift),
        ("offset", y.zero_point),
        ("low", low),
        ("high", high),
    )


@lowering("DEQUANTIZE")
def lower_dequantize(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Multiply by the scale."""
    x = graph.tensor(op.inputs[0])
    return _layer(graph, op, "dequantize", ("scale", x.scale), ("zero_point", x.zero_point))
