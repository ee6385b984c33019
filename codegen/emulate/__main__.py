"""Runs a firmware image and reports: ``python -m emulate --board-json board.json firmware.elf``.

Of a self-test, exits with 0 where every vector passed, else with 1; of an application, with the status that it gave
to ``board_exit()``; with 2 where the firmware did not run to its end.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import EmulationError
from .files import read_board, read_identity
from .image import read_image
from .lines import shown
from .result import ApplicationRun, Run
from .run import run_elf, run_port
from .text import as_json, summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        result = _run(options)
    except EmulationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(json.dumps(as_json(result), indent=2) if options.json else "\n" + summary(result))
    if isinstance(result, ApplicationRun):
        return result.status
    return 0 if result.passed else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emulate", description="Runs a firmware image and checks its output."
    )
    parser.add_argument("elf", type=Path, nargs="?", help="the image, firmware.elf")
    parser.add_argument("--board-json", type=Path, help="the board's data")
    parser.add_argument("--identity-json", type=Path, help="what the project's self-test says of itself")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds (default: %(default)g)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--clock-fails", action="store_true", help="neither oscillator nor PLL starts")
    parser.add_argument("--port", help="read a board on this serial port instead of emulating")
    parser.add_argument("--baud", type=int, help="of the port (default: the board's, or 115200)")
    return parser


def _run(options: argparse.Namespace) -> Run:
    board = read_board(options.board_json) if options.board_json else None
    elfs = [options.elf] if options.elf else []
    identity = read_identity(options.identity_json, elfs) if options.identity_json else None
    on_line: Callable[[str], None] | None = None if options.json else _print_line
    if options.port:
        baud = options.baud or ((board or {}).get("uart") or {}).get("baud", 115200)
        return run_port(
            options.port,
            baud=baud,
            timeout=options.timeout,
            image=read_image(options.elf) if options.elf else None,
            on_line=on_line,
            notice=_notice,
            identity=identity,
        )
    if board is None or options.elf is None:
        raise EmulationError("what to run is missing", remedy="give --board-json board.json and firmware.elf")
    progress = _progress if sys.stderr.isatty() and not options.json else None
    return run_elf(
        options.elf,
        board,
        timeout=options.timeout,
        progress=progress,
        on_line=on_line,
        clock_fails=options.clock_fails,
        identity=identity,
    )


def _print_line(line: str) -> None:
    print(shown(line), flush=True)


def _notice(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _progress(instructions: int) -> None:
    print(f"\r{instructions:,} instructions", end="\r", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
