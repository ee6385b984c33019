"""What an arena is laid out for: RAM, speed, or no more rolling than the RAM there is demands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import micronets_gen
from micronets_gen.boards.load import load_board
from micronets_gen.bundled.catalogue import resolve_model
from micronets_gen.errors import FitError, UsageError
from micronets_gen.jobs.check import check_on_boards
from micronets_gen.jobs.fitting import Plans
from micronets_gen.operators.reading import read_model
from micronets_gen.plan.fit import Demand, demand
from micronets_gen.plan.goal import Goal
from micronets_gen.plan.plan import Arenas, Plan
from micronets_gen.project.lock import LOCK_FILE, Lock
from micronets_gen.report.arenas import arenas_text
from micronets_gen.runtimes.aot.runtime import AotRuntime

KWS = read_model(resolve_model("kws-s").path)
BOARD = load_board("nucleo_f446re")


def planned(goal: Goal, board: str = "nucleo_f446re") -> tuple[Plan, Demand, Arenas]:
    runtime = AotRuntime().optimized(goal)
    plan = runtime.plan(KWS, load_board(board), "kws")
    assert plan.arenas is not None
    assert plan.arenas.arena_bytes == plan.memory.size
    return plan, demand(plan, runtime.footprint(plan), plan.board), plan.arenas


def test_where_ram_is_plenty_nothing_rolls() -> None:
    plan, _, arenas = planned(Goal())
    assert not plan.memory.groups
    assert (arenas.arena_bytes, arenas.rolled_layers, arenas.rolled_rows) == (arenas.whole_bytes, 0, 0)
    assert (
        arenas_text(arenas)
        == "51,660 bytes for balanced, no layer rolls (51,660 with every tensor whole, 12,278 at least)"
    )


def test_no_more_rolls_than_the_limit_demands() -> None:
    most = planned(Goal("ram"))[2]
    assert most.arena_bytes == most.smallest_bytes < most.whole_bytes
    rows = 0
    for limit in (60_000, 45_000, 36_000, 24_000):
        _, need, arenas = planned(Goal(ram=limit))
        assert need.ram <= limit
        assert rows <= arenas.rolled_rows <= most.rolled_rows
        assert most.arena_bytes <= arenas.arena_bytes
        rows = arenas.rolled_rows
    assert rows > 100


def test_a_model_that_fits_no_limit_is_told_by_how_much() -> None:
    goal = Goal(ram=9000)
    _, need, arenas = planned(goal)
    assert arenas.arena_bytes == arenas.smallest_bytes
    with pytest.raises(FitError) as caught:
        goal.require(need, BOARD, arenas.smallest_bytes)
    assert str(caught.value) == (
        f"nucleo_f446re: the model needs {need.ram:,} bytes of RAM, {need.ram - 9000:,} more than --ram allows\n"
        f"  why: {need.arena:,} bytes of arena, {need.other_ram:,} of data and stack; the smallest arena has "
        f"{arenas.smallest_bytes:,}\n"
        "  what to do: allow more, or take a smaller model"
    )


def test_speed_is_told_that_rolling_would_do() -> None:
    goal = Goal("speed", 40_000)
    _, need, arenas = planned(goal)
    with pytest.raises(FitError, match="more than --ram allows") as caught:
        goal.require(need, BOARD, arenas.smallest_bytes)
    assert caught.value.remedy == "leave --optimize at balanced"


@pytest.mark.parametrize(
    ("optimize", "ram", "message"),
    [
        ("fast", None, "--optimize: there is nothing called 'fast' to optimise for"),
        ("ram", "12 KB", "--ram: '12 KB' is no size"),
        ("ram", 0, "--ram: 0 bytes hold nothing"),
    ],
)
def test_wishes_that_are_none_are_refused(optimize: str, ram: int | str | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Goal.of(optimize, ram)
    assert str(caught.value).startswith(message)
    assert caught.value.remedy


def test_check_says_what_a_limit_lacks() -> None:
    (fit,) = check_on_boards(KWS, [BOARD], "aot", goal=Goal("speed", 40_000)).boards
    assert not fit.fits
    assert [problem.remedy for problem in fit.problems] == ["leave --optimize at balanced"]
    (fit,) = check_on_boards(KWS, [BOARD], "aot", goal=Goal(ram=40_000)).boards
    assert fit.fits
    assert fit.time is None
    assert fit.timing_note.startswith("layers that run row by row were not characterised")


def test_boards_with_other_ram_get_plans_of_their_own() -> None:
    plans = Plans(KWS, AotRuntime().optimized(Goal(ram=40_000)))
    assert plans.on(BOARD)[0].memory.groups
    plans = Plans(KWS, AotRuntime())
    assert plans.on(BOARD)[0] is not plans.on(load_board("nucleo_l4r5zi"))[0]


def test_a_project_keeps_what_its_arena_was_laid_out_for(tmp_path: Path) -> None:
    built = micronets_gen.build(
        board="nucleo_f446re", model="digits", runtime="aot", optimize="ram", out=tmp_path, no_compile=True
    )
    assert Lock.load(tmp_path / LOCK_FILE).inputs.optimize == "ram"
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["arenas"]["optimize"] == "ram"
    assert report["arenas"]["arena_bytes"] == report["memory"]["size"] == report["arenas"]["smallest_bytes"]
    assert report["arenas"]["arena_bytes"] < report["arenas"]["whole_bytes"]
    assert report["memory"]["groups"]
    assert "run row by row" in (tmp_path / "lib" / "model" / "model.c").read_text()
    assert built.details.arenas is not None


def test_an_interpreter_is_said_to_keep_tensors_whole(tmp_path: Path) -> None:
    told: list[str] = []
    try:
        micronets_gen.build(
            board="nucleo_f446re",
            model="digits",
            runtime="tflm",
            optimize="ram",
            out=tmp_path,
            no_compile=True,
            tell=told.append,
        )
    except micronets_gen.MicronetsError as error:
        pytest.skip(error.what)
    assert "--optimize ram changes nothing: tflm keeps every tensor whole" in told
