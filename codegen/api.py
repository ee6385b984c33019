"""The verbs as functions: what ``import micronets_gen`` offers, and what the command line calls (docs/python.md).

Keywords are the options of the command line, with ``_`` for ``-``; results are frozen dataclasses whose ``to_json()``
is what ``--json`` prints. Every mistake of a person is a :class:`~micronets_gen.errors.MicronetsError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from micronets_gen.errors import ToolError, UsageError

if TYPE_CHECKING:
    from micronets_gen.plan.check import CheckResult
    from micronets_gen.report.inspect import ModelSummary
    from micronets_gen.report.values import (
        BenchResult,
        Calibration,
        FirmwareApplication,
        FirmwareBuild,
        FirmwareRun,
    )
    from micronets_gen.search.characterise.result import Characterisation
    from micronets_gen.search.learn.progress import Progress
    from micronets_gen.search.run.pipeline import Outcome
    from micronets_gen.search.space.room import BoardChoice

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
    optimize: str = "balanced",
    ram: int | str | None = None,
    no_simplify: bool = False,
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
        optimize: ``speed``: every tensor whole; ``ram``: the smallest arena; ``balanced``: layers run row by row only
            as far as the RAM demands (aot).
        ram: Most bytes for arena, data and stack, such as ``"64K"``; None for what the board has.
        no_simplify: Compute all of the model, what does not change its outputs too.
        tflm_commit: Another commit of TensorFlow Lite Micro than the pinned one.
        cmsis_nn_commit: Likewise of CMSIS-NN.
        flatbuffers_commit: Likewise of FlatBuffers.
        notify: Told what is done next.
        tell: Told what a person must see: what is overwritten, what is waited for.

    Raises:
        MicronetsError: what is wrong with the model, the board, the folder or the tools.
    """
    from micronets_gen.jobs.build import BuildRequest
    from micronets_gen.jobs.build import build as build_project
    from micronets_gen.plan.goal import Goal
    from micronets_gen.report.values import FirmwareBuild
    from micronets_gen.runtimes.tflm.sources.pins import overrides

    request = BuildRequest(
        board=str(board),
        model=_text(model),
        runtime=runtime,
        commits=overrides(tflm_commit, cmsis_nn_commit, flatbuffers_commit),
        out=_path(out),
        compile=not no_compile,
        force=force,
        vectors=_path(vectors),
        vector_count=vector_count,
        strict_kernels=strict_kernels,
        goal=Goal.of(optimize, ram),
        simplify=not no_simplify,
    )
    built = build_project(request, notify, tell)
    return FirmwareBuild.of(built.project, built.elf, built.report)


def run(
    project: PathLike,
    *,
    port: str | None = None,
    timeout: float = 300.0,
    clock_fails: bool = False,
    no_time: bool = False,
    every: str | None = None,
    battery: str | None = None,
    notify: Notify = _silent,
    tell: Notify = _silent,
    on_line: Notify = _silent,
) -> FirmwareRun | FirmwareApplication:
    """Run a project's image in the board's emulator, check its output byte for byte and model its time.

    A firmware that is no self-test runs to its ``board_exit()``.

    Args:
        project: What :func:`build` made; compiled first where an image is missing or older than its sources.
        port: Read a real board on this serial port instead, and model the image that it runs for comparison.
        timeout: Seconds to wait for each image.
        clock_fails: Virtual board: the external oscillator does not start.
        no_time: Count instructions only; otherwise what an inference takes on the board is modelled, and
            ``timing_note`` of the result says why where it cannot be.
        every: From one inference to the next, such as ``1s``: ``duty_cycle`` of the result is what that takes on
            average, with deep sleep in between. The board's file must have the current in deep sleep.
        battery: With ``every``: a capacity such as ``225mAh``, for how long it lasts.
        notify: Told how far it is.
        tell: Told where another process works in the project, and this one waits.
        on_line: Told each line that the release image, or the board, writes.

    Raises:
        MicronetsError: the folder is no project, the firmware did not run to its end, or its duty cycle cannot be told.
            That an output is wrong is told in the result.
    """
    from micronets_gen.jobs.duty import duty_cycle, duty_request, require_answer
    from micronets_gen.jobs.execute import load_report, progress_text, run_project
    from micronets_gen.report.values import FirmwareApplication, FirmwareRun

    asked = duty_request(every, battery)
    if asked is not None:
        modelled = port is None  # a board measures
        untimed = {"--no-time": no_time and modelled, "--clock-fails": clock_fails and modelled}
        require_answer(
            load_report(Path(project)), next((name for name, is_set in untimed.items() if is_set), "")
        )
    report = run_project(
        Path(project),
        timeout=timeout,
        port=port,
        clock_fails=clock_fails,
        time=not no_time,
        progress=lambda *done: notify(progress_text(*done)),
        on_line=on_line,
        tell=tell,
    )
    duty = duty_cycle(report, asked) if asked is not None else None
    if report.application is not None:
        return FirmwareApplication.of(Path(project), report, report.application)
    return FirmwareRun.of(Path(project), report, duty)


