"""Which board a search is for: the smallest on which its limit leaves a choice of networks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from micronets_gen import api
from micronets_gen.boards.board import Board
from micronets_gen.boards.load import load_board
from micronets_gen.errors import BoardError, FitError, MicronetsError, UsageError
from micronets_gen.search.run import boards, request
from micronets_gen.search.run.request import TargetRequest
from micronets_gen.search.space.cost import cost_of
from micronets_gen.search.space.room import ROOM, BoardChoice
from micronets_gen.timing.regression import Regression
from tests.search.test_search import DIGITS, run_cli, small_recipe
from tests.support.command import Cli
from tests.support.regression import INVENTED

UNKNOWN = "nucleo_h743zi"
THREE = "nucleo_f746zg,nucleo_l4r5zi, nucleo_f446re"
SLOWEST_FIRST = ["nucleo_l4r5zi", "nucleo_f446re", "nucleo_f746zg"]


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every board but one takes the cycles of one regression."""

    def regression(board: Board, _runtime: str) -> Regression | None:
        return None if board.name == UNKNOWN else INVENTED

    for module in (boards, request):
        monkeypatch.setattr(module, "regression_on", regression)


def cycles(choice: str) -> int:
    """Return those of the backbone's ``smallest`` or ``full`` network."""
    return cost_of(DIGITS.architecture(getattr(DIGITS, choice)()), INVENTED).cycles or 0


def milliseconds(cycles: float, board: str) -> float:
    """Return a limit that a prediction of so many cycles just keeps."""
    return (cycles + 1) * 1.05 / load_board(board).clock_hz * 1e3


def chosen(named: str = THREE, **asked: Any) -> BoardChoice:
    return api.choose_board(task="digits", runtime="aot", boards=named, **asked)


def test_the_smallest_board_with_room_is_chosen() -> None:
    """A limit that the largest network keeps on one board leaves all of them there, and fewer on slower boards."""
    found = chosen(latency_ms=milliseconds(cycles("full"), "nucleo_f446re"))
    assert [room.board for room in found.boards] == SLOWEST_FIRST
    shares = [room.room for room in found.boards]
    assert shares == sorted(shares)
    assert shares[1:] == [1.0, 1.0]
    assert found.board == next(room.board for room in found.boards if room.room >= ROOM)
    assert {(room.smallest_cycles, room.largest_cycles) for room in found.boards} == {
        (cycles("smallest"), cycles("full"))
    }
    assert found.boards[1].limit_cycles == pytest.approx(cycles("full"), abs=1)
    assert "the smallest board on which at least 10 % of the networks meet the limits" in found.text


def test_where_none_has_room_the_one_with_the_most_is_chosen() -> None:
    """The smallest network alone fits on the fastest board, and nothing on the others."""
    found = chosen(latency_ms=milliseconds(cycles("smallest"), "nucleo_f746zg"))
    assert [room.verdict for room in found.boards] == ["none", "none", "tight"]
    assert [room.room < ROOM for room in found.boards] == [True] * 3
    assert found.board == "nucleo_f746zg"
    assert "on no board do 10 % of the networks" in found.text
    assert not found.boards[2].shortfalls


def test_limits_of_memory_count() -> None:
    """Where memory is what is scarce, fewer networks meet the limits, on the fastest board, too."""
    time = milliseconds(cycles("full"), "nucleo_l4r5zi")
    assert {room.room for room in chosen(latency_ms=time).boards} == {1.0}
    least = max(
        TargetRequest(name, "aot").resolve().demand(DIGITS.architecture(DIGITS.smallest())).ram
        for name in SLOWEST_FIRST
    )
    scarce = chosen(latency_ms=time, ram=least + 256)
    assert [room.verdict for room in scarce.boards if room.shortfalls or room.room == 1.0] == []


def test_an_energy_is_another_time_on_each_board() -> None:
    found = chosen(energy_uj=500.0)
    assert len({room.limit_ms for room in found.boards}) == 3
    for room in found.boards:
        power = load_board(room.board).power
        assert power
        assert room.limit_ms == pytest.approx(0.5 / power.active_mw * 1e3, rel=1e-4)


