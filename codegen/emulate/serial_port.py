"""Reads the protocol from a board on the desk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .errors import EmulationError
from .protocol import ProtocolReader
from .result import SELF_TEST_INSTEAD

_SILENCE = 3.0


def read_port(
    port: str,
    reader: ProtocolReader,
    *,
    baud: int = 115200,
    timeout: float = 60.0,
    notice: Callable[[str], None] | None = None,
) -> None:
    """Reads from a serial port until ``reader`` is finished.

    Args:
        port: Such as ``/dev/ttyACM0`` or ``COM3``.
        baud: Of the port.
        reader: Takes the bytes; a restartable one lets a person press reset at any time.
        timeout: Seconds.
        notice: Told once, when the board has not begun after a few seconds, to press its reset button.

    Raises:
        EmulationError: The port cannot be opened or read, or the run was not complete after ``timeout``.
    """
    start = time.monotonic()
    told = notice is None
    with _opened(port, baud) as line:
        while not reader.finished:
            reader.feed(line.read(max(1, line.in_waiting)))
            elapsed = time.monotonic() - start
            if not told and not reader.begun and elapsed > min(_SILENCE, timeout / 2):
                told = True
                assert notice is not None
                notice(f"nothing from {port} yet: press the board's reset button")
            if elapsed > timeout and not reader.finished:
                raise _too_late(port, baud, timeout, reader)


def require_port(port: str, baud: int = 115200) -> None:
    """Checks that a port is there.

    Raises:
        EmulationError: It cannot be opened.
    """
    with _opened(port, baud):
        pass


@contextmanager
def _opened(port: str, baud: int) -> Iterator[Any]:
    try:
        import serial
    except ImportError:
        raise EmulationError(
            "reading a port needs pyserial", remedy="install it: pip install pyserial"
        ) from None
    try:
        with serial.Serial(port, baud, timeout=0.1) as line:
            yield line
    except (serial.SerialException, OSError) as error:
        raise EmulationError(f"cannot read the port: {error}", where=port, remedy=_ports()) from None


def _too_late(port: str, baud: int, timeout: float, reader: ProtocolReader) -> EmulationError:
    reset = f"press the board's reset button, and see that it sends at {baud} baud"
    if reader.begun:
        remedy = "give it longer (--timeout)"
    elif reader.silent:
        remedy = (
            f"upload the firmware, {reset}; if it is an application that writes nothing, {SELF_TEST_INSTEAD}"
        )
    else:
        remedy = (
            f"if it is an application, watch it with `pio device monitor`, or {SELF_TEST_INSTEAD} and upload it "
            f"again; if it is the self-test, {reset}"
        )
    return EmulationError(
        f"the board did not finish within {timeout:g} s",
        where=port,
        why="; ".join(filter(None, [reader.unfinished().what, reader.unfinished().why])),
        remedy=remedy,
    )


def _ports() -> str:
    from serial.tools import list_ports

    names = sorted(found.device for found in list_ports.comports())
    return (
        f"give one of the ports there are: {', '.join(names)}"
        if names
        else "connect the board; there is no port"
    )
