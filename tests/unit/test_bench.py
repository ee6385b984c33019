"""``bench``: what it measures, how it puts it side by side, and what happens where a runtime cannot be had."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from micronets_gen.errors import FitError, ModelError, UsageError
from micronets_gen.jobs import bench
from micronets_gen.jobs.bench import measure_all
from micronets_gen.jobs.execute import load_report
from micronets_gen.operators.fully_connected import FullyConnectedOptions
from micronets_gen.plan.goal import Goal
from micronets_gen.report.comparison import (
    METRICS,
    against_first,
    compare,
    headlines,
    verdict,
)
from micronets_gen.report.comparison_page import comparison_page
from micronets_gen.report.comparison_terminal import comparison_tables
from micronets_gen.report.measurement import LayerResult, Result
from micronets_gen.runtimes import registry
from tests.support.builder import ModelBuilder
from tests.support.command import Cli
from tests.unit.test_cli import BOARD, needs_compiler, needs_qemu

NASTY = """<script>alert("1")</script>&'{{ 7 * 7 }}"""
KEYS = {
    "model",
    "runtime",
    "passed",
    "count",
    "unit",
    "arena_bytes",
    "ram_bytes",
    "stack_bytes",
    "deployed_bytes",
    "layers",
}

FIRST = Result(
    model="m",
    board=BOARD,
    runtime="tflm",
    passed=True,
    macs=1000,
    count=4000,
    startup=900,
    arena_bytes=2048,
    ram_bytes=2148,
    stack_bytes=1024,
    deployed_bytes=40_960,
    code_bytes=36_000,
    weight_bytes=4_000,
    metadata_bytes=960,
    layers=(
        LayerResult(0, "conv", "CONV_2D", 1000, 3000, "arm_convolve_s8"),
        LayerResult(1, "end", "SOFTMAX", 0, 900, ""),
    ),
)
SECOND = replace(
    FIRST,
    runtime="aot",
    count=2000,
    arena_bytes=1024,
    ram_bytes=1074,
    startup=0,
    layers=(
        LayerResult(0, "conv", "CONV_2D", 1000, 1500, "mn_conv_s8"),
        LayerResult(1, "end", "SOFTMAX", 0, 450, ""),
    ),
)


def timed(result: Result, scale: int) -> Result:
    """Return a result whose modelled cycles are ``scale`` times its instructions, at 1 MHz."""

    def time(count: int) -> dict[str, Any]:
        return {
            "instructions": count,
            "cycles": scale * count,
            "milliseconds": scale * count / 1e3,
            "error_percent": 4.0,
            "cycles_by_cause": {"issue": scale * count},
        }

    layers = tuple(replace(layer, **time(layer.count or 0)) for layer in result.layers)
    return replace(
        result, **time(result.count), measured_images=9, modelled="cortex-m4; no wait states", layers=layers
    )


def dense() -> bytes:
    b = ModelBuilder("dense")
    x = b.tensor((1, 16), "int8", scale=0.05, name="samples")
    w = b.constant(
        [[(i * j) % 11 - 5 for i in range(16)] for j in range(4)], "int8", scale=0.02, name="weights"
    )
    y = b.tensor((1, 4), "int8", scale=0.1, name="classes")
    b.operator("FULLY_CONNECTED", [x, w, -1], [y], FullyConnectedOptions())
    return b.build()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "denseNet.tflite"
    path.write_bytes(dense())
    return path


