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
from micronets_gen.boards.load import load_board
from micronets_gen.common.resources import data_dir
from micronets_gen.errors import UsageError
from micronets_gen.jobs.execute import CLOCK_FAILED, NO_CYCLES, NOT_ASKED_FOR
from micronets_gen.report import terminal
from micronets_gen.report.document import to_document
from micronets_gen.report.html import to_html
from micronets_gen.report.report import Report
from micronets_gen.timing import native
from micronets_gen.timing.bands import band_of
from micronets_gen.timing.estimate import estimated
from micronets_gen.timing.measured import (
    MeasuredLayer,
    Record,
    mean_factor,
    read_records,
    record_into,
    records_beside,
    records_of,
)
from micronets_gen.timing.result import Band
from tests.support.command import Cli, Outcome
from tests.support.desk import speaking, spoken, with_cycles
from tests.support.regression import INVENTED
from tests.unit.test_bench import dense
from tests.unit.test_report import Page
from tests.unit.test_timing_shown import timed_report

BOARD = "nucleo_l4r5zi"
L4 = load_board(BOARD)
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
    assert re.search(r"measured cycles +modelled ±[\d.]+ % +difference +measured ms", head)
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


@on_a_desk
def test_energy_rests_on_what_was_measured(cli: Cli, project: Path) -> None:
    power = L4.power
    assert power
    for words in ((), ("--no-time",)):
        said = measured(cli, project, BOARD, "--json", *words).json
        assert said["energy_uj"] == pytest.approx(power.active_mw * said["measured_milliseconds"])
        assert said["energy_error_percent"] == power.percent
    text = measured(cli, project, BOARD).out
    assert "J an inference, ±8 % (41.7 mW" in text
    slow = measured(
        cli,
        project,
        BOARD,
        "--json",
        change=lambda said: said.replace(b",120000000,ok", b",4000000,fallback"),
    )
    assert slow.json["energy_uj"] is None  # power is published of the other clock


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
    totals = json.loads(json.dumps(to_document(report)))["totals"]
    assert report.run
    assert totals["difference_percent"] == pytest.approx(100 * (totals["cycles"] / report.run.count - 1))
    assert to_document(timed_report())["totals"]["difference_percent"] is None


# --- calibrate ---------------------------------------------------------------------------------------------


def calibrated(cli: Cli, project: Path, environment: str, *words: object, off: float = 1.0) -> Outcome:
    """Calibrate with a board that takes ``off`` times the modelled cycles."""
    modelled = api.run(project).to_json()["cycles"]
    said = spoken(project, environment)
    ticks = int(re.findall(rb"MN,invoke,(\d+)", said)[0])
    with speaking(with_cycles(said, lambda count: round(off * count * modelled / ticks))) as port:
        return cli("calibrate", project, "--port", port, "--timeout", 60, *words)


@on_a_desk
def test_calibrate_records_the_difference_beside_a_board_file(cli: Cli, tmp_path: Path) -> None:
    board = tmp_path / "my_board.toml"
    board.write_text((data_dir("boards") / f"{BOARD}.toml").read_text())
    (tmp_path / "dense.tflite").write_bytes(dense())
    words = ("--board", board, "--model", tmp_path / "dense.tflite", "--runtime", "aot", "--vector-count", 2)
    made = tmp_path / "p"
    assert cli("build", *words, "--out", made).status == 0
    before = band_on(cli, board)

    done = calibrated(cli, made, "my_board", "--json", off=2.0)
    assert done.status == 0, done.err
    path = tmp_path / "my_board.measured.json"
    assert done.json["records"] == str(path)
    (record,) = json.loads(path.read_text())["records"]
    assert record["measured_cycles"] == done.json["firmware"]["count"]
    assert record["modelled_cycles"] == done.json["firmware"]["cycles"]
    assert (record["image"], record["build"]) == ("release", done.json["firmware"]["build"])
    assert (record["board"], record["core"], record["family"], record["clock_hz"]) == (
        "my_board",
        "cortex-m4",
        "stm32l4",
        120_000_000,
    )
    assert (done.json["record_count"], done.json["replaced"], done.json["mean_factor"]) == (1, False, None)
    assert done.json["band_before"] == before
    # Half of what was measured is worse than any band: one record alone widens it, everywhere.
    assert done.json["band_after"] == {"error_percent": pytest.approx(50.0, abs=0.2), "measured_images": 1}
    assert band_on(cli, board) == done.json["band_after"]
    assert cli("run", made, "--json").json["error_percent"] == done.json["band_after"]["error_percent"]

    again = calibrated(cli, made, "my_board", "--json", off=1.0)
    assert (again.json["record_count"], again.json["replaced"]) == (1, True)
    (record,) = json.loads(path.read_text())["records"]
    assert record["measured_cycles"] == again.json["firmware"]["count"]
    assert again.json["band_after"] == before  # one record that is met well makes no band

    done = calibrated(cli, made, "my_board_profile")
    assert f"recorded: {path} (2 images of this board)" in done.out
    assert "records of 3 different networks make a band of the board's own" in done.out
    layers = json.loads(path.read_text())["records"][1]["layers"]
    assert [layer["name"] for layer in layers] == [
        layer["name"] for layer in api.run(made).to_json()["layers"]
    ]
    assert all(layer["measured_cycles"] and layer["modelled_cycles"] for layer in layers)


