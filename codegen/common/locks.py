"""One process at a time: locks that die with the process that holds them."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PAUSE = 0.2
# A network's file system may have no locks: then there is nothing to wait for.
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class LockedError(Exception):
    """Another process has held a lock for too long."""


@contextmanager
def exclusive(
    path: Path, waiting: Callable[[], None], timeout: float = 900.0, *, keep: bool = True
) -> Iterator[int]:
    """Hold a lock file, and yield its descriptor.

    The lock belongs to the open file: a process that inherits the descriptor keeps it after the death of this one.

    Args:
        path: The lock file; its folder is made where it is not there.
        waiting: Called once where another process holds the lock.
        timeout: Seconds to wait for it.
        keep: Leave the file.

    Raises:
        LockedError: the other process does not end.
        OSError: the file cannot be made.
    """
    descriptor = _acquire(path, waiting, time.monotonic() + timeout)
    try:
        yield descriptor
    finally:
        if not keep and sys.platform != "win32":
            path.unlink(missing_ok=True)
        os.close(descriptor)
        if not keep and sys.platform == "win32":  # which removes no open file
            with suppress(OSError):
                path.unlink()


def _acquire(path: Path, waiting: Callable[[], None], deadline: float) -> int:
    told = False
    while True:
        descriptor = _open(path)
        # Who held the lock may have removed the file, and another process made it anew: then this one is not it.
        if _try(descriptor) and _is(path, descriptor):
            return descriptor
        os.close(descriptor)
        if not told:
            waiting()
            told = True
        if time.monotonic() > deadline:
            raise LockedError(str(path))
        time.sleep(_PAUSE)


def _open(path: Path, attempts: int = 100) -> int:
    """Open the file, in a folder that whoever held the lock may remove at any moment."""
    while True:
        attempts -= 1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        except (FileNotFoundError, FileExistsError):
            if not attempts:
                raise


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


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
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        return True