def calibrate(
    project: PathLike,
    *,
    port: str,
    timeout: float = 300.0,
    out: PathLike | None = None,
    notify: Notify = _silent,
    tell: Notify = _silent,
    on_line: Notify = _silent,
) -> Calibration:
    """Run a project on its board, model the image that runs there, and record both for the board.

    Records of a board say from then on how far its modelled time may be off; nothing scales the model by them.

    Args:
        project: What :func:`build` made, uploaded: release or profiled.
        port: The board's serial port.
        timeout: Seconds to wait for the board and for each image.
        out: The file of records; None for ``<board>.measured.json`` beside the board file that :func:`build` took, or
            in the project where the board is a bundled one.
        notify: Told how far it is.
        tell: Told where another process works in the project, and this one waits.
        on_line: Told each line that the board writes.

    Raises:
        MicronetsError: as :func:`run`; and an output is wrong, time cannot be modelled, or the file holds something
            else. Then nothing is recorded.
    """
    from micronets_gen.jobs.calibrate import calibrate_project
    from micronets_gen.jobs.execute import progress_text
    from micronets_gen.report.values import BandValue, Calibration, FirmwareRun

    done = calibrate_project(
        Path(project),
        port=port,
        timeout=timeout,
        out=_path(out),
        progress=lambda *done: notify(progress_text(*done)),
        on_line=on_line,
        tell=tell,
    )
    return Calibration(
        records=done.path,
        record_count=len(done.records),
        replaced=done.replaced,
        band_before=BandValue.of(done.before),
        band_after=BandValue.of(done.after),
        mean_factor=done.factor,
        firmware=FirmwareRun.of(Path(project), done.report),
    )


