"""Whole networks: the reference is TFLM, so is the C on every core, and the arena is as small as can be."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from benchmarks.measure import baseline
from benchmarks.micronets import ARCHITECTURES, micronet
from micronets_gen.model.graph import Array, DType, Graph
from micronets_gen.operators import operator_specs
from micronets_gen.operators.reading import read_model, read_model_bytes
from micronets_gen.plan.plan import MemoryPlan
from micronets_gen.plan.reference import evaluate
from micronets_gen.runtimes.aot.planner import plan_layers
from tests.support.harness import TARGETS, run_many
from tests.support.networks import Sample, random_network
from tests.support.oracle import run_tflm
from tests.support.paths import shared_model

pytestmark = pytest.mark.needs("gcc")

SEEDS = 60
ON_TARGETS = {DType.INT8: 20, DType.INT16: 12}
WORD = 4
OPTIMIZE = ("speed", "balanced", "ram")

MLPERF = ("ad01_int8", "kws_ref_model", "pretrainedResnet_quant")

DTYPES = pytest.mark.parametrize("dtype", list(ON_TARGETS), ids=lambda dtype: dtype.value)


def mlperf(name: str) -> bytes:
    path = shared_model(name)
    return path.read_bytes()


def inputs_for(graph: Graph, count: int) -> tuple[tuple[Array, ...], ...]:
    rng = np.random.default_rng(7)

    def draw(index: int) -> Array:
        tensor = graph.tensor(index)
        info = np.iinfo(tensor.dtype.value)
        return rng.integers(info.min, info.max + 1, tensor.shape, dtype=tensor.dtype.value)

    return tuple(tuple(draw(index) for index in graph.inputs) for _ in range(count))


def assert_same(name: str, got: Sequence[Array], expected: Sequence[Array]) -> None:
    for i, (a, b) in enumerate(zip(got, expected, strict=True)):
        np.testing.assert_array_equal(a, b, err_msg=f"{name}, output {i}")


@cache
def on_targets(dtype: DType) -> tuple[tuple[Sample, tuple[tuple[Array, ...], ...]], ...]:
    """Networks to run on the cores, with what TFLM gives for each of their inputs."""
    samples = [random_network(seed, dtype) for seed in range(ON_TARGETS[dtype])]
    return tuple((s, tuple(tuple(run_tflm(s.model, x)) for x in s.inputs)) for s in samples)


@DTYPES
def test_reference_is_tflm(dtype: DType) -> None:
    for seed in range(SEEDS):
        sample = random_network(seed, dtype)
        graph = read_model_bytes(sample.model, sample.name)
        for values in sample.inputs:
            assert_same(sample.name, evaluate(graph, values), run_tflm(sample.model, values))


@pytest.mark.parametrize("target", TARGETS)
def test_networks_with_dead_filters_give_tflms_bytes(target: str) -> None:
    samples = [random_network(seed, dead=0.4) for seed in range(100, 112)]
    runs = run_many(target, [(sample.model, sample.inputs) for sample in samples])
    for sample, outputs in zip(samples, runs, strict=True):
        for values, got in zip(sample.inputs, outputs, strict=True):
            assert_same(f"{sample.name} on {target}", got, run_tflm(sample.model, values))


@DTYPES
@pytest.mark.parametrize("optimize", OPTIMIZE)
@pytest.mark.parametrize("target", TARGETS)
def test_random_networks_give_tflms_bytes(target: str, optimize: str, dtype: DType) -> None:
    cases = on_targets(dtype)
    runs = run_many(target, [(sample.model, sample.inputs) for sample, _ in cases], optimize)
    for (sample, expected), outputs in zip(cases, runs, strict=True):
        for got, wanted in zip(outputs, expected, strict=True):
            assert_same(f"{sample.name} on {target}", got, wanted)


@pytest.mark.parametrize("optimize", OPTIMIZE)
@pytest.mark.parametrize("target", TARGETS)
def test_mlperf_tiny_gives_tflms_bytes(target: str, optimize: str) -> None:
    models = [mlperf(name) for name in MLPERF]
    cases = [(model, inputs_for(read_model_bytes(model, "model"), 2)) for model in models]
    for name, (model, inputs), outputs in zip(MLPERF, cases, run_many(target, cases, optimize), strict=True):
        for values, got in zip(inputs, outputs, strict=True):
            assert_same(f"{name} on {target}", got, run_tflm(model, values))


def test_networks_on_targets_are_varied() -> None:
    """The seeds above reach most operators in both types, several inputs and several outputs."""
    for dtype, least in ((DType.INT8, 24), (DType.INT16, 18)):
        graphs = [read_model_bytes(sample.model, sample.name) for sample, _ in on_targets(dtype)]
        kinds = {op.kind for graph in graphs for op in graph.operators}
        assert len(kinds) >= least, sorted(kinds)
        assert {1, 2} <= {len(graph.inputs) for graph in graphs}
        assert {1, 2} <= {len(graph.outputs) for graph in graphs}
        # An output of one value alone would hide whatever happens before it.
        for sample, expected in on_targets(dtype):
            assert any(len(np.unique(a)) > 1 for run in expected for a in run), sample.name


def test_networks_are_the_same_every_time() -> None:
    for dtype in ON_TARGETS:
        a, b = random_network(3, dtype), random_network(3, dtype)
        assert a.model == b.model
        for x, y in zip(a.inputs, b.inputs, strict=True):
            assert_same(a.name, x, y)
    assert micronet("micronet_kws_s") == micronet("micronet_kws_s")


# --- memory -----------------------------------------------------------------------------------------------


def peak_in_words(memory: MemoryPlan) -> int:
    """The peak of live bytes where every buffer begins at a word."""
    moments = {buffer.first for buffer in memory.buffers}
    sizes = [
        sum(-(-b.size // WORD) * WORD for b in memory.buffers if b.first <= moment <= b.last)
        for moment in moments
    ]
    return max(sizes)


@DTYPES
@pytest.mark.parametrize("simd", ["dsp", "mve"])
def test_arena_of_random_networks_is_the_peak_of_live_bytes(dtype: DType, simd: str) -> None:
    for seed in range(SEEDS):
        sample = random_network(seed, dtype)
        _, memory = plan_layers(read_model_bytes(sample.model, sample.name), simd)
        assert memory.peak <= memory.size <= peak_in_words(memory), sample.name


@pytest.mark.parametrize("simd", ["dsp", "mve"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_micronets_are_the_published_ones(name: str, simd: str) -> None:
    """MACs and the peak of live tensors as the paper's architectures have them; no arena could be smaller."""
    peaks = {
        "micronet_kws_s": 51_660,
        "micronet_kws_m": 86_100,
        "micronet_kws_l": 169_740,
        "micronet_ad_s": 98_304,
        "micronet_ad_m": 245_760,
        "micronet_ad_l": 353_280,
    }
    graph = read_model_bytes(micronet(name), name)
    macs = sum(operator_specs()[op.kind].macs(graph, op) for op in graph.operators)
    assert macs == baseline()[name]["macs"]
    _, memory = plan_layers(graph, simd)
    assert memory.size == memory.peak == peaks[name]


@pytest.mark.parametrize(("name", "peak"), [*zip(MLPERF, (768, 16_000, 49_152), strict=True)])
def test_arena_of_mlperf_tiny_is_the_peak_of_live_bytes(name: str, peak: int) -> None:
    graph = read_model_bytes(mlperf(name), name)
    for simd in ("dsp", "mve"):
        _, memory = plan_layers(graph, simd)
        assert memory.size == memory.peak == peak


def test_digits_on_every_target() -> None:
    from micronets_gen.bundled.catalogue import resolve_model

    path = resolve_model("digits").path
    graph = read_model(path)
    inputs = inputs_for(graph, 1)
    expected = run_tflm(path.read_bytes(), inputs[0])
    for target in TARGETS:
        assert_same(target, run_many(target, [(path.read_bytes(), inputs)])[0][0], expected)
