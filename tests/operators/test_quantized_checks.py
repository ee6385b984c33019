"""What the quantised operators refuse, word for word, and how they are lowered."""

from __future__ import annotations

import numpy as np
import pytest

from micronets_gen.model.graph import Activation, NoOptions, Options, Padding
from micronets_gen.operators.activation import LeakyReluOptions, sigmoid_table
from micronets_gen.operators.conditions import CONVERT_AGAIN, FULL_INTEGER
from micronets_gen.operators.elementwise import BinaryOptions
from micronets_gen.operators.pooling import Pool2DOptions
from micronets_gen.operators.reduce import ReducerOptions
from micronets_gen.operators.softmax import SoftmaxOptions
from micronets_gen.plan.plan import LayerCode
from micronets_gen.runtimes.aot.registry import lowerings
from tests.operators.native import problems
from tests.support.builder import ModelBuilder
from tests.support.oracle import run_tflm

pytestmark = pytest.mark.needs("gcc")

Quantized = tuple[tuple[int, ...], str, float | None, int]


def model(kind: str, tensors: list[Quantized], options: Options | None = None) -> ModelBuilder:
    """Return a model of one operator; the last tensor is its output."""
    b = ModelBuilder()
    *inputs, output = [
        b.tensor(shape, dtype, scale=scale, zero_point=zero, name=f"t{i}")
        for i, (shape, dtype, scale, zero) in enumerate(tensors)
    ]
    b.operator(kind, inputs, [output], options or NoOptions())
    return b


def reduction(shape: tuple[int, ...], axes: list[int], result: tuple[int, ...]) -> ModelBuilder:
    b = ModelBuilder()
    x = b.tensor(shape, "int8", scale=0.5)
    y = b.tensor(result, "int8", scale=0.5, name="out")
    b.operator("MEAN", [x, b.constant(axes)], [y], ReducerOptions())
    return b


POOL = Pool2DOptions(Padding.VALID, 2, 2, 2, 2)

REFUSED_BY_TFLM_TOO = {
    "int16 zero point": (
        model(
            "MUL",
            [((4,), "int16", 0.5, 3), ((4,), "int16", 0.5, 0), ((4,), "int16", 0.5, 0)],
            BinaryOptions(),
        ),
        "int16 tensor 't0' has zero point 3; it must be 0",
    ),
    "activation": (
        model(
            "ADD",
            [((4,), "int8", 1e-12, 3), ((4,), "int8", 1e-12, 0), ((4,), "int8", 1e-12, 0)],
            BinaryOptions(Activation.RELU6),
        ),
        "its output scale 1e-12 is too small for the fused RELU6",
    ),
    "logistic": (
        model("LOGISTIC", [((4,), "int8", 0.1, 0), ((4,), "int8", 1 / 256, 0)]),
        "its output has zero point 0; int8 LOGISTIC always has -128",
    ),
    "tanh": (
        model("TANH", [((4,), "int16", 0.1, 0), ((4,), "int16", 1 / 256, 0)]),
        "its output has scale 0.00390625; an int16 TANH always has 1/32768",
    ),
    "softmax": (
        model("SOFTMAX", [((4,), "int8", 0.1, 0), ((4,), "int8", 1 / 128, -128)], SoftmaxOptions()),
        "its output has scale 0.0078125 and zero point -128; int8 to int8 SOFTMAX has 0.00390625 and -128",
    ),
    "pool": (
        model("MAX_POOL_2D", [((1, 4, 4, 1), "int8", 0.1, 0), ((1, 2, 2, 1), "int8", 0.1, 1)], POOL),
        "its input (scale 0.1, zero point 0) and output (scale 0.1, zero point 1) are quantised differently",
    ),
    "quantize": (
        model("QUANTIZE", [((4,), "int16", 0.1, 0), ((4,), "uint8", 0.1, 0)]),
        "maps int16 to uint8; TFLM and this generator know float32 to int16, float32 to int8, int16 to "
        "int16, int16 to int32, int16 to int8, int32 to int16, int32 to int8, int8 to int16, int8 to int32, "
        "int8 to int8, int8 to uint8, uint8 to int8",
    ),
    "hard swish": (
        model("HARD_SWISH", [((4,), "int8", 1.0, 0), ((4,), "int8", 1e-3, 0)]),
        "its scales are too far apart, or too small, for the kernel's 16-bit arithmetic",
    ),
}


