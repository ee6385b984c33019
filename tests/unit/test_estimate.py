"""Predicted time of a model before anything is compiled: what ``check`` says of boards, and when it says nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from micronets_gen import api
from micronets_gen.boards.board import Board
from micronets_gen.boards.load import load_board
from micronets_gen.bundled.catalogue import resolve_model
from micronets_gen.common.numbers import duration, energy
from micronets_gen.errors import UsageError
from micronets_gen.jobs import estimate
from micronets_gen.jobs.estimate import estimate_on
from micronets_gen.model.graph import Padding
from micronets_gen.operators.reading import read_model
from micronets_gen.runtimes.choose import choose_runtime
from micronets_gen.search.space.cost import cost_of
from micronets_gen.search.space.zoo import published, write_untrained
from micronets_gen.timing.estimate import Estimate, predictable
from micronets_gen.timing.regression import POINT, Regression, Window, work_of
from micronets_gen.timing.result import Band
from tests.support.command import Cli
from tests.support.networks import Network
from tests.support.regression import INVENTED

MODEL = "micronet-kws-s"
SLOW = "nucleo_l4r5zi"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every board but the NUCLEO-L4R5ZI takes the cycles of one regression."""

    def regression(board: Board, _runtime: str) -> Regression | None:
        return None if board.name == SLOW else INVENTED

    monkeypatch.setattr(estimate, "regression_on", regression)


def test_both_errors_count() -> None:
    time = Estimate(1_200_000, 120_000_000, 5.0, 40, Band(4.0, 9))
    assert time.milliseconds == 10.0
    assert time.error_percent == 9.2
    assert time.text == "10.00 ms ±9.2 %"
    assert (
        time.basis == "predicted within 5 % of the modelled time of 40 models; that: ±4 %, 9 measured images"
    )
    assert not time.within(0.0104)
    assert time.within(0.0106)
    assert predictable(105, 5.0) == 100


@pytest.mark.usefixtures("known")
def test_check_predicts_what_the_search_does(tmp_path: Path) -> None:
    """A converted file may hold other layers; that of an architecture holds those that the search counts."""
    result = api.check(write_untrained(MODEL, tmp_path), runtime="aot")
    cycles = cost_of(published(MODEL).architecture, INVENTED).cycles
    times = {fit.board: fit.time for fit in result.boards}
    assert times.pop(SLOW) is None
    assert {time.cycles for time in times.values() if time} == {cycles}
    assert all(times.values())
    assert result.passed
    assert result.limit_ms is result.smallest is None


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("board", ["nucleo_f446re", "nucleo_f746zg", "nucleo_h743zi"])
def test_the_smallest_board_is_the_slowest_that_suffices(cli: Cli, tmp_path: Path, board: str) -> None:
    """Boards that are emulated only cannot be had, whatever their clock."""
    model = write_untrained(MODEL, tmp_path)
    cycles = cost_of(published(MODEL).architecture, INVENTED).cycles or 0
    fps = load_board(board).clock_hz / (1.05 * cycles)
    done = cli("check", model, "--runtime", "aot", "--fps", repr(0.999 * fps), "--json")
    assert (done.status, done.json["smallest"]) == (0, board)
    meets = {fit["board"]: fit["meets"] for fit in done.json["boards"]}
    assert meets.pop("nucleo_l4r5zi") is None
    assert meets["nucleo_h743zi"]
    assert not meets["qemu_mps2_an386"]
    text = cli("check", model, "--runtime", "aot", "--fps", repr(0.999 * fps)).out
    assert f"the smallest board for {duration(1 / (0.999 * fps))} an inference: {board}" in text
    faster = cli("check", model, "--runtime", "aot", "--fps", repr(1.001 * fps), "--json")
    assert faster.json["smallest"] != board


