"""Runs a built project's image and adds what it said to the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from codegen.build import REPORT_JSON, write_report
from codegen.emulate.errors import EmulationError
from codegen.emulate.result import RunResult
from codegen.errors import RunError, UsageError
from codegen.project import PLATFORM
from codegen.report.document import from_json
from codegen.report.report import Report

Progress = Callable[[str, int], None]


def load_report(project: Path) -> Report:
    """Read the report of a project.

    Raises:
        UsageError: the folder is no project of micronets-gen, or its report is damaged.
    """
    path = project / REPORT_JSON
    try:
        return from_json(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise UsageError(
            "this is no project that micronets-gen built",
            where=str(project),
            why=f"{REPORT_JSON}: {error.strerror}",
            remedy="give the folder that 'micronets-gen build' named",
        ) from error


def run_project(
    project: Path,
    *,
    timeout: float = 300.0,
    port: str | None = None,
    clock_fails: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Run the release image, then the profiled one for the layers, and write the report.

    Both run in the board's emulator. With ``port``, what the board there says is read instead, once: layers
    are there if the profiled image was uploaded.

    Args:
        project: What ``build`` made; compiled first where its images are missing.
        timeout: Seconds of the host's time for each image.
        port: A serial port.
        clock_fails: The external oscillator does not start (virtual board).
        progress: Told the image's name and the instructions executed so far.

    Raises:
        RunError: the firmware did not run to its end.
    """
    from codegen.emulate.run import run_elf, run_port

    report = load_report(project)
    try:
        if port is not None:
            run = run_port(port, timeout=timeout)
        else:
            release, profiled = _images(project, report.board.name)
            board = json.loads((project / PLATFORM / "tools" / "board.json").read_text(encoding="utf-8"))

            def execute(elf: Path, name: str) -> RunResult:
                told = None if progress is None else (lambda count: progress(name, count))
                return run_elf(elf, board, timeout=timeout, progress=told, clock_fails=clock_fails)

            run = _together(execute(release, "release image"), execute(profiled, "profiled image"))
    except EmulationError as error:
        raise RunError(
            error.what, where=error.where or str(project), why=error.why, remedy=error.remedy
        ) from error
    report = report.with_run(run)
    write_report(project, report)
    return report


def _together(release: RunResult, profiled: RunResult) -> RunResult:
    """Return the release image's run with the profiled image's layers; both must have passed."""
    return replace(release, passed=release.passed and profiled.passed, layers=profiled.layers)


def _images(project: Path, board: str) -> tuple[Path, Path]:
    """Return the release and the profiled image, compiled if need be."""
    from codegen.pio import build, image_of

    names = (board, f"{board}_profile")
    images = {name: image_of(project, name) for name in names}
    if not all(image.is_file() for image in images.values()):
        images = build(project, names)
    return images[names[0]], images[names[1]]