def check(
    model: PathLike,
    *,
    board: PathLike | None = None,
    boards: str | Sequence[PathLike] | None = None,
    runtime: str = "auto",
    fps: float | None = None,
    latency_ms: float | None = None,
    energy_uj: float | None = None,
    optimize: str = "balanced",
    ram: int | str | None = None,
    no_simplify: bool = False,
    notify: Notify = _silent,
) -> CheckResult:
    """Check that every operator works, where the model fits, and how long it will take there.

    Args:
        model: A ``.tflite`` file, or a name, as for :func:`build`.
        board: Check this board only.
        boards: Check these only: names or board files, or one text with commas between them.
        runtime: What is to execute it, as for :func:`build`.
        fps: Inferences a second that are asked for; at most one of this and the next two.
        latency_ms: Most milliseconds of an inference.
        energy_uj: Most microjoules of an inference, at a board's published power.
        optimize: As for :func:`build`, and so is ``ram``.
        no_simplify: As for :func:`build`.
        notify: Told what is fetched.

    Raises:
        MicronetsError: the model or the board cannot be read, the runtime's sources cannot be had, or a limit of time
            where no time is known.
    """
    from micronets_gen.boards.load import load_board, load_boards, load_several
    from micronets_gen.bundled.catalogue import resolve_model
    from micronets_gen.jobs.check import check_on_boards
    from micronets_gen.jobs.estimate import TimeLimit, require_one_limit
    from micronets_gen.operators.reading import read_model
    from micronets_gen.plan.goal import Goal

    limits = {"fps": fps, "latency_ms": latency_ms, "energy_uj": energy_uj}
    require_one_limit(limits)
    graph = read_model(resolve_model(str(model)).path)
    if boards is not None:
        require_boards(board)
        chosen = load_several(_listed(boards))
    else:
        chosen = (load_board(str(board)),) if board else load_boards()
    return check_on_boards(
        graph,
        chosen,
        runtime,
        notify,
        TimeLimit(**limits),
        goal=Goal.of(optimize, ram),
        simplify=not no_simplify,
    )


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
    optimize: str = "balanced",
    ram: int | str | None = None,
    notify: Notify = _silent,
    tell: Notify = _silent,
) -> BenchResult:
    """Build and run models with several runtimes, and write a page that puts them side by side.

    Args:
        board: A board's name, or a board file (``.toml``).
        model: One or several, as for :func:`build`; None for ``kws-s``.
        runtimes: Names, or one text with commas between them; ratios are to the first. None for all there are.
        out: Folder of the projects and of ``bench.html``.
        optimize: As for :func:`build`, and so is ``ram``.
        notify: Told what is done next.
        tell: Told what a person must see: what is overwritten, what is waited for.

    Raises:
        MicronetsError: a model or the board cannot be read, or an image cannot be built or run. That a runtime
            cannot be had, or refuses the model, is told in its result.
    """
    from micronets_gen.bundled.catalogue import DEFAULT_MODEL
    from micronets_gen.common.files import write_if_changed
    from micronets_gen.jobs.bench import measure_all
    from micronets_gen.plan.goal import Goal
    from micronets_gen.report.comparison import all_right
    from micronets_gen.report.comparison_page import comparison_page
    from micronets_gen.report.values import BenchResult
    from micronets_gen.runtimes.registry import runtime_names

    models = [model] if isinstance(model, str | Path) else list(model or [DEFAULT_MODEL])
    names = runtime_names() if runtimes is None else _listed(runtimes)
    results = measure_all(
        [str(name) for name in models],
        str(board),
        list(names),
        Path(out),
        notify,
        tell,
        Goal.of(optimize, ram),
    )
    page = Path(out) / "bench.html"
    write_if_changed(page, comparison_page(results).encode())
    return BenchResult(all_right(results), Path(out), page, results)


