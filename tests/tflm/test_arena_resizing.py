"""What becomes of an arena that the image finds too large, too small, or cannot try out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from micronets_gen.boards.load import load_board
from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.plan.arena import ArenaInfo, ArenaSize
from micronets_gen.plan.plan import MemoryPlan, Plan
from micronets_gen.runtimes.tflm.arena.cmsis_nn import Simd
from micronets_gen.runtimes.tflm.arena.kernels import Target
from micronets_gen.runtimes.tflm.arena.model import read_model
from micronets_gen.runtimes.tflm.arena.pinned import PINNED
from micronets_gen.runtimes.tflm.arena.predict import predict
from micronets_gen.runtimes.tflm.arena.sizing import describe_arena, margin
from micronets_gen.runtimes.tflm.runtime import TflmRuntime
from tests.support.networks import random_network
from tests.tflm.trees import small_trees

_FILE = random_network(6).model
_NEEDED = predict(read_model(_FILE, "random"), Target(Simd.DSP), PINNED)


@pytest.fixture
def runtime(tmp_path: Path) -> TflmRuntime:
    return TflmRuntime(small_trees(tmp_path))


@pytest.fixture(scope="module")
def plan() -> Plan:
    graph = read_model_bytes(_FILE, "random.tflite")
    return Plan(
        graph, load_board("nucleo_f446re"), "tflm", (), MemoryPlan((), _NEEDED.needed, 0), "", "random"
    )


def _measured(needed: int) -> ArenaSize:
    return ArenaSize(_NEEDED.head, _NEEDED.tail, _NEEDED.transient, needed, needed)


def _wanted(runtime: TflmRuntime, plan: Plan, arena: ArenaInfo) -> int | None:
    other = runtime.resized(plan, arena)
    return other.arena_bytes if other else None


def test_what_fits_stays(runtime: TflmRuntime, plan: Plan) -> None:
    arena = describe_arena(_NEEDED.needed, _NEEDED, "elf", _measured(_NEEDED.needed), True)
    assert _wanted(runtime, plan, arena) is None


@pytest.mark.parametrize("difference", [-160, 16, 4_096])
def test_the_measurement_decides(runtime: TflmRuntime, plan: Plan, difference: int) -> None:
    arena = describe_arena(_NEEDED.needed + difference, _NEEDED, "elf", _measured(_NEEDED.needed), True)
    assert _wanted(runtime, plan, arena) == _NEEDED.needed


def test_an_image_without_enough_gets_plenty(runtime: TflmRuntime, plan: Plan) -> None:
    arena = describe_arena(_NEEDED.needed, _NEEDED, "elf", None, False)
    wanted = _wanted(runtime, plan, arena)
    assert wanted is not None
    assert wanted >= 2 * _NEEDED.needed


def test_without_a_trial_there_is_a_margin(runtime: TflmRuntime, plan: Plan) -> None:
    bare = describe_arena(_NEEDED.needed, _NEEDED, "elf")
    wanted = _NEEDED.needed + margin(_NEEDED.needed, proven=False)
    assert _wanted(runtime, plan, bare) == wanted
    assert _wanted(runtime, plan, replace(bare, size=wanted)) is None


def test_a_bound_that_nobody_can_check_stays(runtime: TflmRuntime, plan: Plan) -> None:
    assert _wanted(runtime, plan, describe_arena(90_000, None, "")) is None
