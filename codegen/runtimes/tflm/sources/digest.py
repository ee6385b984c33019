"""What the source files of a tree hold, as hashes that need no git.

An exported tree has no commit to compare, may lack tests and documentation, and loses permissions and line ends on
its way through archives. The hashes cover what firmware is compiled from, and the contents alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

_SUFFIXES = (".c", ".cc", ".h", ".hpp", ".inc")


def content_hash(content: bytes) -> str:
    """Return the SHA-256, in hex, of a file's contents, however its lines end."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def hash_files(tree: Path, parts: Iterable[str], also: Iterable[str] = ()) -> dict[str, str]:
    """Return the hash of every source file in ``parts``, by relative name in order.

    Args:
        tree: Folder of the repository.
        parts: Folders in it, by their relative names; one that does not exist counts as empty.
        also: Further files by their relative names, licences for example, as far as they are there.
    """
    files = {
        path.relative_to(tree).as_posix(): path
        for part in parts
        for path in (tree / part).rglob("*")
        if path.suffix in _SUFFIXES and path.is_file()
    }
    files |= {name: tree / name for name in also if (tree / name).is_file()}
    return {name: content_hash(files[name].read_bytes()) for name in sorted(files)}


def digest_of(hashes: Mapping[str, str]) -> str:
    """Return the SHA-256, in hex, of names and hashes of the source files; other files do not count."""
    total = hashlib.sha256()
    for name in sorted(hashes):
        if name.endswith(_SUFFIXES):
            total.update(f"{hashes[name]} {name}\n".encode())
    return total.hexdigest()


def digest(tree: Path, parts: Iterable[str]) -> str:
    """Return :func:`digest_of` the source files in ``parts``."""
    return digest_of(hash_files(tree, parts))
