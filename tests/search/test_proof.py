"""What ``--run`` proves: work that ends, results that stay whatever becomes of it, and a report that shows it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from micronets_gen.api import SearchResult
from micronets_gen.cli.search import _hand_out
from micronets_gen.errors import UsageError
from micronets_gen.jobs.execute import progress_text
from micronets_gen.search.learn.progress import EpochLines, Silent
from micronets_gen.search.run import firmware
from micronets_gen.search.run.firmware import prove, workload
from micronets_gen.search.run.pipeline import Outcome, execute
from micronets_gen.search.run.request import TargetRequest
from micronets_gen.search.run_dir import RunDir
from tests.search.test_report import Page, page
from tests.search.test_sweep import request_of

pytestmark = pytest.mark.needs("tensorflow")


def metrics_of(ops: int, runtime: str = "aot") -> dict[str, Any]:
    target = {"memory": {"flash_bytes": 1 << 20}, "demand": {"flash_bytes": 1 << 18}, "runtime": runtime}
    return {"target": target, "cost": {"ops": ops}}


def test_samples_are_bounded_by_instructions_and_the_time_out_follows_them() -> None:
    every = workload(metrics_of(200_000), 1000, 500)
    assert every.samples == 1000
    assert every.timeout == 300
    keywords = workload(metrics_of(16_400_000), 1000, 500)
    assert 50 < keywords.samples < 200
    assert keywords.timeout > 300
    assert workload(metrics_of(16_400_000, "tflm"), 1000, 500).samples < keywords.samples
    pictures = workload(metrics_of(20_000_000_000), 1000, 500)
    assert pictures.samples == 1
    assert pictures.timeout > 1000
    assert workload(metrics_of(200_000), 1000, 20_000).samples == 32 + (768 << 10) // 20_000


def test_a_time_out_that_is_given_is_taken() -> None:
    assert workload(metrics_of(16_400_000), 1000, 500, 7.0).timeout == 7.0


def test_progress_says_samples_and_instructions_where_they_are_known() -> None:
    assert progress_text("release image", 12_345_678, 1) == "release image: 12.3 M instructions, 1 sample"
    assert progress_text("release image", 0, 20) == "release image: 20 samples"


def test_elsewhere_than_on_a_terminal_samples_are_told_every_ten_seconds() -> None:
    out, now = StringIO(), 0.0
    lines = EpochLines(Console(file=out, width=40), lambda: now)
    for sample in range(40):
        now = float(sample)
        lines.step("release image", 0, 1, sample, 40)
    assert out.getvalue().splitlines() == [
        "release image 11 of 40  29 s left",
        "release image 21 of 40  19 s left",
        "release image 31 of 40  9 s left",
    ]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("proof")
    settings = ("search.epochs=1", "search.warm_up=0", "train.epochs=1", "train.float_epochs=0")
    return execute(request_of(folder, "run", mops=0.03, settings=settings))


@pytest.fixture
def done(outcome: Outcome, tmp_path: Path) -> Outcome:
    """A finished run of its own."""
    from dataclasses import replace

    return replace(outcome, run=RunDir(Path(shutil.copytree(outcome.run.path, tmp_path / "run"))))


def found_for(outcome: Outcome, board: str) -> SearchResult:
    """Return what a search for a board comes to."""
    request = replace(outcome.request, target=TargetRequest(board, "aot"))
    path = outcome.run.path
    asked = replace(outcome, request=request)
    return SearchResult(path, path / "report.html", outcome.metrics, True, outcome=asked)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_proof_that_fails_takes_no_result_back(
    done: Outcome, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught:
        _hand_out(found_for(done, "no_such_board"), True, None, "no_such_board", as_json)
    assert caught.value.exit_code == 4
    told = capsys.readouterr()
    if as_json:
        found = json.loads(told.out)
        assert found["test"] == done.metrics["test"]
        assert not found["firmware"]["passed"]
        assert "no_such_board" in str(found["firmware"]["error"])
    else:
        first, *_ = told.out.splitlines()
        assert first == done.metrics["architecture"]
        assert "test accuracy" in told.out
        assert "FAILED" in told.out
        assert "no_such_board" in told.err
    assert not json.loads(done.run.firmware.read_text(encoding="utf-8"))["passed"]
    shown = page((done.run.path / "report.html").read_text(encoding="utf-8"))
    assert "The firmware did not run to its end" in shown.text


def test_results_are_printed_before_the_proof_begins(
    done: Outcome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = []

    def prove_later(*_arguments: object) -> dict[str, Any]:
        printed.append(capsys.readouterr().out)
        return {"passed": True, "correct": 1, "labelled": 1, "unit": "instructions", "count": 9}

    monkeypatch.setattr("micronets_gen.search.run.firmware.prove", prove_later)
    _hand_out(found_for(done, "nucleo_f446re"), True, None, "nucleo_f446re", False)
    assert "test accuracy" in printed[0]
    assert "passed: 1 of 1 samples right, 9 instructions an inference" in capsys.readouterr().out


@pytest.mark.needs("compiler")
def test_the_report_shows_what_the_firmware_did(done: Outcome) -> None:
    class Watcher(Silent):
        samples = 0

        def step(self, phase: str, epoch: int, epochs: int, step: int, steps: int) -> None:
            self.samples = max(self.samples, step + 1)

    watcher = Watcher()
    proof = prove(done.run, done.metrics, "nucleo_f446re", "aot", watcher)
    assert proof["passed"]
    assert watcher.samples == proof["vector_count"] == proof["vectors_passed"]
    assert json.loads(done.run.firmware.read_text(encoding="utf-8")) == proof
    shown = Page((done.run.path / "report.html").read_text(encoding="utf-8"))
    assert f"{proof['count']:,}" in shown.text
    assert f"{proof['correct']:,} of {proof['labelled']:,} samples right" in shown.text
    assert "firmware/report.html" in shown.addresses
    assert (done.run.path / "firmware" / "report.html").is_file()


def test_a_proof_says_that_it_waits_for_a_busy_folder(
    done: Outcome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(_request: object, tell: Callable[[str], None]) -> None:
        tell("waiting for another process")
        raise UsageError("and that is enough", where="here")

    monkeypatch.setattr(firmware, "build", build)
    prove(done.run, done.metrics, "nucleo_f446re", "aot", EpochLines(Console(stderr=True)))
    assert "waiting for another process\n" in capsys.readouterr().err
