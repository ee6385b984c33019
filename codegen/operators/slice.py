"""SLICE, STRIDED_SLICE, SPLIT: a part, or equal parts, of a tensor.

Source: tensorflow/lite/micro/kernels/{slice,strided_slice,strided_slice_common,split}.cc and
tensorflow/lite/kernels/internal/strided_slice_logic.h.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from micronets_gen.model.graph import Array, DType, Graph, Operator, Options
from micronets_gen.model.schema import OperatorSchema, Positive
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.conditions import CONVERT_AGAIN, require
from micronets_gen.operators.layout import (
    MOVED_TYPES,
    constant_ints,
    normalized_axis,
    require_constant,
    require_shape,
    require_type_kept,
)
from micronets_gen.operators.rows import along_channels


@dataclass(frozen=True)
class StridedSliceOptions(Options):
    """Bit ``i`` of a mask is for dimension ``i``."""

    begin_mask: int = 0
    end_mask: int = 0
    ellipsis_mask: int = 0
    new_axis_mask: int = 0
    shrink_axis_mask: int = 0
    offset: bool = False


@dataclass(frozen=True)
class SplitOptions(Options):
    num_splits: Positive


MAX_SLICE_RANK = 5
MAX_STRIDED_SLICE_RANK = 4
_SLICE_TYPES = MOVED_TYPES | {DType.BOOL}


@dataclass(frozen=True)
class Range:
    """Indices ``start, start + step, ...``, ``count`` of them, along one dimension of the input."""

    start: int
    count: int
    step: int = 1

    def indices(self) -> list[int]:
        """Return every index in order."""
        return [self.start + i * self.step for i in range(self.count)]

    def inside(self, size: int) -> bool:
        """Whether every index lies in a dimension of ``size``."""
        last = self.start + (self.count - 1) * self.step
        return self.count == 0 or (0 <= self.start < size and 0 <= last < size)


def slice_ranges(graph: Graph, op: Operator) -> tuple[Range, ...]:
    """Return what SLICE takes of every dimension; a size of -1 means to the end."""
    begins, sizes = constant_ints(graph, op, 1), constant_ints(graph, op, 2)
    assert begins is not None
    assert sizes is not None
    shape = graph.tensor(op.inputs[0]).shape
    return tuple(
        Range(begin, extent - begin if size == -1 else size)
        for begin, size, extent in zip(begins, sizes, shape, strict=True)
    )


def strided_slice_ranges(graph: Graph, op: Operator) -> tuple[Range, ...]:
    """Return what STRIDED_SLICE takes of every dimension of its input."""
    assert isinstance(op.options, StridedSliceOptions)
    begins, ends, steps = (constant_ints(graph, op, position) for position in (1, 2, 3))
    assert begins is not None
    assert ends is not None
    assert steps is not None
    shape = graph.tensor(op.inputs[0]).shape
    return tuple(
        _strided_range(op.options, axis, size, bounds)
        for axis, (size, *bounds) in enumerate(zip(shape, begins, ends, steps, strict=True))
    )


def _strided_range(options: StridedSliceOptions, axis: int, size: int, bounds: Sequence[int]) -> Range:
    """``StridedSliceStartForAxis`` and ``StridedSliceEndForAxis``: bounds clamped as Python clamps them."""
    begin, end, step = bounds
    low, high = (0, size) if step > 0 else (-1, size - 1)

    def bound(index: int, masked: bool, default: int) -> int:
        return default if masked else min(max(index + size if index < 0 else index, low), high)

    start = bound(begin, _bit(options.begin_mask, axis), 0 if step > 0 else size - 1)
    if _bit(options.shrink_axis_mask, axis):
        return Range(start, 1)
    stop = bound(end, _bit(options.end_mask, axis), size if step > 0 else -1)
    return Range(start, max(0, -((start - stop) // step)), step)


def _bit(mask: int, axis: int) -> bool:
    return bool(mask >> axis & 1)


def split_axis(graph: Graph, op: Operator) -> int | None:
    """Return SPLIT's axis counted from 0; ``None`` where it is out of range."""
    axes, value = constant_ints(graph, op, 0), graph.tensor(op.inputs[1])
    return normalized_axis(axes[0], len(value.shape)) if axes is not None and len(axes) == 1 else None


def check_slice(graph: Graph, op: Operator) -> Iterable[Problem]:
    """Types, constant begin and size, and that the part lies inside."""
    problems = [
        *require_type_kept(graph, op, [0], _SLICE_TYPES),
        *require_constant(graph, op, 1, "begin", wide=True),
        *require_constant(graph, op, 2, "size", wide=True),
        *_check_rank(graph, op, MAX_SLICE_RANK),
    ]
    problems = problems or _check_lengths(graph, op, {"begin": 1, "size": 2})
    if problems:
        return problems
    shape, ranges = graph.tensor(op.inputs[0]).shape, slice_ranges(graph, op)
    problems = [
        problem
        for axis, (size, taken) in enumerate(zip(shape, ranges, strict=True))
        for problem in require(
            taken.count >= 0 and taken.inside(size),
            op,
            f"takes {taken.count} elements from {taken.start} of dimension {axis}, which has {size}",
            CONVERT_AGAIN,
        )
    ]
    return problems or require_shape(
        graph, op, tuple(taken.count for taken in ranges), because="begin and size"
    )


