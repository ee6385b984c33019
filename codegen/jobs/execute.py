"""Runs a built project's image and adds what it said to the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from micronets_gen.common.documents import WRITTEN_BY_PROGRAM, read_text
from micronets_gen.common.numbers import plural
from micronets_gen.emulate.errors import EmulationError
from micronets_gen.emulate.files import BOARD_JSON, IDENTITY_JSON, read_board, read_identity
from micronets_gen.emulate.image import read_image
from micronets_gen.emulate.lines import OnLine
from micronets_gen.emulate.result import SELF_TEST_INSTEAD, ApplicationRun, Run, RunResult
from micronets_gen.errors import RunError, ToolError, UsageError
from micronets_gen.jobs.build import REPORT_JSON, write_report
from micronets_gen.jobs.own_records import ProjectBoard, own_records
from micronets_gen.project.folder import exclusive_folder
from micronets_gen.project.project import PLATFORM
from micronets_gen.report.document import from_json
from micronets_gen.report.report import Report
from micronets_gen.runtimes.base import PROFILE, RELEASE
from micronets_gen.timing.result import Timing

Progress = Callable[[str, int, int], None]
"""Told what runs, the instructions executed so far (0 where the emulator does not say) and the samples done."""

MODELLING = "modelling time"
"""What a :data:`Progress` is told to run while images are traced; they do no samples."""

NOT_ASKED_FOR = "left out as asked for (--no-time)"
CLOCK_FAILED = "it would be that of the clock that failed"
NO_CYCLES = "the board counts instructions, and no cycles that modelled ones could stand beside"
UNKNOWN_IMAGE = "which of the project's images the board runs is not known: it has no identity of a build"
"""Reasons for no modelled time."""


def progress_text(image: str, instructions: int, samples: int) -> str:
    """Return how far an image is, as a person reads it."""
    parts = [f"{instructions / 1e6:,.1f} M instructions"] if instructions else []
    if image != MODELLING:
        parts.append(plural(samples, "sample"))
    return ": ".join(filter(None, (image, ", ".join(parts))))


def load_report(project: Path) -> Report:
    """Read the report of a project.

    Raises:
        UsageError: the folder is no project of micronets-gen, or its report is damaged.
    """
    path = project / REPORT_JSON
    try:
        text = read_text(path, most=WRITTEN_BY_PROGRAM)
    except UsageError as error:
        raise UsageError(
            "this is no project that micronets-gen built",
            where=str(project),
            why=f"{REPORT_JSON}: {': '.join(filter(None, (error.what, error.why)))}",
            remedy="give the folder that 'micronets-gen build' named",
        ) from error
    return from_json(text, str(path))


def run_project(
    project: Path,
    *,
    timeout: float = 300.0,
    port: str | None = None,
    clock_fails: bool = False,
    time: bool = True,
    progress: Progress | None = None,
    on_line: OnLine | None = None,
    tell: Callable[[str], None] = lambda _sentence: None,
) -> Report:
    """Run the release image, then the profiled one for the layers, model their time, and write the report.

    Both run in the board's emulator; of an application, which leaves without the self-test's report, the release
    image alone. With ``port``, what the board there says is read instead, once: layers are there if the profiled
    image was uploaded; and the time of the image that it runs is modelled.

    Args:
        project: What ``build`` made; compiled first where an image is missing or older than its sources.
        timeout: Seconds of the host's time for each image.
        port: A serial port.
        clock_fails: The external oscillator does not start (virtual board).
        time: Model the time of what ran; why that cannot be is told in the report.
        progress: See :data:`Progress`.
        on_line: Told each line that the release image, or the board, writes.
        tell: Told where another process works in the project, and this one waits.

    Returns:
        The report, with ``run`` of the self-test or ``application``.

    Raises:
        RunError: the firmware did not run to its end, or is not the project's.
        UsageError: the folder is no project, or what was recorded of its board is something else.
    """
    from micronets_gen.emulate.run import run_elf, run_port
    from micronets_gen.emulate.serial_port import require_port

    report = load_report(project)
    images = Images.of(project, report.board.name)
    tools = project / PLATFORM / "tools"
    try:
        board = read_board(tools / BOARD_JSON)
        records = own_records(project, ProjectBoard.of(report, board)) if time else ()
        if port is not None:
            require_port(port)
        if images.stale(project):
            with exclusive_folder(project, tell):
                images.compile(project)
        if port is not None:
            run: Run = run_port(
                port,
                baud=board["uart"]["baud"],
                timeout=timeout,
                image=read_image(images.release),
                on_line=on_line,
                identity=read_identity(tools / IDENTITY_JSON, images.all(project)),
            )
        else:
            report = _described(report, images.release, board)
            execute = partial(run_elf, board=board, timeout=timeout, clock_fails=clock_fails)
            run = _emulate(images, tools / IDENTITY_JSON, execute, progress, on_line)
    except EmulationError as error:
        raise RunError(
            error.what, where=error.where or str(project), why=error.why, remedy=error.remedy
        ) from error
    if isinstance(run, RunResult):
        why = "" if time and not clock_fails else CLOCK_FAILED if time else NOT_ASKED_FOR
        model, lacks = _model_of(images, project, run, port is not None)
        model = partial(model, records=records, timeout=timeout)
        report = report.with_run(run, *_timed(model, board, progress, why or lacks))
    else:
        report = report.with_run(run)
    with exclusive_folder(project, tell):
        write_report(project, report)
    return report


def _emulate(
    images: Images,
    facts: Path,
    execute: Callable[..., Run],
    progress: Progress | None,
    on_line: OnLine | None,
) -> Run:
    def run(elf: Path, name: str, on_line: OnLine | None = None) -> Run:
        told = _Told(name, progress, on_line)
        identity = read_identity(facts, [elf])
        return execute(elf, identity=identity, progress=told.executed, on_line=told.line)

    release = run(images.release, "release image", on_line)
    if isinstance(release, ApplicationRun):
        return release
    profiled = run(images.profiled, "profiled image")
    if isinstance(profiled, ApplicationRun):
        return release
    return replace(release, passed=release.passed and profiled.passed, layers=profiled.layers)


def _model_of(
    images: Images, project: Path, run: RunResult, on_board: bool
) -> tuple[Callable[..., Timing], str]:
    """Return what models the time of what ran, and why it cannot."""
    from micronets_gen.timing.firmware import time_firmware, time_image

    if not on_board:
        counts = [layer.count for layer in run.layers]
        profiled = images.profiled if counts else None
        return partial(time_firmware, images.release, profiled, layer_counts=counts), ""
    uploaded = images.built(project, run.build)
    model = partial(time_image, uploaded or images.release, layers=len(run.layers))
    if run.clock_note:
        return model, CLOCK_FAILED
    if not run.measured:
        return model, NO_CYCLES
    return model, "" if uploaded else UNKNOWN_IMAGE


def _timed(
    model: Callable[..., Timing], board: Mapping[str, Any], progress: Progress | None, why_not: str
) -> tuple[Timing | None, str]:
    """Return the modelled time of what ran, or why there is none."""
    from micronets_gen.timing.firmware import can_model

    why_not = why_not or can_model(board)
    if why_not:
        return None, why_not
    told = _Told(MODELLING, progress, None)
    told.executed(0)
    try:
        return model(board=board, progress=told.executed), ""
    except (ToolError, EmulationError) as error:
        return None, "; ".join(filter(None, (error.what, error.remedy)))


class _Told:
    """Makes one progress of what an emulator tells: instructions, and lines of the protocol."""

    def __init__(self, image: str, progress: Progress | None, on_line: OnLine | None) -> None:
        self._image, self._progress, self._on_line = image, progress, on_line
        self._instructions = self._samples = 0

    def executed(self, instructions: int) -> None:
        self._instructions = instructions
        self._tell()

    def line(self, text: str) -> None:
        if self._on_line is not None:
            self._on_line(text)
        if text.startswith("MN,vector,"):
            self._samples += 1
            self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._image, self._instructions, self._samples)


def self_test_of(report: Report, project: Path) -> RunResult:
    """Return what the self-test said in the run that ``report`` tells of.

    Raises:
        RunError: it was the application that ran.
    """
    if report.run is None:
        raise RunError(
            "the firmware ran its application, and what is measured here is the self-test",
            where=str(project),
            remedy=SELF_TEST_INSTEAD,
        )
    return report.run


@dataclass(frozen=True)
class Images:
    """The release and the profiled image of a project."""

    environments: tuple[str, str]
    release: Path
    profiled: Path

    @classmethod
    def of(cls, project: Path, board: str) -> Images:
        """Return where they are, or will be."""
        from micronets_gen.project.pio import image_of

        names = (RELEASE.name(board), PROFILE.name(board))
        return cls(names, image_of(project, names[0]), image_of(project, names[1]))

    def all(self, project: Path) -> tuple[Path, ...]:
        """Return every image of the project that there is, these two first."""
        others = sorted((project / ".pio" / "build").glob("*/firmware.elf"))
        return tuple(dict.fromkeys((self.release, self.profiled, *others)))

    def built(self, project: Path, build: str) -> Path | None:
        """Return the image of a build's identity; None where there is none, or images have none."""
        return next((elf for elf in self.all(project) if build and read_image(elf).build == build), None)

    def stale(self, project: Path) -> bool:
        """Whether one is missing, or older than a file that it is made of."""
        try:
            oldest = min(image.stat().st_mtime_ns for image in (self.release, self.profiled))
        except OSError:
            return True
        return any(source.stat().st_mtime_ns > oldest for source in _sources(project))

    def compile(self, project: Path) -> None:
        """Compile both.

        Raises:
            ToolError: no compiler, or it reported an error.
        """
        from micronets_gen.project.pio import build

        build(project, self.environments)


def _sources(project: Path) -> Iterator[Path]:
    yield from (path for path in project.glob("*.ini"))
    for folder in ("src", "include", "lib", PLATFORM):
        yield from (path for path in (project / folder).rglob("*") if path.is_file())


def _described(report: Report, elf: Path, board: Mapping[str, Any]) -> Report:
    """Return the report with what the image holds now: others compile, too.

    An image that is still the one that ``build`` described keeps what ``build`` knew of its stack: the runtime told
    it where calls through pointers lead.

    Args:
        board: The project's copy of the board.
    """
    from micronets_gen.boards.board import Board, Region, Uart
    from micronets_gen.image.elf import loaded_sha256
    from micronets_gen.jobs.analyse import describe_image

    if report.image and report.image.sha256 == loaded_sha256(elf):
        return report
    values = {
        **board,
        "regions": tuple(Region(**region) for region in board["regions"]),
        "uart": Uart(**board["uart"]),
    }
    unknown = {"vendor": "", "url": "", "mcu": report.board.mcu, "emulator": None, "upload": None}
    image, stack = describe_image(elf, Board(**{**values, **unknown}))
    return replace(report, image=image, stack=stack)
