"""What ``inspect`` and ``check`` say of a model, and the reference that runs it."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from micronets_gen.errors import UsageError
from micronets_gen.model.graph import DType, Graph, NoOptions, Operator, Quantization, Tensor
from micronets_gen.operators.elementwise import BinaryOptions
from micronets_gen.operators.fully_connected import FullyConnectedOptions
from micronets_gen.operators.reading import read_model, read_model_bytes
from micronets_gen.plan.check import BoardFit, CheckResult, Problem, RegionUse, check_model
from micronets_gen.plan.reference import evaluate
from micronets_gen.report.inspect import inspect_model, live_bytes, render, sparkline
from tests.support.builder import ModelBuilder
from tests.support.oracle import run_tflm
from tests.support.paths import shared_model


def residual() -> Graph:
    """Two dense layers with shared weights, then the sum of input and second; 8 bytes each."""
    b = ModelBuilder()
    x, h, y, z = (
        b.tensor((1, 8), DType.INT8, scale=0.5, name=f"model/{name}/BiasAdd")
        for name in ("x", "dense", "dense_1", "add")
    )
    w = b.constant(np.eye(8) * 2, DType.INT8, scale=0.5)
    bias = b.constant([4] * 8, DType.INT32, scale=0.25)
    b.operator("FULLY_CONNECTED", [x, w, bias], [h], FullyConnectedOptions())
    b.operator("FULLY_CONNECTED", [h, w, bias], [y], FullyConnectedOptions())
    b.operator("ADD", [x, y], [z], BinaryOptions())
    return read_model_bytes(b.build(), "residual.tflite")


def chain(sizes: list[int]) -> Graph:
    """Tensors of ``sizes`` bytes, each made of the one before by a RELU; never executed."""
    quantization = Quantization((0.5,), (0,))
    tensors = tuple(Tensor(i, f"t{i}", (1, n), DType.INT8, quantization) for i, n in enumerate(sizes))
    operators = tuple(
        Operator(i, "RELU", 1, (i,), (i + 1,), NoOptions(), f"relu_{i}") for i in range(len(sizes) - 1)
    )
    return Graph("chain", tensors, operators, (0,), (len(sizes) - 1,))


def printed(graph: Graph, width: int = 100) -> str:
    out = io.StringIO()
    render(inspect_model(graph), Console(file=out, width=width))
    return out.getvalue()


def test_totals_of_a_residual_model() -> None:
    summary = inspect_model(residual())
    assert dict(summary.operators) == {"FULLY_CONNECTED": 2, "ADD": 1}
    assert summary.macs == 128
    assert summary.parameters == 64 + 8
    assert summary.weight_bytes == 64 + 32
    assert [op.weight_bytes for op in summary.layers] == [96, 0, 0], "shared weights count once"
    assert [op.live_bytes for op in summary.layers] == [16, 24, 24], "the input lives until the sum"
    assert (summary.peak_live_bytes, summary.peak_layer) == (24, 1)
    assert [op.name for op in summary.layers] == ["dense", "dense_1", "add"]


def test_memory_of_a_chain() -> None:
    assert live_bytes(chain([100, 10, 1, 50])) == (110, 11, 51)


def test_memory_counts_unread_results_and_early_outputs() -> None:
    base = chain([4, 2, 1])
    operators = (
        base.operators[0],
        Operator(1, "SPLIT", 1, (1,), (2, 3), NoOptions(), "split"),
        Operator(2, "RELU", 1, (2,), (4,), NoOptions(), "relu"),
    )
    tensors = (*base.tensors, Tensor(3, "unread", (1, 1000), DType.INT8), Tensor(4, "y", (1, 1), DType.INT8))
    graph = Graph("g", tensors, operators, (0,), (1, 4))
    assert live_bytes(graph) == (6, 1003, 4)


def test_a_thousand_operators_render() -> None:
    text = printed(chain([*range(1, 1000), 7]))
    assert max(map(len, text.splitlines())) <= 100
    assert "memory over time: peak 1,997 bytes of activations at 997 relu_997" in text


def test_json_is_plain() -> None:
    value = json.loads(json.dumps(inspect_model(residual()).to_json()))
    assert value["operators"] == {"FULLY_CONNECTED": 2, "ADD": 1}
    assert value["layers"][0]["outputs"] == [
        {
            "index": 1,
            "name": "model/dense/BiasAdd",
            "shape": [1, 8],
            "dtype": "int8",
            "size": 8,
            "scale": 0.5,
            "zero_point": 0,
            "channels": 1,
        }
    ]


@pytest.mark.parametrize("width", [80, 100])
def test_rendering(width: int) -> None:
    text = printed(residual(), width)
    assert max(map(len, text.splitlines())) <= width
    for part in (
        "residual   ",
        "input  1×8  int8, scale 0.5, zero point 0",
        "128 MACs   72 parameters   96 bytes of weights",
        "3 operators: 2 FULLY_CONNECTED, 1 ADD",
        "memory over time: peak 24 bytes of activations at 1 dense_1",
        "▆▆▆██████",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("values", "expected"), [((), ""), ((0, 0), "  "), ((1, 1000), "▁█"), ((4, 5, 8), "▄▅█")]
)
def test_sparkline(values: tuple[int, ...], expected: str) -> None:
    assert sparkline(values) == expected


@pytest.mark.parametrize(
    ("file", "macs", "peak", "operator"),
    [
        ("kws_ref_model.tflite", 2_656_768, 16_000, "depthwise_conv2d"),
        ("pretrainedResnet_quant.tflite", 12_501_632, 49_152, "conv2d_2"),
        ("ad01_int8.tflite", 264_192, 768, "dense"),
    ],
)
def test_reference_models(file: str, macs: int, peak: int, operator: str) -> None:
    path = shared_model(file.removesuffix(".tflite"))
    graph = read_model(path)
    summary = inspect_model(graph)
    assert check_model(graph) == ()
    assert (summary.macs, summary.peak_live_bytes) == (macs, peak)
    assert summary.layers[summary.peak_layer].name == operator


# Check.


def test_check_names_an_operator_without_meaning() -> None:
    graph = chain([4, 4])
    strange = Operator(0, "ABS", 1, (0,), (1,), NoOptions(), "odd")
    problems = check_model(Graph("g", graph.tensors, (strange,), (0,), (1,)))
    assert [(p.layer, p.reason) for p in problems] == [("odd (ABS)", "the operator is not supported")]
    assert "FULLY_CONNECTED" in problems[0].remedy


def test_check_passes_a_good_model() -> None:
    assert check_model(residual()) == ()


def test_check_finds_every_problem() -> None:
    graph = residual()
    tensors = tuple(
        Tensor(t.index, t.name, (1, 9), t.dtype, t.quantization) if t.index == 3 else t for t in graph.tensors
    )
    broken = Graph("g", tensors, graph.operators, graph.inputs, graph.outputs)
    assert {p.layer for p in check_model(broken)} == {"add (ADD)"}
    assert inspect_model(broken).macs == 128


def test_check_result_as_json() -> None:
    fit = BoardFit(
        "nucleo",
        False,
        (RegionUse("SRAM", "ram", 100, 130),),
        (Problem("SRAM", "30 bytes short", "shrink it"),),
    )
    assert fit.regions[0].free == -30
    result = CheckResult("m", (), (fit,))
    assert not result.passed
    value = json.loads(json.dumps(result.to_json()))
    assert value["boards"][0]["problems"] == [
        {"layer": "SRAM", "reason": "30 bytes short", "remedy": "shrink it"}
    ]
    assert CheckResult("m", ()).passed
    assert not CheckResult("m", (Problem("a", "b", "c"),)).passed


# Reference.


def test_evaluates_a_residual_model() -> None:
    graph = residual()
    x = np.arange(-4, 4, dtype=np.int8).reshape(1, 8)
    # Each dense layer multiplies by 1 and adds 1.0, two steps of 0.5; the sum is 2x + 4 steps.
    (y,) = evaluate(graph, [x])
    np.testing.assert_array_equal(y, 2 * x + 4)
    first, last = evaluate(replace(graph, outputs=(1, 3)), [x])
    np.testing.assert_array_equal(first, x + 2)
    np.testing.assert_array_equal(last, y)


def test_evaluate_wants_the_models_inputs() -> None:
    graph = residual()
    with pytest.raises(UsageError) as error:
        evaluate(graph, [np.zeros((8,), np.uint8)])
    assert str(error.value) == (
        "residual: input 0 is uint8 of shape (8,); the model takes int8 of shape (1, 8)\n"
        "  what to do: quantise and reshape the sample as the model's input asks"
    )
    with pytest.raises(UsageError, match="the model has 1 inputs; 2 were given"):
        evaluate(graph, [np.zeros((1, 8), np.int8)] * 2)


@pytest.mark.parametrize(
    "file", ["kws_ref_model.tflite", "pretrainedResnet_quant.tflite", "ad01_int8.tflite"]
)
def test_evaluates_reference_models_as_tflm_does(file: str) -> None:
    path = shared_model(file.removesuffix(".tflite"))
    graph = read_model(path)
    x = np.random.default_rng(3).integers(-128, 128, graph.tensor(graph.inputs[0]).shape).astype(np.int8)
    (expected,) = run_tflm(path.read_bytes(), [x])
    (result,) = evaluate(graph, [x])
    np.testing.assert_array_equal(result, expected)