@pytest.mark.usefixtures("known")
def test_boards_that_are_named_are_compared(cli: Cli, tmp_path: Path) -> None:
    model = write_untrained(MODEL, tmp_path)
    cycles = cost_of(published(MODEL).architecture, INVENTED).cycles or 0
    limit = repr(1.06e3 * cycles / load_board("nucleo_f746zg").clock_hz)
    some = ("--boards", " nucleo_h743zi,nucleo_f446re, nucleo_f746zg")
    done = cli("check", model, "--runtime", "aot", *some, "--latency-ms", limit, "--json").json
    assert [fit["board"] for fit in done["boards"]] == ["nucleo_h743zi", "nucleo_f446re", "nucleo_f746zg"]
    assert done["smallest"] == "nucleo_f746zg"
    twice = cli("check", model, "--boards", "nucleo_f446re,nucleo_f446re")
    assert (twice.status, twice.err.partition("\n")[0]) == (
        UsageError.exit_code,
        "error: --boards: nucleo_f446re is named twice",
    )
    both = cli("check", model, "--boards", "nucleo_f446re", "--board", "nucleo_f446re")
    assert (both.status, both.err) == (UsageError.exit_code, "error: --board, --boards: give one of them\n")


@pytest.mark.usefixtures("known")
def test_a_rate_that_no_board_meets_fails(cli: Cli, tmp_path: Path) -> None:
    model = write_untrained(MODEL, tmp_path)
    done = cli("check", model, "--runtime", "aot", "--latency-ms", "1")
    assert done.status == 1
    assert "predicted to take at most 1.00 ms an inference: none that holds the model" in done.out
    one = cli("check", model, "--runtime", "aot", "-b", "nucleo_h743zi", "--latency-ms", "1000")
    assert one.status == 0
    assert "predicted to take at most 1,000.00 ms an inference" in one.out
    said = cli("check", model, "--runtime", "aot", "--latency-ms", "1", "--json").json
    assert (said["passed"], said["smallest"], said["limit_ms"]) == (False, None, 1.0)


@pytest.mark.usefixtures("known")
def test_an_energy_is_a_limit_where_power_is_known(cli: Cli, tmp_path: Path) -> None:
    model = write_untrained(MODEL, tmp_path)
    board = load_board("nucleo_f446re")
    assert board.power
    cycles = cost_of(published(MODEL).architecture, INVENTED).cycles or 0
    microjoules = board.power.active_mw * cycles / board.clock_hz * 1e3
    common = ("check", model, "--runtime", "aot")
    enough = (*common, "--energy-uj", repr(1.051 * microjoules))
    done = cli(*enough, "--json")
    assert (done.status, done.json["smallest"]) == (0, board.name)
    assert (done.json["limit_uj"], done.json["limit_ms"]) == (1.051 * microjoules, None)
    fits = {fit["board"]: fit for fit in done.json["boards"]}
    assert fits[board.name]["energy_uj"] == pytest.approx(microjoules)
    assert [fits[name]["meets"] for name in (board.name, "nucleo_f746zg", "nucleo_h743zi", SLOW)] == [
        *(True, False),
        *(None, None),
    ]
    assert [fits[name]["energy_uj"] for name in ("nucleo_h743zi", SLOW)] == [None, None]
    text = cli(*enough).out
    assert f"the smallest board for {energy(1.051 * microjoules)} an inference: {board.name}" in text
    percent = fits[board.name]["energy_error_percent"]
    assert f"{energy(microjoules)} ±{percent:.0f} %, yes" in text
    assert "time, since no power is known: predicted within 5 %" in " ".join(text.split())
    assert cli(*common, "--energy-uj", repr(1.049 * microjoules)).status == 1
    unknown = cli(*common, "-b", "nucleo_h743zi", "--energy-uj", "500")
    assert unknown.status == UsageError.exit_code
    assert unknown.err.startswith("error: nucleo_h743zi: the power of this board is not known\n")
    slow = cli(*common, "-b", SLOW, "--energy-uj", "500")
    assert slow.err.startswith(f"error: {SLOW}: the time of aot firmware is not known on this board\n")
    assert cli(*common, "--energy-uj", "5", "--fps", "5").status == UsageError.exit_code


