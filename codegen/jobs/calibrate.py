"""Runs a project's image on its board, models the same image, and records the difference for that board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from micronets_gen.common.version import VERSION
from micronets_gen.emulate.errors import EmulationError
from micronets_gen.emulate.files import BOARD_JSON, read_board
from micronets_gen.emulate.lines import OnLine
from micronets_gen.emulate.result import RunResult
from micronets_gen.errors import RunError, ToolError, UsageError
from micronets_gen.jobs.execute import Progress, load_report, run_project
from micronets_gen.jobs.own_records import ProjectBoard, own_records, record_file
from micronets_gen.project.project import PLATFORM
from micronets_gen.report.report import Report
from micronets_gen.timing.bands import band_of
from micronets_gen.timing.measured import (
    MeasuredLayer,
    Record,
    mean_factor,
    read_records,
    record_into,
)
from micronets_gen.timing.result import Band, Timing


@dataclass(frozen=True)
class Calibrated:
    """What a calibration recorded.

    Attributes:
        report: Of the run.
        path: The file of the record.
        replaced: There was one of the same build.
        records: Of the board at its clock, this one included.
        before: The board's band.
        after: The band with the record.
        factor: Measured cycles to a modelled one, on average; None where there are not enough.
    """

    report: Report
    path: Path
    replaced: bool
    records: tuple[Record, ...]
    before: Band
    after: Band
    factor: float | None


def calibrate_project(
    project: Path,
    *,
    port: str,
    timeout: float = 300.0,
    out: Path | None = None,
    progress: Progress | None = None,
    on_line: OnLine | None = None,
    tell: Callable[[str], None] = lambda _sentence: None,
) -> Calibrated:
    """Run a project on its board as ``run`` does, and record measured and modelled cycles.

    Args:
        project: What ``build`` made.
        port: A serial port.
        timeout: Seconds of the host's time, for the board and for each image.
        out: The file; None for the one beside a board file of one's own, or for one in the project.
        progress: See :data:`micronets_gen.jobs.execute.Progress`.
        on_line: Told each line that the board writes.
        tell: Told where another process works in the project, and this one waits.

    Raises:
        UsageError: the folder is no project, or the file cannot be written or holds something else.
        ToolError: this computer has no C compiler, so that only the core would be modelled.
        RunError: the board's outputs are wrong, or time was not modelled.
    """
    report = load_report(project)
    board = _board_of(project, report)
    path = out or record_file(project, report)
    _require_place(path, board)
    _require_compiler()
    earlier = own_records(project, board, path)
    report = run_project(project, timeout=timeout, port=port, progress=progress, on_line=on_line, tell=tell)
    replaced = record_into(path, _record(project, board, report), board)
    records = own_records(project, board, path)
    return Calibrated(
        report=report,
        path=path,
        replaced=replaced,
        records=records,
        before=band_of(board.core, board.family, earlier),
        after=band_of(board.core, board.family, records),
        factor=mean_factor(records),
    )


def _board_of(project: Path, report: Report) -> ProjectBoard:
    try:
        return ProjectBoard.of(report, read_board(project / PLATFORM / "tools" / BOARD_JSON))
    except EmulationError as error:
        raise RunError(error.what, where=error.where, why=error.why, remedy=error.remedy) from error


def _require_place(path: Path, board: ProjectBoard) -> None:
    """Check, before anything is measured, that it can be kept."""
    if not path.parent.is_dir():
        raise UsageError(
            "no folder to keep measurements in",
            where=str(path.parent),
            remedy="make it, or name a file with --out",
        )
    read_records(path, board)


def _require_compiler() -> None:
    from micronets_gen.timing.native import has_compiler

    if not has_compiler():
        raise ToolError(
            "no C compiler of this computer's",
            where="calibrate",
            why="without one, the core alone is modelled, and the difference would not be the model's",
            remedy="install one (gcc, clang or tcc)",
        )


def _record(project: Path, board: ProjectBoard, report: Report) -> Record:
    run, timing = _compared(project, report)
    return Record(
        board=board.name,
        core=board.core,
        family=board.family,
        clock_hz=run.clock_hz,
        runtime=run.runtime,
        model=run.model,
        build=run.build,
        image="profiled" if run.layers else "release",
        memory=timing.memory,
        measured_cycles=run.count,
        modelled_cycles=timing.total.cycles,
        date=datetime.now(UTC).date().isoformat(),
        generator=report.generator,
        modelled_by=f"micronets-gen {VERSION}",
        layers=tuple(
            MeasuredLayer(
                row.layer.index, row.layer.name, row.layer.op, row.layer.macs, row.count, row.spent.cycles
            )
            for row in report.rows
            if row.count is not None and row.spent is not None
        ),
    )


def _compared(project: Path, report: Report) -> tuple[RunResult, Timing]:
    """Return what was measured and what was modelled, where both are of use."""
    run, timing = report.run, report.timing
    assert run is not None  # an application has no identity, and run_project() refuses it
    if not run.passed:
        raise RunError(
            "the board's outputs are wrong, so that its time is that of something else; nothing is recorded",
            where=str(project),
            remedy=f"see which: micronets-gen run {project} --port {run.ran_on}",
        )
    if timing is None:
        raise RunError(
            "time was not modelled, so that there is nothing to compare; nothing is recorded",
            where=str(project),
            why=report.timing_note,
        )
    if not run.count:
        raise RunError(
            "the board counted no cycles; nothing is recorded",
            where=str(project),
            remedy="reset the board and try again: a debugger may have stopped its counter",
        )
    return run, timing