def check_strided_slice(graph: Graph, op: Operator) -> Iterable[Problem]:
    """Types, constant bounds, masks that TensorFlow Lite Micro has, and that single elements lie inside."""
    options = op.options
    assert isinstance(options, StridedSliceOptions)
    bounds = {"begin": 1, "end": 2, "strides": 3}
    problems = [
        *require_type_kept(graph, op, [0], _SLICE_TYPES),
        *(p for role, position in bounds.items() for p in require_constant(graph, op, position, role)),
        *_check_rank(graph, op, MAX_STRIDED_SLICE_RANK),
        *require(
            options.ellipsis_mask == 0 and options.new_axis_mask == 0,
            op,
            "uses an ellipsis or a new axis in its index, which TensorFlow Lite Micro ignores",
            "convert with the current TensorFlow converter, which writes them out, "
            "or index every dimension and use tf.expand_dims",
        ),
        *require(
            not options.offset,
            op,
            "gives its end relative to its begin (offset), which TensorFlow Lite Micro ignores",
            "give absolute bounds",
        ),
    ]
    problems = problems or _check_lengths(graph, op, bounds)
    if problems:
        return problems
    shape, steps = graph.tensor(op.inputs[0]).shape, constant_ints(graph, op, 3) or ()
    problems = require(0 not in steps, op, "has a stride of 0", "use strides other than 0")
    if problems:
        return problems
    ranges = strided_slice_ranges(graph, op)
    for axis, (size, taken) in enumerate(zip(shape, ranges, strict=True)):
        if _bit(options.shrink_axis_mask, axis):
            problems += require(
                steps[axis] > 0 and taken.inside(size),
                op,
                f"takes element {taken.start}, stride {steps[axis]}, of dimension {axis}, which has {size}",
                "take an existing element, with stride 1",
            )
    kept = tuple(r.count for axis, r in enumerate(ranges) if not _bit(options.shrink_axis_mask, axis))
    return problems or require_shape(graph, op, kept, because="begin, end and strides")


def check_split(graph: Graph, op: Operator) -> Iterable[Problem]:
    """Types, a constant axis, and equal parts."""
    assert isinstance(op.options, SplitOptions)
    problems = [*require_type_kept(graph, op, [1]), *require_constant(graph, op, 0, "axis")]
    if problems:
        return problems
    shape, axis, parts = graph.tensor(op.inputs[1]).shape, split_axis(graph, op), len(op.outputs)
    if axis is None:
        axes = list(constant_ints(graph, op, 0) or ())
        return require(False, op, f"its axis {axes} is outside {list(shape)}", CONVERT_AGAIN)
    problems = require(
        shape[axis] % parts == 0 and op.options.num_splits in (0, parts),
        op,
        f"splits {shape[axis]} elements into {parts} parts",
        "split a dimension that the number of parts divides",
    )
    expected = (*shape[:axis], shape[axis] // parts, *shape[axis + 1 :])
    return problems or [p for i in range(parts) for p in require_shape(graph, op, expected, i)]


def _check_rank(graph: Graph, op: Operator, maximum: int) -> list[Problem]:
    source = graph.operand(op, 0)
    rank = len(source.shape) if source is not None else 0
    return require(
        rank <= maximum,
        op,
        f"slices {rank} dimensions; at most {maximum} are defined",
        "merge neighbouring dimensions with a reshape before the slice",
    )


def _check_lengths(graph: Graph, op: Operator, positions: dict[str, int]) -> list[Problem]:
    rank = len(graph.tensor(op.inputs[0]).shape)
    return [
        problem
        for role, position in positions.items()
        for problem in require(
            len(constant_ints(graph, op, position) or ()) == rank,
            op,
            f"its {role} has {len(constant_ints(graph, op, position) or ())} elements for {rank} dimensions",
            "index every dimension",
        )
    ]


def _take(value: Array, ranges: Sequence[Range]) -> Array:
    for axis, taken in enumerate(ranges):
        value = value.take(taken.indices(), axis=axis)
    return value


def evaluate_slice(graph: Graph, op: Operator, inputs: Sequence[Array | None]) -> Sequence[Array]:
    """Take the box."""
    value = inputs[0]
    assert value is not None
    return [_take(value, slice_ranges(graph, op))]


def evaluate_strided_slice(graph: Graph, op: Operator, inputs: Sequence[Array | None]) -> Sequence[Array]:
    """Take every step-th element of the box and drop the shrunk dimensions."""
    value = inputs[0]
    assert value is not None
    return [_take(value, strided_slice_ranges(graph, op)).reshape(graph.tensor(op.outputs[0]).shape)]


def evaluate_split(graph: Graph, op: Operator, inputs: Sequence[Array | None]) -> Sequence[Array]:
    """Cut into equal parts."""
    value, axis = inputs[1], split_axis(graph, op)
    assert value is not None
    assert axis is not None
    size = value.shape[axis] // len(op.outputs)
    return [value.take(range(i * size, (i + 1) * size), axis=axis) for i in range(len(op.outputs))]


register(OperatorSpec("SLICE", OperatorSchema(("input", "begin", "size")), check_slice, evaluate_slice))
register(
    OperatorSpec(
        "STRIDED_SLICE",
        OperatorSchema(("input", "begin", "end", "strides"), options=StridedSliceOptions),
        check_strided_slice,
        evaluate_strided_slice,
    )
)
register(
    OperatorSpec(
        "SPLIT",
        OperatorSchema(("axis", "input"), options=SplitOptions),
        check_split,
        evaluate_split,
        rows=along_channels(split_axis),
    )
)
