"""Power of boards: what its figures rest on, what is refused, and the energy and battery life that follow."""

from __future__ import annotations

import io
from dataclasses import replace
from math import hypot
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from rich.console import Console

from micronets_gen import api
from micronets_gen.boards.load import load_board, load_boards
from micronets_gen.boards.power import Power, Sleep
from micronets_gen.common.numbers import energy, lifetime, power
from micronets_gen.common.quantities import milliampere_hours, seconds
from micronets_gen.errors import BoardError, UsageError
from micronets_gen.jobs.duty import DutyRequest, duty_cycle, duty_request, require_answer
from micronets_gen.report.comparison_page import comparison_page
from micronets_gen.report.comparison_terminal import comparison_tables
from micronets_gen.report.document import from_json, to_json
from micronets_gen.report.html import to_html
from micronets_gen.report.modelled import duty_text, energy_text
from micronets_gen.report.report import Report
from micronets_gen.report.terminal import run_summary
from micronets_gen.report.values import FirmwareRun
from tests.support.command import Cli
from tests.support.desk import speaking, spoken, with_cycles
from tests.unit.test_bench import FIRST, SECOND, dense
from tests.unit.test_board import GOOD, parse
from tests.unit.test_report import Page
from tests.unit.test_timing_shown import timed_report

POWER = """
[power]
active_mw = 100
percent = 3
supply_volts = 2.0
clock_hz = 216_000_000
conditions = "at my desk"
source = "me"

[power.sleep]
current_ua = 50
percent = 10
conditions = "Stop"
source = "me, too"
"""

MINE = Power(100.0, 3.0, 2.0, 216_000_000, "at my desk", "me", Sleep(50.0, 10.0, "Stop", "me, too"))

# --- what the figures of the boards rest on ---------------------------------------------------------------

MEASURED = {
    # arXiv:2010.11267, table 4: millijoules and seconds of the models that have both.
    "nucleo_f446re": [
        (70.56, 0.426),
        (40.68, 0.250),
        (27.25, 0.181),
        (74.16, 0.457),
        (21.132, 0.131),
    ],
    "nucleo_f746zg": [
        (274.32, 0.610),
        (83.16, 0.187),
        (48.6, 0.109),
        (478.8, 1.133),
        (36.36, 0.079),
        (196.2, 0.467),
        (133.2, 0.31),
        (269.64, 0.608),
        (91.8, 0.192),
        (229.32, 0.515),
        (98.64, 0.219),
        (25.956, 0.058),
    ],
    # MLPerf Tiny v1.2, STMicroelectronics, energy runs: median energy and throughput of KWS, IC, VWW, AD.
    "nucleo_l4r5zi": [
        (1.820454, 1 / 23.175),
        (6.919375, 1 / 6.062),
        (3.894566, 1 / 11.255),
        (0.203368, 1 / 190.458),
    ],
}


@pytest.mark.parametrize("name", MEASURED)
def test_figures_are_the_mean_of_what_was_measured_and_their_bands_hold_all_of_it(name: str) -> None:
    found = load_board(name).power
    assert found
    each = [millijoules / time for millijoules, time in MEASURED[name]]
    assert found.active_mw == pytest.approx(mean(each), rel=1e-3)
    farthest = max(abs(value / found.active_mw - 1) for value in each)
    assert found.percent - 1 < 100 * farthest <= found.percent
    if "table 4" in found.source:
        assert found.source.endswith(f"of {len(each)} models")


def test_every_figure_has_a_source_and_no_other_board_has_one() -> None:
    boards = {board.name: board.power for board in load_boards()}
    assert {name for name, known in boards.items() if known} == set(MEASURED)
    assert {name for name, known in boards.items() if known and known.sleep} == {
        "nucleo_f446re",
        "nucleo_f746zg",
    }
    for known in boards.values():
        for figure in filter(None, (known, known and known.sleep)):
            assert figure.source
            assert figure.conditions
            assert 0 < figure.percent < 50


# --- board files ------------------------------------------------------------------------------------------


