"""Runs an image where its board says: in QEMU, on the virtual board, or on the board itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from . import qemu, serial_port
from .errors import EmulationError
from .files import BOARD, EMULATOR, REGION, UART
from .image import Image, read_image
from .lines import OnLine
from .protocol import ProtocolReader
from .result import ApplicationRun, Identity, Run, RunResult
from .virtual_board import Progress, VirtualBoard

_LONGEST_WAIT = threading.TIMEOUT_MAX / 2


def describe(board: Any) -> dict[str, Any]:
    """A board (``micronets_gen.boards.board.Board``) as plain data that goes into JSON and into :func:`run_elf`."""

    def pick(source: object, names: Iterable[str]) -> dict[str, Any]:
        return {name: getattr(source, name) for name in names}

    return {
        **pick(board, BOARD),
        "regions": [pick(region, REGION) for region in board.regions],
        "uart": pick(board.uart, UART),
        "emulator": pick(board.emulator, EMULATOR) if board.emulator is not None else None,
    }


def run_elf(
    elf: Path,
    board: Mapping[str, Any],
    *,
    timeout: float = 120.0,
    progress: Progress | None = None,
    on_line: OnLine | None = None,
    clock_fails: bool = False,
    identity: Identity | None = None,
) -> Run:
    """Runs an image in its board's emulator.

    Args:
        elf: The image.
        board: What :func:`describe` gives, possibly through JSON.
        timeout: Seconds of the host's time.
        progress: Told a few times a second how many instructions were executed (virtual board).
        on_line: Told each line the firmware writes.
        clock_fails: On the virtual board, neither the external oscillator nor a PLL starts.
        identity: What a self-test must say of itself.

    Returns:
        What the self-test said; or, of a firmware that leaves without the protocol, that it did.

    Raises:
        EmulationError: The firmware did not run to its end, is not the expected one, or an emulator is missing.
    """
    emulator = board.get("emulator")
    if not emulator:
        raise EmulationError(
            "no emulator runs this board's image",
            where=board["name"],
            remedy="run it on the board: --port /dev/ttyACM0",
        )
    timeout = _waitable(timeout)
    image, reader = read_image(elf), ProtocolReader(on_line)
    match emulator["kind"]:
        case "qemu":
            if clock_fails:
                raise EmulationError("QEMU has no clock that could fail", where=board["name"])
            name = f"QEMU {emulator['machine']}"
            cycle = Fraction(emulator["instructions_numerator"], emulator["instructions_denominator"])
            status = qemu.run(image, emulator["machine"], reader, timeout=timeout)
        case "virtual":
            name, cycle = "virtual board (unicorn)", Fraction(1)
            virtual = VirtualBoard(image, board, reader, clock_fails=clock_fails)
            status = virtual.run(timeout=timeout, progress=progress)
        case kind:
            raise EmulationError(
                f"no emulator of kind {kind!r}", where=board["name"], remedy="use qemu or virtual"
            )
    if status is not None:
        return _application(name, board["name"], status, reader)
    return reader.result(name, cycle=cycle, locate=image.locate, identity=identity)


def _waitable(timeout: float) -> float:
    """The time, or the longest that a thread can wait where it is more: without end, say."""
    if not timeout >= 0:
        raise EmulationError(
            f"{timeout:g} s is no time to wait", remedy="give seconds, 0 or more (--timeout)"
        )
    return min(timeout, _LONGEST_WAIT)


def _application(ran_on: str, board: str, status: int, reader: ProtocolReader) -> ApplicationRun:
    if reader.begun:
        raise EmulationError(
            f"the firmware left with status {status} before MN,end", why=reader.unfinished().why
        )
    return ApplicationRun(ran_on, board, status, reader.output)


def run_port(
    port: str,
    *,
    baud: int = 115200,
    timeout: float = 60.0,
    image: Image | None = None,
    on_line: OnLine | None = None,
    notice: Callable[[str], None] | None = None,
    identity: Identity | None = None,
) -> RunResult:
    """Reads a run from a board on a serial port; counts are in cycles.

    Args:
        port: Such as ``/dev/ttyACM0``.
        baud: Of the port.
        timeout: Seconds.
        image: What is on the board, to name the function where it crashed.
        on_line: Told each line the firmware writes.
        notice: Told, when nothing comes, to press the reset button.
        identity: What the firmware must say of itself.

    Raises:
        EmulationError: The port cannot be read, the firmware did not run to its end, or is not the expected one.
    """
    reader = ProtocolReader(on_line, restartable=True)
    serial_port.read_port(port, reader, baud=baud, timeout=_waitable(timeout), notice=notice)
    return reader.result(port, locate=image.locate if image is not None else None, identity=identity)
