"""The main job: a model and a board become a project, an image and a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from micronets_gen.boards.board import Board
from micronets_gen.boards.load import load_board, load_boards
from micronets_gen.bundled.catalogue import ModelSource, resolve_model
from micronets_gen.common.files import write_atomically
from micronets_gen.common.version import VERSION
from micronets_gen.errors import FitError, ModelError, UsageError
from micronets_gen.jobs.fitting import OtherRuntimes
from micronets_gen.model.graph import Graph
from micronets_gen.operators import Problem
from micronets_gen.operators.reading import read_model
from micronets_gen.plan.check import check_model
from micronets_gen.plan.fit import demand, overflowed, place, sample_bytes
from micronets_gen.plan.footprint import Footprint
from micronets_gen.plan.goal import DEFAULT, Goal
from micronets_gen.plan.optimize import BALANCED
from micronets_gen.plan.plan import Plan
from micronets_gen.project.vectors import Vectors, vectors_for
from micronets_gen.report.report import Report
from micronets_gen.report.values import REPORT_HTML
from micronets_gen.runtimes.base import RELEASE, Runtime
from micronets_gen.runtimes.choose import Choice, choose_for_model

REPORT_JSON = "report.json"

_FILE_VECTORS = 32
_RANDOM_VECTORS = 8
_RESIZINGS = 2

Notify = Callable[[str], None]


@dataclass(frozen=True)
class BuildRequest:
    """What a person asks of ``build``.

    Attributes:
        model: Name of a bundled model or path of a ``.tflite`` file; None for the default model.
        out: The project's folder; None for ``build/<board>-<model>``.
        vectors: A ``.npz`` or ``.npy`` file of golden inputs; None for the model's own, or random ones.
        vector_count: How many golden vectors at most; None for 32 of a file or 8 random ones, or fewer where
            the flash has no room for them.
        strict_kernels: Whether a layer on a reference kernel is an error.
        goal: What the arena is laid out for.
        simplify: Whether a runtime may leave out what does not change the outputs.
        commits: Commits of the tflm runtime's sources by key, where not the pinned ones.
    """

    board: str
    model: str | None = None
    runtime: str = "auto"
    out: Path | None = None
    compile: bool = True
    force: bool = False
    vectors: Path | None = None
    vector_count: int | None = None
    strict_kernels: bool = False
    goal: Goal = DEFAULT
    simplify: bool = True
    commits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Built:
    """What ``build`` made.

    Attributes:
        elf: The release image; None without compilation.
    """

    project: Path
    elf: Path | None
    report: Report


@dataclass(frozen=True, eq=False)
class _Job:
    """What a request stands for."""

    request: BuildRequest
    board: Board
    source: ModelSource
    graph: Graph
    name: str
    folder: Path
    notify: Notify
    tell: Notify


def build(
    request: BuildRequest, notify: Notify = lambda _step: None, tell: Notify = lambda _sentence: None
) -> Built:
    """Turn a model into a project, and compile it; while another process works in the folder, wait.

    Args:
        request: What is asked.
        notify: Told each step, for a line that changes.
        tell: Told what a person must see: what is overwritten, what is waited for.

    Raises:
        MicronetsError: what is wrong with the model, the board, the folder or the tools; the folder is
            untouched unless the project was complete.
    """
    from micronets_gen.project.folder import exclusive_folder, require_buildable
    from micronets_gen.project.write import require_own

    notify("reading the model")
    board = load_board(request.board)
    source = resolve_model(request.model)
    graph = read_model(source.path)
    name = source.name or graph.name
    folder = request.out or Path("build") / f"{board.name}-{name}"
    require_buildable(folder)
    require_own(folder, force=request.force)
    with exclusive_folder(folder, tell):
        return _build(
            _Job(request, board, source, graph, name, folder, notify, cache(tell))
        )  # no sentence twice


def _build(job: _Job) -> Built:
    """Build; again with another arena, :data:`_RESIZINGS` times at most, where the image proves that it needs one."""
    choice = _choose(job.graph, job.request, job.notify)
    others = OtherRuntimes(job.graph, choice.runtime.name, job.request.commits)
    for _ in range(1 + _RESIZINGS):
        job.notify("planning")
        planned = _plan(job, choice)
        job.notify("writing the project")
        report = _write(job, planned, others)
        if not job.request.compile:
            return Built(job.folder, None, report)
        job.notify("compiling")
        images = _compile(job.folder, planned)
        job.notify("analysing the image")
        arena = choice.runtime.prove(planned.plan, images)
        resized = choice.runtime.resized(planned.plan, arena) if arena else None
        if resized is None:
            break
        choice = replace(choice, runtime=resized)
    report = _analyse(job, planned, images, replace(report, arena=arena))
    return Built(job.folder, images[RELEASE.name(job.board.name)], report)


@dataclass(frozen=True, eq=False)
class _Planned:
    """What is decided before anything is written."""

    choice: Choice
    plan: Plan
    footprint: Footprint
    vectors: Vectors

    @property
    def runtime(self) -> Runtime:
        return self.choice.runtime


def _plan(job: _Job, choice: Choice) -> _Planned:
    """Plan the model on the board, with as many golden vectors as there is room for."""
    request, graph = job.request, job.graph
    plan = choice.runtime.plan(graph, job.board, job.name)
    footprint = choice.runtime.footprint(plan)
    if plan.arenas is None and request.goal.optimize != BALANCED:
        job.tell(
            f"--optimize {request.goal.optimize} changes nothing: {plan.runtime} keeps every tensor whole"
        )
    smallest = plan.arenas.smallest_bytes if plan.arenas else None
    request.goal.require(demand(plan, footprint, plan.board), plan.board, smallest)
    samples = request.vectors or job.source.vectors
    plan = place(plan, footprint, load_boards())
    most = _FILE_VECTORS if samples else _RANDOM_VECTORS
    count = request.vector_count or _vector_count(plan, footprint, most)
    vectors = vectors_for(graph, samples, count=count, classes=job.source.classes)
    if vectors.note:
        job.tell(vectors.note)
    plan = replace(plan, classes=vectors.classes)
    plan = place(plan, footprint, load_boards(), vector_bytes=_vector_bytes(vectors))
    return _Planned(choice, plan, footprint, vectors)


def _write(job: _Job, planned: _Planned, others: OtherRuntimes) -> Report:
    """Write the project, and the report as far as it is known."""
    from micronets_gen.project.project import project_files
    from micronets_gen.project.soc_files import soc_files
    from micronets_gen.report.describe import describe_board, describe_layers, describe_model

    plan, source = planned.plan, job.source
    board_files = soc_files(plan.board, arena_region=plan.arena_region, stack_bytes=planned.footprint.stack)
    sources = planned.runtime.sources(plan, source.mark)
    project = project_files(plan, planned.vectors, sources, board_files, about=source.about)
    with _writing(job.folder):
        project.write(job.folder, force=job.request.force, tell=job.tell, also=(REPORT_JSON, REPORT_HTML))
    report = Report(
        model=replace(
            describe_model(job.graph), name=job.name, about=source.about, classes=planned.vectors.classes
        ),
        board=describe_board(plan.board),
        runtime=plan.runtime,
        runtime_reason=planned.choice.reason,
        generator=f"micronets-gen {VERSION}",
        layers=describe_layers(plan),
        memory=plan.memory,
        lock=(("vectors", planned.vectors.source),),
        alternatives=others.on(plan.board, _vector_bytes(planned.vectors)),
        savings=plan.savings,
        arenas=plan.arenas,
    )
    # What an earlier build reported is no longer true, whatever becomes of the compilation.
    write_report(job.folder, report)
    return report


def _compile(folder: Path, planned: _Planned) -> Mapping[str, Path]:
    """Compile the release, the profiled image, and what the runtime tries out; return them by environment."""
    from micronets_gen.project.pio import RegionOverflowError
    from micronets_gen.project.pio import build as compile_project
    from micronets_gen.project.project import environments

    board = planned.plan.board
    trials = [environment.name(board.name) for environment in planned.runtime.trials(board)]
    try:
        return compile_project(folder, [*environments(board), *trials])
    except RegionOverflowError as error:
        raise overflowed(
            planned.plan, planned.footprint, error.region, error.excess, load_boards(), error.heap
        ) from error


def _analyse(job: _Job, planned: _Planned, images: Mapping[str, Path], report: Report) -> Report:
    """Report what is in the release image, and refuse it where its stack or its kernels are not as they must be."""
    from micronets_gen.jobs.analyse import describe_image
    from micronets_gen.report.describe import with_kernels
    from micronets_gen.runtimes.tflm.guard import require_fast

    plan, runtime = planned.plan, planned.runtime
    elf = images[RELEASE.name(plan.board.name)]
    image, stack = describe_image(elf, plan.board, runtime.indirect_calls(plan, elf))
    kernels = runtime.kernels(plan, elf)
    report = replace(report, image=image, stack=stack, layers=with_kernels(report.layers, kernels))
    write_report(job.folder, report)
    _require_stack(report)
    if job.request.strict_kernels:
        require_fast(plan, kernels)
    return report


def _choose(graph: Graph, request: BuildRequest, notify: Notify) -> Choice:
    # What no runtime can execute is told before anything is fetched.
    require_none(check_model(graph), graph.name)
    choice = choose_for_model(graph, request.runtime, request.commits, notify)
    require_none(choice.runtime.problems(graph), graph.name)
    runtime = choice.runtime if request.simplify else choice.runtime.as_given()
    return replace(choice, runtime=runtime.optimized(request.goal))


def require_none(problems: Sequence[Problem], model: str) -> None:
    """Raise one error that lists every reason why a model cannot be executed.

    Raises:
        ModelError: there is one.
    """
    if problems:
        raise ModelError(
            f"{len(problems)} of its uses of operators cannot be executed"
            if len(problems) > 1
            else "it holds an operator that cannot be executed",
            where=model,
            why="; ".join(f"{p.layer} {p.reason}" for p in problems),
            remedy="; ".join(dict.fromkeys(p.remedy for p in problems)),
        )


def write_report(folder: Path, report: Report) -> None:
    """Write ``report.json`` and ``report.html`` into the project.

    Raises:
        UsageError: the folder cannot be written.
    """
    from micronets_gen.project.folder import drafts_of
    from micronets_gen.report.document import to_json
    from micronets_gen.report.html import to_html

    for name, text in ((REPORT_JSON, to_json(report)), (REPORT_HTML, to_html(report))):
        with _writing(folder):
            write_atomically(folder / name, text, drafts=drafts_of(folder))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            "cannot be written",
            where=str(folder),
            why=f"{error.strerror}: {error.filename}" if error.filename else str(error),
            remedy="choose another folder with --out, or make room and permit writing there",
        ) from error


def _vector_count(plan: Plan, footprint: Footprint, most: int) -> int:
    """Return how many golden vectors the flash has room for: ``most`` at most, and at least one."""
    ends = (*plan.graph.inputs, *plan.graph.outputs)
    room = plan.board.default_flash.size - demand(plan, footprint, plan.board).flash
    return max(1, min(most, room // sample_bytes(sum(plan.graph.tensor(t).nbytes for t in ends))))


def _vector_bytes(vectors: Vectors) -> int:
    rows = zip(vectors.inputs, vectors.expected, strict=True)
    return sum(sample_bytes(sum(array.nbytes for array in (*given, *wanted))) for given, wanted in rows)


def _require_stack(report: Report) -> None:
    stack = report.stack
    if stack is None or stack.reserved_bytes is None or stack.worst_bytes <= stack.reserved_bytes:
        return
    deepest = ", ".join(f"{frame.function} {frame.size:,}" for frame in stack.path)
    raise FitError(
        f"the worst-case stack is {stack.worst_bytes:,} bytes, and {stack.reserved_bytes:,} are left for it",
        where=report.board.name,
        why=f"deepest path: {deepest}",
        remedy="take a board with more RAM, or make the deepest functions' frames smaller",
    )