def band_on(cli: Cli, board: Path | str) -> Any:
    timing = cli("boards", "show", board, "--json").json["timing"]
    return {name: timing[name] for name in ("error_percent", "measured_images")}


@on_a_desk
def test_records_of_a_bundled_board_lie_in_the_project_or_where_one_says(
    cli: Cli, project: Path, tmp_path: Path
) -> None:
    named = tmp_path / "mine.json"
    assert calibrated(cli, project, BOARD, "--out", named).status == 0
    assert not (project / f"{BOARD}.measured.json").exists()
    assert len(json.loads(named.read_text())["records"]) == 1
    try:
        assert calibrated(cli, project, BOARD, off=2.0).status == 0
        assert (project / f"{BOARD}.measured.json").is_file()
        assert cli("run", project, "--json").json["error_percent"] == pytest.approx(50, abs=0.2)
    finally:
        (project / f"{BOARD}.measured.json").unlink()


@on_a_desk
def test_a_board_whose_outputs_are_wrong_is_not_recorded(cli: Cli, project: Path, tmp_path: Path) -> None:
    said = spoken(project, BOARD).replace(b"MN,vector,0,PASS,0", b"MN,byte,0,1,2\r\nMN,vector,0,FAIL,1")
    said = said.replace(b"MN,result,PASS,2,2", b"MN,result,FAIL,1,2")
    with speaking(said) as port:
        done = cli("calibrate", project, "--port", port, "--out", tmp_path / "mine.json")
    assert done.status == 7
    assert "the board's outputs are wrong" in done.err
    assert not (tmp_path / "mine.json").exists()


@on_a_desk
def test_without_a_compiler_of_the_host_nothing_is_measured(
    cli: Cli, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "has_compiler", lambda: False)
    done = cli("calibrate", project, "--port", "/dev/ttyNotHere", "--out", tmp_path / "mine.json")
    assert done.status == 6
    assert "no C compiler of this computer's" in done.err


# --- records -----------------------------------------------------------------------------------------------


def record(off: float = 0.0, **others: Any) -> Record:
    """Return a record of a board that takes so many percent less than was modelled."""
    values: dict[str, Any] = {
        "board": BOARD,
        "core": L4.core,
        "family": L4.family,
        "clock_hz": L4.clock_hz,
        "runtime": "aot",
        "model": "a",
        "build": "00",
        "image": "release",
        "memory": "flash",
        "measured_cycles": 1_000_000,
        "modelled_cycles": round(1_000_000 * (1 + off / 100)),
        "date": "2026-01-31",
        "generator": "micronets-gen 0",
        "modelled_by": "micronets-gen 0",
    }
    return Record(**{**values, **others})


def test_enough_networks_make_the_band_and_fewer_only_widen_it() -> None:
    general = band_of(L4.core, L4.family)
    three = [record(off, model=f"m{off}", build=f"{off}") for off in (-1.0, 0.5, 1.26)]
    assert band_of(L4.core, L4.family, three) == Band(2.3, 3)  # they differ by 2.26
    assert band_of(L4.core, L4.family, three[:2]) == general
    assert band_of(L4.core, L4.family, [replace(r, model="a") for r in three]) == general  # one network
    assert band_of(L4.core, L4.family, [record(-40.01)]) == Band(40.1, 1)
    assert band_of(L4.core, L4.family, [record(model=name) for name in "abc"]) == Band(0.1, 3)
    same = [record(3.0, model=name) for name in "abc"]
    assert band_of(L4.core, L4.family, same) == Band(3.0, 3)
    assert mean_factor(same) == pytest.approx(1 / 1.03)
    assert mean_factor(same[:2]) is None
    assert Band(40.1, 1).text == "±40.1 %, 1 measured image"


