"""SOFTMAX: fixed-point exponentials (int8), or two interpolated tables that all layers share (int16)."""

from __future__ import annotations

from micronets_gen.model.graph import DType, Graph, Operator
from micronets_gen.operators.softmax import exp_table, input_rescaling, one_over_one_plus_table
from micronets_gen.plan.plan import Call, Constant, Field, LayerCode
from micronets_gen.runtimes.aot.registry import lowering


@lowering("SOFTMAX")
def lower(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Call the kernel of the types at hand."""
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    multiplier, shift, smallest = input_rescaling(graph, op)
    depth = x.shape[-1]
    params: list[tuple[str, Field]] = [
        ("rows", x.elements // depth),
        ("depth", depth),
        ("multiplier", multiplier),
        ("shift", shift),
    ]
    if x.dtype is DType.INT16:
        function = "mn_softmax_s16"
        exp = Constant("softmax_exp", "int16_t", exp_table(), "exp(x), x from -10 to 0, Q15")
        inverse = Constant(
            "softmax_inverse",
            "int16_t",
            one_over_one_plus_table(),
            "1 / (1 + x), x from 0 to 1, Q15",
        )
        params += [("exp", exp), ("one_over_one_plus", inverse)]
    else:
        function = "mn_softmax_s8" if y.dtype is DType.INT8 else "mn_softmax_s8_s16"
        params.append(("smallest", smallest))
    call = Call(function, tuple(params), op.inputs, op.outputs)
    return LayerCode(("mn_softmax.c",), (call,))
