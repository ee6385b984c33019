"""ADD, SUB, MUL, MINIMUM, MAXIMUM: one kernel for equal int8 sums, one a type for every broadcast."""

from __future__ import annotations

from math import prod

from micronets_gen.model.graph import DType, Graph, Operator
from micronets_gen.operators.elementwise import (
    MAX_BROADCAST,
    SumRescaling,
    broadcast_dimensions,
    product_rescaling,
    sum_rescaling,
)
from micronets_gen.plan.plan import Call, Field, LayerCode
from micronets_gen.runtimes.aot.registry import lowering

SOURCES = ("mn_elementwise.c",)
SUFFIX = {DType.INT8: "s8", DType.UINT8: "u8", DType.INT16: "s16", DType.INT32: "s32", DType.FLOAT32: "f32"}
"""How kernels name their element types."""

_LARGEST_SHIFT = 29
"""Sums of int8 stay below 2**28: shifts from here on all give 0."""


def _steps(sizes: list[tuple[int, bool, bool]], operand: int) -> list[int]:
    """Return how far an operand moves per step of each dimension, in elements."""
    steps = []
    for i, dimension in enumerate(sizes):
        inner = prod(size for size, *varies in sizes[i + 1 :] if varies[operand])
        steps.append(inner if dimension[1 + operand] else 0)
    return steps


def _broadcast(graph: Graph, op: Operator) -> list[tuple[str, Field]]:
    a, b = graph.tensor(op.inputs[0]), graph.tensor(op.inputs[1])
    dimensions = broadcast_dimensions(a.shape, b.shape)
    dimensions = [(1, False, False)] * (MAX_BROADCAST - len(dimensions)) + dimensions
    *outer, inner = dimensions
    a_steps, b_steps = _steps(dimensions, 0), _steps(dimensions, 1)
    fields: list[tuple[str, Field]] = [
        ("rows", prod(size for size, *_ in outer)),
        ("columns", inner[0]),
        ("a_step", a_steps[-1]),
        ("b_step", b_steps[-1]),
        ("size", tuple(size for size, *_ in outer)),
        ("a_outer", tuple(a_steps[:-1])),
        ("b_outer", tuple(b_steps[:-1])),
    ]
    return [(f"shape.{name}", value) for name, value in fields]


def _layer(op: Operator, function: str, params: list[tuple[str, Field]]) -> LayerCode:
    return LayerCode(SOURCES, (Call(function, tuple(params), op.inputs, op.outputs),))


def _equal_sum(graph: Graph, op: Operator, r: SumRescaling) -> LayerCode:
    """int8 ADD of one shape: the operand with the larger scale comes first."""
    larger = max((0, 1), key=lambda i: graph.tensor(op.inputs[i]).scale)
    (a_zero, _, _), (b_zero, b_multiplier, b_shift) = r.operands[larger], r.operands[1 - larger]
    whole = (r.low, r.high) == (-128, 127) and r.shift < 0
    params: tuple[tuple[str, Field], ...] = (
        ("count", graph.tensor(op.outputs[0]).elements),
        ("bias", -a_zero << 20),
        ("b_bias", -b_zero << 21),
        ("b_multiplier", b_multiplier),
        ("b_shift", min(-b_shift, _LARGEST_SHIFT)),
        ("multiplier", r.multiplier),
        ("shift", -r.shift),
        ("offset", r.offset),
        ("low", r.low),
        ("high", r.high),
    )
    operands = (op.inputs[larger], op.inputs[1 - larger])
    call = Call("mn_add_s8" if whole else "mn_add_clamped_s8", params, operands, op.outputs)
    return LayerCode(SOURCES, (call,))


@lowering("ADD", "SUB")
def lower_sum(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Choose the fast kernel for sums of equal shapes, the general one otherwise."""
    a, b, y = graph.tensor(op.inputs[0]), graph.tensor(op.inputs[1]), graph.tensor(op.outputs[0])
    r = sum_rescaling(graph, op)
    if op.kind == "ADD" and y.dtype is DType.INT8 and a.elements == b.elements == y.elements:
        return _equal_sum(graph, op, r)
    fields = _broadcast(graph, op)
    fields.append(("scale.left_shift", r.left_shift))
    for name, operand in zip("ab", r.operands, strict=True):
        parts = ("zero_point", "multiplier", "shift")
        fields += [(f"scale.{name}_{part}", value) for part, value in zip(parts, operand, strict=True)]
    fields += [
        ("scale.b_sign", -1 if op.kind == "SUB" else 1),
        ("scale.multiplier", r.multiplier),
        ("scale.shift", r.shift),
        ("scale.offset", r.offset),
        ("scale.low", r.low),
        ("scale.high", r.high),
    ]
    return _layer(op, f"mn_sum_{SUFFIX[y.dtype]}", fields)


@lowering("MUL")
def lower_product(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Multiply, broadcast."""
    r = product_rescaling(graph, op)
    fields = [
        *_broadcast(graph, op),
        ("scale.a_zero_point", r.zero_points[0]),
        ("scale.b_zero_point", r.zero_points[1]),
        ("scale.multiplier", r.multiplier),
        ("scale.shift", r.shift),
        ("scale.offset", r.offset),
        ("scale.low", r.low),
        ("scale.high", r.high),
    ]
    return _layer(op, f"mn_mul_{SUFFIX[graph.tensor(op.outputs[0]).dtype]}", fields)


@lowering("MINIMUM", "MAXIMUM")
def lower_extremum(graph: Graph, op: Operator, _simd: str) -> LayerCode:
    """Choose between elements, broadcast."""
    function = f"mn_{op.kind.lower()}_{SUFFIX[graph.tensor(op.outputs[0]).dtype]}"
    return _layer(op, function, _broadcast(graph, op))
