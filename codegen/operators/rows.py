"""Which rows of its inputs an operator looks at to make a row of its output.

A row is everything at one index of the second dimension of a tensor of four, of one batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from micronets_gen.model.graph import Graph, Operator, Tensor

_RANK = 4


@dataclass(frozen=True)
class Window:
    """Rows of an input that a row of the output is made of; those outside the input do not exist.

    Attributes:
        stride: How far the window moves from one row of the output to the next; 0: every row is made of the same.
        padding: Rows of padding above the input.
        taps: How many rows.
        dilation: From one to the next.
    """

    stride: int = 1
    padding: int = 0
    taps: int = 1
    dilation: int = 1

    def first(self, row: int) -> int:
        """Return the first input row of an output row; negative in the padding."""
        return row * self.stride - self.padding

    def end(self, row: int) -> int:
        """Return the input row after the last one of an output row; it may lie beyond the input."""
        return self.first(row) + (self.taps - 1) * self.dilation + 1


@dataclass(frozen=True)
class Rows:
    """How an operator's output can be made row by row.

    Attributes:
        windows: One an input; None for constants and what is omitted.
        running: Whether the output is a sum of all rows, made when the last one has been added; a step is then a row
            of the input.
    """

    windows: tuple[Window | None, ...]
    running: bool = False


RowsOf = Callable[[Graph, Operator], Rows | None]


def never(_graph: Graph, _op: Operator) -> Rows | None:
    """Tell nothing of an operator's rows: it wants its inputs whole."""
    return None


def is_image(tensor: Tensor) -> bool:
    """Whether a tensor has rows."""
    return len(tensor.shape) == _RANK and tensor.shape[0] == 1 and tensor.shape[1] > 0


def row_bytes(tensor: Tensor) -> int:
    """Return the bytes of a row."""
    return tensor.nbytes // tensor.shape[1]


def row_by_row(graph: Graph, op: Operator) -> Rows | None:
    """Return the rows of an operator whose output's row is made of the same row of every input, broadcast or not."""
    outputs = [graph.tensor(t) for t in op.outputs]
    height = outputs[0].shape[1] if is_image(outputs[0]) else 0
    if not height or any(not is_image(y) or y.shape[1] != height for y in outputs):
        return None
    windows: list[Window | None] = []
    for t in op.inputs:
        tensor = graph.tensor(t) if t >= 0 else None
        if tensor is None or tensor.is_constant:
            if tensor is not None and len(tensor.shape) >= _RANK - 1 and tensor.shape[1 - _RANK] > 1:
                return None
            windows.append(None)
        elif is_image(tensor) and tensor.shape[1] in (1, height):
            windows.append(Window(stride=1 if tensor.shape[1] == height else 0))
        else:
            return None
    return Rows(tuple(windows))


def along_channels(axis: Callable[[Graph, Operator], int | None]) -> RowsOf:
    """Return the rows of an operator that joins or parts tensors along an axis: all, unless the axis is theirs."""

    def rows(graph: Graph, op: Operator) -> Rows | None:
        found = axis(graph, op)
        return row_by_row(graph, op) if found is not None and found > 1 else None

    return rows
