"""Builds and runs models with several runtimes, and puts what that cost side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from codegen.build import Notify, Request, build
from codegen.bundled import resolve_model
from codegen.elf import BIASES, MODEL_FILE, TABLES, WEIGHTS
from codegen.errors import FitError, ModelError, UsageError
from codegen.execute import run_project
from codegen.inspect import inspect_model
from codegen.reader import read_model
from codegen.report.report import ImageInfo, Report
from codegen.runtimes.choose import lacks_cpp_library
from codegen.sources.errors import SourcesError

RUNTIMES = ("tflm", "aot")


@dataclass(frozen=True)
class LayerResult:
    """One layer; counts are instructions."""

    name: str
    op: str
    macs: int
    instructions: int | None
    kernel: str


@dataclass(frozen=True)
class Result:
    """One model with one runtime on one board; counts are instructions, sizes bytes.

    Attributes:
        startup: Instructions that initialise the model.
        arena_bytes: Tensors, scratch and, for an interpreter, its own data.
        peak_live_bytes: The least that the tensors' bytes could be.
        ram_bytes: Static RAM: data, bss and arena.
        stack_bytes: Worst case.
        stack_at_least: Whether a call on the way has no known target, so that it may be more.
        flash_bytes: The image without golden vectors.
        code_bytes: Of it, what is neither weights nor metadata.
        weight_bytes: Of it, weights and biases.
        metadata_bytes: Of it, quantisation and look-up tables; for an interpreter the rest of the model file.
        problem: Why there are no figures; empty where there are.
    """

    model: str
    board: str
    runtime: str
    passed: bool = False
    macs: int = 0
    instructions: int = 0
    startup: int = 0
    arena_bytes: int = 0
    peak_live_bytes: int = 0
    ram_bytes: int = 0
    stack_bytes: int = 0
    stack_at_least: bool = False
    flash_bytes: int = 0
    code_bytes: int = 0
    weight_bytes: int = 0
    metadata_bytes: int = 0
    layers: tuple[LayerResult, ...] = ()
    problem: str = ""

    @property
    def per_mac(self) -> float | None:
        return self.instructions / self.macs if self.macs and not self.problem else None

    @property
    def other_ram_bytes(self) -> int:
        """Static RAM beside the arena."""
        return self.ram_bytes - self.arena_bytes

    def to_json(self) -> dict[str, Any]:
        """Return plain values, the derived ones included."""
        return {**asdict(self), "per_mac": self.per_mac, "other_ram_bytes": self.other_ram_bytes}


def measure(
    model: str,
    board: str,
    runtime: str,
    folder: Path,
    *,
    notify: Notify = lambda _step: None,
    timeout: float = 900,
) -> Result:
    """Build and run one model; the project is left in ``folder``.

    Raises:
        MicronetsError: it cannot be built or run; that it does not fit is told in the result.
    """
    name = f"{Path(model).stem} with {runtime} on {board}"

    def say(step: str) -> None:
        notify(f"{name}: {step}")

    request = Request(board, model, runtime, folder, force=True, vector_count=1)
    try:
        build(request, say)
    except FitError as error:
        return Result(Path(model).stem, board, runtime, problem=error.what)
    report = run_project(
        folder,
        timeout=timeout,
        progress=lambda image, count: say(f"{image}, {count / 1e6:,.0f} M instructions"),
    )
    graph = read_model(resolve_model(model).path)
    summary = inspect_model(graph)
    # As the file is called, so that all its results are one comparison.
    return replace(_result(report, summary.weight_bytes, summary.peak_bytes), model=Path(model).stem)


def _result(report: Report, weights_in_file: int, live_in_file: int) -> Result:
    image, stack, run = report.image, report.stack, report.run
    assert image is not None
    assert stack is not None
    assert run is not None
    tables, file = flash_of(image, TABLES), flash_of(image, MODEL_FILE)
    apart = flash_of(image, WEIGHTS, BIASES)
    weights = apart or weights_in_file
    flash = image.runtime_bytes + file + apart
    metadata = tables + file - weights if file else tables
    return Result(
        model=report.model.name,
        board=report.board.name,
        runtime=report.runtime,
        passed=run.passed,
        macs=report.macs,
        instructions=run.count,
        startup=run.startup,
        arena_bytes=image.arena_bytes,
        # An interpreter's plan counts its own data, too.
        peak_live_bytes=min(report.memory.peak, live_in_file) if report.memory else live_in_file,
        ram_bytes=image.ram_bytes,
        stack_bytes=stack.worst_bytes,
        stack_at_least=stack.at_least,
        flash_bytes=flash,
        code_bytes=flash - weights - metadata,
        weight_bytes=weights,
        metadata_bytes=metadata,
        layers=tuple(
            LayerResult(row.layer.name, row.layer.op, row.layer.macs, row.count, row.layer.kernel)
            for row in report.rows
        ),
    )


def flash_of(image: ImageInfo, *categories: str) -> int:
    """Return the bytes of flash in some categories."""
    parts = [part for region in image.regions if region.kind == "flash" for part in region.parts]
    return sum(part.size for part in parts if part.category in categories)


def measure_all(
    models: Sequence[str],
    board: str,
    runtimes: Sequence[str],
    folder: Path,
    notify: Notify = lambda _step: None,
) -> tuple[Result, ...]:
    """Measure every model with every runtime, model by model.

    A runtime whose sources or C++ library cannot be had, or that refuses the model, is told in its result, and
    the others go on.

    Raises:
        UsageError: there is no runtime of a name, or none is named.
        MicronetsError: a model or the board cannot be read, or an image cannot be built or run.
    """
    _require_runtimes(runtimes)
    for model in models:
        # A file that is no model is nobody's refusal.
        read_model(resolve_model(model).path)
    results = []
    for model in models:
        for runtime in runtimes:
            place = folder / f"{Path(model).stem}-{runtime}"
            results.append(_measure_or_tell(model, board, runtime, place, notify))
    return tuple(results)


def _measure_or_tell(model: str, board: str, runtime: str, folder: Path, notify: Notify) -> Result:
    lacking = lacks_cpp_library() if runtime == "tflm" else ""
    if lacking:
        return Result(Path(model).stem, board, runtime, problem=lacking)
    try:
        return measure(model, board, runtime, folder, notify=notify)
    except SourcesError as error:
        problem = error.what
    except ModelError as error:
        problem = f"{error.what}: {error.why}" if error.why else error.what
    return Result(Path(model).stem, board, runtime, problem=problem)


def _require_runtimes(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in RUNTIMES]
    if unknown or not names:
        raise UsageError(
            f"there is no runtime '{unknown[0]}'" if unknown else "names no runtime",
            where="--runtimes",
            remedy=f"name some of {', '.join(RUNTIMES)}, separated by commas",
        )
