"""Tables on terminals of 60, 80 and 140 columns: what a row is about, numbers and verdicts are never cut."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console, RenderableType

from micronets_gen import api
from micronets_gen.boards.load import load_board, load_boards
from micronets_gen.bundled.catalogue import bundled_models
from micronets_gen.plan.check import BoardFit, CheckResult, RegionUse
from micronets_gen.report import terminal
from micronets_gen.report.comparison_terminal import comparison_tables
from micronets_gen.report.inspect import render
from micronets_gen.report.listing import board_details, board_table, check_table, model_table, published_table
from micronets_gen.report.table import ORNAMENT, Column, FittingTable
from micronets_gen.search.report.boards import board_rooms
from micronets_gen.search.space.room import BoardChoice, BoardRoom
from micronets_gen.search.space.zoo import published_list
from micronets_gen.timing.estimate import Estimate
from micronets_gen.timing.firmware import about
from micronets_gen.timing.result import Band
from tests.unit.test_bench import FIRST, SECOND, timed
from tests.unit.test_report import graph_report
from tests.unit.test_timing_shown import timed_report

WIDTHS = (60, 80, 140)
NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+|\d+\.\d+ ?%?")


def text(what: RenderableType | Callable[[Console], None], width: int) -> str:
    console = Console(width=width, file=io.StringIO(), record=True)
    if callable(what):
        what(console)
    else:
        console.print(what)
    return console.export_text()


def long_names() -> Any:
    summary = api.inspect("digits")
    layers = [
        replace(layer, name=f"{layer.name}_{'x' * 60}", macs=123_456_789, live_bytes=7_654_321)
        for layer in summary.layers
    ]
    return replace(summary, layers=tuple(layers))


def fits() -> CheckResult:
    use = (RegionUse("FLASH", "flash", 1 << 20, 1 << 21), RegionUse("all RAM", "ram", 655_360, 1_234_567))
    return CheckResult("m", (), tuple(BoardFit(board.name, False, use) for board in load_boards()))


def timed_fits() -> CheckResult:
    time = Estimate(2_160_000, 180_000_000, 5.0, 40, Band(15.0))
    timed = [replace(fit, time=time, meets=False) for fit in fits().boards]
    return replace(fits(), boards=tuple(timed), limit_ms=10.0)


def rooms() -> BoardChoice:
    """All but the first board have room."""
    every = [
        BoardRoom(b.name, b.core, b.clock_hz, 2.5, 1_234_567, 98_765, 12_345_678, 5.0, 0.35, ())
        for b in load_boards()
    ]
    none = replace(every[0], room=0.0, shortfalls=("3 ms as predicted, more than 2.5 ms",))
    return BoardChoice(every[1].board, (none, *every[1:]), every[1].board)


REPORT = graph_report()
NAMES = [layer.name for layer in REPORT.layers]
BOARDS = [board.name for board in load_boards()]
TABLES: dict[str, tuple[Any, list[str]]] = {
    "boards": (board_table(load_boards()), BOARDS),
    "boards show": (
        board_details(load_board("nucleo_h743zi"), about("cortex-m7", "stm32h7")),
        ["AXI", "0x24000000", "512 KiB"],
    ),
    "models": (model_table(bundled_models()), ["kws-s", "95.9%", "digits", "99.4%"]),
    "published": (published_table(published_list()), [row["name"] for row in published_list()]),  # type: ignore[misc]
    "check": (check_table(fits()), [*BOARDS, "no", "1,234,567"]),
    "check, timed": (check_table(timed_fits()), [*BOARDS, "12.00 ms ±20.8 %, no", "within 5 %"]),
    "search --boards": (
        board_rooms(rooms()),
        [*BOARDS, "1,234,567", "35 %", "0 %", "room", "none", f"{BOARDS[0]}: the smallest network needs"],
    ),
    "inspect": (lambda console: render(api.inspect("digits"), console), [*NAMES, "91,136"]),
    "run": (terminal.run_summary(REPORT), [*NAMES, "PASS", "36,417"]),
    "run, timed": (terminal.run_summary(timed_report()), [*NAMES, "PASS", "ms ±4 %"]),
    "build": (terminal.build_summary(REPORT), ["FLASH", "DTCM", "SRAM1", "21,006"]),
    "bench": (
        comparison_tables((FIRST, replace(SECOND, passed=False))),
        ["conv", "exact", "WRONG", "FAIL", "40,960"],
    ),
    "bench, timed": (
        comparison_tables((timed(FIRST, 2), timed(SECOND, 3))),
        ["conv", "exact", "40,960", "6.000", "8,000", "±4 %"],
    ),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", TABLES)
def test_names_and_verdicts_are_whole(name: str, width: int) -> None:
    what, whole = TABLES[name]
    shown = text(what, width)
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown
    for word in whole:
        assert word in shown


@pytest.mark.parametrize("name", ["boards", "models", "published", "inspect", "build", "bench", "check"])
def test_80_columns_hold_every_number(name: str) -> None:
    what, _ = TABLES[name]
    assert sorted(NUMBER.findall(text(what, 80))) == sorted(NUMBER.findall(text(what, 140))) != []


def test_a_long_name_goes_on_in_the_next_line() -> None:
    for width in WIDTHS:
        shown = text(lambda console: render(long_names(), console), width)
        assert max(map(len, shown.splitlines())) <= width
        assert shown.count("123,456,789") == shown.count("7,654,321") == len(NAMES)
        assert shown.count("x") >= 60 * len(NAMES)


def test_what_has_no_room_at_all_becomes_blocks() -> None:
    columns = (Column("name"), Column("verdict"), Column("bar", rank=ORNAMENT), Column("note", rank=1))
    table = FittingTable.of(columns, [("a" * 40, "FAILED", "████", "why"), ("b", "passed", "██", "")])
    assert text(table, 60).splitlines()[0].split() == ["name", "verdict", "bar", "note"]
    assert text(table, 55).splitlines()[0].split() == ["name", "verdict", "note"]
    assert text(table, 50).splitlines()[0].split() == ["name", "verdict"]
    lines = [line.rstrip() for line in text(table, 30).splitlines()]
    assert lines == ["a" * 30, "a" * 10, "  verdict FAILED", "  note    why", "b", "  verdict passed"]


def test_a_table_without_rows_is_its_header() -> None:
    assert text(FittingTable.of((Column("name"), Column("verdict")), ()), 60).split() == ["name", "verdict"]
