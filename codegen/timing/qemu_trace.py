"""Follows an image in QEMU block by block: cores that the virtual board lacks, with core timings alone.

QEMU tells on standard error (``-d exec,in_asm``) which instructions a block holds when it translates it, and each block
that it enters.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Generator, Iterator, Sequence
from typing import IO

from micronets_gen.emulate import qemu
from micronets_gen.emulate.errors import EmulationError
from micronets_gen.emulate.image import Image
from micronets_gen.timing.decode import Instruction
from micronets_gen.timing.decode_mve import decode_with_vectors

_ENTERED = re.compile(rb"Trace \d+: (0x[0-9a-f]+) \[[0-9a-f]+/([0-9a-f]+)/")
_LISTED = re.compile(rb"0x([0-9a-f]+):  [0-9a-f]{4}( [0-9a-f]{4})?\b")
_BEGINS = b"IN:"
_NOT_RUN = b"Stopped execution"
"""Of the block that was entered last: it is entered again."""

_CUT_SHORT = b"cpu_io_recompile"
"""The block that was entered last touches a device, and its rest is entered as a block of its own."""


def blocks(image: Image, machine: str, timeout: float) -> Generator[tuple[int, int]]:
    """Yield address and bytes of each block that runs, until nobody asks any more or the firmware leaves.

    Raises:
        EmulationError: QEMU is missing, tells nothing of blocks, or the time is over.
    """
    if shutil.which(qemu.PROGRAM) is None:
        raise EmulationError(f"{qemu.PROGRAM} is not installed")
    command = [*qemu.command(machine, image.path), "-d", "exec,nochain,in_asm"]
    told, over = False, threading.Event()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=1 << 20
    ) as process:
        assert process.stderr is not None
        timer = threading.Timer(timeout, _end, (over, process))
        timer.start()
        try:
            for block in _read(process.stderr):
                told = True
                yield block
        finally:
            timer.cancel()
            process.kill()
    if over.is_set():
        raise EmulationError(f"the first inference was still running after {timeout:g} s")
    if not told:
        raise EmulationError(f"this {qemu.PROGRAM} does not tell which blocks it runs", where=machine)


def _end(over: threading.Event, process: subprocess.Popen[bytes]) -> None:
    over.set()
    process.kill()


def _read(lines: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Yield the blocks that ran; how much of one did is known when the next one is entered."""
    sizes: dict[bytes, int] = {}
    first = end = 0
    entered: tuple[int, int] | None = None
    short = False
    for line in lines:
        if found := _ENTERED.match(line):
            which, address = found[1], int(found[2], 16)
            if entered is not None:
                begin, size = entered
                ran = address - begin if short else size
                if ran:
                    yield begin, ran
            if end:
                sizes[which], end = end - first, 0
            entered = (address, sizes[which]) if which in sizes else None
            short = False
        elif line.startswith(_NOT_RUN):
            entered = None
        elif line.startswith(_CUT_SHORT):
            short = True
        elif line.startswith(_BEGINS):
            first = end = 0
        elif found := _LISTED.match(line):
            address = int(found[1], 16)
            first, end = first or address, address + (4 if found[2] else 2)


def decoded(image: Image, address: int, size: int) -> Sequence[Instruction]:
    """Return the instructions of a block of an image.

    Raises:
        EmulationError: the image does not hold them: code that was copied to RAM.
    """
    for segment in image.segments:
        start = address - segment.address
        if start >= 0 and start + size <= len(segment.data):
            return decode_with_vectors(segment.data[start : start + size], address)
    raise EmulationError(
        "code that the image does not hold where it runs cannot be timed", where=image.locate(address)
    )
