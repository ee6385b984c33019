"""Runs a graph on the host with the operators' reference semantics: the bytes that firmware must produce."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from micronets_gen.errors import ModelError, UsageError
from micronets_gen.model.graph import Array, Graph, Operator, Tensor
from micronets_gen.operators import operator_specs


def evaluate(graph: Graph, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """Run one inference.

    Args:
        graph: The model.
        inputs: One array per model input, in the model's order, of exactly its shape and dtype.

    Returns:
        One array per model output, in the model's order, of its shape and dtype.

    Raises:
        UsageError: the inputs are not those of the model.
        ModelError: an operator has no reference.
    """
    last = last_uses(graph)
    live = _bind(graph, inputs)
    for op in graph.operators:
        live.update(_results(graph, op, live))
        for t in {*op.inputs, *op.outputs}:
            if last.get(t, op.index) <= op.index:
                live.pop(t, None)
    return tuple(live[t] for t in graph.outputs)


def last_uses(graph: Graph) -> dict[int, int]:
    """Return the last reader of each tensor that is read; model outputs live beyond the last operator."""
    last = {t: op.index for op in graph.operators for t in op.inputs if t >= 0}
    last.update((t, len(graph.operators)) for t in graph.outputs)
    return last


def _bind(graph: Graph, inputs: Sequence[Array]) -> dict[int, Array]:
    if len(inputs) != len(graph.inputs):
        raise UsageError(
            f"the model has {len(graph.inputs)} inputs; {len(inputs)} were given", where=graph.name
        )
    for position, (t, array) in enumerate(zip(graph.inputs, inputs, strict=True)):
        tensor = graph.tensor(t)
        if not _matches(tensor, array):
            raise UsageError(
                f"input {position} is {array.dtype} of shape {array.shape}; "
                f"the model takes {tensor.dtype.value} of shape {tensor.shape}",
                where=graph.name,
                remedy="quantise and reshape the sample as the model's input asks",
            )
    return dict(zip(graph.inputs, inputs, strict=True))


def _results(graph: Graph, op: Operator, live: dict[int, Array]) -> dict[int, Array]:
    spec = operator_specs().get(op.kind)
    if spec is None:
        raise ModelError(f"there is no reference for {op.kind}", where=f"{graph.name}: {op.name} ({op.kind})")
    operands = [_value(graph, live, t) for t in op.inputs]
    results = dict(zip(op.outputs, spec.evaluate(graph, op, operands), strict=True))
    for t, array in results.items():
        assert _matches(graph.tensor(t), array), (op.name, graph.tensor(t).shape, array.shape, array.dtype)
    return results


def _value(graph: Graph, live: dict[int, Array], t: int) -> Array | None:
    if t < 0:
        return None
    data = graph.tensor(t).data
    return live[t] if data is None else data


def _matches(tensor: Tensor, array: Array) -> bool:
    return array.shape == tensor.shape and array.dtype == np.dtype(tensor.dtype.value)