@pytest.mark.usefixtures("known")
def test_a_rate_where_no_time_is_known_is_a_mistake(cli: Cli, tmp_path: Path) -> None:
    model = write_untrained(MODEL, tmp_path)
    done = cli("check", model, "--runtime", "aot", "-b", SLOW, "--fps", "5")
    assert done.status == UsageError.exit_code
    assert done.err == (
        "error: nucleo_l4r5zi: the time of aot firmware is not known on this board\n"
        "  why: its layers were not characterised\n"
        "  what to do: build and run it, which models the time of the image, or find it out: "
        "micronets-gen characterise --board nucleo_l4r5zi --runtime aot --record\n"
    )
    assert cli("check", model, "--fps", "5", "--latency-ms", "5").status == UsageError.exit_code
    assert cli("check", model, "--fps", "-5").status == UsageError.exit_code


@pytest.mark.usefixtures("known")
def test_a_reshape_that_executes_nothing_takes_no_time() -> None:
    graph = read_model(resolve_model("digits").path)
    plan = choose_runtime("aot").runtime.plan(graph, load_board("nucleo_f446re"), "digits")
    time, note = estimate_on(load_board("nucleo_f446re"), plan)
    works = estimate.works_of(plan)
    assert [work.kind for work in works].count("RESHAPE") == 1
    cycles = INVENTED.model([work for work in works if work.kind != "RESHAPE"])
    assert (time and time.cycles, note) == (round(cycles or 0), "")


def test_layers_that_were_not_characterised_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {kind: w for kind, w in INVENTED.weights.items() if kind != "MAX_POOL_2D"}
    lacking = replace(INVENTED, weights=known)
    monkeypatch.setattr(estimate, "regression_on", lambda *_: lacking)
    (fit,) = api.check("digits", board="nucleo_f446re", runtime="aot").boards
    assert (fit.time, fit.timing_note) == (None, "not characterised with aot: MAX_POOL_2D")
    with pytest.raises(UsageError) as caught:
        api.check("digits", board="nucleo_f446re", runtime="aot", fps=10.0)
    assert caught.value.remedy == "build and run it, which models the time of the image"


@pytest.mark.parametrize(
    ("size", "outputs", "kernel", "stride", "dilation", "padding", "inside"),
    [
        (8, 8, 3, 1, 1, 1, 22),
        (8, 4, 3, 2, 1, 0, 11),
        (8, 6, 3, 1, 1, 0, 18),
        (49, 25, 10, 2, 1, 4, 235),
        (7, 7, 3, 1, 2, 2, 17),
        (2, 2, 5, 1, 1, 2, 4),
    ],
)
def test_only_taps_inside_the_input_count(
    size: int, outputs: int, kernel: int, stride: int, dilation: int, padding: int, inside: int
) -> None:
    window = Window((1, kernel), (1, stride), (1, dilation), (0, padding))
    assert window.inside(1, size, outputs) == inside


def test_the_window_of_a_layer_is_that_of_the_operator() -> None:
    n = Network(0)
    x = n.convolution(n.input((1, 9, 8, 3)), 5, (3, 2), (2, 1), padding=Padding.VALID)
    n.depthwise(x, (3, 3), (1, 2))
    plan = choose_runtime("aot").runtime.plan(n.graph(), load_board(SLOW), "windows")
    conv, depthwise = estimate.works_of(plan)
    assert (conv.positions, conv.rows, conv.inner_rows) == (4 * 7, 3 * 4 * 7, 3 * 4 * 7)
    assert (conv.taps, conv.elements) == (6 * 4 * 7, 3 * 6 * 4 * 7)
    assert (depthwise.positions, depthwise.rows, depthwise.inner_rows) == (4 * 4, 3 * 4 * 4, 10 * 4)
    assert (depthwise.taps, depthwise.elements) == (10 * 10, 5 * 10 * 10)


def test_weights_beyond_a_cache_are_told() -> None:
    small, large = (
        work_of("CONV_2D", (1, 5, 5, n), (1, 5, 5, n), 25 * n * n, POINT).spilled for n in (64, 65)
    )
    assert (small, large) == (0, 25 * (65 * 65 - 4096))
