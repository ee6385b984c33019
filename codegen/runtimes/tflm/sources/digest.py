"""A digest of the sources in a tree, which needs no git.

An exported tree has no commit to compare, may lack tests and documentation, and loses permissions and line ends on
its way through archives. The digest covers what firmware is compiled from, and the contents alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

_SUFFIXES = frozenset({".c", ".cc", ".h", ".hpp", ".inc"})


def digest(tree: Path, parts: Iterable[str]) -> str:
    """Return the SHA-256, in hex, of names and contents of the source files in ``parts``.

    Args:
        tree: Folder of the repository.
        parts: Folders in it, by their relative names; one that does not exist counts as empty.
    """
    total = hashlib.sha256()
    for name, path in sorted(_sources(tree, parts)):
        content = hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
        total.update(f"{content} {name}\n".encode())
    return total.hexdigest()


def _sources(tree: Path, parts: Iterable[str]) -> Iterable[tuple[str, Path]]:
    for part in parts:
        for path in (tree / part).rglob("*"):
            if path.suffix in _SUFFIXES and path.is_file():
                yield path.relative_to(tree).as_posix(), path
