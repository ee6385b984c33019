"""What is known beforehand is not computed, and a border that a convolution can see for itself is not stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.operators import operator_specs
from micronets_gen.operators.convolution import (
    Conv2DOptions,
    DepthwiseConv2DOptions,
    PaddedConv2DOptions,
    PaddedDepthwiseConv2DOptions,
    geometry,
)
from micronets_gen.operators.pad import pad_value, paddings
from micronets_gen.simplify.edit import Draft
from micronets_gen.simplify.result import Change


def fold_constants(graph: Graph) -> tuple[Graph, list[Change]]:
    """Return the graph without the operators of constants."""
    draft = Draft(graph)
    changes = []
    for op in graph.operators:
        operands = [draft.tensors[t].data if t >= 0 else None for t in op.inputs]
        present = [value for value, t in zip(operands, op.inputs, strict=True) if t >= 0]
        if not present or any(value is None for value in present) or set(op.outputs) & set(graph.outputs):
            continue
        results = operator_specs()[op.kind].evaluate(graph, op, operands)
        for t, value in zip(op.outputs, results, strict=True):
            draft.tensors[t] = replace(draft.tensors[t], data=value)
        changes.append(Change(op.name, "its operands are constants, and so is its result"))
    return (draft.graph(), changes) if changes else (graph, changes)


def fold_borders(graph: Graph) -> tuple[Graph, list[Change]]:
    """Return the graph in which convolutions look beyond the edge of an input instead of at a border of zeros."""
    draft = Draft(graph)
    changes = []
    for pad, op in _bordered(graph):
        top, left = (paddings(graph, pad)[axis][0] for axis in (1, 2))
        g = geometry(graph, op)
        draft.swap(
            op,
            replace(
                op,
                inputs=(pad.inputs[0], *op.inputs[1:]),
                options=_padded(op, g.pad_h + top, g.pad_w + left),
            ),
        )
        changes.append(Change(op.name, f"looks beyond the edge of its input instead of at {pad.name}"))
    return (draft.graph(), changes) if changes else (graph, changes)


def _padded(op: Operator, pad_h: int, pad_w: int) -> PaddedConv2DOptions | PaddedDepthwiseConv2DOptions:
    options = op.options
    if isinstance(options, Conv2DOptions):
        return PaddedConv2DOptions(**{**asdict(options), "pad_h": pad_h, "pad_w": pad_w})
    assert isinstance(options, DepthwiseConv2DOptions)
    return PaddedDepthwiseConv2DOptions(**{**asdict(options), "pad_h": pad_h, "pad_w": pad_w})


def _bordered(graph: Graph) -> Iterator[tuple[Operator, Operator]]:
    """Yield convolutions whose input has a border of zeros, and what makes it."""
    makers = {op.outputs[0]: op for op in graph.operators if op.kind in ("PAD", "PADV2")}
    for op in graph.operators:
        pad = makers.get(op.inputs[0]) if op.inputs else None
        if pad is not None and op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D") and _can_look(graph, pad, op):
            yield pad, op


def _can_look(graph: Graph, pad: Operator, op: Operator) -> bool:
    """Whether the border is of rows and columns of zeros, and no window lies on the border alone."""
    x, y = graph.tensor(pad.inputs[0]), graph.tensor(pad.outputs[0])
    if x.is_constant or x.quantization != y.quantization or pad_value(graph, pad) != y.zero_point:
        return False
    around = paddings(graph, pad)
    if len(around) != 4 or around[0] != (0, 0) or around[3] != (0, 0):
        return False
    g = geometry(graph, op)
    return all(
        before + lead <= (taps - 1) * dilation and (size - 1) * stride + 1 <= before + lead + extent
        for (before, _), lead, taps, dilation, size, stride, extent in (
            (around[1], g.pad_h, g.filter_height, g.dilation_h, g.out_h, g.stride_h, x.shape[1]),
            (around[2], g.pad_w, g.filter_width, g.dilation_w, g.out_w, g.stride_w, x.shape[2]),
        )
    )
