"""Runs a firmware image and reports: ``python -m emulate --board-json board.json firmware.elf``.

Exits with 0 where every vector passed, 1 where one failed and 2 where the firmware did not run to its end.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .errors import EmulationError
from .result import RunResult
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
    return 0 if result.passed else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emulate", description="Runs a firmware image and checks its output."
    )
    parser.add_argument("elf", type=Path, nargs="?", help="the image, firmware.elf")
    parser.add_argument("--board-json", type=Path, help="the board's data")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds (default: %(default)g)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--clock-fails", action="store_true", help="neither oscillator nor PLL starts")
    parser.add_argument("--port", help="read a board on this serial port instead of emulating")
    parser.add_argument("--baud", type=int, help="of the port (default: the board's, or 115200)")
    return parser


def _run(options: argparse.Namespace) -> RunResult:
    board = _board(options.board_json) if options.board_json else None
    on_line: Callable[[str], None] | None = None if options.json else _print_line
    if options.port:
        baud = options.baud or ((board or {}).get("uart") or {}).get("baud", 115200)
        return run_port(
            options.port, baud=baud, timeout=options.timeout, elf=options.elf, on_line=on_line, notice=_notice
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
    )


def _board(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EmulationError(f"cannot read the board's data: {error}", where=str(path)) from None
    if not isinstance(data, dict) or not {"name", "core", "regions", "emulator"} <= data.keys():
        raise EmulationError("this is no board's data", where=str(path), remedy="generate the project again")
    return data


def _print_line(line: str) -> None:
    print(line, flush=True)


def _notice(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _progress(instructions: int) -> None:
    print(f"\r{instructions:,} instructions", end="\r", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
