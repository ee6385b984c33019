"""Runs an image where its board says: in QEMU, on the virtual board, or on the board itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from . import qemu, serial_port
from .errors import EmulationError
from .image import read_image
from .protocol import OnLine, ProtocolReader
from .result import RunResult
from .virtual_board import Progress, VirtualBoard

_BOARD = ("name", "title", "core", "fpu", "family", "clock_hz")
_REGION = ("name", "origin", "size", "kind", "default", "vectors")
_UART = ("instance", "baud", "tx", "rx", "alternate")
_EMULATOR = ("kind", "machine", "instructions_numerator", "instructions_denominator")


def describe(board: Any) -> dict[str, Any]:
    """A board (``micronets_gen.boards.board.Board``) as plain data that goes into JSON and into :func:`run_elf`."""

    def pick(source: object, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: getattr(source, name) for name in names}

    return {
        **pick(board, _BOARD),
        "regions": [pick(region, _REGION) for region in board.regions],
        "uart": pick(board.uart, _UART),
        "emulator": pick(board.emulator, _EMULATOR) if board.emulator is not None else None,
    }


def run_elf(
    elf: Path,
    board: Mapping[str, Any],
    *,
    timeout: float = 120.0,
    progress: Progress | None = None,
    on_line: OnLine | None = None,
    clock_fails: bool = False,
) -> RunResult:
    """Runs an image in its board's emulator.

    Args:
        elf: The image.
        board: What :func:`describe` gives, possibly through JSON.
        timeout: Seconds of the host's time.
        progress: Told a few times a second how many instructions were executed (virtual board).
        on_line: Told each line the firmware writes.
        clock_fails: On the virtual board, neither the external oscillator nor a PLL starts.

    Raises:
        EmulationError: The firmware did not run to its end, or an emulator is missing.
    """
    emulator = board.get("emulator")
    if not emulator:
        raise EmulationError(
            "no emulator runs this board's image",
            where=board["name"],
            remedy="run it on the board: --port /dev/ttyACM0",
        )
    kind, image, reader = emulator["kind"], read_image(elf), ProtocolReader(on_line)
    if kind == "qemu":
        if clock_fails:
            raise EmulationError("QEMU has no clock that could fail", where=board["name"])
        qemu.run(elf, emulator["machine"], reader, timeout=timeout)
        cycle = Fraction(emulator["instructions_numerator"], emulator["instructions_denominator"])
        return reader.result(f"QEMU {emulator['machine']}", cycle=cycle, locate=image.locate)
    if kind == "virtual":
        VirtualBoard(image, board, reader, clock_fails=clock_fails).run(timeout=timeout, progress=progress)
        return reader.result("virtual board (unicorn)", cycle=Fraction(1), locate=image.locate)
    raise EmulationError(f"no emulator of kind {kind!r}", where=board["name"], remedy="use qemu or virtual")


def run_port(
    port: str,
    *,
    baud: int = 115200,
    timeout: float = 60.0,
    elf: Path | None = None,
    on_line: OnLine | None = None,
    notice: Callable[[str], None] | None = None,
) -> RunResult:
    """Reads a run from a board on a serial port; counts are in cycles.

    Args:
        port: Such as ``/dev/ttyACM0``.
        baud: Of the port.
        timeout: Seconds.
        elf: The image on the board, to name the function where it crashed.
        on_line: Told each line the firmware writes.
        notice: Told, when nothing comes, to press the reset button.

    Raises:
        EmulationError: The port cannot be read, or the firmware did not run to its end.
    """
    locate = read_image(elf).locate if elf is not None else None
    reader = ProtocolReader(on_line, restartable=True)
    serial_port.read_port(port, reader, baud=baud, timeout=timeout, notice=notice)
    return reader.result(port, locate=locate)
