"""Measures models on boards as ``bench`` does, and puts the figures beside those recorded for TFLM."""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.micronets import ARCHITECTURES, micronet
from micronets_gen.boards.load import load_board
from micronets_gen.bundled.catalogue import bundled_models, resolve_model
from micronets_gen.errors import UsageError
from micronets_gen.jobs import bench
from micronets_gen.jobs.build import Notify
from micronets_gen.report.measurement import Result

BOARDS = ("nucleo_l4r5zi", "nucleo_f746zg", "qemu_mps3_an547")
BASELINE_RUNTIME = "tflm"
BASELINE_FILE = Path(__file__).with_name("tflm_baseline.toml")


@dataclass(frozen=True)
class Measurement:
    """A result beside the baseline.

    Attributes:
        core: The board's.
        baseline: Instructions of TFLM with CMSIS-NN; None where nobody measured.
        baseline_cycles: Its modelled cycles on the board, likewise.
        baseline_measured: Whether in the same run; otherwise they are the recorded ones.
    """

    result: Result
    core: str
    baseline: int | None = None
    baseline_cycles: int | None = None
    baseline_measured: bool = False

    @property
    def ratio(self) -> float | None:
        """Instructions over those of the baseline: below 1 is faster."""
        if not self.baseline or self.result.problem:
            return None
        return self.result.count / self.baseline

    @property
    def cycle_ratio(self) -> float | None:
        """Modelled cycles over those of the baseline."""
        if not self.baseline_cycles or self.result.problem or not self.result.cycles:
            return None
        return self.result.cycles / self.baseline_cycles

    def to_json(self) -> dict[str, Any]:
        """Return the result's plain values and, beside them, the baseline's."""
        return {
            **self.result.to_json(),
            "core": self.core,
            "baseline": self.baseline,
            "baseline_cycles": self.baseline_cycles,
            "baseline_measured": self.baseline_measured,
            "ratio": self.ratio,
            "cycle_ratio": self.cycle_ratio,
        }


@dataclass(frozen=True)
class BuildTime:
    """Wall time in seconds of ``micronets-gen build`` of the default model, start of Python included."""

    generate: float
    generate_and_compile: float


@cache
def baseline() -> dict[str, Any]:
    """Return ``tflm_baseline.toml``: ``title``, ``note`` and a table for each model."""
    return tomllib.loads(BASELINE_FILE.read_text(encoding="utf-8"))


def model_file(name: str, folder: Path) -> Path:
    """Return the file of a MicroNet (written to ``folder``) or of a bundled model, or the path ``name``.

    Raises:
        UsageError: there is nothing of that name.
    """
    if name in ARCHITECTURES:
        path = folder / f"{name}.tflite"
        path.write_bytes(micronet(name))
        return path
    return resolve_model(name).path


def default_models() -> tuple[str, ...]:
    """Return the names of what is measured when nothing else is asked for."""
    return (*(model.name for model in bundled_models()), *ARCHITECTURES)


def measure(
    model: Path,
    board_name: str,
    folder: Path,
    runtimes: Sequence[str] = ("aot",),
    notify: Notify = lambda _step: None,
) -> list[Measurement]:
    """Build ``model`` for a board under ``folder`` with each runtime and run one golden vector in an emulator.

    ``tflm``, where it is among the runtimes and can be had, takes the place of the recorded baseline for the others.

    Raises:
        MicronetsError: it cannot be built or run; that it does not fit, or that a runtime cannot be had, is told
            in the measurement instead.
    """
    board = load_board(board_name)
    if board.emulator is None:
        raise UsageError("no emulator runs this board's image", where=board_name)
    results = bench.measure_all([str(model)], board_name, runtimes, folder / board_name, notify)
    record = baseline().get(model.stem, {})
    recorded = record.get("instructions", {}).get(board.core), record.get("cycles", {}).get(board_name)
    now = next(((r.count, r.cycles) for r in results if r.runtime == BASELINE_RUNTIME and r.passed), None)
    return [
        Measurement(result, board.core, *recorded)
        if now is None or result.runtime == BASELINE_RUNTIME
        else Measurement(result, board.core, *now, baseline_measured=True)
        for result in results
    ]


def measure_all(
    models: Sequence[Path], boards: Sequence[str], folder: Path, runtimes: Sequence[str] = ("aot",)
) -> list[Measurement]:
    """Measure every model on every board, telling on stderr how far it is."""
    told: set[str] = set()

    def tell(step: str) -> None:
        what = step.partition(":")[0]
        if what not in told:
            told.add(what)
            print(what, file=sys.stderr, flush=True)

    return [m for model in models for board in boards for m in measure(model, board, folder, runtimes, tell)]


def build_time(folder: Path, board: str = "nucleo_f746zg") -> BuildTime:
    """Time the command line on the default model, into fresh folders."""

    def run(name: str, *options: str) -> float:
        program = "from micronets_gen.cli.main import main; main()"
        command = [sys.executable, "-c", program, "build", "--board", board, "--runtime", "aot", "--json"]
        start = time.perf_counter()
        subprocess.run([*command, "--out", str(folder / name), *options], check=True, capture_output=True)
        return time.perf_counter() - start

    return BuildTime(run("time-generate", "--no-compile"), run("time-build"))
