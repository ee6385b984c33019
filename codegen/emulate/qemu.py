"""Runs an image on a machine of QEMU, instruction by instruction the same on every computer."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import threading
import time
from pathlib import Path

from .errors import EmulationError
from .protocol import ProtocolReader

PROGRAM = "qemu-system-arm"


def command(machine: str, elf: Path) -> list[str]:
    """The command line: no window, UART 0 and semihosting on the standard streams, 1 ns per instruction.

    ``-icount shift=0`` is what makes a run deterministic: virtual time, and so every timer, advances with the
    instructions executed.
    """
    return [
        PROGRAM,
        *("-M", machine),
        "-nographic",
        *("-icount", "shift=0"),
        *("-serial", "stdio"),
        *("-monitor", "none"),
        *("-semihosting-config", "enable=on,target=native"),
        "-no-reboot",
        *("-kernel", str(elf)),
    ]


def run(elf: Path, machine: str, reader: ProtocolReader, *, timeout: float) -> None:
    """Runs ``elf`` until ``reader`` is finished or QEMU ends.

    Args:
        elf: The image.
        machine: Name of the machine (``qemu-system-arm -M help``).
        reader: Takes what the firmware writes.
        timeout: Seconds.

    Raises:
        EmulationError: QEMU is missing or refused to start, or the firmware did not finish in time.
    """
    if shutil.which(PROGRAM) is None:
        raise EmulationError(
            f"{PROGRAM} is not installed",
            remedy="install it: apt install qemu-system-arm (Debian, Ubuntu), brew install qemu (macOS)",
        )
    if not elf.is_file():
        raise EmulationError("there is no firmware image", where=str(elf), remedy="build it: pio run")
    deadline = time.monotonic() + timeout
    with subprocess.Popen(
        command(machine, elf), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        pump = threading.Thread(target=_pump, args=(process, chunks), daemon=True)
        pump.start()
        try:
            while not reader.finished and (
                chunk := chunks.get(timeout=max(0.0, deadline - time.monotonic()))
            ):
                reader.feed(chunk)
            reader.close()
            status = 0 if reader.finished else process.wait(5)
        except queue.Empty:
            raise EmulationError(
                f"the firmware was still running after {timeout:g} s",
                why=reader.unfinished().why,
                remedy="give it longer (--timeout), or look for a loop that waits for hardware QEMU lacks",
            ) from None
        finally:
            process.kill()
            pump.join()
    if status:
        raise _stopped(machine, status, reader)


def _pump(process: subprocess.Popen[bytes], chunks: queue.SimpleQueue[bytes]) -> None:
    """Moves QEMU's output into a queue, which every system can read with a time limit; b"" ends it."""
    assert process.stdout is not None
    while chunk := os.read(process.stdout.fileno(), 65536):
        chunks.put(chunk)
    chunks.put(b"")


def _stopped(machine: str, status: int, reader: ProtocolReader) -> EmulationError:
    if not reader.begun:
        return EmulationError(
            f"QEMU's machine {machine} ended with status {status} before the firmware began",
            why=reader.output.strip()[-500:],
            remedy=f"see whether this QEMU has the machine: {PROGRAM} -M help",
        )
    return EmulationError(
        f"the firmware ended with status {status} before MN,end", why=reader.unfinished().why
    )
