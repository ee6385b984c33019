"""PAD and PADV2: one pass over the output."""

from __future__ import annotations

import numpy as np

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.operators.pad import pad_value, paddings
from micronets_gen.plan.plan import Call, LayerCode
from micronets_gen.runtimes.aot.copying import Loop, collapse, lower_copies, nest, strides, whole
from micronets_gen.runtimes.aot.registry import lowering

MAX_LOOPS = 4
"""``MN_PAD_DIMS``: the innermost of the five dimensions is a run."""


@lowering("PAD", "PADV2")
def lower(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Write border and input in the output's order."""
    source, target = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    if source.shape == target.shape:
        return lower_copies(graph, op, [whole(source, target)])
    element = target.dtype.size
    out_strides = strides(target.shape)
    run, loops = collapse(nest(source.shape, strides(source.shape), out_strides), element)
    loops = (Loop(1, 0, 0),) * (MAX_LOOPS - len(loops)) + loops
    offset = sum(before * s for (before, _), s in zip(paddings(graph, op), out_strides, strict=True))
    stored = np.array(pad_value(graph, op), dtype=target.dtype.value).tobytes()
    uniform = len(set(stored)) == 1
    call = Call(
        "mn_pad",
        (
            ("value", int.from_bytes(stored[:1] if uniform else stored, "little")),
            ("element", 1 if uniform else element),
            ("out_bytes", target.nbytes),
            ("out_offset", offset * element),
            ("run", run),
            ("size", tuple(loop.size for loop in loops)),
            ("out_stride", tuple(loop.out_stride for loop in loops)),
        ),
        (source.index,),
        (target.index,),
    )
    return LayerCode(("mn_pad.c",), (call,))
