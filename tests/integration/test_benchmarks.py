"""The benchmark itself, and the figures that generated firmware must not fall behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from benchmarks.measure import BOARDS, Measurement, baseline, measure, model_file
from benchmarks.micronets import ARCHITECTURES
from benchmarks.present import BEGIN, COLUMNS, END, replace_section, to_json, to_markdown, to_means
from micronets_gen.boards.load import load_board
from micronets_gen.errors import UsageError
from micronets_gen.jobs import bench
from micronets_gen.report.measurement import Result
from micronets_gen.search.space.cost import cost_of
from tests.support.paths import shared_model

ROOT = Path(__file__).resolve().parents[2]

MOST = {"cortex-m4": 0.62, "cortex-m7": 0.62, "cortex-m55": 1.1}
"""Instructions of an inference, at most this many times those of TFLM with CMSIS-NN."""
MOST_CYCLES = {"nucleo_l4r5zi": 0.64, "nucleo_f746zg": 0.66}
"""Modelled cycles, likewise."""
CODE = 20 * 1024

SAMPLE = Measurement(
    Result(
        model="kws_ref_model",
        board="qemu_mps2_an386",
        runtime="aot",
        passed=True,
        macs=1000,
        count=1500,
        arena_bytes=640,
        peak_live_bytes=640,
        stack_bytes=300,
        code_bytes=4096,
        metadata_bytes=80,
    ),
    core="cortex-m4",
    baseline=3000,
)


@pytest.mark.needs("compiler")
@pytest.mark.needs("qemu")
@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("name", ["micronet_kws_s", "ad01_int8", "kws_ref_model", "pretrainedResnet_quant"])
def test_figures_to_hold(tmp_path: Path, name: str, board: str) -> None:
    file = model_file(name, tmp_path) if name in ARCHITECTURES else shared_model(name)
    (m,) = measure(file, board, tmp_path)
    result = m.result
    assert result.passed
    assert m.ratio is not None
    assert m.ratio <= MOST[m.core]
    assert board not in MOST_CYCLES or (m.cycle_ratio or inf) <= MOST_CYCLES[board]
    assert result.code_bytes + result.metadata_bytes <= CODE
    assert result.arena_bytes == result.peak_live_bytes == baseline()[name]["peak_live"]
    assert result.macs == baseline()[name]["macs"]


def test_baseline_and_architectures_agree() -> None:
    for name, architecture in ARCHITECTURES.items():
        assert baseline()[name]["macs"] == cost_of(architecture).ops // 2
        assert set(baseline()[name]["instructions"]) == set(MOST)


def test_markdown_has_every_column() -> None:
    header, rule, row = to_markdown([SAMPLE]).splitlines()
    assert header == f"| {' | '.join(COLUMNS)} |"
    assert header.count("|") == rule.count("|") == row.count("|")
    assert "| 1,500 | 0.500 | – | – | – | 640 | 640 | 4,096 | 80 | 300 |" in row


def test_means_are_geometric_and_of_what_is_known() -> None:
    other = replace(SAMPLE, result=replace(SAMPLE.result, count=6000, cycles=800), baseline_cycles=1000)
    small = replace(SAMPLE, result=replace(SAMPLE.result, cycles=450), baseline_cycles=1000)
    unknown = replace(SAMPLE, baseline=None, result=replace(SAMPLE.result, board="another"))
    *_, row = to_means([other, small, unknown]).splitlines()
    assert row == f"| {SAMPLE.result.board} | 2 | 1.000 | 2.000 | 0.600 | 0.800 |"
    assert other.to_json()["cycle_ratio"] == 0.8


def test_what_failed_says_so() -> None:
    wrong = replace(SAMPLE, result=replace(SAMPLE.result, passed=False))
    refused = Result("big", "nucleo_f446re", "aot", problem="does not fit: it needs more")
    large = Measurement(refused, "cortex-m4")
    text = to_markdown([wrong, large])
    assert "1,500 (FAIL)" in text
    assert "| big | nucleo_f446re | aot | does not fit | – |" in text
    assert large.ratio is None
    assert to_json([wrong], None)["measurements"][0]["ratio"] == 0.5


def results(tflm: Result) -> Callable[..., tuple[Result, ...]]:
    """Stand in for measuring: ``tflm`` and the same with half the instructions for ``aot``."""
    aot = Result("kws_ref_model", tflm.board, "aot", passed=True, macs=1000, count=3500)
    return lambda *_: (tflm, aot)


def test_tflm_of_the_same_run_replaces_the_recorded_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, board = tmp_path / "kws_ref_model.tflite", "qemu_mps2_an386"
    recorded = baseline()["kws_ref_model"]["instructions"]["cortex-m4"]
    measured = Result("kws_ref_model", board, "tflm", passed=True, macs=1000, count=7000)
    monkeypatch.setattr(bench, "measure_all", results(measured))
    tflm, aot = measure(file, board, tmp_path, ("tflm", "aot"))
    assert (tflm.baseline, tflm.baseline_measured) == (recorded, False)
    assert (aot.baseline, aot.baseline_measured, aot.ratio) == (7000, True, 0.5)
    assert "| kws_ref_model | qemu_mps2_an386 | aot | 1,000 | 3,500 | 0.500 |" in to_markdown([aot])
    monkeypatch.setattr(bench, "measure_all", results(replace(measured, passed=False, problem="no sources")))
    tflm, aot = measure(file, board, tmp_path, ("tflm", "aot"))
    assert (aot.baseline, aot.baseline_measured) == (recorded, False)
    assert "| kws_ref_model | qemu_mps2_an386 | tflm | no sources | – |" in to_markdown([tflm])


def test_board_without_emulator_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = replace(load_board("nucleo_f746zg"), emulator=None)
    monkeypatch.setattr("benchmarks.measure.load_board", lambda _name: board)
    with pytest.raises(UsageError, match="no emulator"):
        measure(tmp_path / "m.tflite", board.name, tmp_path)


def test_docs_keep_what_people_wrote(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    replace_section(page, to_markdown([SAMPLE]))
    replace_section(page, to_markdown([SAMPLE]))
    text = page.read_text()
    assert text == f"before\n{BEGIN}\n\n{to_markdown([SAMPLE])}\n{END}\nafter\n"
    page.write_text("nothing to replace")
    with pytest.raises(UsageError, match="no generated section"):
        replace_section(page, to_markdown([SAMPLE]))


def test_published_page_shows_this_table() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    section = text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    assert f"| {' | '.join(COLUMNS)} |" in section
    assert section[0] == to_means([SAMPLE]).splitlines()[0]
    assert len(section) > len(ARCHITECTURES) * len(BOARDS)
    assert "FAIL" not in text.partition(BEGIN)[2]
