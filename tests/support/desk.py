"""A board on the desk: a pseudo-terminal that says over and over what a project's image says, in cycles."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from micronets_gen.emulate.run import run_elf


def spoken(project: Path, environment: str) -> bytes:
    """Return what a project's image writes in the board's emulator."""
    board = json.loads((project / "pio/micronets/tools/board.json").read_text())
    elf = project / ".pio/build" / environment / "firmware.elf"
    return run_elf(elf, board, timeout=60).output.encode()


def with_cycles(said: bytes, cycles: Callable[[int], int]) -> bytes:
    """Return the same, where an inference and its layers take other ticks.

    Args:
        cycles: Of a count of ticks.
    """
    counted = re.compile(rb"^(MN,invoke,|MN,layer,.*,)([0-9]+)(?=\r?$)", re.MULTILINE)
    return counted.sub(lambda found: found[1] + b"%d" % cycles(int(found[2])), said)


@contextmanager
def speaking(said: bytes) -> Iterator[str]:
    """Yield the port of a board that says ``said`` twice a second."""
    import tty

    device, port = os.openpty()
    tty.setraw(port)
    os.set_blocking(device, False)
    stop = threading.Event()

    def talk() -> None:
        while not stop.wait(0.5):
            with suppress(BlockingIOError):
                os.write(device, said)

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        yield os.ttyname(port)
    finally:
        stop.set()
        talker.join()
        os.close(device)
        os.close(port)