def test_power_of_a_board_file() -> None:
    assert parse(GOOD + POWER).power == MINE
    assert parse(GOOD + POWER.partition("[power.sleep]")[0]).power == replace(MINE, sleep=None)
    assert parse().power is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'source = "me"\n',
            "",
            "mine.toml: [power]: the key 'source' is missing\n  what to do: add source = a text",
        ),
        (
            'source = "me, too"\n',
            "",
            "mine.toml: [power.sleep]: the key 'source' is missing\n  what to do: add source = a text",
        ),
        (
            'source = "me"',
            'source = " "',
            "mine.toml: [power]: 'source' is empty\n  what to do: say who published the figure, and what of its "
            "conditions is known; or remove the table",
        ),
        (
            'conditions = "Stop"',
            'conditions = ""',
            "mine.toml: [power.sleep]: 'conditions' is empty\n  what to do: say who published the figure, and what of "
            "its conditions is known; or remove the table",
        ),
        (
            "active_mw = 100",
            "active_mw = 0",
            "mine.toml: [power]: 'active_mw' must be more than 0 and at most 1e+06, not 0",
        ),
        (
            "supply_volts = 2.0",
            "supply_volts = 230",
            "mine.toml: [power]: 'supply_volts' must be more than 0 and at most 60, not 230",
        ),
        (
            "percent = 3",
            "percent = 0",
            "mine.toml: [power]: 'percent' must be more than 0 and at most 100, not 0",
        ),
        (
            "percent = 10",
            "percent = 101",
            "mine.toml: [power.sleep]: 'percent' must be more than 0 and at most 100, not 101",
        ),
        (
            "current_ua = 50",
            "current_ua = -1",
            "mine.toml: [power.sleep]: 'current_ua' must be more than 0 and at most 1e+06, not -1",
        ),
        (
            "active_mw = 100",
            'active_mw = "100 mW"',
            "mine.toml: [power]: 'active_mw' must be a number, not a text\n  why: it is '100 mW'",
        ),
        (
            "clock_hz = 216_000_000\nconditions",
            "clock_hz = 96_000_000\nconditions",
            "mine.toml: [power]: the power is that at 96 MHz, the core is at 216 MHz\n"
            "  what to do: give a figure for this clock, or remove the table",
        ),
    ],
)
def test_wrong_power(old: str, new: str, message: str) -> None:
    assert (GOOD + POWER).count(old) == 1
    with pytest.raises(BoardError) as caught:
        parse((GOOD + POWER).replace(old, new))
    assert str(caught.value) == message


# --- arithmetic -------------------------------------------------------------------------------------------


def test_energy_is_power_times_time() -> None:
    inference = MINE.energy(2.5, 4.0)  # 0.1 W for 0.0025 s
    assert inference.microjoules == pytest.approx(250)
    assert inference.percent == pytest.approx(5)  # of 3 and 4


def test_average_power_and_battery_life() -> None:
    cycle = MINE.duty_cycle(2.5, 4.0, every_s=0.5, battery_mah=225)
    asleep = 50e-6 * 2.0 * (0.5 - 0.0025)  # joules
    average = (250e-6 + asleep) / 0.5  # watts
    assert cycle.average_uw == pytest.approx(1e6 * average)
    assert cycle.average_error_percent == pytest.approx(hypot(250e-6 * 5, asleep * 10) / (250e-6 + asleep))
    assert cycle.battery_days == pytest.approx(0.225 * 3600 * 2.0 / average / 86400)  # joules over watts
    assert MINE.duty_cycle(2.5, 4.0, 0.5).battery_days is None
    busy = MINE.duty_cycle(500, 4.0, 0.5)
    assert busy.average_uw == pytest.approx(100e3)  # never asleep: the power while it computes
    assert busy.average_error_percent == pytest.approx(5)


@pytest.mark.parametrize("unknown", [MINE, replace(MINE, sleep=None)])
def test_what_cannot_sleep_has_no_duty_cycle(unknown: Power) -> None:
    with pytest.raises(ValueError, match="no sleep"):
        unknown.duty_cycle(501 if unknown.sleep else 1, 4.0, 0.5)


@pytest.mark.parametrize(
    ("text", "value"),
    [("500ms", 0.5), ("1s", 1), ("0.25s", 0.25), ("10min", 600), ("2 h", 7200), ("1d", 86400)],
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text, "--every") == pytest.approx(value)


