"""Folders that appear whole or not at all: prepared beside their place, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft_of(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside ``folder``, to be filled and renamed; what is left of it at the end is removed.

    Removes what processes that were killed left of the same folder.
    """
    for left in folder.parent.glob(f"{folder.name}.*.part"):
        if not _runs(left.name.split(".")[-2]):
            shutil.rmtree(left, ignore_errors=True)
    draft = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    try:
        draft.mkdir(parents=True)
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _runs(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
