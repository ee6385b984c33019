"""The verbs as functions: what ``import micronets_gen`` offers, and what the command line calls (docs/python.md).

Keywords are the options of the command line, with ``_`` for ``-``; results are frozen dataclasses whose ``to_json()``
is what ``--json`` prints. Every mistake of a person is a :class:`~micronets_gen.errors.MicronetsError`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from micronets_gen.plan.check import CheckResult
    from micronets_gen.report.inspect import ModelSummary
    from micronets_gen.report.values import BenchResult, FirmwareBuild, FirmwareRun

Notify = Callable[[str], None]
PathLike = str | Path


def _silent(_step: str) -> None:
    pass


def build(
    *,
    board: PathLike,
    model: PathLike | None = None,
    runtime: str = "auto",
    out: PathLike | None = None,
    no_compile: bool = False,
    force: bool = False,
    vectors: PathLike | None = None,
    vector_count: int | None = None,
    strict_kernels: bool = False,
    tflm_commit: str | None = None,
    cmsis_nn_commit: str | None = None,
    flatbuffers_commit: str | None = None,
    notify: Notify = _silent,
    tell: Notify = _silent,
) -> FirmwareBuild:
    """Turn a model into a PlatformIO project and compile it.

    Args:
        board: A board's name, or a board file (``.toml``).
        model: A ``.tflite`` file, a bundled or published model's name, or a search's folder; None for ``kws-s``.
        runtime: ``aot``, ``tflm`` or ``auto``.
        out: The project's folder; None for ``build/<board>-<model>``.
        no_compile: Write the project only.
        force: Overwrite generated files that were edited; use any folder.
        vectors: Golden inputs; None for the model's, or random ones.
        vector_count: Golden vectors to embed, at most; None for 32 samples or 8 random ones.
        strict_kernels: Fail where a layer runs on a reference kernel.
        tflm_commit: Another commit of TensorFlow Lite Micro than the pinned one.
        cmsis_nn_commit: Likewise of CMSIS-NN.
        flatbuffers_commit: Likewise of FlatBuffers.
        notify: Told what is done next.
        tell: Told what a person must see: what is overwritten, what is waited for.

    Raises:
        MicronetsError: what is wrong with the model, the board, the folder or the tools.
    """
    from micronets_gen.jobs.build import Request
    from micronets_gen.jobs.build import build as build_project
    from micronets_gen.report.values import FirmwareBuild
    from micronets_gen.runtimes.tflm.sources.pins import overrides

    request = Request(
        board=str(board),
        model=str(model) if model is not None else None,
        runtime=runtime,
        commits=overrides(tflm_commit, cmsis_nn_commit, flatbuffers_commit),
        out=Path(out) if out is not None else None,
        compile=not no_compile,
        force=force,
        vectors=Path(vectors) if vectors is not None else None,
        vector_count=vector_count,
        strict_kernels=strict_kernels,
    )
    built = build_project(request, notify, tell)
    return FirmwareBuild.of(built.project, built.elf, built.report)


def run(
    project: PathLike,
    *,
    port: str | None = None,
    timeout: float = 300.0,
    clock_fails: bool = False,
    notify: Notify = _silent,
    tell: Notify = _silent,
) -> FirmwareRun:
    """Run a project's image in the board's emulator and check its output byte for byte.

    Args:
        project: What :func:`build` made; compiled first where an image is missing or older than its sources.
        port: Read a real board on this serial port instead.
        timeout: Seconds to wait for each image.
        clock_fails: Virtual board: the external oscillator does not start.
        notify: Told how far it is.
        tell: Told where another process works in the project, and this one waits.

    Raises:
        MicronetsError: the folder is no project, or the firmware did not run to its end. That an output is wrong is
            told in the result.
    """
    from micronets_gen.jobs.execute import progress_text, run_project
    from micronets_gen.report.values import FirmwareRun

    report = run_project(
        Path(project),
        timeout=timeout,
        port=port,
        clock_fails=clock_fails,
        progress=lambda *done: notify(progress_text(*done)),
        tell=tell,
    )
    return FirmwareRun.of(Path(project), report)


def check(model: PathLike, *, board: PathLike | None = None, runtime: str = "aot") -> CheckResult:
    """Check that every operator works, and where the model fits.

    Args:
        model: A ``.tflite`` file, or a name, as for :func:`build`.
        board: Check this board only.
        runtime: What is to execute it.

    Raises:
        MicronetsError: the model or the board cannot be read, or the runtime's sources cannot be had.
    """
    from micronets_gen.boards.load import load_board, load_boards
    from micronets_gen.bundled.catalogue import resolve_model
    from micronets_gen.jobs.check import check_on_boards
    from micronets_gen.operators.reading import read_model

    graph = read_model(resolve_model(str(model)).path)
    return check_on_boards(graph, [load_board(str(board))] if board else load_boards(), runtime)


def inspect(model: PathLike) -> ModelSummary:
    """Return what is in a model: operators, shapes, quantisation, MACs, weights, memory over time.

    Args:
        model: A ``.tflite`` file, or a name, as for :func:`build`.

    Raises:
        MicronetsError: the model cannot be read.
    """
    from micronets_gen.bundled.catalogue import resolve_model
    from micronets_gen.operators.reading import read_model
    from micronets_gen.report.inspect import inspect_model

    return inspect_model(read_model(resolve_model(str(model)).path))


def bench(
    *,
    board: PathLike,
    model: PathLike | Sequence[PathLike] | None = None,
    runtimes: str | Sequence[str] | None = None,
    out: PathLike = Path("build/bench"),
    notify: Notify = _silent,
) -> BenchResult:
    """Build and run models with several runtimes, and write a page that puts them side by side.

    Args:
        board: A board's name, or a board file (``.toml``).
        model: One or several, as for :func:`build`; None for ``kws-s``.
        runtimes: Names, or one text with commas between them; ratios are to the first. None for all there are.
        out: Folder of the projects and of ``bench.html``.
        notify: Told what is done next.

    Raises:
        MicronetsError: a model or the board cannot be read, or an image cannot be built or run. That a runtime
            cannot be had, or refuses the model, is told in its result.
    """
    from micronets_gen.bundled.catalogue import DEFAULT_MODEL
    from micronets_gen.common.files import write_if_changed
    from micronets_gen.jobs.bench import measure_all
    from micronets_gen.report.comparison import all_right, comparison_page
    from micronets_gen.report.values import BenchResult
    from micronets_gen.runtimes.registry import runtime_names

    models = [model] if isinstance(model, str | Path) else list(model or [DEFAULT_MODEL])
    names = runtime_names() if runtimes is None else runtimes
    names = names.split(",") if isinstance(names, str) else names
    results = measure_all(
        [str(name) for name in models],
        str(board),
        [name.strip() for name in names if name.strip()],
        Path(out),
        notify,
    )
    page = Path(out) / "bench.html"
    write_if_changed(page, comparison_page(results).encode())
    return BenchResult(all_right(results), Path(out), page, results)
