"""Files that are whole or not there."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


def write_atomically(
    path: Path, content: bytes | str | Callable[[BinaryIO], Any], *, drafts: Path | None = None
) -> None:
    """Write a file so that a kill at any moment leaves the old one or the new one.

    A link is replaced, not followed.

    Args:
        path: The file; its folder exists.
        content: Bytes, a text, or what writes them to an open file.
        drafts: Folder of the same file system in which the new file is prepared; by default that of ``path``.
    """
    draft = (drafts or path.parent) / f".{path.name}.{secrets.token_hex(4)}"
    try:
        with draft.open("xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write plain values as indented JSON, atomically."""
    write_atomically(path, json.dumps(value, indent=2) + "\n")


def holds(path: Path, content: bytes) -> bool:
    """Whether a file has exactly these bytes."""
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


def write_if_changed(path: Path, content: bytes) -> bool:
    """Write ``content`` atomically unless ``path`` holds it already; return whether it was written."""
    if holds(path, content):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    return True
