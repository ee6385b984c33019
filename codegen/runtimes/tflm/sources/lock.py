"""One process at a time for each entry of the cache."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from micronets_gen.runtimes.tflm.sources.errors import SourcesError

_PAUSE = 0.2


@contextmanager
def exclusive(path: Path, waiting: Callable[[], None], timeout: float = 900.0) -> Iterator[int]:
    """Hold a lock file, and yield its descriptor.

    The lock belongs to the open file: a process that inherits the descriptor keeps it after the death of this one.
    The file stays, for removing it would let two processes hold two files of that name.

    Args:
        path: The lock file.
        waiting: Called once where another process holds the lock.
        timeout: Seconds to wait for it.

    Raises:
        SourcesError: the other process does not end.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + timeout
        told = False
        while not _try(descriptor):
            if not told:
                waiting()
                told = True
            if time.monotonic() > deadline:
                raise SourcesError(
                    "another process has been fetching the same sources for too long",
                    where=str(path),
                    remedy="end that process (a git fetch may have outlived its parent), then try again",
                )
            time.sleep(_PAUSE)
        yield descriptor
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _try(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
