"""Modelled time through the product: what ``run`` models, and how terminal, JSON and report tell it."""

from __future__ import annotations

import io
import json
import re
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from micronets_gen import api
from micronets_gen.jobs.execute import CLOCK_FAILED, NOT_ASKED_FOR
from micronets_gen.report import terminal
from micronets_gen.report.document import from_json, to_document, to_json
from micronets_gen.report.html import to_html
from micronets_gen.report.modelled import (
    BAND_OF_ALL,
    CAUSE_NOTES,
    CAUSE_TITLES,
    basis_text,
    causes_text,
    model_text,
    time_text,
)
from micronets_gen.report.report import Report
from micronets_gen.report.values import FirmwareRun
from micronets_gen.timing import decode, native
from micronets_gen.timing.core import Cause
from micronets_gen.timing.memory import IDEAL
from micronets_gen.timing.result import CAUSES, Band, LayerTime, Spent, Timing
from tests.support.command import Cli
from tests.unit.test_bench import dense
from tests.unit.test_report import Page, graph_report

BOARD = "nucleo_l4r5zi"
KEYS = ("instructions", "cycles", "milliseconds", "error_percent", "cycles_by_cause")


def spent(cycles: int) -> Spent:
    return Spent(
        cycles // 2, issue=cycles - 6, dependencies=1, loads=1, branches=1, alignment=1, fetch=1, data=1
    )


def timed_report() -> Report:
    """Return a report of a run whose time was modelled."""
    report = graph_report()
    layers = tuple(LayerTime(row.layer.index, spent(3 * (row.count or 0))) for row in report.rows)
    total = spent(sum(layer.spent.cycles for layer in layers) + 55)
    memory = "flash of 5 wait states, instruction cache of 1,024 bytes"
    timing = Timing("cortex-m4", memory, 120_000_000, Band(4.0, 9), total, layers)
    return replace(report, timing=timing)


@pytest.fixture
def report() -> Report:
    return timed_report()


