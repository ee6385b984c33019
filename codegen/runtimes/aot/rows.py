"""How layers make their outputs row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.operators import operator_specs
from micronets_gen.operators.rows import Rows, Window
from micronets_gen.plan.plan import LayerCode, Rolling
from micronets_gen.runtimes.aot.convolution import lower_depthwise_row
from micronets_gen.runtimes.aot.pooling import has_few_pixels, running_average
from micronets_gen.runtimes.aot.reduce import running_reduction
from micronets_gen.runtimes.aot.registry import Lowering

_RUNNING = {"AVERAGE_POOL_2D": running_average, "MEAN": running_reduction, "SUM": running_reduction}

_ROW_LOWERINGS: Mapping[str, Lowering] = {"DEPTHWISE_CONV_2D": lower_depthwise_row}
"""Of operators for which other kernels are better when a row is made at a time."""


def rolling(graph: Graph, op: Operator, simd: str, lower: Lowering, whole: LayerCode) -> Rolling | None:
    """Return how an operator's output is made row by row; None where it cannot be.

    Args:
        graph: The model.
        op: One of its operators.
        simd: ``c``, ``dsp`` or ``mve``.
        lower: What turns it into kernel calls.
        whole: What that gave.
    """
    rows = operator_specs()[op.kind].rows(graph, op)
    if rows is None:
        return None
    if rows.running:
        image = graph.tensor(op.inputs[0])
        kept = image.shape[3] * (2 if has_few_pixels(image) else 4)
        return Rolling(rows, image.shape[1], _RUNNING[op.kind](graph, op), kept)
    steps = graph.tensor(op.outputs[0]).shape[1]
    if op.kind in _ROW_LOWERINGS:
        whole = _ROW_LOWERINGS[op.kind](graph, op, simd)
    if whole.alias or (whole.calls and all(call.rows for call in whole.calls)):
        return Rolling(rows, steps, whole)
    if all(window in (None, Window(), Window(stride=0)) for window in rows.windows):
        return Rolling(rows, steps, lower(_one_row(graph, op, rows), op, simd))
    return None


def _one_row(graph: Graph, op: Operator, rows: Rows) -> Graph:
    """Return the graph as the operator sees it that is given one row and makes one."""
    tensors = list(graph.tensors)
    read = [t for t, window in zip(op.inputs, rows.windows, strict=True) if window == Window()]
    for t in (*read, *op.outputs):
        batches, _, *rest = graph.tensor(t).shape
        tensors[t] = replace(graph.tensor(t), shape=(batches, 1, *rest))
    return replace(graph, tensors=tuple(tensors))
