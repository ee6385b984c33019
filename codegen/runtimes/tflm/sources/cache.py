"""Where fetched sources lie: one folder for each commit, complete or absent.

``<cache>/sources/<repository>/<commit>/`` holds ``tree`` (the files) and ``origin.json`` (where they came from
and how they were verified). The folder gets its name by a rename once both are complete, so that its being there
is all that a look-up has to ask.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from micronets_gen.common.caches import cache_root
from micronets_gen.runtimes.tflm.sources.pins import Pin

_ORIGIN = "origin.json"
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
    return tree if (folder / _ORIGIN).is_file() and (tree / pin.marker).is_file() else None


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