def test_a_record_comes_back_as_it_was_and_one_of_its_build_replaces_it(tmp_path: Path) -> None:
    board = replace(L4, path=str(tmp_path / f"{BOARD}.toml"))
    path = records_beside(board.path)
    first = record(layers=(MeasuredLayer(0, "fc", "FULLY_CONNECTED", 8, 100, 101),))
    other = record(build="01", clock_hz=4_000_000)
    assert not record_into(path, first, board)
    assert not record_into(path, other, board)
    assert read_records(path, board) == (first, other)
    assert records_of(board) == (first,)  # at the clock of the board
    newer = record(2.0)
    assert record_into(path, newer, board)
    assert read_records(path, board) == (other, newer)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.needs("unix")
def test_a_file_that_cannot_be_written_is_one_error() -> None:
    with pytest.raises(UsageError, match="cannot be written") as caught:
        record_into(Path("/proc/mine.json"), record(), L4)
    assert (caught.value.where, caught.value.remedy) == ("/proc/mine.json", "name another file with --out")


def test_a_board_s_records_are_in_what_is_predicted(tmp_path: Path) -> None:
    board = replace(L4, path=str(tmp_path / f"{BOARD}.toml"))
    record_into(records_beside(board.path), record(-60.0), board)
    without, known = (estimated(INVENTED, 5, 7, records_of(b)) for b in (L4, board))
    assert (known.band, known.cycles) == (Band(60.0, 1), without.cycles)
    assert known.error_percent > without.error_percent


WHOLE = {"schema": 1, "records": [record().to_json()]}
BAD = {
    "no JSON": ("{", "is not valid JSON"),
    "a list": ("[]", "is not an object"),
    "another file": (json.dumps({"schema": 1, "name": "x"}), "unknown key 'name'"),
    "another schema": (json.dumps({**WHOLE, "schema": 2}), "it is of schema 2; this version reads 1"),
    "a key too many": (
        json.dumps({**WHOLE, "records": [{**record().to_json(), "x": 1}]}),
        "records[0]: unknown key 'x'",
    ),
    "a key too few": (json.dumps({**WHOLE, "records": [{"board": BOARD}]}), "the key 'core' is missing"),
    "text for cycles": (
        json.dumps({**WHOLE, "records": [{**record().to_json(), "measured_cycles": "1"}]}),
        "'measured_cycles' must be an integer",
    ),
    "no cycles": (
        json.dumps({**WHOLE, "records": [record(measured_cycles=0).to_json()]}),
        "'measured_cycles' must be above 0",
    ),
    "no build": (json.dumps({**WHOLE, "records": [record(build="").to_json()]}), "'build' is empty"),
    "another board": (
        json.dumps({**WHOLE, "records": [record(board="other").to_json()]}),
        f"they are of other / cortex-m4 / stm32l4, not of {BOARD} / cortex-m4 / stm32l4",
    ),
    "a layer of text": (
        json.dumps({**WHOLE, "records": [{**record().to_json(), "layers": ["fc"]}]}),
        "'layers' must be an array of tables",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_damaged_or_foreign_file_is_one_error(case: str, cli: Cli, tmp_path: Path) -> None:
    board = tmp_path / f"{BOARD}.toml"
    board.write_text((data_dir("boards") / f"{BOARD}.toml").read_text())
    path = records_beside(board)
    text, why = BAD[case]
    path.write_text(text)
    done = cli("boards", "show", board)
    assert (done.status, done.out) == (2, "")
    first, reason, remedy = done.err.splitlines()
    assert first == f"error: {path}: holds no measurements of this board"
    assert why in reason
    assert remedy == "  what to do: restore it, or move it away and calibrate again"
    assert path.read_text() == text


@on_a_desk
def test_a_damaged_file_is_told_before_anything_is_measured(cli: Cli, project: Path, tmp_path: Path) -> None:
    bad = tmp_path / "mine.json"
    bad.write_text("{")
    done = cli("calibrate", project, "--port", "/dev/ttyNotHere", "--out", bad)
    assert done.status == 2
    assert "holds no measurements of this board" in done.err
    assert bad.read_text() == "{"
    done = cli("calibrate", project, "--port", "/dev/ttyNotHere", "--out", tmp_path / "no" / "mine.json")
    assert done.status == 2
    assert "no folder to keep measurements in" in done.err
