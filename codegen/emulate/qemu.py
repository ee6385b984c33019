"""Runs an image on a machine of QEMU, instruction by instruction the same on every computer.

The firmware reaches nothing of the host but this process: bytes of its UART come in, and it can leave with a
status. Semihosting is there for leaving alone: its files and commands would go to a debugger (``target=gdb``), and
there is none, so that they do nothing. There is no network.
"""

from __future__ import annotations

import os
import queue
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

from .errors import EmulationError, stack_overflow
from .image import Image
from .protocol import ProtocolReader

PROGRAM = "qemu-system-arm"
_CHUNKS = 64
_MOST_MESSAGES = 1 << 16
_FATAL = re.compile(r"^qemu: fatal: (.*)$", re.MULTILINE)
_REGISTER = re.compile(r"\bR(13|15)=([0-9a-f]{8})")


def command(machine: str, elf: Path) -> list[str]:
    """The command line: no window, UART 0 on standard output, 1 ns per instruction.

    ``-icount shift=0`` is what makes a run deterministic: virtual time, and so every timer, advances with the
    instructions executed.
    """
    return [
        PROGRAM,
        *("-M", machine),
        *("-display", "none"),
        *("-icount", "shift=0"),
        *("-serial", "stdio"),
        *("-monitor", "none"),
        *("-nic", "none"),
        *("-semihosting-config", "enable=on,target=gdb"),
        "-no-reboot",
        *("-kernel", str(elf)),
    ]


def run(image: Image, machine: str, reader: ProtocolReader, *, timeout: float) -> int | None:
    """Runs an image until ``reader`` is finished or the firmware leaves.

    Args:
        image: The image.
        machine: Name of the machine (``qemu-system-arm -M help``).
        reader: Takes what the firmware writes.
        timeout: Seconds.

    Returns:
        The status with which the firmware left; None where the reader was finished before.

    Raises:
        EmulationError: QEMU is missing or refused to start, or the firmware crashed or did not end in time.
    """
    if shutil.which(PROGRAM) is None:
        raise EmulationError(
            f"{PROGRAM} is not installed",
            remedy="install it: apt install qemu-system-arm (Debian, Ubuntu), brew install qemu (macOS)",
        )
    deadline = time.monotonic() + timeout
    with subprocess.Popen(
        command(machine, image.path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        messages = _Messages(process.stderr)
        chunks = _Chunks(process.stdout)
        try:
            while not reader.finished and (chunk := chunks.next(deadline)):
                reader.feed(chunk)
            reader.close()
            if reader.finished:
                return None
            status = process.wait(max(1.0, deadline - time.monotonic()))
        except (queue.Empty, subprocess.TimeoutExpired):
            raise EmulationError(
                f"the firmware was still running after {timeout:g} s",
                why=reader.unfinished().why,
                remedy="give it longer (--timeout), or look for a loop that waits for hardware QEMU lacks; an "
                "application ends with board_exit(status)",
            ) from None
        finally:
            process.kill()
            chunks.stop()
            said = messages.text()
    if status < 0 or (status == 1 and reader.silent and said):
        raise _crashed(image, machine, status, said)
    return status


class _Chunks:
    """QEMU's output through a queue, which every system can read with a time limit; a full one makes QEMU wait."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._queue: queue.Queue[bytes] = queue.Queue(_CHUNKS)
        self._stopped = False
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    def next(self, deadline: float) -> bytes:
        """The next bytes; none at the end.

        Raises:
            queue.Empty: The deadline has passed, whether there are bytes or not.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            raise queue.Empty
        return self._queue.get(timeout=left)

    def stop(self) -> None:
        """Ends the thread; QEMU has ended."""
        self._stopped = True
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.01)
            except queue.Empty:
                self._thread.join(0.01)

    def _pump(self) -> None:
        while not self._stopped and (chunk := os.read(self._stream.fileno(), 65536)):
            self._queue.put(chunk)
        self._queue.put(b"")


class _Messages:
    """What QEMU itself has to say: the last of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._kept = b""
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    def text(self) -> str:
        """Everything but warnings; QEMU has ended."""
        self._thread.join()
        lines = self._kept.decode("utf-8", "replace").splitlines()
        return "\n".join(line for line in lines if not line.startswith(f"{PROGRAM}: warning:"))

    def _pump(self) -> None:
        while chunk := os.read(self._stream.fileno(), 65536):
            self._kept = (self._kept + chunk)[-_MOST_MESSAGES:]


def _crashed(image: Image, machine: str, status: int, said: str) -> EmulationError:
    fatal = _FATAL.search(said)
    if fatal is None:
        return EmulationError(
            f"QEMU's machine {machine} ended with status {status} before the firmware began",
            why=said.strip()[-500:],
            remedy=f"see whether this QEMU has the machine: {PROGRAM} -M help",
        )
    registers = {name: int(value, 16) for name, value in _REGISTER.findall(said)}
    where = image.locate(registers["15"]) if "15" in registers else str(image.path)
    if image.overflows_stack(registers.get("13")):
        return stack_overflow(where)
    return EmulationError(
        f"the core stopped for good: {fatal[1]}",
        where=where,
        remedy="look at the code at that address: it fails inside a fault handler, or with faults turned off",
    )
