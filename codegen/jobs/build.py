"""The main job: a model and a board become a project, an image and a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from micronets_gen import __version__
from micronets_gen.boards.board import Board
from micronets_gen.boards.load import load_board, load_boards
from micronets_gen.bundled.catalogue import ModelSource, resolve_model
from micronets_gen.common.files import write_atomically
from micronets_gen.errors import FitError, ModelError, UsageError
from micronets_gen.model.graph import Graph
from micronets_gen.operators import Problem
from micronets_gen.operators.reading import read_model
from micronets_gen.plan.check import check_model
from micronets_gen.plan.fit import overflowed, place
from micronets_gen.plan.footprint import Footprint
from micronets_gen.plan.plan import Plan
from micronets_gen.project.vectors import Vectors, vectors_for
from micronets_gen.report.report import Report
from micronets_gen.runtimes.choose import Choice, choose_for_model

REPORT_JSON = "report.json"
REPORT_HTML = "report.html"

_FILE_VECTORS = 32
_RANDOM_VECTORS = 8
_RESIZINGS = 2
# More than the code of any runtime's image leaves to be told before it is compiled.
_CODE_BYTES = 16 << 10

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What a person asks of ``build``.

    Attributes:
        model: Name of a bundled model or path of a ``.tflite`` file; None for the default model.
        out: The project's folder; None for ``build/<board>-<model>``.
        vectors: A ``.npz`` of golden inputs; None for the model's own, or random ones.
        vector_count: How many golden vectors at most; None for 32 of a file or 8 random ones, or fewer where
            the flash has no room for them.
        strict_kernels: Whether a layer on a reference kernel is an error.
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

    request: Request
    board: Board
    source: ModelSource
    graph: Graph
    name: str
    folder: Path
    notify: Notify
    tell: Notify


def build(
    request: Request, notify: Notify = lambda _step: None, tell: Notify = lambda _sentence: None
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
    from micronets_gen.project.folder import exclusive_folder
    from micronets_gen.project.write import require_own

    notify("reading the model")
    board = load_board(request.board)
    source = resolve_model(request.model)
    graph = read_model(source.path)
    name = source.name or graph.name
    folder = request.out or Path("build") / f"{board.name}-{name}"
    require_own(folder, force=request.force)
    with exclusive_folder(folder, tell):
        return _build(_Job(request, board, source, graph, name, folder, notify, tell), None, _RESIZINGS)


def _build(job: _Job, choice: Choice | None, resizings: int) -> Built:
    """Build; again with another arena, ``resizings`` times at most, where the image proves that it needs one."""
    from micronets_gen.jobs.analyse import describe_image
    from micronets_gen.project.pio import RegionOverflowError
    from micronets_gen.project.pio import build as compile_project
    from micronets_gen.project.project import Library, environments, project_files
    from micronets_gen.project.soc_files import soc_files
    from micronets_gen.report.describe import describe_board, describe_layers, describe_model, with_kernels
    from micronets_gen.runtimes.tflm.guard import require_fast

    request, board, source, graph, notify = job.request, job.board, job.source, job.graph, job.notify
    choice = choice or _choose(graph, request, notify)

    notify("planning")
    plan = choice.runtime.plan(graph, board, job.name)
    footprint = choice.runtime.footprint(plan)
    samples = request.vectors or source.vectors
    plan = place(plan, footprint, load_boards())
    count = request.vector_count or _vector_count(
        plan, footprint, _FILE_VECTORS if samples else _RANDOM_VECTORS
    )
    vectors = vectors_for(graph, samples, count=count)
    plan = place(plan, footprint, load_boards(), vector_bytes=_vector_bytes(vectors))

    notify("writing the project")
    sources = choice.runtime.sources(plan, source.mark)
    project = project_files(
        plan,
        vectors,
        sources.files,
        soc_files(board, arena_region=plan.arena_region, stack_bytes=footprint.stack),
        pins=sources.pins,
        library=Library.with_dependencies(sources.flags, sources.dependencies)
        if sources.dependencies
        else Library(flags=sources.flags),
        language=sources.language,
        libraries=sources.libraries,
        documents=sources.documents,
        quiet_flags=sources.quiet_flags,
        about=source.about,
    )
    with _writing(job.folder):
        project.write(job.folder, force=request.force, tell=job.tell, also=(REPORT_JSON, REPORT_HTML))
    report = Report(
        model=replace(describe_model(graph), name=job.name, about=source.about),
        board=describe_board(board),
        runtime=plan.runtime,
        runtime_reason=choice.reason,
        generator=f"micronets-gen {__version__}",
        layers=describe_layers(plan),
        memory=plan.memory,
        lock=(("vectors", vectors.source),),
    )
    # What an earlier build reported is no longer true, whatever becomes of the compilation.
    write_report(job.folder, report)
    elf = None
    if request.compile:
        notify("compiling")
        try:
            images = compile_project(job.folder, [*environments(board), *choice.runtime.trials(board)])
        except RegionOverflowError as error:
            raise overflowed(plan, footprint, error.region, error.excess, load_boards()) from error
        notify("analysing the image")
        arena = choice.runtime.prove(plan, images)
        resized = choice.runtime.resized(plan, arena) if arena else None
        if resized and resizings:
            return _build(job, replace(choice, runtime=resized), resizings - 1)
        elf = images[environments(board)[0]]
        image, stack = describe_image(elf, board, choice.runtime.indirect_calls(plan, elf))
        kernels = choice.runtime.kernels(plan, elf)
        report = replace(
            report, image=image, stack=stack, arena=arena, layers=with_kernels(report.layers, kernels)
        )
        write_report(job.folder, report)
        _require_stack(report)
        if request.strict_kernels:
            require_fast(plan, kernels)
    return Built(job.folder, elf, report)


def _choose(graph: Graph, request: Request, notify: Notify) -> Choice:
    # What no runtime can execute is told before anything is fetched.
    require_none(check_model(graph), graph.name)
    choice = choose_for_model(graph, request.runtime, request.commits, notify)
    require_none(choice.runtime.problems(graph), graph.name)
    return choice


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
    room = plan.board.default_flash.size - footprint.constants - max(footprint.code, _CODE_BYTES)
    return max(1, min(most, room // sum(plan.graph.tensor(t).nbytes for t in ends)))


def _vector_bytes(vectors: Vectors) -> int:
    return sum(array.nbytes for row in (*vectors.inputs, *vectors.expected) for array in row)


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
