"""The exported file: its size is known beforehand, and every reader agrees on what is in it."""

from __future__ import annotations

import random

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.plan.check import check_model
from micronets_gen.plan.reference import evaluate
from micronets_gen.report.inspect import inspect_model
from micronets_gen.search.space.architecture import Architecture
from micronets_gen.search.space.blocks import Block, Conv, Inverted, Pool, Separable
from micronets_gen.search.space.cost import cost_of
from micronets_gen.search.space.export import file_bytes, placeholder, write_tflite


def random_architecture(seed: int) -> Architecture:
    rng = random.Random(seed)
    channels = rng.randrange(1, 30)
    blocks: list[Block] = [
        Conv(channels, (rng.randrange(1, 5), rng.randrange(1, 5)), (rng.randrange(1, 3), 1))
    ]
    for _ in range(rng.randrange(13)):
        stride = (2, 2) if rng.random() < 0.2 else (1, 1)
        kind = rng.randrange(5)
        if kind == 0:
            blocks.append(Pool((rng.randrange(1, 3), 1), rng.choice(["average", "max"])))
            continue
        if kind != 1:  # a bottleneck that keeps its channels adds its input
            channels = rng.randrange(1, 30)
        hidden = rng.randrange(1, 40)
        options = (Separable(channels, stride=stride), Inverted(channels, hidden, stride=stride))
        blocks.append(options[kind != 2])
    name = "n" * rng.randrange(1, 40)
    shape = (rng.randrange(4, 14), rng.randrange(4, 14), rng.randrange(1, 4))
    return Architecture(name, shape, rng.randrange(2, 15), tuple(blocks))


@pytest.mark.parametrize("seed", range(25))
def test_costs_are_those_of_the_file(seed: int) -> None:
    architecture = random_architecture(seed)
    file = write_tflite(placeholder(architecture, seed))
    summary = inspect_model(read_model_bytes(file, "model"))
    cost = cost_of(architecture)
    assert len(file) == file_bytes(architecture) == cost.model_bytes
    assert summary.parameters == cost.parameters
    assert summary.peak_live_bytes == cost.working_memory
    assert 2 * summary.macs == cost.ops


@pytest.mark.parametrize("seed", range(6))
def test_the_file_runs_everywhere_alike(seed: int) -> None:
    architecture = random_architecture(seed)
    file = write_tflite(placeholder(architecture, seed))
    graph = read_model_bytes(file, "model")
    assert check_model(graph) == ()
    interpreter = Interpreter(model_content=file, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    values = np.random.default_rng(seed).integers(-128, 128, (1, *architecture.input_shape), dtype=np.int8)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert output.shape == (1, architecture.classes)
    np.testing.assert_array_equal(output, evaluate(graph, [values])[0])


def test_constants_are_aligned_for_kernels_that_load_words() -> None:
    file = write_tflite(placeholder(random_architecture(3)))
    graph = read_model_bytes(file, "model")
    weights = [
        t.data for t in graph.tensors if t.data is not None and t.data.dtype == np.int8 and t.data.size > 16
    ]
    assert weights
    for data in weights:
        assert file.find(data.tobytes()) % 16 == 0


def test_the_same_architecture_gives_the_same_file() -> None:
    architecture = random_architecture(5)
    assert write_tflite(placeholder(architecture)) == write_tflite(placeholder(architecture))
