"""What is in the cache, and whether it still is what it was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from micronets_gen.runtimes.tflm.sources import cache, git
from micronets_gen.runtimes.tflm.sources.pins import Pin, SourceSet
from micronets_gen.runtimes.tflm.sources.store import discard
from micronets_gen.runtimes.tflm.sources.verify import changes, disagreement, restore


@dataclass(frozen=True)
class Status:
    """The state of one source.

    Attributes:
        state: ``ok``, ``missing``, ``modified`` (differs from its commit), ``unverified`` (nothing to compare with).
        detail: What differs, or how it was verified, as a phrase.
        path: Its folder; None where it is missing.
        source: Where it came from; empty where it is missing.
        others: Other commits of it in the cache.
    """

    pin: Pin
    state: str
    detail: str
    path: Path | None
    source: str
    others: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return the fields as JSON takes them."""
        return {
            "name": self.pin.key,
            "title": self.pin.title,
            "repository": self.pin.repository,
            "commit": self.pin.commit,
            "licence": self.pin.licence,
            "state": self.state,
            "detail": self.detail,
            "path": str(self.path) if self.path else None,
            "source": self.source or None,
            "other_commits": list(self.others),
        }


def status_set(sources: SourceSet) -> tuple[Status, ...]:
    """Look at every source in the cache, and compare its files with its commit."""
    return tuple(_status(pin) for pin in sources)


def undo_changes(sources: SourceSet) -> tuple[Pin, ...]:
    """Restore in the cache what differs from its commit; remove and return what has to be fetched for that."""
    modified = [state.pin for state in status_set(sources) if state.state == "modified"]
    lost = tuple(pin for pin in modified if not restore(pin))
    for pin in lost:
        discard(pin)
    return lost


def _status(pin: Pin) -> Status:
    folder = cache.entry(pin)
    others = _others(folder)
    path = cache.find(pin)
    if path is None:
        partial = folder.with_name(f"{folder.name}.partial").exists()
        detail = (
            "fetching it was interrupted, and goes on with the next fetch" if partial else "not in the cache"
        )
        return Status(pin, "missing", detail, None, "", others)
    origin = cache.read_origin(folder)
    state, detail = _compare(pin, path, origin)
    return Status(pin, state, detail, path, origin.source if origin else "", others)


def _compare(pin: Pin, path: Path, origin: cache.Origin | None) -> tuple[str, str]:
    by_git = origin is not None and origin.verified == "commit"
    try:
        problem = changes(pin) or (disagreement(path, pin) if by_git else "")
    except (git.GitError, OSError) as failure:
        problem = f"git cannot read it: {failure}"
    if problem:
        return "modified", problem
    if by_git:
        return "ok", "commit hash, clean tree"
    if not pin.sha256:
        return "unverified", "imported without git, so nothing proves its commit"
    return "ok", "digest of its source files"


def _others(folder: Path) -> tuple[str, ...]:
    if not folder.parent.is_dir():
        return ()
    return tuple(
        sorted(
            child.name
            for child in folder.parent.iterdir()
            if child.is_dir() and child != folder and not child.name.endswith(".partial")
        )
    )
