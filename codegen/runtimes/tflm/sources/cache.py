"""Where fetched sources lie: one folder for each commit, complete or absent.

``<cache>/sources/<repository>/<commit>/`` holds ``tree`` (the files), ``hashes`` (of each source file) and
``origin.json`` (where they came from and how they were verified). The folder gets its name by a rename once all are
complete, so that its being there is all that a look-up has to ask.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from micronets_gen.common.caches import cache_root
from micronets_gen.common.files import write_atomically
from micronets_gen.runtimes.tflm.sources.pins import Pin

_ORIGIN = "origin.json"
_HASHES = "hashes"
_TREE = "tree"


@dataclass(frozen=True)
class Origin:
    """How an entry of the cache came about.

    Attributes:
        source: URL or folder it was taken from.
        verified: ``commit`` (git has proved the hash), ``digest`` (the files have the pinned digest)
            or ``none``.
    """

    source: str
    verified: str


def entry(pin: Pin) -> Path:
    """Return the folder of a pin's commit in the cache, which need not exist."""
    return cache_root() / "sources" / pin.slug / pin.commit


def tree_of(folder: Path) -> Path:
    """Return the tree in an entry's folder."""
    return folder / _TREE


def find(pin: Pin) -> Path | None:
    """Return the tree of a pin's commit, or None where it is not in the cache."""
    folder = entry(pin)
    tree = tree_of(folder)
    return tree if (folder / _ORIGIN).is_file() and tree.is_dir() else None


def read_origin(folder: Path) -> Origin | None:
    """Return how an entry came about, or None where that cannot be read."""
    try:
        values = json.loads((folder / _ORIGIN).read_text(encoding="utf-8"))
        return Origin(source=str(values["source"]), verified=str(values["verified"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_origin(folder: Path, origin: Origin) -> None:
    """Write how an entry came about into its folder."""
    (folder / _ORIGIN).write_text(json.dumps(asdict(origin), indent=2) + "\n", encoding="utf-8")


def read_hashes(folder: Path) -> dict[str, str] | None:
    """Return the hashes of an entry's files by name, or None where there are none or they are damaged."""
    try:
        check, _, text = (folder / _HASHES).read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    if check != hashlib.sha256(text.encode()).hexdigest():
        return None
    return {name: value for value, _, name in (line.partition(" ") for line in text.split("\n") if line)}


def write_hashes(folder: Path, hashes: Mapping[str, str]) -> None:
    """Write the hashes of an entry's files into its folder."""
    text = "".join(f"{value} {name}\n" for name, value in hashes.items())
    content = f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}".encode()
    write_atomically(folder / _HASHES, lambda file: file.write(content))