def every_runtime_lacks(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Let this computer's tools lack something, or nothing, whatever they are."""
    kinds = tuple(replace(kind, lacking=lambda: what) for kind in registry.runtime_kinds())
    monkeypatch.setattr(registry, "runtime_kinds", lambda: kinds)


@pytest.fixture
def no_sources(no_sources: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the sources is missing."""
    every_runtime_lacks(monkeypatch, "")


def text_of(results: tuple[Result, ...]) -> str:
    out = io.StringIO()
    Console(file=out, width=160).print(comparison_tables(results))
    return out.getvalue()


def test_what_a_build_waits_for_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def build(_request: object, _notify: object, tell: Callable[[str], None]) -> None:
        tell("waiting for another process")
        raise FitError("does not fit")

    monkeypatch.setattr(bench, "build", build)
    told: list[str] = []
    measure_all(["digits"], BOARD, ["aot"], tmp_path, tell=told.append)
    assert told == ["waiting for another process"]


# --- side by side -----------------------------------------------------------------------------------------


def test_results_are_grouped_by_model() -> None:
    other = replace(FIRST, model="n")
    assert [(c.model, c.results) for c in compare([FIRST, other, SECOND])] == [
        ("m", (FIRST, SECOND)),
        ("n", (other,)),
    ]


def test_ratios_are_to_the_first() -> None:
    assert against_first([4000, 2000, 6000]) == (0.5, 1.5)
    assert against_first([0, 5]) == (None,)
    assert against_first([]) == ()


def test_tables_show_each_figure_and_its_ratio() -> None:
    text = text_of((FIRST, SECOND))
    rows = {line.split("  ")[0].strip(): line.split() for line in text.splitlines() if line.strip()}
    assert rows["conv"][1:] == ["1,000", "3,000", "1,500", "0.500"]
    assert rows["instructions"][1:] == ["4,000", "2,000", "0.500"]
    assert rows["arena"][1:] == ["2,048", "1,024", "0.500"]
    assert rows["other RAM"][2:] == ["100", "50", "0.500"]
    assert rows["instructions per MAC"][3:] == ["4.000", "2.000"]
    assert rows["output"][1:] == ["exact", "exact"]
    assert {metric.title for metric in METRICS} <= set(rows)
    assert "WRONG" in text_of((FIRST, replace(SECOND, passed=False)))


def test_layers_meet_by_name_where_a_runtime_leaves_some_out() -> None:
    border = LayerResult(0, "border", "PAD", 0, 500, "")
    whole = replace(
        FIRST, layers=(border, *(replace(layer, index=layer.index + 1) for layer in FIRST.layers))
    )
    for results in ((whole, SECOND), (SECOND, whole)):
        (comparison,) = compare(results)
        rows = [[layer.name if layer else None for layer in row] for row in comparison.layers]
        missing = {"border", None}
        assert [set(row) for row in rows] == [missing, {"conv"}, {"end"}]
        assert rows[0][results.index(SECOND)] is None


def test_derived_figures_are_in_the_json() -> None:
    value = FIRST.to_json()
    assert set(value) >= KEYS
    assert (value["per_mac"], value["other_ram_bytes"]) == (4.0, 100)
    assert value["layers"][0] == {
        "index": 0,
        "name": "conv",
        "op": "CONV_2D",
        "macs": 1000,
        "count": 3000,
        "kernel": "arm_convolve_s8",
        "instructions": None,
        "cycles": None,
        "milliseconds": None,
        "error_percent": None,
        "cycles_by_cause": None,
        "difference_percent": None,
    }
    assert Result("m", BOARD, "tflm", problem="no sources").to_json()["per_mac"] is None
    assert value["cycles_per_mac"] is None
    assert timed(FIRST, 2).to_json()["cycles_per_mac"] == 8.0


def test_modelled_time_stands_beside_instructions_with_its_band() -> None:
    results = (timed(FIRST, 2), timed(SECOND, 3))
    text = text_of(results)
    rows = {line.split("  ")[0].strip(): line.split("  ")[1:] for line in text.splitlines() if line.strip()}
    cells = {name: [cell.strip() for cell in row if cell.strip()] for name, row in rows.items()}
    assert cells["layer"][-3:] == ["tflm ms ±4 %", "aot ms ±4 %", "aot / tflm"]
    assert cells["conv"] == ["1,000", "3,000", "1,500", "0.500", "6.000", "4.500", "0.750"]
    assert cells["milliseconds ±4 %"] == ["8.000", "6.000", "0.750"]
    assert cells["cycles ±4 %"] == ["8,000", "6,000", "0.750"]
    assert cells["instructions"] == ["4,000", "2,000", "0.500"]
    assert cells["cycles per MAC"] == ["8.000", "6.000"]
    assert "Modelled: cortex-m4; no wait states; ±4 %, 9 measured images." in text
    assert "aot takes 75 % of the modelled time, 50 % of the instructions" in text
    for width in (60, 80, 140):
        out = io.StringIO()
        Console(file=out, width=width).print(comparison_tables(results))
        assert "6.000" in out.getvalue()
        assert max(map(len, out.getvalue().splitlines())) <= width
    html = comparison_page(results)
    page = " ".join(Page(html).text.split())
    assert re.search(r"milliseconds ±4 %one inference, modelled 8.000 6.000 ?0.750", page)
    assert "Milliseconds a layer, modelled, ±4 %" in page
    assert "Modelled: cortex-m4; no wait states; ±4 %, 9 measured images." in page
    assert re.findall(r'<rect class="(\w+)" width="([\d.]+)%"', html)[1] == ("aot", "75.00")


def test_where_one_runtime_has_no_time_none_is_compared() -> None:
    results = (timed(FIRST, 2), replace(SECOND, timing_note="there is no compiler"))
    text = text_of(results)
    assert "milliseconds" not in text
    assert "aot: time is not modelled: there is no compiler." in text
    assert "modelled time" not in text
    assert "Milliseconds a layer" not in comparison_page(results)


class Page(HTMLParser):
    """Collects tags and what they refer to; every tag must be closed by its own."""

    VOID = frozenset({"meta", "br", "hr", "img", "input", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.references: list[str] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.references += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def test_page_needs_nothing_else() -> None:
    text = comparison_page((FIRST, SECOND, replace(FIRST, model="n", problem="no sources")))
    page = Page(text)
    assert not {"script", "link", "img", "iframe"} & page.tags
    assert all(reference.startswith("#") for reference in page.references)
    assert not re.search(r"url\(|@import|https?://", text)
    assert "4,000" in page.text
    assert "no sources" in page.text
    bars = re.findall(r'<rect class="(\w+)" width="([\d.]+)%"', text)
    assert bars[0] == ("tflm", "100.00")
    assert bars[1] == ("aot", "50.00")


def test_verdict_and_headline_come_first() -> None:
    page = Page(comparison_page((FIRST, SECOND)))
    head, _, _ = page.text.partition("start-up instructions")
    assert "The output of 2 images is byte-exact." in head
    assert (
        "m: aot takes 50 % of the instructions, 100 % of the flash, 66 % of the RAM that tflm takes." in head
    )
    wrong = (FIRST, replace(SECOND, passed=False), replace(FIRST, model="n", problem="no sources"))
    assert verdict(wrong).state == "fail"
    assert verdict(wrong).text == "The output is wrong: m with aot."
    assert verdict(wrong[::2]).text == "The output of 1 image is byte-exact; not measured: n with tflm."
    assert verdict(wrong[2:]).state == "fail"
    assert headlines(wrong[2:]) == ()


def test_page_escapes_what_models_are_called() -> None:
    layer = LayerResult(0, NASTY, NASTY, 1, 1, NASTY)
    results = (
        replace(FIRST, model=NASTY, board=NASTY, layers=(layer,)),
        Result(NASTY, NASTY, NASTY, problem=NASTY),
    )
    page = Page(comparison_page(results))
    assert "script" not in page.tags
    assert NASTY in page.text
    assert "49" not in page.text


# --- measuring --------------------------------------------------------------------------------------------


@needs_compiler
@needs_qemu
def test_without_sources_the_other_runtime_is_measured(
    cli: Cli, model: Path, tmp_path: Path, no_sources: None
) -> None:
    done = cli("bench", "-b", BOARD, "-m", model, "--out", tmp_path / "bench", "--json")
    tflm, aot = done.json["results"]
    assert done.status == 0
    assert (tflm["runtime"], tflm["passed"], tflm["count"], tflm["layers"]) == ("tflm", False, 0, [])
    assert tflm["problem"]
    assert tflm["model"] == aot["model"]
    assert set(tflm) == set(aot) >= KEYS
    assert (aot["runtime"], aot["model"], aot["passed"], aot["problem"]) == ("aot", "denseNet", True, "")
    assert [(row["op"], row["macs"]) for row in aot["layers"]] == [("FULLY_CONNECTED", 64)]
    assert 64 < aot["count"] < 64 * 64
    assert aot["layers"][0]["count"] <= aot["count"] + 200
    report = load_report(tmp_path / "bench" / "denseNet-aot")
    assert report.image is not None
    assert report.stack is not None
    assert (aot["arena_bytes"], aot["ram_bytes"]) == (report.image.arena_bytes, report.image.ram_bytes)
    assert (aot["stack_bytes"], aot["stack_at_least"]) == (report.stack.worst_bytes, False)
    assert aot["peak_live_bytes"] == 16 + 4
    assert aot["deployed_bytes"] == aot["code_bytes"] + aot["weight_bytes"] + aot["metadata_bytes"]
    assert aot["weight_bytes"] == 64 + 4 * 4  # and the biases that the kernel wants
    assert aot["other_ram_bytes"] == aot["ram_bytes"] - aot["arena_bytes"]
    page = Page(Path(done.json["report"]).read_text())
    assert tflm["problem"] in page.text
    assert f"{aot['count']:,}" in page.text


def test_nothing_to_measure_is_a_failure(cli: Cli, model: Path, tmp_path: Path, no_sources: None) -> None:
    done = cli("bench", "-b", BOARD, "-m", model, "--runtimes", "tflm", "--out", tmp_path / "bench")
    assert done.status == 1
    assert "tflm: " in done.out
    assert (tmp_path / "bench" / "bench.html").is_file()


def test_without_a_cpp_library_tflm_is_told(
    monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path
) -> None:
    every_runtime_lacks(monkeypatch, "no C++ library")
    (result,) = measure_all([str(model)], BOARD, ["tflm"], tmp_path)
    assert result == Result("denseNet", BOARD, "tflm", problem="no C++ library")


def refusing(error: Exception) -> Callable[..., Result]:
    def measure(*_: object, **__: object) -> Result:
        raise error

    return measure


def test_what_a_runtime_refuses_is_told(monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "measure", refusing(ModelError("cannot be executed", why="int16")))
    (result,) = measure_all([str(model)], BOARD, ["aot"], tmp_path)
    assert result.problem == "cannot be executed: int16"


def test_models_that_do_not_fit_are_told(tmp_path: Path) -> None:
    from benchmarks.micronets import micronet

    file = tmp_path / "micronet_ad_l.tflite"
    file.write_bytes(micronet("micronet_ad_l"))
    (result,) = measure_all([str(file)], "nucleo_f746zg", ["aot"], tmp_path, goal=Goal("speed"))
    assert "for which the board has no room" in result.problem
    assert result.count == 0


def test_wrong_output_is_a_failure(
    cli: Cli, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = replace(SECOND, passed=False)
    monkeypatch.setattr(bench, "measure", lambda *_, **__: wrong)
    done = cli("bench", "-b", BOARD, "-m", model, "--runtimes", "aot", "--out", tmp_path, "--json")
    assert (done.status, done.json["results"][0]["passed"]) == (1, False)


@pytest.mark.parametrize("runtimes", ["", "tflm,glow", "auto"])
def test_runtimes_are_checked(cli: Cli, tmp_path: Path, model: Path, runtimes: str) -> None:
    done = cli("bench", "-b", BOARD, "-m", model, "--runtimes", runtimes, "--out", tmp_path / "bench")
    assert (done.status, done.out) == (2, "")
    assert "--runtimes" in done.err
    with pytest.raises(UsageError, match="runtime"):
        measure_all([str(model)], BOARD, runtimes.split(",") if runtimes else [], tmp_path)


def test_file_that_is_no_model_is_an_error(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "notes.tflite"
    file.write_bytes(b"not a model at all")
    assert cli("bench", "-b", BOARD, "-m", file, "--out", tmp_path / "bench").status == 3
    assert cli("bench", "-b", "nowhere", "--runtimes", "aot", "--out", tmp_path / "bench").status == 4
