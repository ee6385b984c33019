"""Offline memory plans: the file stays what it was, the arena shrinks, and TFLM computes the same in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from micronets_gen.errors import ModelError
from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.runtimes.tflm.arena.cmsis_nn import Simd
from micronets_gen.runtimes.tflm.arena.embed import embed_plan
from micronets_gen.runtimes.tflm.arena.kernels import Target
from micronets_gen.runtimes.tflm.arena.model import ONLINE, Model, read_model
from micronets_gen.runtimes.tflm.arena.offline import better_plan
from micronets_gen.runtimes.tflm.arena.pinned import PINNED
from micronets_gen.runtimes.tflm.arena.predict import predict
from micronets_gen.runtimes.tflm.arena.sizing import offline_gain, size_arena
from tests.support.networks import Sample, random_network
from tests.support.paths import shared_model

_DSP = Target(Simd.DSP)
_SEEDS = range(60)


def _planned(sample: Sample) -> tuple[Model, bytes] | None:
    better = better_plan(read_model(sample.model, sample.name), _DSP, PINNED)
    return (better[0], embed_plan(sample.model, better[0].offsets or ())) if better else None


def test_the_file_keeps_everything_else() -> None:
    sample = random_network(4)
    offsets = tuple(16 * i if i % 2 else ONLINE for i in range(len(read_model(sample.model, "r").tensors)))
    file = embed_plan(sample.model, offsets)
    assert replace(read_model(file, "r"), offsets=None) == read_model(sample.model, "r")
    assert read_model(file, "r").offsets == offsets
    assert file.endswith(sample.model)
    assert file[4:8] == b"TFL3"
    before, after = (read_model_bytes(data, "r.tflite") for data in (sample.model, file))
    assert set(after.metadata) == {*before.metadata, "OfflineMemoryAllocation"}
    assert before.description == after.description
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert (old.name, old.shape, old.dtype, old.quantization) == (
            new.name,
            new.shape,
            new.dtype,
            new.quantization,
        )
        assert old.is_constant == new.is_constant
        if old.data is not None and new.data is not None:
            assert np.array_equal(old.data, new.data)
    assert [op.options for op in before.operators] == [op.options for op in after.operators]


def test_constants_stay_aligned() -> None:
    data = shared_model("kws_ref_model").read_bytes()
    file = embed_plan(data, (ONLINE,) * len(read_model(data, "kws").tensors))
    assert (len(file) - len(data)) % 16 == 0


def test_a_second_plan_overrides_the_first() -> None:
    sample = random_network(1)
    count = len(read_model(sample.model, "r").tensors)
    file = embed_plan(embed_plan(sample.model, (16,) * count), (32,) * count)
    assert read_model(file, "r").offsets == (32,) * count


def test_a_plan_for_other_tensors_is_refused() -> None:
    with pytest.raises(ModelError, match="offline memory plan"):
        read_model(embed_plan(random_network(1).model, (0, 16)), "r")


@pytest.mark.needs("time")
def test_some_networks_gain_and_none_loses() -> None:
    gains = []
    for seed in _SEEDS:
        model = read_model(random_network(seed).model, "r")
        before = predict(model, _DSP, PINNED)
        better = better_plan(model, _DSP, PINNED)
        if better is not None:
            assert predict(better[0], _DSP, PINNED) == better[1]
            assert better[1].needed < before.needed
            gains.append(1 - better[1].needed / before.needed)
    assert len(gains) >= 5
    assert max(gains) > 0.2


def test_a_plan_of_the_files_own_stays() -> None:
    sample = random_network(4)
    planned = _planned(sample)
    assert planned is not None
    assert better_plan(read_model(planned[1], "r"), _DSP, PINNED) is None


@pytest.mark.needs("time")
def test_it_is_used_where_it_saves_more_ram_than_it_costs_flash() -> None:
    used = []
    for seed in _SEEDS:
        graph = read_model_bytes(random_network(seed).model, "r.tflite")
        sizing = size_arena(graph, "dsp", PINNED)
        if sizing.offline is None:
            assert sizing.file == graph.file
            continue
        saved = sizing.offline.needed_without - sizing.offline.needed_with
        assert sizing.offline.used == (saved >= sizing.offline.flash_bytes)
        assert len(sizing.file) - len(graph.file) == (
            sizing.offline.flash_bytes if sizing.offline.used else 0
        )
        used.append(sizing.offline.used)
        assert offline_gain(replace(graph, file=sizing.file), "dsp", PINNED) == sizing.offline
    assert set(used) == {True, False}


def test_tflm_computes_the_same_with_it() -> None:
    runtime: Any = pytest.importorskip("tflite_micro", reason="TFLM for the host is not installed").runtime

    def outputs(file: bytes, sample: Sample) -> list[Any]:
        interpreter = runtime.Interpreter.from_bytes(file, arena_size=1 << 20)
        results = []
        for row in sample.inputs:
            for i, values in enumerate(row):
                interpreter.set_input(values, i)
            interpreter.invoke()
            results.append(interpreter.get_output(0).tobytes())
        return results

    compared = 0
    for seed in _SEEDS:
        sample = random_network(seed)
        planned = _planned(sample)
        if planned is not None:
            assert outputs(planned[1], sample) == outputs(sample.model, sample), seed
            compared += 1
    assert compared >= 5
