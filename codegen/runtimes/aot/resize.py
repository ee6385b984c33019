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
    batches, in_height, in_width, channels = source.shape
    _, out_height, out_width, _ = target.shape
    call = Call(
        "mn_resize_nearest",
        (
            ("batches", batches),
            ("in_height", in_height),
            ("in_width", in_width),
            ("out_height", out_height),
            ("out_width", out_width),
            ("pixel", channels * source.dtype.size),
            ("rows", _table(op, "rows", in_height, out_height, op.options)),
            ("columns", _table(op, "columns", in_width, out_width, op.options)),
        ),
        (source.index,),
        (target.index,),
    )
    return LayerCode(("mn_resize.c",), (call,))


def _table(op: Operator, what: str, size: int, resized: int, options: ResizeOptions) -> Constant:
    indices = nearest(size, resized, options).astype(np.uint16)
    comment = f"{what} of the input for the {resized} of the output"
    return Constant(f"{op.name}_{what}", "uint16_t", indices, "table", comment)
