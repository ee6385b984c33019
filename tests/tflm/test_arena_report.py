"""What reports say of the arena."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from micronets_gen.plan.arena import ArenaInfo, ArenaSize, OfflinePlan
from micronets_gen.report.arena_terminal import arena_summary
from micronets_gen.report.arena_text import offline_text, size_rows, verdict_text
from micronets_gen.runtimes.tflm.arena.cmsis_nn import Simd
from micronets_gen.runtimes.tflm.arena.kernels import Target
from micronets_gen.runtimes.tflm.arena.model import read_model
from micronets_gen.runtimes.tflm.arena.pinned import PINNED
from micronets_gen.runtimes.tflm.arena.predict import Prediction, predict
from micronets_gen.runtimes.tflm.arena.sizing import describe_arena
from tests.support.networks import random_network


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return predict(read_model(random_network(2).model, "random"), Target(Simd.DSP), PINNED)


@pytest.fixture
def proven(prediction: Prediction) -> ArenaInfo:
    p = prediction
    true = ArenaSize(p.head, p.tail, p.transient, p.needed, p.needed)
    return describe_arena(p.needed, p, "firmware.elf", true, True)


def test_a_proven_arena_has_no_margin(proven: ArenaInfo) -> None:
    assert (proven.basis, proven.margin) == ("measured", 0)
    assert verdict_text(proven).startswith(f"{proven.size:,} bytes: the smallest that works")
    assert verdict_text(proven).endswith("the golden vectors pass in it.")
    assert "FAIL" in verdict_text(replace(proven, passed=False))


def test_an_unproven_arena_says_so(prediction: Prediction) -> None:
    arena = describe_arena(prediction.needed + 64, prediction, "firmware.elf")
    assert (arena.basis, arena.margin, arena.passed) == ("predicted", 64, None)
    assert f"{prediction.needed:,} bytes and 64 bytes of margin" in verdict_text(arena)
    assert [row.measured for row in size_rows(arena)] == [None] * 4


def test_what_tflm_lets_overlap_is_told(proven: ArenaInfo) -> None:
    assert proven.measured is not None
    lax = replace(proven, measured=replace(proven.measured, smallest=proven.size - 32))
    assert f"TFLM itself accepts {proven.size - 32:,}" in verdict_text(lax)


def test_an_unknown_operator_leaves_a_bound() -> None:
    arena = describe_arena(50_000, None, "")
    assert (arena.basis, arena.predicted, arena.margin) == ("bound", None, 0)
    assert "a bound" in verdict_text(arena)
    measured = describe_arena(50_000, None, "", ArenaSize(1, 2, 3, 40_000, 40_000), True)
    assert measured.margin == 10_000
    assert [row.predicted for row in size_rows(measured)] == [None] * 4


@pytest.mark.parametrize(
    ("used", "verb"), [(True, "saves 1,000 bytes (10.0 %)"), (False, "would save 1,000 bytes")]
)
def test_the_worth_of_a_memory_plan(proven: ArenaInfo, used: bool, verb: str) -> None:
    assert offline_text(proven) == ""
    text = offline_text(replace(proven, offline=OfflinePlan(used, 10_000, 9_000, 400)))
    assert verb in text
    assert ("it is not used" in text) != used


def test_the_table_shows_prediction_and_truth(proven: ArenaInfo) -> None:
    console = Console(width=120, record=True)
    console.print(arena_summary(proven))
    text = console.export_text()
    for value in (proven.predicted.head, proven.predicted.tail) if proven.predicted else ():
        assert text.count(f"{value:,}") >= 2
    assert all(part.name in text for part in proven.parts[:2])