@pytest.mark.parametrize(("text", "value"), [("225mAh", 225), ("1.2Ah", 1200)])
def test_capacities(text: str, value: float) -> None:
    assert milliampere_hours(text, "--battery") == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["", "1", "s", "-1s", "0s", "0.0ms", "1e3s", "1 hour", "1s\n", "1mAh", "inf"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        seconds(text, "--every")
    assert caught.value.what.endswith("is not a duration")
    assert (caught.value.where, caught.value.remedy) == ("--every", "write 500ms, 1s, 10min or 24h")


@pytest.mark.parametrize("text", ["225", "225mah", "0mAh", "1s", "-1mAh"])
def test_what_is_no_capacity(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        milliampere_hours(text, "--battery")
    assert str(caught.value) == (
        f"--battery: '{text}' is not a capacity\n  what to do: write 225mAh or 1.2Ah"
    )


def test_numbers_of_energy_have_three_digits() -> None:
    assert [energy(value) for value in (0.5, 9.994, 9.996, 203.4, 999.6, 1820.4, 99_960, 2.5e6)] == [
        "0.50 µJ",
        "9.99 µJ",
        "10.0 µJ",
        "203 µJ",
        "1.00 mJ",
        "1.82 mJ",
        "100 mJ",
        "2.50 J",
    ]
    assert power(41_700) == "41.7 mW"
    assert [lifetime(days) for days in (0.5, 12, 800)] == ["12.0 hours", "12.0 days", "2.19 years"]


# --- what a run tells -------------------------------------------------------------------------------------


@pytest.fixture
def report() -> Report:
    timed = timed_report()
    return replace(timed, board=replace(timed.board, power=MINE))


def shown(renderable: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(renderable)
    return out.getvalue()


def test_run_tells_energy_with_its_band_and_source(report: Report) -> None:
    assert report.timing
    value = FirmwareRun.of(Path("p"), report).to_json()
    assert value["energy_uj"] == pytest.approx(100 * report.timing.milliseconds)
    assert value["energy_error_percent"] == pytest.approx(5)
    assert (value["power_mw"], value["power_source"], value["duty_cycle"]) == (100, "me", None)
    text = energy_text(report)
    assert text == f"{energy(value['energy_uj'])} an inference, ±5 % (100 mW ±3 % at 2 V: me)"
    assert f"\n{text}\n" in shown(run_summary(report))
    page = " ".join(" ".join(Page(to_html(report)).text).split())
    number, unit = energy(value["energy_uj"]).split()
    assert f"Energy {number} {unit} ±5 % modelled time × 100 mW ±3 % at 2 V" in page
    assert text in page
    assert from_json(to_json(report)) == report
    core = replace(report, timing=replace(report.timing, core_only=True))
    assert energy_text(core).endswith(": me; core timings only)")


def test_without_a_figure_there_is_no_energy(report: Report) -> None:
    for unknown in (
        replace(report, board=replace(report.board, power=None)),
        replace(report, timing=None, timing_note="why"),
    ):
        value = FirmwareRun.of(Path("p"), unknown).to_json()
        assert [value[key] for key in ("energy_uj", "energy_error_percent", "power_mw")] == [None] * 3
        assert value["power_source"] == energy_text(unknown) == ""
        assert " J" not in shown(run_summary(unknown))
        assert ">Energy<" not in to_html(unknown)


def test_run_tells_average_power_and_battery_life(report: Report) -> None:
    cycle = duty_cycle(report, DutyRequest(0.5, 225))
    value = FirmwareRun.of(Path("p"), report, cycle).to_json()["duty_cycle"]
    assert report.timing
    assert value["average_uw"] == pytest.approx(
        (100 * report.timing.milliseconds + 100 * (0.5 - report.timing.milliseconds / 1e3)) / 0.5
    )
    assert (value["every_s"], value["battery_mah"]) == (0.5, 225)
    text = shown(run_summary(report, cycle))
    line = duty_text(cycle, MINE)
    assert f"\n{line}\n" in text
    assert line == (
        f"every 500 ms: {power(cycle.average_uw)} on average; 225 mAh at 2 V last "
        f"{lifetime(value['battery_days'])}, ±{cycle.average_error_percent:.0f} %"
    )
    alone = duty_cycle(report, DutyRequest(60, None))
    assert duty_text(alone, MINE).startswith("every 60 s: ")
    assert "mAh" not in duty_text(alone, MINE)


def test_what_a_duty_cycle_cannot_be_told_of(report: Report) -> None:
    assert duty_request(None, None) is None
    with pytest.raises(UsageError, match="how long a battery lasts depends on how often"):
        duty_request(None, "225mAh")
    unknown = replace(report, board=replace(report.board, power=None))
    sleepless = replace(report, board=replace(report.board, power=replace(MINE, sleep=None)))
    for wrong, message in (
        (unknown, "--every: the power of nucleo_f746zg is not known\n  what to do: add [power] to"),
        (
            sleepless,
            "--every: the current in deep sleep of nucleo_f746zg is not known\n  what to do: add [power.sl",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            require_answer(wrong, "")
        assert str(caught.value).startswith(message)
    with pytest.raises(UsageError) as caught:
        require_answer(report, "--no-time")
    assert str(caught.value).endswith("what to do: leave --no-time out")
    with pytest.raises(UsageError, match=r"an inference takes .* ms, longer than the 0.0100 ms"):
        duty_cycle(report, DutyRequest(1e-5, None))


def test_bench_compares_energy_where_every_runtime_has_it() -> None:
    timed = {"instructions": 1, "cycles": 2, "milliseconds": 0.1, "error_percent": 4.0, "measured_images": 9}
    known = {"energy_error_percent": 5.0, "power_mw": 100.0, "power_source": "me"}
    first = replace(FIRST, **timed, energy_uj=2000.0, **known)  # type: ignore[arg-type]
    second = replace(SECOND, **timed, energy_uj=1000.0, **known)  # type: ignore[arg-type]
    (line,) = (row for row in shown(comparison_tables([first, second])).splitlines() if "microjoules" in row)
    assert line.split() == ["microjoules", "±5", "%", "2,000", "1,000", "0.500"]
    assert "Power: 100 mW; me." in comparison_page([first, second])
    assert "microjoules" not in comparison_page([first, replace(second, energy_uj=None)])


def test_boards_show_tells_power_and_its_source(cli: Cli) -> None:
    for name in ("nucleo_f446re", "nucleo_l4r5zi", "nucleo_h743zi"):
        known = load_board(name).power
        text = " ".join(cli("boards", "show", name).out.split())
        value = cli("boards", "show", name, "--json").json["power"]
        if known is None:
            assert value is None
            assert "power" not in text
            continue
        assert value["active_mw"] == known.active_mw
        assert (
            f"power {power(known.active_mw * 1e3)} ±{known.percent:g} % at {known.supply_volts:g} V" in text
        )
        assert f"source {known.source} conditions {known.conditions}" in text
        told = "not known" if known.sleep is None else f"{known.sleep.current_ua:g} µA ±"
        assert f"deep sleep {told}" in text


# --- on a real image --------------------------------------------------------------------------------------


@pytest.mark.needs("compiler", "gcc", "unix")
def test_energy_and_battery_of_a_real_image(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "dense.tflite").write_bytes(dense())
    project = api.build(
        board="nucleo_f446re",
        model=tmp_path / "dense.tflite",
        runtime="aot",
        out=tmp_path / "p",
        vector_count=2,
    ).project
    done = cli("run", project, "--every", "1s", "--battery", "225mAh", "--json").json
    assert done["energy_uj"] == pytest.approx(160.5 * done["milliseconds"])
    assert done["energy_error_percent"] == pytest.approx(hypot(7, done["error_percent"]))
    mean_ma = (done["energy_uj"] / 3.3 + 120 * (1 - done["milliseconds"] / 1e3)) / 1e3
    assert done["duty_cycle"]["battery_days"] == pytest.approx(225 / mean_ma / 24)
    # On a board time is measured, whatever is modelled.
    with speaking(with_cycles(spoken(project, "nucleo_f446re"), lambda ticks: 3 * ticks)) as port:
        asked = ("--port", port, "--timeout", 60, "--no-time", "--every", "1s", "--json")
        desk = cli("run", project, *asked).json
    assert desk["count"] == 3 * done["count"]
    assert (desk["energy_uj"], desk["energy_error_percent"]) == (
        pytest.approx(160.5 * desk["measured_milliseconds"]),
        7,
    )
    assert desk["duty_cycle"]["average_uw"] == pytest.approx(
        desk["energy_uj"] + 3.3 * 120 * (1 - desk["measured_milliseconds"] / 1e3)
    )
    for words, message in (
        (("--every", "soon"), "--every: 'soon' is not a duration"),
        (("--battery", "225mAh"), "--battery: how long a battery lasts depends"),
        (("--every", "1s", "--no-time"), "--every: average power rests on modelled time"),
        (("--every", "0.001ms"), "--every: an inference takes "),
    ):
        failed = cli("run", project, *words)
        assert failed.status == 2
        assert message in failed.err
        assert len(failed.err.splitlines()) <= 3