@dataclass(frozen=True)
class SearchResult:
    """What :func:`search` or :func:`train` found.

    Attributes:
        out: The run's folder, which :func:`build` takes as a model.
        report: The page with pictures.
        metrics: Everything in ``metrics.json``: accuracy, costs, limits.
        finished: False where Ctrl-C ended the training; the folder is usable all the same.
        firmware: As :meth:`FirmwareRun.to_json`, or ``passed`` (False), ``project`` and ``error``; None without
            ``run``.
        choice: Of the board, where there were several.
        outcome: For several workers: who took part.
    """

    out: Path
    report: Path
    metrics: Mapping[str, Any]
    finished: bool
    firmware: Mapping[str, Any] | None = None
    choice: BoardChoice | None = None
    outcome: Outcome = field(repr=False, kw_only=True)

    def to_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints, as plain values."""
        from micronets_gen.report.values import search_value

        return search_value(self.out, self.metrics, self.firmware, self.choice)


def search(
    *,
    task: str,
    board: PathLike | None = None,
    boards: str | Sequence[PathLike] | None = None,
    runtime: str = "auto",
    fps: float | None = None,
    latency_ms: float | None = None,
    energy_uj: float | None = None,
    mops: float | None = None,
    flash: int | str | None = None,
    ram: int | str | None = None,
    data: PathLike | None = None,
    backbone: PathLike | None = None,
    recipe: PathLike | None = None,
    settings: Sequence[str] = (),
    seed: int = 0,
    strategy: str = "auto",
    out: PathLike | None = None,
    run: bool = False,
    timeout: float | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> SearchResult:
    """Search an architecture that fits a board, train it and quantise it; needs the ``search`` extra.

    Args:
        task: What the model is for: a name, a ``.py`` file, or ``folder:DIR``.
        board: A board's name, or a board file (``.toml``); this or the next.
        boards: Several, or one text with commas between them: the search is for the one that :func:`choose_board`
            chooses.
        runtime: Whose needs are reckoned with: ``auto``, ``aot`` or ``tflm``.
        fps: Inferences a second, as predicted for the runtime on the board; at most one of this and the next three.
        latency_ms: Milliseconds an inference, likewise.
        energy_uj: Microjoules an inference: a time at the board's published power.
        mops: Millions of operations an inference.
        flash: Most bytes for code, constants and 32 embedded samples, such as ``"64K"``; None for what the board has.
        ram: Most bytes for arena, data and stack, likewise.
        data: Where the task's data lie.
        backbone: A backbone's name or file; None for the task's.
        recipe: A recipe's name or file; None for the task's.
        settings: Changes of the recipe: ``train.epochs=10`` (``--set``).
        seed: Of weights, noise, shuffling and augmentation.
        strategy: Devices: ``auto``, ``single``, ``mirrored`` or ``multi-worker``.
        out: The run's folder, in which an unfinished run goes on; None for ``runs/<task>``.
        run: Then build the firmware and run it in the emulator.
        timeout: With ``run``: seconds to wait for each image; None to go by the model's work.
        progress: Told how far it is.
        command: What was typed, for the record.

    Raises:
        MicronetsError: what is wrong with the request, the data, the limits or the folder.
    """
    from micronets_gen.search.run.request import SearchRequest, TargetRequest

    require_run(run, timeout, board or boards)
    choice = None
    if boards is not None:
        require_boards(board, mops)
        choice = choose_board(
            task=task,
            boards=boards,
            runtime=runtime,
            fps=fps,
            latency_ms=latency_ms,
            energy_uj=energy_uj,
            flash=flash,
            ram=ram,
            backbone=backbone,
            recipe=recipe,
            settings=settings,
        )
        board = choice.given
    require_board(board, "a search")
    request = SearchRequest(
        task=task,
        out=default_out(task) if out is None else Path(out),
        target=TargetRequest(
            str(board), runtime, fps, latency_ms, mops, energy_uj=energy_uj, **_memory(flash, ram)
        ),
        data=_path(data),
        backbone=_text(backbone),
        recipe=_text(recipe),
        settings=tuple(settings),
        seed=seed,
        strategy=strategy,
        command=command,
    )
    return replace(_executed(request, run, timeout, progress), choice=choice)


def choose_board(
    *,
    task: str,
    boards: str | Sequence[PathLike],
    runtime: str = "auto",
    fps: float | None = None,
    latency_ms: float | None = None,
    energy_uj: float | None = None,
    flash: int | str | None = None,
    ram: int | str | None = None,
    backbone: PathLike | None = None,
    recipe: PathLike | None = None,
    settings: Sequence[str] = (),
) -> BoardChoice:
    """Return the smallest of several boards on which a limit leaves a search room, and what it leaves on each.

    Nothing is trained, and TensorFlow not needed.

    Args:
        task: As for :func:`search`, and so are all that are not told here.
        boards: Names or board files; a text has commas between them.
        fps: Inferences a second; one of this and the next two.
        latency_ms: Milliseconds an inference.
        energy_uj: Microjoules an inference.

    Raises:
        MicronetsError: what is wrong with the request, or no network meets the limits on any of the boards.
    """
    from micronets_gen.search.run.boards import choose_board as choose
    from micronets_gen.search.run.request import SearchRequest, TargetRequest

    request = SearchRequest(
        task=task,
        out=default_out(task),
        target=TargetRequest("", runtime, fps, latency_ms, energy_uj=energy_uj, **_memory(flash, ram)),
        backbone=_text(backbone),
        recipe=_text(recipe),
        settings=tuple(settings),
    )
    return choose(request, _listed(boards))


def sweep(
    *,
    task: str,
    board: PathLike,
    sweep: Sequence[float],
    compare: Sequence[PathLike] = (),
    runtime: str = "auto",
    flash: int | str | None = None,
    ram: int | str | None = None,
    data: PathLike | None = None,
    backbone: PathLike | None = None,
    recipe: PathLike | None = None,
    settings: Sequence[str] = (),
    seed: int = 0,
    strategy: str = "auto",
    out: PathLike | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> tuple[Mapping[str, Any], ...]:
    """Search under several limits of operations, a run each, and write a page that compares them.

    Args:
        task: As for :func:`search`, and so are all that are not told here.
        sweep: Limits in millions of operations; at least two.
        compare: Folders of finished runs to draw beside them.

    Returns:
        What ``metrics.json`` of each run holds, with ``limit_mops`` and ``path``, its folder in ``out``.

    Raises:
        MicronetsError: what is wrong with the request, the data, the limits or the folder.
    """
    from micronets_gen.search.run.request import SearchRequest, TargetRequest

    request = SearchRequest(
        task=task,
        out=default_out(task) if out is None else Path(out),
        target=TargetRequest(str(board), runtime, **_memory(flash, ram)),
        data=_path(data),
        backbone=_text(backbone),
        recipe=_text(recipe),
        settings=tuple(settings),
        seed=seed,
        strategy=strategy,
        command=command,
    )
    require_tensorflow()
    from micronets_gen.search.run.sweep import sweep as sweep_limits

    return tuple(sweep_limits(request, sweep, [Path(path) for path in compare], progress))


def train(
    *,
    model: PathLike,
    task: str | None = None,
    board: PathLike | None = None,
    runtime: str = "auto",
    flash: int | str | None = None,
    ram: int | str | None = None,
    data: PathLike | None = None,
    recipe: PathLike | None = None,
    settings: Sequence[str] = (),
    seed: int = 0,
    strategy: str = "auto",
    out: PathLike | None = None,
    run: bool = False,
    timeout: float | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> SearchResult:
    """Train and quantise an architecture that is given; needs the ``search`` extra.

    Args:
        model: A published architecture, or an ``architecture.json``.
        task: What the model is for; None for the published model's.
        board: Check that it fits this board first.
        runtime: As for :func:`search`, and so are all that follow.
        out: The run's folder, in which an unfinished run goes on; None for ``runs/<model>``.

    Raises:
        MicronetsError: what is wrong with the request, the data, the limits or the folder.
    """
    from micronets_gen.search.run.request import SearchRequest, TargetRequest

    require_run(run, timeout, board)
    memory = _memory(flash, ram)
    if memory:
        require_board(board, f"--{next(iter(memory))}")
    request = SearchRequest(
        task=task or _task_of(str(model)),
        out=Path("runs") / Path(model).stem if out is None else Path(out),
        target=TargetRequest(str(board), runtime, **memory) if board else None,
        data=_path(data),
        architecture=str(model),
        recipe=_text(recipe),
        settings=tuple(settings),
        seed=seed,
        strategy=strategy,
        command=command,
    )
    return _executed(request, run, timeout, progress)


def characterise(
    *,
    board: PathLike | Sequence[PathLike],
    runtime: str = "auto",
    out: PathLike = Path("build/characterise"),
    quick: bool = False,
    record: bool = False,
    processes: int = 1,
    notify: Notify = _silent,
) -> Characterisation:
    """Build and time networks and layers on boards, and fit what their time depends on; needs SciPy.

    Args:
        board: One or several, as for :func:`build`; several are put side by side.
        runtime: As for :func:`build`.
        out: Folder of ``characterisation.json``, of the page, and of a record a model, so that a run goes on.
        quick: A few models: the smallest of each group.
        record: Keep each regression where searches and checks for the board find it: beside a board file of one's
            own, in the cache for a board of the package.
        processes: Models that are timed at a time. With more than one, a program that calls this does so under
            ``if __name__ == "__main__":``, as everything that uses :mod:`multiprocessing`.
        notify: Told how far it is.

    Raises:
        MicronetsError: a board cannot be read or its time not be modelled, or a tool is missing.
    """
    from micronets_gen.boards.load import load_board
    from micronets_gen.search.characterise.run import characterise as characterise_boards
    from micronets_gen.search.characterise.samples import designed_set

    names = [board] if isinstance(board, str | Path) else list(board)
    return characterise_boards(
        [load_board(str(name)) for name in names],
        runtime,
        Path(out),
        designed_set(quick=quick),
        record=record,
        processes=processes,
        notify=notify,
    )


def prove(
    result: SearchResult, timeout: float | None = None, progress: Progress | None = None
) -> SearchResult:
    """Return a search's result with its firmware, built and run; one that fails is told in the result.

    Args:
        result: Of a finished search for a board.
        timeout: Seconds to wait for each image; None to go by the model's work.
        progress: Told how far it is.
    """
    from micronets_gen.search.learn.progress import Silent
    from micronets_gen.search.run.firmware import prove

    outcome, told = result.outcome, progress or Silent()
    target = outcome.request.target
    assert target is not None
    firmware = outcome.workers.from_chief(
        lambda: prove(outcome.run, outcome.metrics, target.board, target.runtime, told, timeout)
    )
    return replace(result, firmware=firmware)


def require_tensorflow() -> None:
    """Raise one clear error where TensorFlow is missing.

    Raises:
        ToolError: it is.
    """
    if find_spec("tensorflow") is None:
        raise ToolError(
            "TensorFlow is not installed",
            where="search",
            why="searching and training need it; building firmware does not",
            remedy="pip install 'micronets-gen[search]', or pip install '.[search]' in a clone",
        )


def require_run(run: bool, timeout: float | None, board: PathLike | Sequence[PathLike] | None) -> None:
    """Raise one clear error where what goes with ``run`` does not fit it.

    Raises:
        UsageError: a time-out without it, or no board to run on.
    """
    if timeout is not None and not run:
        raise UsageError("is for --run", where="--timeout", remedy="give --run, too, or leave it out")
    if run:
        require_board(board, "--run")


def default_out(task: str) -> Path:
    """Return a folder named after a task, or after the file or the folder that holds it."""
    folder = Path(task.removeprefix("folder:")).resolve().name
    return Path("runs") / (folder.removesuffix(".py") or "folder")


def _executed(request: Any, run: bool, timeout: float | None, progress: Progress | None) -> SearchResult:
    require_tensorflow()
    from micronets_gen.report.values import REPORT_HTML
    from micronets_gen.search.run.pipeline import execute

    outcome = execute(request, progress)
    path = outcome.run.path
    result = SearchResult(path, path / REPORT_HTML, outcome.metrics, outcome.finished, outcome=outcome)
    return prove(result, timeout, progress) if run and outcome.finished else result


def require_boards(board: PathLike | None, mops: float | None = None) -> None:
    """Raise one clear error where what goes with several boards to choose from is something else.

    Raises:
        UsageError: one board, too, or a limit of operations, which is no limit in time.
    """
    if board is not None:
        raise UsageError("give one of them", where="--board, --boards")
    if mops is not None:
        raise UsageError(
            "operations are no time, by which a board is chosen",
            where="--boards, --mops",
            remedy="give --fps, --latency-ms or --energy-uj, or name one board with --board",
        )


def require_board(board: PathLike | Sequence[PathLike] | None, what: str) -> None:
    """Raise one clear error where no board was named for something that needs one.

    Raises:
        UsageError: none was.
    """
    if not board:
        raise UsageError(
            f"{what} needs a board", where="--board", remedy="name one: see micronets-gen boards"
        )


def _task_of(model: str) -> str:
    from micronets_gen.search.space.zoo import published

    if model.endswith(".json"):
        raise UsageError("which task is it for?", where=model, remedy="name it with --task")
    return published(model).task


def _memory(flash: int | str | None, ram: int | str | None) -> dict[str, int]:
    """Return the limits of memory that were given, in bytes."""
    from micronets_gen.common.tables import bytes_of

    given = {"flash": flash, "ram": ram}
    return {name: bytes_of(str(text), f"--{name}") for name, text in given.items() if text is not None}


def _listed(names: str | Sequence[PathLike]) -> list[str]:
    """Return names that were given as a list, or as one text with commas between them."""
    every = names.split(",") if isinstance(names, str) else map(str, names)
    return [name for each in every if (name := each.strip())]


def _path(given: PathLike | None) -> Path | None:
    return None if given is None else Path(given)


def _text(given: PathLike | None) -> str | None:
    return None if given is None else str(given)
