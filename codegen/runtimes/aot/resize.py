"""RESIZE_NEAREST_NEIGHBOR: rows and columns looked up in tables made here."""

from __future__ import annotations

import numpy as np

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.operators.resize import ResizeOptions, nearest
from micronets_gen.plan.plan import Call, Constant, LayerCode
from micronets_gen.runtimes.aot.registry import lowering


@lowering("RESIZE_NEAREST_NEIGHBOR")
def lower(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Copy pixels by index, and repeated rows from the row above."""
    assert isinstance(op.options, ResizeOptions)
    source, target = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    batches, in_h, in_w, channels = source.shape
    _, out_h, out_w, _ = target.shape
    call = Call(
        "mn_resize_nearest",
        (
            ("batches", batches),
            ("in_h", in_h),
            ("in_w", in_w),
            ("out_h", out_h),
            ("out_w", out_w),
            ("pixel", channels * source.dtype.size),
            ("rows", _table(op, "rows", in_h, out_h, op.options)),
            ("columns", _table(op, "columns", in_w, out_w, op.options)),
        ),
        (source.index,),
        (target.index,),
    )
    return LayerCode(("mn_resize.c",), (call,))


def _table(op: Operator, what: str, size: int, resized: int, options: ResizeOptions) -> Constant:
    indices = nearest(size, resized, options).astype(np.uint16)
    comment = f"{what} of the input for the {resized} of the output"
    return Constant(f"{op.name}_{what}", "uint16_t", indices, comment)
