"""The predicted arena: published measurements, its arithmetic, and what it says of what it cannot know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.micronets import micronet
from micronets_gen.errors import ModelError, ToolError
from micronets_gen.model.graph import DType
from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.plan.arena import ArenaSize
from micronets_gen.runtimes.tflm.arena.cmsis_nn import Simd
from micronets_gen.runtimes.tflm.arena.kernels import Target, requests_of
from micronets_gen.runtimes.tflm.arena.layout import TypeName
from micronets_gen.runtimes.tflm.arena.model import Model, Node, Tensor, Type, read_model
from micronets_gen.runtimes.tflm.arena.pinned import LAYOUTS, PINNED
from micronets_gen.runtimes.tflm.arena.predict import predict, wanted_types
from micronets_gen.runtimes.tflm.arena.probe import parse_arena
from micronets_gen.runtimes.tflm.arena.sizing import margin, memory_plan, size_arena
from tests.support.networks import Network, random_network
from tests.support.paths import shared_model

_DSP, _MVE = Target(Simd.DSP), Target(Simd.MVE)

# Bytes that an independent build of the pinned sources reported as used, on Cortex-M4 and Cortex-M55.
_REAL = {
    "kws_ref_model": (22_820, 27_348),
    "pretrainedResnet_quant": (54_996, 55_028),
    "ad01_int8": (2_580, 9_268),
}
_MICRONETS = {
    "micronet_kws_s": (62_836, 67_364),
    "micronet_kws_m": (100_852, 105_380),
    "micronet_kws_l": (203_924, 208_468),
    "micronet_ad_s": (114_260, 114_292),
    "micronet_ad_m": (271_060, 275_556),
    "micronet_ad_l": (378_804, 383_300),
}


@pytest.mark.parametrize("name", _REAL)
def test_real_models_take_what_was_measured(name: str) -> None:
    model = read_model(shared_model(name).read_bytes(), name)
    for target, used in zip((_DSP, _MVE), _REAL[name], strict=True):
        prediction = predict(model, target, PINNED)
        assert prediction.head + prediction.tail == used


def test_a_small_model_needs_more_than_it_uses() -> None:
    model = read_model(shared_model("ad01_int8").read_bytes(), "ad01_int8")
    prediction = predict(model, _DSP, PINNED)
    assert (prediction.needed, prediction.bound_by) == (3_024, "planning")


@pytest.mark.parametrize("name", _MICRONETS)
def test_the_papers_networks_take_what_was_measured(name: str) -> None:
    # The networks measured were built by other hands: they have a RESHAPE, which takes 64 bytes.
    model = read_model(micronet(name), name)
    for target, used in zip((_DSP, _MVE), _MICRONETS[name], strict=True):
        prediction = predict(model, target, PINNED)
        assert abs(prediction.head + prediction.tail + 64 - used) <= 32
        assert prediction.needed >= prediction.head + prediction.tail


@pytest.mark.parametrize("seed", range(30))
def test_parts_add_up(seed: int) -> None:
    dtype = DType.INT16 if seed % 3 == 0 else DType.INT8
    model = read_model(random_network(seed, dtype).model, "random")
    for simd in Simd:
        prediction = predict(model, Target(simd), PINNED)
        assert sum(prediction.parts.values()) == prediction.tail
        assert prediction.live <= prediction.head <= prediction.needed - prediction.tail
        assert prediction.activations <= prediction.live
        assert prediction.needed % 16 == 0
        own = sum(op.persistent for op in prediction.operators)
        assert own == prediction.parts.get("operator options", 0) + prediction.parts.get("kernel data", 0)
        assert max(block.offset + block.size for block in prediction.blocks) <= prediction.head


def test_every_tensor_and_operator_of_the_file_counts() -> None:
    n = Network(seed=3)
    x = n.input((1, 8, 8, 4))
    n.builder.tensor((1, 8, 8, 4), DType.INT8, scale=0.5, zero_point=0, name="orphan")
    used = n.convolution(x, 8)
    with_orphan = predict(read_model(n.build([used]), "orphan"), _DSP, PINNED)
    m = Network(seed=3)
    without = predict(read_model(m.build([m.convolution(m.input((1, 8, 8, 4)), 8)]), "none"), _DSP, PINNED)
    assert with_orphan.parts["tensor structures"] == without.parts["tensor structures"] + 12
    assert with_orphan.tail > without.tail


def test_a_wide_layer_is_bound_by_its_preparation() -> None:
    n = Network(seed=1)
    model = read_model(n.build([n.convolution(n.input((1, 1, 1, 1)), 2000)]), "wide")
    prediction = predict(model, _DSP, PINNED)
    assert prediction.bound_by == "preparing operator 0, CONV_2D"
    # Four copies of descriptions, of weights and bias, hold a zero point for each channel.
    assert prediction.transient > 3 * 4 * 2000


def test_sums_of_weights_move_with_the_flag() -> None:
    n = Network(seed=2)
    model = read_model(n.build([n.dense(n.input((1, 64)), 10)]), "dense")
    node = model.nodes[0]
    assert requests_of(model, node, _MVE).persistent == (40,)
    assert requests_of(model, node, Target(Simd.MVE, for_speed=False)).scratch == (40,)
    assert requests_of(model, node, _DSP).persistent == ()


def test_four_bit_weights_take_the_scratch_of_eight() -> None:
    def model(weights: Type) -> Model:
        shapes = [((1, 8, 8, 3), Type.INT8), ((4, 3, 3, 3), weights), ((1, 8, 8, 4), Type.INT8)]
        tensors = tuple(
            Tensor(s, t, constant=i == 1, variable=False, channels=1) for i, (s, t) in enumerate(shapes)
        )
        options = {"Padding": 0, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
        return Model(tensors, (Node(0, "CONV_2D", (0, 1), (2,), options),), (0,), (2,))

    for target in (_DSP, _MVE):
        eight, four = (predict(model(t), target, PINNED) for t in (Type.INT8, Type.INT4))
        assert eight.operators[0].scratch == four.operators[0].scratch > 0


def test_an_unknown_operator_is_named() -> None:
    tensors = tuple(Tensor((1,), Type.INT8, constant=False, variable=False, channels=1) for _ in range(2))
    model = Model(tensors, (Node(0, "SVDF", (0,), (1,)),), (0,), (1,))
    with pytest.raises(ModelError, match="SVDF"):
        predict(model, _DSP, PINNED)


def test_a_damaged_operator_is_named() -> None:
    tensors = tuple(Tensor((1,), Type.INT8, constant=False, variable=False, channels=1) for _ in range(3))
    for options in ({}, {"StrideH": 0, "Padding": 0}):
        model = Model(tensors, (Node(0, "CONV_2D", (0, 1), (2,), options),), (0,), (2,))
        with pytest.raises(ModelError, match="CONV_2D"):
            predict(model, _DSP, PINNED)


def test_a_missing_size_is_named() -> None:
    model = read_model(random_network(0).model, "random")
    few = replace(PINNED, layouts={k: v for k, v in LAYOUTS.items() if k != "TfLiteTensor"})
    with pytest.raises(ToolError, match="TfLiteTensor"):
        predict(model, _DSP, few)


def test_the_types_asked_for_are_enough() -> None:
    for seed in range(10):
        model = read_model(random_network(seed).model, "random")
        names = {str(name) for name in wanted_types(model, _MVE)}
        only = replace(PINNED, layouts={k: v for k, v in LAYOUTS.items() if k in names})
        assert predict(model, _MVE, only) == predict(model, _MVE, PINNED)
    assert str(TypeName("tflite::OpData", "conv.cc", local=True)) in LAYOUTS


def test_the_drawn_layout_holds_every_tensor_and_what_is_tflms_own() -> None:
    sample = random_network(7)
    graph = read_model_bytes(sample.model, "random.tflite")
    sizing = size_arena(graph, "dsp", PINNED)
    graph = replace(graph, file=sizing.file)
    plan = memory_plan(graph, sizing.prediction, sizing.prediction.needed)
    drawn = {t for buffer in plan.buffers for t in buffer.tensors}
    assert {t.index for t in graph.tensors if not t.is_constant and t.nbytes} <= drawn
    own = [b for b in plan.buffers if b.name == "TFLM's own data"]
    assert [(b.offset + b.size, b.first, b.last) for b in own] == [(plan.size, -1, len(graph.operators))]
    assert plan.peak <= plan.size
    assert all(b.offset + b.size <= plan.size for b in plan.buffers)


def test_margin() -> None:
    assert margin(100_000, proven=True) == 0
    assert margin(100_000, proven=False) == 2_000
    assert margin(1_000, proven=False) == 64
    assert margin(10_001, proven=False) % 16 == 0


def test_the_line_of_the_arena() -> None:
    assert parse_arena("MN,arena,768,1812,1336,3024,3024") == ArenaSize(768, 1812, 1336, 3024, 3024)
    assert parse_arena("MN,arena,0,0,0,0,0") is None
    for broken in ("MN,arena,1,2,3,4", "MN,arena,1,2,3,4,x", "MN,arena,1,2,3,4,-5", "arena,1,2,3,4,5"):
        with pytest.raises(ToolError, match="malformed"):
            parse_arena(broken)
