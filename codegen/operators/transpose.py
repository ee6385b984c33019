"""TRANSPOSE: dimensions in another order.

Source: tensorflow/lite/micro/kernels/{transpose,transpose_common}.cc.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from micronets_gen.model.graph import Array, DType, Graph, Operator
from micronets_gen.model.schema import OperatorSchema
from micronets_gen.operators import OperatorSpec, Problem, register
from micronets_gen.operators.conditions import CONVERT_AGAIN, require
from micronets_gen.operators.layout import constant_ints, require_constant, require_shape, require_type_kept

MAX_RANK = 5
_TYPES = frozenset({DType.INT8, DType.INT16, DType.FLOAT32})


def permutation(graph: Graph, op: Operator) -> tuple[int, ...]:
    """Return, for every dimension of the output, the dimension of the input that it is."""
    perm = constant_ints(graph, op, 1)
    assert perm is not None
    return perm


def check(graph: Graph, op: Operator) -> Iterable[Problem]:
    """Types, rank, a constant permutation and the output's shape."""
    problems = [*require_type_kept(graph, op, [0], _TYPES), *require_constant(graph, op, 1, "permutation")]
    if problems:
        return problems
    shape, perm = graph.tensor(op.inputs[0]).shape, permutation(graph, op)
    problems = [
        *require(
            len(shape) <= MAX_RANK,
            op,
            f"transposes {len(shape)} dimensions; at most {MAX_RANK} are defined",
            "merge neighbouring dimensions with a reshape before the transpose",
        ),
        *require(
            sorted(perm) == list(range(len(shape))),
            op,
            f"its permutation {list(perm)} does not order the {len(shape)} dimensions of its input",
            CONVERT_AGAIN,
        ),
    ]
    return problems or require_shape(
        graph, op, tuple(shape[axis] for axis in perm), because="input and permutation"
    )


def evaluate(graph: Graph, op: Operator, inputs: Sequence[Array | None]) -> Sequence[Array]:
    """Permute the dimensions."""
    value = inputs[0]
    assert value is not None
    return [np.ascontiguousarray(value.transpose(permutation(graph, op)))]


register(OperatorSpec("TRANSPOSE", OperatorSchema(("input", "perm")), check, evaluate))
