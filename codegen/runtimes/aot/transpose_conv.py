"""TRANSPOSE_CONV: gathered output by output, without a buffer of accumulators."""

from __future__ import annotations

from dataclasses import asdict

from micronets_gen.model.graph import Array, DType, Graph, Operator
from micronets_gen.operators.transpose_conv import BIAS, FILTER, INPUT, geometry, requantization
from micronets_gen.plan.plan import Call, Constant, Field, LayerCode
from micronets_gen.runtimes.aot.registry import lowering


@lowering("TRANSPOSE_CONV")
def lower(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Weights stay as the file has them: the input's channels lie together."""
    source, weights = graph.tensor(op.inputs[INPUT]), graph.tensor(op.inputs[FILTER])
    bias = graph.operand(op, BIAS)
    assert weights.data is not None
    wide = source.dtype is DType.INT16
    r = requantization(graph, op)
    comment = f"{'x'.join(map(str, weights.shape))}: channels out, height, width, channels in"

    def per_channel(name: str, values: Array) -> Constant:
        return Constant(f"{op.name}_{name}", "int32_t", values, f"{name} of each channel")

    bias_field: Field = "NULL"
    if bias is not None:
        assert bias.data is not None
        dtype = "int64" if wide else "int32"
        bias_field = Constant(
            f"{op.name}_bias",
            f"{dtype}_t",
            bias.data.astype(dtype),
            f"{bias.elements} output channels",
            align=8 if wide else 4,
        )
    offsets: tuple[tuple[str, Field], ...] = (
        ("in_offset", -source.zero_point),
        ("out_offset", r.output_zero_point),
    )
    params: tuple[tuple[str, Field], ...] = (
        *asdict(geometry(graph, op)).items(),
        *(() if wide else offsets),
        ("act_min", r.act_min),
        ("act_max", r.act_max),
        ("weights", Constant(f"{op.name}_weights", "int8_t", weights.data, comment)),
        ("bias", bias_field),
        ("multiplier", per_channel("multiplier", r.multiplier)),
        ("shift", per_channel("shift", r.shift)),
    )
    function = f"mn_transpose_conv_s{source.dtype.size * 8}"
    return LayerCode(("mn_transpose_conv.c",), (Call(function, params, (source.index,), op.outputs),))