@pytest.mark.parametrize("case", REFUSED_BY_TFLM_TOO)
def test_refused_as_by_tflm(case: str) -> None:
    builder, reason = REFUSED_BY_TFLM_TOO[case]
    assert [r for _, r, _ in problems(builder)] == [reason]
    graph = builder.graph()
    inputs = [np.zeros(graph.tensor(i).shape, graph.tensor(i).dtype.value) for i in graph.inputs]
    with pytest.raises(RuntimeError):
        run_tflm(builder.build(), inputs)


REFUSED = {
    "types": (
        model(
            "ADD", [((4,), "int32", 0.5, 0), ((4,), "int8", 0.5, 0), ((4,), "int8", 0.5, 0)], BinaryOptions()
        ),
        "works on int32 and int8; all its tensors must be int16 or int8",
        FULL_INTEGER,
    ),
    "shapes": (
        model(
            "SUB",
            [((2, 3), "int8", 0.5, 0), ((2,), "int8", 0.5, 0), ((2, 3), "int8", 0.5, 0)],
            BinaryOptions(),
        ),
        "shapes [2, 3] and [2] do not broadcast to its output shape [2, 3]",
        CONVERT_AGAIN,
    ),
    "alternating": (
        model(
            "MAXIMUM",
            [
                ((1, 2, 1, 2, 1, 2), "int8", None, 0),
                ((2, 1, 2, 1, 2, 1), "int8", None, 0),
                ((2,) * 6, "int8", None, 0),
            ],
        ),
        "shapes [1, 2, 1, 2, 1, 2] and [2, 1, 2, 1, 2, 1] alternate between broadcast and equal dimensions "
        "more than 4 times",
        "reshape the operands so that they differ in fewer dimensions",
    ),
    "scales apart": (
        model(
            "ADD",
            [((4,), "int8", 10.0, 0), ((4,), "int8", 0.5, 0), ((4,), "int8", 1e-6, 0)],
            BinaryOptions(),
        ),
        "its scales 10, 0.5, 1e-06 are too far apart: the output's is less than a millionth of an input's or "
        "the reverse",
        "check the representative dataset: a sum has about the range of its operands",
    ),
    "no scale": (
        model("RELU", [((4,), "int8", None, 0), ((4,), "int8", 0.5, 0)]),
        "tensor 't0' does not have one positive scale and one zero point",
        FULL_INTEGER,
    ),
    "elements": (
        model("LEAKY_RELU", [((4,), "int8", 0.5, 0), ((5,), "int8", 0.5, 0)], LeakyReluOptions()),
        "maps shape [4] to [5]; they must be the same, and not empty",
        CONVERT_AGAIN,
    ),
    "arity": (
        model("ADD", [((4,), "int8", 0.5, 0), ((4,), "int8", 0.5, 0)], BinaryOptions()),
        "has 1 inputs and 1 outputs; it must have 2 and 1",
        CONVERT_AGAIN,
    ),
    "pool shape": (
        model("MAX_POOL_2D", [((1, 4, 4, 1), "int8", 0.1, 0), ((1, 3, 2, 1), "int8", 0.1, 0)], POOL),
        "its output has shape [1, 3, 2, 1]; a 2x2 window over [1, 4, 4, 1] gives [1, 2, 2, 1]",
        CONVERT_AGAIN,
    ),
    "axis": (
        reduction((2, 3), [2], (2,)),
        "an axis of [2] is not a dimension of shape [2, 3]",
        CONVERT_AGAIN,
    ),
    "reduced shape": (
        reduction((2, 3), [1], (3,)),
        "reducing axes [1] of shape [2, 3] does not give shape [3]",
        CONVERT_AGAIN,
    ),
    "softmax depth": (
        model("SOFTMAX", [((5000,), "int8", 0.1, 0), ((5000,), "int8", 1 / 256, -128)], SoftmaxOptions()),
        "its rows have 5000 elements; the kernel's sum holds 1 to 4095",
        "split the last dimension",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    builder, reason, remedy = REFUSED[case]
    (problem,) = problems(builder)
    graph = builder.graph()
    assert problem == (f"{graph.operators[0].name} ({graph.operators[0].kind})", reason, remedy)


def lowered(builder: ModelBuilder) -> LayerCode:
    graph = builder.graph()
    (op,) = graph.operators
    return lowerings()[op.kind](graph, op, "dsp")


def test_equal_quantisation_costs_nothing_or_a_clamp() -> None:
    nothing = lowered(model("RELU", [((4,), "int8", 0.5, -128), ((4,), "int8", 0.5, -128)]))
    assert nothing.alias
    assert nothing.calls == ()
    assert lowered(model("QUANTIZE", [((4,), "int8", 0.5, 3), ((4,), "int8", 0.5, 3)])).alias
    (call,) = lowered(model("RELU", [((4,), "int8", 0.5, 7), ((4,), "int8", 0.5, 7)])).calls
    assert (call.function, dict(call.params)) == ("mn_limit_s8", {"count": 4, "low": 7, "high": 127})


def test_other_int8_functions_are_tables() -> None:
    for kind in ("RELU", "QUANTIZE"):
        code = lowered(model(kind, [((4,), "int8", 0.5, 7), ((4,), "int8", 0.25, 7)]))
        assert [call.function for call in code.calls] == ["mn_table_s8"]
        assert code.may_overwrite == ((0, 0),)


def test_sums_of_one_shape_take_the_larger_scale_first() -> None:
    tensors: list[Quantized] = [((4,), "int8", 0.1, 7), ((4,), "int8", 0.25, -3), ((4,), "int8", 0.3, 0)]
    code = lowered(model("ADD", tensors, BinaryOptions()))
    (call,) = code.calls
    assert (call.function, call.inputs) == ("mn_add_s8", (1, 0))
    assert code.may_overwrite == ((0, 0), (1, 0))
    (call,) = lowered(model("ADD", tensors, BinaryOptions(Activation.RELU))).calls
    assert call.function == "mn_add_clamped_s8"


def test_a_broadcast_operand_is_not_overwritten() -> None:
    tensors: list[Quantized] = [((4,), "int8", 0.1, 7), ((3, 4), "int8", 0.25, -3), ((3, 4), "int8", 0.3, 0)]
    assert lowered(model("MUL", tensors, BinaryOptions())).may_overwrite == ((1, 0),)


@pytest.mark.parametrize("kind", ["QUANTIZE", "DEQUANTIZE", "RELU", "SOFTMAX"])
def test_other_shape_of_as_many_elements_is_refused(kind: str) -> None:
    """The reference gives the output the input's shape, as TFLite does."""
    y: dict[str, Quantized] = {
        "DEQUANTIZE": ((3,), "float32", None, 0),
        "SOFTMAX": ((3,), "int8", 1 / 256, -128),
    }
    options = SoftmaxOptions(1.0) if kind == "SOFTMAX" else None
    b = model(kind, [((1, 3), "int8", 0.5, 0), y.get(kind, ((3,), "int8", 0.25, 0))], options)
    assert [reason for _, reason, _ in problems(b)] == [
        "maps shape [1, 3] to [3]; they must be the same, and not empty"
    ]


def test_sigmoid_table() -> None:
    table = sigmoid_table()
    assert (table.dtype.name, table.shape) == ("uint16", (256,))
    assert table[[0, 1, 24, 128, 254, 255]].tolist() == [32768, 33451, 47911, 65221, 65534, 65535]
