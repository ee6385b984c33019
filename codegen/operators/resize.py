"""RESIZE_NEAREST_NEIGHBOR: rows and columns repeated or dropped.

Source: tensorflow/lite/kernels/internal/reference/resize_nearest_neighbor.h; single-precision arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from micronets_gen.model.graph import Array, DType, Graph, Operator, Options
from micronets_gen.model.schema import OperatorSchema
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.conditions import CONVERT_AGAIN, require
from micronets_gen.operators.layout import constant_ints, require_constant, require_shape, require_type_kept


@dataclass(frozen=True)
class ResizeOptions(Options):
    align_corners: bool = False
    half_pixel_centers: bool = False


MAX_EXTENT = 65536
"""Rows or columns of the input: their indices have 16 bits."""

_TYPES = frozenset({DType.INT8, DType.INT16, DType.FLOAT32})


def nearest(size: int, resized: int, options: ResizeOptions) -> npt.NDArray[np.int64]:
    """Return, for each of ``resized`` positions, the nearest of ``size`` (``GetNearestNeighbor``)."""
    if options.align_corners and resized > 1:
        scale = np.float32(size - 1) / np.float32(resized - 1)
    else:
        scale = np.float32(size) / np.float32(resized)
    offset = np.float32(0.5 if options.half_pixel_centers else 0.0)
    position = (np.arange(resized).astype(np.float32) + offset) * scale
    if options.align_corners:
        # std::round: ties away from zero; positions are not negative and doubles hold the sum exactly.
        position = np.floor(position.astype(np.float64) + 0.5)
    indices: npt.NDArray[np.int64] = np.minimum(np.floor(position).astype(np.int64), size - 1)
    return indices


def check(graph: Graph, op: Operator) -> Iterable[Problem]:
    """Types, four dimensions, a constant size."""
    problems = [*require_type_kept(graph, op, [0], _TYPES), *require_constant(graph, op, 1, "size")]
    if problems:
        return problems
    shape, size = graph.tensor(op.inputs[0]).shape, constant_ints(graph, op, 1) or ()
    if len(shape) != 4 or len(size) != 2 or min(*shape, *size) < 1 or max(shape[1:3]) > MAX_EXTENT:
        return require(
            False,
            op,
            f"resizes {list(shape)} to {list(size)}; it takes an image [batch, height, width, channels] "
            f"of 1 to {MAX_EXTENT} rows and columns, and two sizes",
            CONVERT_AGAIN,
        )
    return require_shape(graph, op, (shape[0], *size, shape[3]), because="input and size")


def evaluate(graph: Graph, op: Operator, inputs: Sequence[Array | None]) -> Sequence[Array]:
    """Pick the nearest rows and columns."""
    assert isinstance(op.options, ResizeOptions)
    value = inputs[0]
    assert value is not None
    _, height, width, _ = graph.tensor(op.outputs[0]).shape
    rows = nearest(value.shape[1], height, op.options)
    columns = nearest(value.shape[2], width, op.options)
    return [value.take(rows, axis=1).take(columns, axis=2)]


register(
    OperatorSpec(
        "RESIZE_NEAREST_NEIGHBOR",
        OperatorSchema(("input", "size"), options=ResizeOptions, table="ResizeNearestNeighborOptions"),
        check,
        evaluate,
    )
)