def test_a_board_file_is_named_by_its_path(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_bytes(Path(load_board("nucleo_l4r5zi").path).read_bytes())
    found = chosen(f"nucleo_f746zg,{mine}", fps=1.0)
    assert (found.board, found.given) == ("mine", str(mine))


@pytest.mark.parametrize(
    ("named", "asked", "kind", "text"),
    [
        ("nix,nucleo_l4r5zi", {"fps": 1.0}, BoardError, "there is no board 'nix'"),
        ("nucleo_l4r5zi,nucleo_l4r5zi", {"fps": 1.0}, UsageError, "--boards: nucleo_l4r5zi is named twice"),
        (" , ", {"fps": 1.0}, UsageError, "--boards: names no board"),
        (THREE, {}, UsageError, "--boards: needs a limit in time or energy, by which a board is chosen"),
        (
            f"nucleo_l4r5zi,{UNKNOWN}",
            {"fps": 1.0},
            UsageError,
            f"{UNKNOWN}: the time of aot firmware is not known on this board",
        ),
        (
            "nucleo_l4r5zi,nucleo_f767zi",
            {"energy_uj": 9.0},
            UsageError,
            "nucleo_f767zi: the power of this board is not known",
        ),
    ],
)
def test_what_cannot_be_chosen_from_is_said(
    named: str, asked: dict[str, float], kind: type[MicronetsError], text: str
) -> None:
    with pytest.raises(kind) as caught:
        chosen(named, **asked)
    assert str(caught.value).partition("\n")[0] == text


def test_a_limit_that_no_network_meets_anywhere_is_said_for_each_board() -> None:
    with pytest.raises(FitError) as caught:
        chosen(latency_ms=0.001)
    assert caught.value.where == ", ".join(SLOWEST_FIRST)
    for name in SLOWEST_FIRST:
        assert f"{name}: the smallest network needs" in caught.value.why


def test_options_that_contradict_are_said(cli: Cli) -> None:
    common = ("search", "--task", "digits", "--boards", THREE)
    for more, text in (
        (("--board", "nucleo_f446re", "--fps", "1"), "--board, --boards: give one of them"),
        (("--mops", "1"), "--boards, --mops: operations are no time, by which a board is chosen"),
        (("--sweep", "1,2"), "--sweep: does not go with another limit, --boards or --run"),
    ):
        done = cli(*common, *more)
        assert done.status == UsageError.exit_code
        assert done.err.partition("\n")[0] == f"error: {text}"
    assert cli("search", "--task", "digits").err.startswith("error: --board: a search needs a board\n")


@pytest.mark.needs("tensorflow")
def test_the_search_is_for_the_board_that_was_chosen(tmp_path: Path) -> None:
    """In a process of its own, with what is known of these boards."""
    settings = [part for setting in small_recipe() for part in ("--set", setting)]
    asked = ["--boards", "nucleo_f746zg,nucleo_f767zi", "--runtime", "aot", "--latency-ms", "5"]
    result = run_cli("search", "--task", "digits", *asked, "--out", str(tmp_path), "--json", *settings)
    assert result.returncode == 0, result.stderr
    done = json.loads(result.stdout)
    assert done["choice"]["board"] == done["target"]["board"]
    assert [room["board"] for room in done["choice"]["boards"]] == ["nucleo_f746zg", "nucleo_f767zi"]
    assert done["target"]["time"]["limit_ms"] == 5
    assert done["cost"]["cycles"] <= done["choice"]["boards"][0]["limit_cycles"]
    again = run_cli("search", "--task", "digits", *asked, "--seed", "1", "--out", str(tmp_path), *settings)
    assert again.returncode == UsageError.exit_code, "the folder holds another run"
    assert re.search(
        r"^nucleo_f767zi +M7 +216 MHz +5.00 ms +[0-9,]+ +[0-9,]+ +[0-9,]+ +\d+ %", again.stdout, re.M
    )
    assert f"{done['choice']['board']}: the smallest board on which" in again.stdout
