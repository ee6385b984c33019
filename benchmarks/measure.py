"""Builds a model for a board, runs the image in the board's emulator, collects what there is to compare."""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from codegen.board import load_board
from codegen.build import Request, build
from codegen.bundled import DEFAULT_MODEL, resolve_model
from codegen.elf import BIASES, WEIGHTS
from codegen.emulate.run import describe, run_elf
from codegen.errors import FitError, UsageError
from codegen.report.report import ImageInfo

BOARDS = ("qemu_mps2_an386", "nucleo_f746zg", "qemu_mps3_an547")
TABLES = "quantisation and tables"
BASELINE_FILE = Path(__file__).with_name("tflm_baseline.toml")


@dataclass(frozen=True)
class Measurement:
    """One model on one board; counts are instructions, sizes bytes.

    Attributes:
        passed: The image's outputs were the expected ones, byte for byte.
        per_mac: Instructions per multiply-accumulate.
        arena: Bytes for tensors and scratch.
        peak_live: The least any arena could have.
        code: Flash without weights, biases, tables and golden vectors.
        tables: Flash for quantisation, a multiplier and a shift a channel, and for look-up tables.
        stack: Worst case.
        baseline: Instructions of TFLM with CMSIS-NN; None where nobody measured.
        problem: Why there are no figures; empty where there are.
    """

    model: str
    board: str
    core: str
    macs: int = 0
    passed: bool = False
    instructions: int = 0
    startup: int = 0
    arena: int = 0
    peak_live: int = 0
    code: int = 0
    tables: int = 0
    weights: int = 0
    stack: int = 0
    baseline: int | None = None
    problem: str = ""

    @property
    def per_mac(self) -> float | None:
        return self.instructions / self.macs if self.macs else None

    @property
    def ratio(self) -> float | None:
        """Instructions over those of the baseline: below 1 is faster."""
        return self.instructions / self.baseline if self.baseline and not self.problem else None

    def to_json(self) -> dict[str, Any]:
        """Return plain values, the derived ones included."""
        return {**asdict(self), "per_mac": self.per_mac, "ratio": self.ratio}


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
    # Writing models needs packages that only tests and benchmarks have.
    from tests.support.micronets import ARCHITECTURES, micronet

    if name in ARCHITECTURES:
        path = folder / f"{name}.tflite"
        path.write_bytes(micronet(name))
        return path
    return resolve_model(name).path


def default_models() -> tuple[str, ...]:
    """Return the names of what is measured when nothing else is asked for."""
    from tests.support.micronets import ARCHITECTURES

    return (DEFAULT_MODEL, *ARCHITECTURES)


def measure(model: Path, board_name: str, folder: Path, timeout: float = 900) -> Measurement:
    """Build ``model`` for a board under ``folder`` and run one golden vector in the board's emulator.

    Raises:
        MicronetsError: it cannot be built or run; that it does not fit is told in the measurement instead.
    """
    board, name = load_board(board_name), model.stem
    if board.emulator is None:
        raise UsageError("no emulator runs this board's image", where=board_name)
    known = baseline().get(name, {}).get("instructions", {}).get(board.core)
    try:
        built = build(
            Request(
                board_name, str(model), runtime="aot", out=folder / f"{board_name}-{name}", vector_count=1
            )
        )
    except FitError as error:
        return Measurement(name, board_name, board.core, baseline=known, problem=f"does not fit: {error}")
    report = built.report
    assert built.elf is not None
    assert report.image is not None
    assert report.stack is not None
    assert report.memory is not None
    run = run_elf(built.elf, describe(board), timeout=timeout)
    tables = _flash(report.image, TABLES)
    return Measurement(
        model=name,
        board=board_name,
        core=board.core,
        macs=report.macs,
        passed=run.passed,
        instructions=run.count,
        startup=run.startup,
        arena=report.memory.size,
        peak_live=report.memory.peak,
        code=report.image.runtime_bytes - tables,
        tables=tables,
        weights=_flash(report.image, WEIGHTS, BIASES),
        stack=report.stack.worst_bytes,
        baseline=known,
    )


def _flash(image: ImageInfo, *categories: str) -> int:
    parts = [part for region in image.regions if region.kind == "flash" for part in region.parts]
    return sum(part.size for part in parts if part.category in categories)


def measure_all(models: Sequence[Path], boards: Sequence[str], folder: Path) -> list[Measurement]:
    """Measure every model on every board, telling on stderr how far it is."""
    found = []
    for model in models:
        for board in boards:
            print(f"{model.stem} on {board}", file=sys.stderr, flush=True)
            found.append(measure(model, board, folder))
    return found


def build_time(folder: Path, board: str = "nucleo_f746zg") -> BuildTime:
    """Time the command line on the default model, into fresh folders."""

    def run(name: str, *options: str) -> float:
        program = "from codegen.cli import main; main()"
        command = [sys.executable, "-c", program, "build", "--board", board, "--runtime", "aot", "--json"]
        start = time.perf_counter()
        subprocess.run([*command, "--out", str(folder / name), *options], check=True, capture_output=True)
        return time.perf_counter() - start

    return BuildTime(run("time-generate", "--no-compile"), run("time-build"))
