"""Builds and runs models with several runtimes, and puts what that cost side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from micronets_gen.bundled.catalogue import resolve_model
from micronets_gen.errors import FitError, ModelError, UsageError
from micronets_gen.image.elf import BIASES, MODEL_FILE, TABLES, WEIGHTS
from micronets_gen.jobs.build import BuildRequest, Notify, build
from micronets_gen.jobs.execute import progress_text, run_project, self_test_of
from micronets_gen.operators.reading import read_model
from micronets_gen.plan.goal import DEFAULT, Goal
from micronets_gen.report.inspect import inspect_model
from micronets_gen.report.measurement import Result, layer_results
from micronets_gen.report.modelled import total_values
from micronets_gen.report.report import ImageInfo, Report
from micronets_gen.runtimes.registry import runtime_kind, runtime_names
from micronets_gen.runtimes.tflm.sources.errors import SourcesError


def measure(
    model: str,
    board: str,
    runtime: str,
    folder: Path,
    *,
    notify: Notify = lambda _step: None,
    tell: Notify = lambda _sentence: None,
    timeout: float = 900,
    goal: Goal = DEFAULT,
) -> Result:
    """Build and run one model; the project is left in ``folder``.

    Raises:
        MicronetsError: it cannot be built or run; that it does not fit is told in the result.
    """
    name = f"{Path(model).stem} with {runtime} on {board}"

    def say(step: str) -> None:
        notify(f"{name}: {step}")

    request = BuildRequest(board, model, runtime, folder, force=True, vector_count=1, goal=goal)
    try:
        build(request, say, tell)
    except FitError as error:
        return Result(Path(model).stem, board, runtime, problem=error.what)
    report = run_project(
        folder,
        timeout=timeout,
        progress=lambda *done: say(progress_text(*done)),
        tell=tell,
    )
    self_test_of(report, folder)
    graph = read_model(resolve_model(model).path)
    summary = inspect_model(graph)
    # As the file is called, so that all its results are one comparison.
    return replace(_result(report, summary.weight_bytes, summary.peak_live_bytes), model=Path(model).stem)


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
        count=run.count,
        unit=run.unit,
        startup=run.startup,
        arena_bytes=image.arena_bytes,
        # An interpreter's plan counts its own data, too.
        peak_live_bytes=min(report.memory.peak, live_in_file) if report.memory else live_in_file,
        ram_bytes=image.ram_bytes,
        stack_bytes=stack.worst_bytes,
        stack_at_least=stack.at_least,
        deployed_bytes=flash,
        code_bytes=flash - weights - metadata,
        weight_bytes=weights,
        metadata_bytes=metadata,
        layers=layer_results(report),
        **total_values(report),
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
    tell: Notify = lambda _sentence: None,
    goal: Goal = DEFAULT,
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
            results.append(_measure_or_tell(model, board, runtime, place, notify, tell, goal))
    return tuple(results)


def _measure_or_tell(
    model: str, board: str, runtime: str, folder: Path, notify: Notify, tell: Notify, goal: Goal
) -> Result:
    lacking = runtime_kind(runtime).lacking()
    if lacking:
        return Result(Path(model).stem, board, runtime, problem=lacking)
    try:
        return measure(model, board, runtime, folder, notify=notify, tell=tell, goal=goal)
    except SourcesError as error:
        problem = error.what
    except ModelError as error:
        problem = f"{error.what}: {error.why}" if error.why else error.what
    return Result(Path(model).stem, board, runtime, problem=problem)


def _require_runtimes(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in runtime_names()]
    if unknown or not names:
        raise UsageError(
            f"there is no runtime '{unknown[0]}'" if unknown else "names no runtime",
            where="--runtimes",
            remedy=f"name some of {', '.join(runtime_names())}, separated by commas",
        )
