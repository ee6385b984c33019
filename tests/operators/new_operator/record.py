"""ABS.

Source: tensorflow/lite/micro/kernels/elementwise.cc, AbsEvalQuantized, with one quantisation on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from micronets_gen.model.graph import Array, DType, Graph, Operator
from micronets_gen.model.schema import OperatorSchema
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.conditions import (
    CONVERT_AGAIN,
    require,
    require_arity,
    require_one_scale,
    require_one_type,
    require_same_shape,
)


def check(graph: Graph, op: Operator) -> Iterable[Problem]:
    """int8, with one quantisation on both sides."""
    problems = require_arity(graph, op)
    if problems:
        return problems
    x, y = graph.tensor(op.inputs[0]), graph.tensor(op.outputs[0])
    problems = require_one_type(op, [x, y], {DType.INT8}) or require_one_scale(op, [x, y])
    problems = problems or require_same_shape(graph, op)
    return problems or require(
        x.quantization == y.quantization, op, "its input and output are quantised differently", CONVERT_AGAIN
    )


def evaluate(graph: Graph, op: Operator, inputs: Sequence[Array | None]) -> Sequence[Array]:
    """Mirror at the zero point."""
    value = inputs[0]
    assert value is not None
    zero_point = graph.tensor(op.inputs[0]).zero_point
    mirrored = np.abs(value.astype(np.int64) - zero_point) + zero_point
    return [np.minimum(mirrored, 127).astype(np.int8)]


register(OperatorSpec("ABS", OperatorSchema(("input",)), check, evaluate, in_place=("input",)))
