"""What was measured of a project's board: where it is kept, and what of it is of use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from micronets_gen.boards.load import bundled_file
from micronets_gen.report.report import Report
from micronets_gen.timing.measured import Record, records_beside, records_in, records_of


@dataclass(frozen=True)
class ProjectBoard:
    """The board of a project, as its images are set up.

    Attributes:
        core: GCC's name.
        path: Its file, where ``build`` read it; empty where neither that nor a bundled board is known.
    """

    name: str
    core: str
    family: str
    clock_hz: int
    path: str

    @classmethod
    def of(cls, report: Report, board: Mapping[str, Any]) -> ProjectBoard:
        """Return the board of a project.

        Args:
            board: The project's copy of it.
        """
        name = report.board.name
        path = report.board.file or bundled_file(name)
        return cls(name, board["core"], board.get("family", ""), board["clock_hz"], path)


def record_file(project: Path, report: Report) -> Path:
    """Return where records are kept: beside a board file of one's own, else in the project."""
    own = report.board.file
    return records_beside(own) if own else records_in(project, report.board.name)


def own_records(project: Path, board: ProjectBoard, *more: Path) -> tuple[Record, ...]:
    """Return what was recorded of a project's board at its clock.

    Args:
        more: Files besides the one beside the board's file and the one in the project.

    Raises:
        UsageError: a file holds something else, or records of another board.
    """
    return records_of(board, records_in(project, board.name), *more)
