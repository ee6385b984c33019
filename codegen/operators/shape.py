"""RESHAPE, SQUEEZE, EXPAND_DIMS: the same bytes under another shape.

Source: tensorflow/lite/micro/kernels/{reshape_common,reshape,squeeze,expand_dims}.cc.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from micronets_gen.model.graph import Array, DType, Graph, Operator
from micronets_gen.model.schema import OperatorSchema
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.conditions import CONVERT_AGAIN, require
from micronets_gen.operators.layout import (
    constant_ints,
    normalized_axis,
    require_constant,
    require_shape,
    require_type_kept,
)

_ANY_TYPE = frozenset(DType)
_EXPAND_TYPES = frozenset({DType.INT8, DType.INT16, DType.FLOAT32})


def evaluate(graph: Graph, op: Operator, inputs: Sequence[Array | None]) -> Sequence[Array]:
    """Return the first input in the output's shape."""
    value = inputs[0]
    assert value is not None
    return [value.reshape(graph.tensor(op.outputs[0]).shape)]


def check_reshape(graph: Graph, op: Operator) -> Iterable[Problem]:
    """RESHAPE and SQUEEZE: as many elements before as after."""
    problems = require_type_kept(graph, op, [0], _ANY_TYPE)
    if problems:
        return problems
    source, target = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    return require(
        source.elements == target.elements,
        op,
        f"maps {source.elements} elements {list(source.shape)} to {target.elements} {list(target.shape)}",
        CONVERT_AGAIN,
    )


def check_expand_dims(graph: Graph, op: Operator) -> Iterable[Problem]:
    """EXPAND_DIMS: one more dimension, of size 1, at a constant axis."""
    problems = [*require_type_kept(graph, op, [0], _EXPAND_TYPES), *require_constant(graph, op, 1, "axis")]
    if problems:
        return problems
    source, axes = graph.tensor(op.inputs[0]), constant_ints(graph, op, 1)
    axis = normalized_axis(axes[0], len(source.shape) + 1) if axes is not None and len(axes) == 1 else None
    if axis is None:
        return require(
            False, op, f"its axis {list(axes or ())} is outside {list(source.shape)}", CONVERT_AGAIN
        )
    return require_shape(graph, op, (*source.shape[:axis], 1, *source.shape[axis:]))


register(
    OperatorSpec(
        "RESHAPE",
        OperatorSchema(("input", "shape"), optional=("shape",), shape="shape"),
        check_reshape,
        evaluate,
        view=True,
    )
)
register(OperatorSpec("SQUEEZE", OperatorSchema(("input",)), check_reshape, evaluate, view=True))
register(
    OperatorSpec("EXPAND_DIMS", OperatorSchema(("input", "axis")), check_expand_dims, evaluate, view=True)
)