def shown(report: Report, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(terminal.run_summary(report))
    return out.getvalue()


# --- one home for the causes -------------------------------------------------------------------------------


def test_causes_are_the_same_everywhere() -> None:
    source = Path(native.__file__).with_name("trace.c").read_text()
    (in_c,) = re.findall(r"enum cause \{ ([\w, ]+) \};", source)
    assert in_c.split(", ") == [*(name.upper() for name in CAUSES), "CAUSES"]
    assert [cause.name.lower() for cause in sorted(Cause)] == list(CAUSES)
    assert [field.name for field in fields(Spent)] == ["instructions", *CAUSES]
    assert list(CAUSE_TITLES) == list(CAUSE_NOTES) == list(CAUSES)


# --- words -------------------------------------------------------------------------------------------------


def test_time_is_never_without_its_band(report: Report) -> None:
    timing = report.timing
    assert timing
    cycles = f"{timing.total.cycles:,}"
    assert time_text(timing).endswith(f" ms at 120 MHz ({cycles} modelled cycles, ±4 %, 9 measured images)")
    judged = replace(timing, band=Band(15.0), memory=IDEAL.description, core_only=True)
    assert time_text(judged).endswith(
        f" ms at 120 MHz ({cycles} modelled cycles, indicative, ±15 %; core timings only)"
    )
    assert "±4 % rests on 9 images measured on boards" in basis_text(timing)
    assert "No measured image ran on this core and memory yet: ±15 % is a judgement." in basis_text(judged)
    assert "memory: core timings only, as if no memory made it wait." in basis_text(judged)
    assert model_text(timing) == f"cortex-m4; {timing.memory}"


def test_causes_go_by_size_and_what_rounds_to_nothing_is_left_out() -> None:
    some = Spent(90, issue=600, dependencies=0, loads=100, branches=4, alignment=0, fetch=0, data=296)
    assert causes_text(some) == "issue 60 %, waiting for data 30 %, loads and stores 10 %"


# --- terminal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 140])
def test_terminal_shows_time_whole_at_any_width(report: Report, width: int) -> None:
    assert report.timing
    text = shown(report, width)
    assert max(map(len, text.splitlines())) <= width
    head, *lines = text.splitlines()
    assert "ms ±4 %" in head
    rows = {line.split()[0]: line for line in lines if line.strip()}
    for row in report.rows:
        assert row.spent
        assert f"{row.spent.cycles:,}" in rows[row.layer.name]
        assert f" {report.timing.milliseconds_of(row.spent):.4f} " in rows[row.layer.name]
        assert width < 80 or f"{row.count:,}" in rows[row.layer.name]
    assert f"{report.timing.total.cycles:,}" in rows["total"]
    assert f"{report.timing.milliseconds:.4f}" in rows["total"]
    assert "cycles ±4 %" in head
    assert ("█" in text) is ("output" in head) is (width == 140)
    assert ("cycles/MAC" in head) is (width >= 80)
    assert time_text(report.timing).split("(")[0] in text
    assert BAND_OF_ALL in " ".join(text.split())


def test_terminal_says_why_there_is_no_time(report: Report) -> None:
    text = shown(replace(report, timing=None, timing_note="no timing is known of the cortex-m0"), 100)
    assert "Time is not modelled: no timing is known of the cortex-m0." in text.splitlines()
    assert " ms" not in text


def test_terminal_without_layers_of_time_shows_counts_and_the_time(report: Report) -> None:
    assert report.timing
    text = shown(replace(report, timing=replace(report.timing, layers=())), 120)
    assert "instructions" in text.splitlines()[0]
    assert "ms ±4 %" not in text.splitlines()[0]
    assert BAND_OF_ALL not in text
    assert time_text(report.timing) in text


# --- JSON --------------------------------------------------------------------------------------------------


def test_run_json_tells_time_in_total_and_by_layer(report: Report) -> None:
    timing = report.timing
    assert timing
    value = FirmwareRun.of(Path("p"), report).to_json()
    assert value["cycles"] == timing.total.cycles == sum(value["cycles_by_cause"].values())
    assert value["milliseconds"] == pytest.approx(timing.total.cycles / 120e3)
    assert (value["error_percent"], value["measured_images"]) == (4.0, 9)
    assert (value["modelled"], value["timing_note"]) == (model_text(timing), "")
    for layer, time in zip(value["layers"], timing.layers, strict=True):
        assert layer["cycles"] == time.spent.cycles == sum(layer["cycles_by_cause"].values())
        assert layer["instructions"] == time.spent.instructions
        assert layer["milliseconds"] == pytest.approx(time.spent.cycles / 120e3)
        assert layer["error_percent"] == 4.0
    without = FirmwareRun.of(Path("p"), replace(report, timing=None, timing_note="why")).to_json()
    for part in (without, *without["layers"]):
        assert [part[key] for key in KEYS] == [None] * len(KEYS)
    assert (without["measured_images"], without["modelled"], without["timing_note"]) == (None, "", "why")


def test_report_json_holds_time_and_documents_of_before_none(report: Report) -> None:
    assert from_json(to_json(report)) == report
    document = to_document(report)
    assert report.timing
    assert document["totals"]["cycles"] == report.timing.total.cycles
    assert document["totals"]["error_percent"] == 4.0
    before = {key: value for key, value in document.items() if not key.startswith("timing")}
    assert from_json(json.dumps(before)) == replace(report, timing=None)


def test_another_run_takes_the_time_of_the_one_before_away(report: Report) -> None:
    assert report.run
    assert report.with_run(report.run).timing is None
    assert replace(report, timing_note="why").with_run(report.run, report.timing).timing_note == ""


# --- the page ----------------------------------------------------------------------------------------------


def bars_of(page: str, picture: str) -> list[list[tuple[str, float, float]]]:
    """Return, picture by picture, the segments: cause, start and width in percent."""
    found = re.findall(rf'<svg class="{picture}".*?</svg>', page, re.DOTALL)
    segment = r'<rect class="cause-(\w+)" x="([\d.]+)%" width="([\d.]+)%"'
    parts = [[(c, float(x), float(w)) for c, x, w in re.findall(segment, svg)] for svg in found]
    return [part for part in parts if part]


def test_page_begins_with_the_time_and_its_band(report: Report) -> None:
    assert report.timing
    text = " ".join(" ".join(Page(to_html(report)).text).split())
    value = f"{report.timing.milliseconds:.4f}"
    assert text.index(f"Time {value} ms ±4 % modelled at 120 MHz; 9 measured images") < text.index(
        "Where the time goes"
    )
    assert basis_text(report.timing) in text
    assert "a single layer may be further off." in basis_text(report.timing)


def test_page_draws_each_layer_by_cause_to_scale(report: Report) -> None:
    assert report.timing
    page = to_html(report)
    (whole,) = bars_of(page, "stacked")
    bars = bars_of(page, "pair")
    drawn = [report.timing.total, *(layer.spent for layer in report.timing.layers)]
    longest = max(spent.cycles for spent in drawn[1:])
    for parts, spent, scale in zip(
        [whole, *bars], drawn, [drawn[0].cycles, *[longest] * len(bars)], strict=True
    ):
        end = 0.0
        for (cause, start, width), (name, cycles) in zip(parts, spent.by_cause().items(), strict=True):
            assert cause == name
            assert start == pytest.approx(end, abs=0.002)
            assert width == pytest.approx(100 * cycles / scale, abs=0.001)
            end = start + width
        assert end == pytest.approx(100 * spent.cycles / scale, abs=0.01)


def test_page_has_the_same_as_a_table(report: Report) -> None:
    assert report.timing
    page = to_html(report)
    table = page[page.index("Modelled cycles of the layers") :]
    rows = [
        re.findall(r">([^<]*)</t[hd]>", row)
        for row in re.findall(r"<tr.*?</tr>", table[: table.index("</table>")], re.DOTALL)
    ]
    head, *lines, outside, total = rows
    assert head[-len(CAUSES) :] == list(CAUSE_TITLES.values())
    for row, layer in zip(lines, report.timing.layers, strict=True):
        assert row[2:4] == [f"{layer.spent.instructions:,}", f"{layer.spent.cycles:,}"]
        assert row[-len(CAUSES) :] == [f"{cycles:,}" for cycles in layer.spent.by_cause().values()]
    assert total[3] == f"{report.timing.total.cycles:,}"
    for column in (2, 3, *range(7, 7 + len(CAUSES))):
        values = [int(row[column].replace(",", "")) for row in (*lines, outside, total)]
        assert sum(values[:-1]) == values[-1], head[column]


def test_page_says_why_there_is_no_time(report: Report) -> None:
    page = to_html(replace(report, timing=None, timing_note="<no> compiler"))
    assert "Time is not modelled: &lt;no&gt; compiler." in page
    assert "Where the time goes" not in page


# --- on real images ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("timed")
    (folder / "dense.tflite").write_bytes(dense())
    return api.build(
        board=BOARD, model=folder / "dense.tflite", runtime="aot", out=folder / "p", vector_count=2
    ).project


def ran(cli: Cli, *words: object) -> Any:
    done = cli("run", *words, "--json")
    assert done.status == 0, done.err
    return done.json


@pytest.mark.needs("compiler", "gcc")
def test_run_models_the_time_of_the_image(cli: Cli, project: Path) -> None:
    said = ran(cli, project)
    (layer,) = said["layers"]
    assert said["passed"]
    assert said["instructions"] == said["count"]
    assert layer["instructions"] == layer["count"]
    assert said["instructions"] < said["cycles"] < 5 * said["instructions"]
    assert said["milliseconds"] == pytest.approx(said["cycles"] / 120e3)
    assert 0 < layer["cycles"] <= said["cycles"] + 200
    assert list(said["cycles_by_cause"]) == list(CAUSES)
    assert said["cycles_by_cause"]["data"] > 0  # weights come from flash
    assert "flash of 5 wait states" in said["modelled"]
    assert ran(cli, project) == said
    text = cli("run", project).out
    assert f"({said['cycles']:,} modelled cycles, " in text
    assert f"±{said['error_percent']:g} %" in text.splitlines()[0]


@pytest.mark.needs("compiler", "gcc")
def test_time_can_be_left_out(cli: Cli, project: Path) -> None:
    said = ran(cli, project, "--no-time")
    assert (said["cycles"], said["timing_note"]) == (None, NOT_ASKED_FOR)
    assert said["count"] > 0
    assert ran(cli, project, "--clock-fails")["timing_note"] == CLOCK_FAILED


@pytest.mark.needs("compiler", "gcc")
def test_without_a_compiler_of_the_host_the_core_alone_is_timed(
    cli: Cli, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MICRONETS_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    native.library.cache_clear()
    try:
        said = ran(cli, project)
        text = cli("run", project).out
    finally:
        native.library.cache_clear()
    assert said["passed"]
    assert said["cycles"] > said["instructions"]
    assert said["measured_images"] == said["cycles_by_cause"]["data"] == 0
    assert "core timings only, since this computer has no C compiler" in said["modelled"]
    assert "; core timings only)" in text


@pytest.mark.needs("compiler")
def test_what_the_model_lacks_is_told_and_the_run_goes_on(
    cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "capstone", None)  # as if it were not installed
    decode._engine.cache_clear()
    try:
        said = ran(cli, project)
        text = cli("run", project).out
    finally:
        decode._engine.cache_clear()
    assert said["passed"]
    assert said["cycles"] is None
    assert said["timing_note"] == (
        "modelled time needs capstone, which decodes instructions; install it: pip install capstone"
    )
    assert f"Time is not modelled: {said['timing_note']}." in text


@pytest.mark.needs("compiler", "qemu", "gcc")
def test_boards_in_qemu_get_core_timings(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "dense.tflite").write_bytes(dense())
    made = api.build(
        board="qemu_mps2_an386",
        model=tmp_path / "dense.tflite",
        runtime="aot",
        out=tmp_path / "p",
        vector_count=2,
    )
    said = ran(cli, made.project)
    assert said["cycles"] > said["instructions"]
    assert (said["cycles_by_cause"]["fetch"], said["cycles_by_cause"]["data"]) == (0, 0)
    assert "core timings only" in said["modelled"]
    assert "; core timings only)" in cli("run", made.project).out


@pytest.mark.needs("compiler", "gcc")
def test_an_application_has_no_time(cli: Cli, project: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(project, tmp_path / "copy")
    main = tmp_path / "copy/src/main.c"
    main.write_text(main.read_text().replace("#define SELFTEST 1", "#define SELFTEST 0"))
    done = cli("run", tmp_path / "copy")
    assert "the application ended" in done.out
    document = json.loads((tmp_path / "copy/report.json").read_text())
    assert (document["timing"], document["timing_note"]) == (None, "")
