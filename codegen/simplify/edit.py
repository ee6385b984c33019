"""Changes of a graph, each giving a new one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from micronets_gen.model.graph import Array, DType, Graph, Operator, Quantization, Tensor


class Draft:
    """A graph in the making; operators keep their order.

    Attributes:
        tensors: By index.
        operators: In execution order; their indices are set by :meth:`graph`.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.tensors = list(graph.tensors)
        self.operators = list(graph.operators)

    def constant(self, data: Array, name: str, quantization: Quantization | None = None) -> int:
        """Add a constant tensor; return its index."""
        index = len(self.tensors)
        dtype = DType(str(data.dtype))
        self.tensors.append(Tensor(index, name, tuple(data.shape), dtype, quantization, data))
        return index

    def reshape(self, t: int, shape: tuple[int, ...]) -> None:
        """Give an activation another shape."""
        self.tensors[t] = replace(self.tensors[t], shape=shape)

    def swap(self, old: Operator, new: Operator) -> None:
        """Put an operator in the place of one of the same index."""
        self.operators[next(i for i, op in enumerate(self.operators) if op.index == old.index)] = new

    def graph(self) -> Graph:
        """Return the graph without what nothing needs: operators, then tensors."""
        operators = _needed(self.operators, self._graph.outputs)
        ends = (*self._graph.inputs, *self._graph.outputs)
        used = {*ends, *(t for op in operators for t in (*op.inputs, *op.outputs) if t >= 0)}
        place = {t: i for i, t in enumerate(sorted(used))}
        place[-1] = -1
        return replace(
            self._graph,
            tensors=tuple(replace(self.tensors[t], index=place[t]) for t in sorted(used)),
            operators=tuple(
                replace(
                    op, index=i, inputs=_renumbered(op.inputs, place), outputs=_renumbered(op.outputs, place)
                )
                for i, op in enumerate(operators)
            ),
            inputs=_renumbered(self._graph.inputs, place),
            outputs=_renumbered(self._graph.outputs, place),
        )


def _renumbered(tensors: Iterable[int], place: dict[int, int]) -> tuple[int, ...]:
    return tuple(place[t] for t in tensors)


def _needed(operators: Sequence[Operator], outputs: Sequence[int]) -> list[Operator]:
    """Return the operators of which something is read in the end, in order."""
    wanted = set(outputs)
    kept = []
    for op in reversed(operators):
        if wanted & set(op.outputs):
            kept.append(op)
            wanted |= set(op.inputs)
    return kept[::-1]


def sliced(tensor: Tensor, kept: npt.NDArray[np.intp], axis: int) -> tuple[Array, Quantization | None]:
    """Return a constant's data along some of the slices of an axis, and their quantisation."""
    assert tensor.data is not None
    data = np.ascontiguousarray(tensor.data.take(kept, axis=axis))
    q = tensor.quantization
    if q is None or not q.per_channel or q.axis != axis:
        return data, q
    scales, zeros = ([values[i] for i in kept] for values in (q.scale, q.zero_point))
    return data, replace(q, scale=tuple(scales), zero_point=tuple(zeros))
