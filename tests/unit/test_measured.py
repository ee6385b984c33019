"""A board on a serial port: what it measured beside what is modelled of the same image."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from micronets_gen import api
from micronets_gen.jobs.execute import CLOCK_FAILED, NO_CYCLES, NOT_ASKED_FOR
from micronets_gen.report import terminal
from micronets_gen.report.html import to_html
from micronets_gen.report.report import Report
from tests.support.command import Cli, Outcome
from tests.support.desk import speaking, spoken, with_cycles
from tests.unit.test_bench import dense
from tests.unit.test_report import Page
from tests.unit.test_timing_shown import timed_report

BOARD = "nucleo_l4r5zi"
PROFILED = f"{BOARD}_profile"

on_a_desk = pytest.mark.needs("compiler", "gcc", "unix")


def twice(ticks: int) -> int:
    return 2 * ticks


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measured")
    (folder / "dense.tflite").write_bytes(dense())
    return api.build(
        board=BOARD, model=folder / "dense.tflite", runtime="aot", out=folder / "p", vector_count=2
    ).project


def measured(
    cli: Cli,
    project: Path,
    environment: str,
    *words: object,
    cycles: Callable[[int], int] = twice,
    change: Callable[[bytes], bytes] = lambda said: said,
) -> Outcome:
    """Run a project against a board that takes ``cycles`` of its image's instructions."""
    with speaking(change(with_cycles(spoken(project, environment), cycles))) as port:
        return cli("run", project, "--port", port, "--timeout", 60, *words)


@pytest.fixture(scope="module")
def emulated(project: Path) -> Any:
    done = api.run(project)
    return done.to_json()


# --- on real images ----------------------------------------------------------------------------------------


@on_a_desk
def test_the_profiled_image_is_compared_layer_by_layer(cli: Cli, project: Path, emulated: Any) -> None:
    done = measured(cli, project, PROFILED, "--json")
    assert done.status == 0, done.err
    said = done.json
    assert (said["unit"], said["passed"], said["timing_note"]) == ("cycles", True, "")
    assert said["measured_milliseconds"] == pytest.approx(said["count"] / 120e3)
    assert said["difference_percent"] == pytest.approx(100 * (said["cycles"] / said["count"] - 1))
    for layer, alone in zip(said["layers"], emulated["layers"], strict=True):
        assert layer["count"] == 2 * alone["count"]
        assert layer["cycles"] == alone["cycles"]  # of the profiled image's trace in either run
        assert layer["difference_percent"] == pytest.approx(100 * (layer["cycles"] / layer["count"] - 1))
    assert said["instructions"] == said["count"] / 2 > emulated["instructions"]  # measuring costs something
    assert sum(layer["cycles"] for layer in said["layers"]) < said["cycles"]


@on_a_desk
def test_the_release_image_is_compared_with_its_own_trace(cli: Cli, project: Path, emulated: Any) -> None:
    done = measured(cli, project, BOARD, "--json")
    assert done.status == 0, done.err
    said = done.json
    assert said["build"] == emulated["build"]
    assert (said["count"], said["cycles"]) == (2 * emulated["count"], emulated["cycles"])
    assert said["difference_percent"] == pytest.approx(100 * (said["cycles"] / said["count"] - 1))
    assert [layer["difference_percent"] for layer in said["layers"]] == [None]
    text = measured(cli, project, BOARD).out
    assert "The release image ran; layers are measured where the profiled one is uploaded." in text


@on_a_desk
def test_terminal_and_page_tell_measured_from_modelled(cli: Cli, project: Path) -> None:
    text = measured(cli, project, PROFILED, cycles=lambda ticks: 100 * ticks).out
    head = text.splitlines()[0]
    assert re.search(r"measured cycles +modelled ±15 % +difference +measured ms", head)
    assert re.search(
        r"^Measured on /dev/\S+: \S+ ms at 120 MHz \([\d,]+ cycles, profiled image\)$", text, re.M
    )
    assert re.search(r"^Modelled, not measured: .*: -9\d\.\d %, beyond the band$", text, re.M)
    page = " ".join(" ".join(Page((project / "report.html").read_text()).text).split())
    assert "Measured beside modelled Measured on /dev/" in page
    assert "Modelled, not measured: " in page


@on_a_desk
def test_modelling_is_left_out_where_asked_for_or_of_no_use(cli: Cli, project: Path) -> None:
    said = measured(cli, project, PROFILED, "--no-time", "--json").json
    assert (said["cycles"], said["difference_percent"], said["timing_note"]) == (None, None, NOT_ASKED_FOR)
    assert said["measured_milliseconds"] == pytest.approx(said["count"] / 120e3)
    said = measured(
        cli,
        project,
        BOARD,
        "--json",
        change=lambda said: said.replace(b",120000000,ok", b",4000000,fallback"),
    ).json
    assert (said["cycles"], said["timing_note"]) == (None, CLOCK_FAILED)
    assert said["measured_milliseconds"] == pytest.approx(said["count"] / 4e3)
    said = measured(
        cli,
        project,
        BOARD,
        "--json",
        change=lambda said: said.replace(b"counter,cycles,", b"counter,instructions,"),
    ).json
    assert (said["cycles"], said["measured_milliseconds"], said["timing_note"]) == (None, None, NO_CYCLES)


# --- words -------------------------------------------------------------------------------------------------


@pytest.fixture
def report() -> Report:
    """A board's run whose layers took a third of what was modelled of them."""
    timed = timed_report()
    assert timed.run
    return replace(timed, run=replace(timed.run, unit="cycles", ran_on="/dev/ttyACM0", clock_hz=120_000_000))


@pytest.mark.parametrize("width", [60, 80, 140])
def test_terminal_shows_the_difference_at_any_width(report: Report, width: int) -> None:
    out = io.StringIO()
    Console(file=out, width=width).print(terminal.run_summary(report))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    for row in report.rows:
        assert row.spent
        assert f"{row.count:,}" in lines[row.layer.name]
        assert "+200.0 %" in lines[row.layer.name] or not row.count
        assert f"{row.spent.cycles:,}" in lines[row.layer.name]
    assert "modelled ±4 %" in text
    assert ("measured ms" in text) is (width > 60)


def test_page_has_measured_and_modelled_as_a_table(report: Report) -> None:
    page = to_html(report)
    table = page[page.index('id="measured"') :]
    rows = [
        re.findall(r">([^<]*)</t[hd]>", row)
        for row in re.findall(r"<tr.*?</tr>", table[: table.index("</table>")], re.DOTALL)
    ]
    assert rows[0][3:6] == ["Measured cycles", "Modelled ±4 %", "Difference"]
    assert len(rows) == len(report.rows) + 3
    for column in (3, 4):
        *parts, total = (int(row[column].replace(",", "")) for row in rows[1:])
        assert sum(parts) == total
    assert 'id="measured"' not in to_html(timed_report())


def test_documents_of_a_board_have_the_difference(report: Report) -> None:
    from micronets_gen.report.document import to_document

    totals = json.loads(json.dumps(to_document(report)))["totals"]
    assert report.run
    assert totals["difference_percent"] == pytest.approx(100 * (totals["cycles"] / report.run.count - 1))
    assert to_document(timed_report())["totals"]["difference_percent"] is None
