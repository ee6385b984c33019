"""The truth about an arena: the image tries it out itself, in an emulator or on the board.

The arena environment of a project (``<board>_arena``) records what the interpreter takes and bisects its arena to the
smallest that works, writes that in a line ``MN,arena,...`` (docs/arena.md), and then runs the self-test in as much as
is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from micronets_gen.boards.board import Board
from micronets_gen.emulate.errors import EmulationError
from micronets_gen.emulate.run import describe, run_elf
from micronets_gen.errors import ToolError
from micronets_gen.plan.arena import ArenaSize
from micronets_gen.runtimes.base import Environment

ARENA = Environment(
    "arena",
    "Arena: the release, which first tries how small its arena can be: `pio run -e {name} -t upload -t monitor`.",
    ("-D MODEL_ARENA_PROBE",),
)

_LINE = "MN,arena,"
_FAULT = "MN,fault,"
_FIELDS = 5


@dataclass(frozen=True)
class Trial:
    """What the image found.

    Attributes:
        size: None where even the whole arena of the image is too small.
        passed: Whether the golden vectors passed in an arena of ``size.needed`` bytes.
    """

    size: ArenaSize | None
    passed: bool


def try_arena(elf: Path, board: Board, *, timeout: float = 300.0) -> Trial:
    """Run an image of the arena environment in the board's emulator.

    Raises:
        EmulationError: no emulator covers the board, it is not installed, or the image did not get as far.
        ToolError: the image says nothing of its arena.
    """
    lines: list[str] = []
    passed, failure = False, None
    try:
        passed = run_elf(elf, describe(board), timeout=timeout, on_line=lines.append).passed
    except EmulationError as error:
        failure = error
    found = [line for line in lines if line.startswith(_LINE)]
    if found:
        return Trial(parse_arena(found[0]), passed)
    if any(line.startswith(_FAULT) for line in lines):
        return Trial(
            None, False
        )  # TFLM does not look at every pointer that an arena far too small leaves null
    if failure is not None:
        raise failure
    raise ToolError(
        "the image says nothing of its arena",
        where=str(elf),
        remedy=f"build the environment {ARENA.name(board.name)}",
    )


def parse_arena(line: str) -> ArenaSize | None:
    """Read ``MN,arena,<head>,<tail>,<transient>,<needed>,<smallest>``; all 0 is None: the arena was too small.

    Raises:
        ToolError: the line is malformed.
    """
    fields = line.removeprefix(_LINE).split(",")
    if (
        not line.startswith(_LINE)
        or len(fields) != _FIELDS
        or not all(f.isascii() and f.isdigit() for f in fields)
    ):
        raise ToolError(f"malformed line {line!r}", where="MN,arena", remedy="build the project again")
    head, tail, transient, needed, smallest = map(int, fields)
    return ArenaSize(head, tail, transient, needed, smallest) if needed else None
