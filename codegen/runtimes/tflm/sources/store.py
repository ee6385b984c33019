"""Bringing one commit into the cache: whole or not at all, and only once its hash is proved."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from micronets_gen.common.locks import LockedError, exclusive
from micronets_gen.runtimes.tflm.sources import cache, git
from micronets_gen.runtimes.tflm.sources.errors import SourcesError
from micronets_gen.runtimes.tflm.sources.pins import Pin
from micronets_gen.runtimes.tflm.sources.verify import changes, disagreement, source_hashes

_REF = "refs/micronets/commit"
# Share of each of git's stages in the time that a fetch takes: start and end.
_SHARES = {
    "Counting objects": (0.0, 0.02),
    "Compressing objects": (0.02, 0.05),
    "Receiving objects": (0.05, 0.8),
    "Unpacking objects": (0.05, 0.8),
    "Resolving deltas": (0.8, 0.9),
    "Updating files": (0.9, 1.0),
}
# How servers say that they do not hand out a commit by its hash, or not without its history.
_REFUSALS = (
    "not our ref",
    "unadvertised object",
    "no such remote ref",
    "couldn't find remote ref",
    "shallow",
)


@dataclass(frozen=True)
class Progress:
    """How far the fetching of one repository is.

    Attributes:
        pin: The repository.
        fraction: 0 to 1.
        text: What happens now.
    """

    pin: Pin
    fraction: float
    text: str


OnProgress = Callable[[Progress], None]


def quiet(_progress: Progress) -> None:
    """Show nothing."""


def telling(notify: Callable[[str], None]) -> OnProgress:
    """Return what tells progress as lines of text."""
    return lambda progress: notify(
        f"fetching {progress.pin.label}: {progress.text} ({progress.fraction:.0%})"
    )


def discard(pin: Pin) -> None:
    """Remove a pin's commit from the cache."""
    folder = cache.entry(pin)
    if folder.exists():
        with cache_lock(folder, lambda: None):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def replacing(pin: Pin, on_progress: OnProgress) -> Iterator[tuple[Path, int] | None]:
    """Yield the folder in which an entry is prepared, and its lock; on success it takes the entry's place.

    The folder keeps what an earlier attempt has left. None comes where the entry is there as it should be: another
    process has meanwhile brought it.
    """
    folder = cache.entry(pin)
    folder.parent.mkdir(parents=True, exist_ok=True)

    def waiting() -> None:
        on_progress(Progress(pin, 0.0, "waiting for another process that fetches it"))

    with cache_lock(folder, waiting) as lock:
        origin = cache.read_origin(folder)
        if cache.find(pin) and origin and origin.verified != "none" and not changes(pin):
            yield None
            return
        partial = folder.with_name(f"{folder.name}.partial")
        partial.mkdir(exist_ok=True)
        yield partial, lock
        if folder.exists():
            shutil.rmtree(folder)
        partial.replace(folder)


def seal(pin: Pin, partial: Path, origin: cache.Origin) -> None:
    """Note in a prepared entry how it came about, and what is to be found in it from now on."""
    cache.write_hashes(partial, source_hashes(pin, cache.tree_of(partial)))
    cache.write_origin(partial, origin)


@contextmanager
def cache_lock(folder: Path, waiting: Callable[[], None]) -> Iterator[int]:
    """Hold the lock of one entry.

    Raises:
        SourcesError: another process holds it and does not end.
    """
    path = folder.with_name(f".{folder.name}.lock")
    try:
        # The file stays: a git that outlives this process still has it open.
        with exclusive(path, waiting) as lock:
            yield lock
    except LockedError:
        raise SourcesError(
            "another process has been fetching the same sources for too long",
            where=str(path),
            remedy="end that process (a git fetch may have outlived its parent), then try again",
        ) from None


def bring(pin: Pin, url: str, on_progress: OnProgress, *, local: bool = False) -> None:
    """Fetch a pin's commit with git, prove its hash, and put it into the cache.

    Args:
        pin: Which commit.
        url: Where from, as git takes it.
        on_progress: Called often.
        local: ``url`` is a repository on this machine, which then hands out every commit it holds.

    Raises:
        GitError: git could not get it from there.
        SourcesError: the commit is not there, or what came is not that commit.
    """
    with replacing(pin, on_progress) as place:
        if place is None:
            return
        partial, lock = place
        repository = cache.tree_of(partial)
        _prepare(repository, url)

        def on_step(step: git.Step) -> None:
            start, end = _SHARES.get(step.stage, (0.0, 0.0))
            share = step.done / step.total if step.total else 1.0
            text = f"{step.stage.lower()} {step.volume}".rstrip()
            on_progress(Progress(pin, start + (end - start) * share, text))

        if _ref(repository) != pin.commit:
            on_progress(Progress(pin, 0.0, "connecting"))
            _fetch(repository, pin, on_step, lock, local=local)
        git.run(
            repository,
            "checkout",
            "--force",
            "--detach",
            "--progress",
            pin.commit,
            on_step=on_step,
            hold=[lock],
        )
        problem = disagreement(repository, pin)
        if problem:
            shutil.rmtree(partial)
            raise SourcesError(
                f"what came is not commit {pin.commit}", where=url, why=problem, remedy="fetch it again"
            )
        seal(pin, partial, cache.Origin(source=url, verified="commit"))
        on_progress(Progress(pin, 1.0, "done"))


def _prepare(repository: Path, url: str) -> None:
    """Make an empty repository, or one that an earlier attempt has left fit for another."""
    inside = repository / ".git"
    if inside.is_dir():
        # Left by a git that was killed; the entry's lock proves that none is at work.
        for leftover in (*inside.rglob("*.lock"), *inside.glob("objects/**/tmp_*")):
            leftover.unlink()
        if not git.succeeds(repository, "config", "remote.origin.url", url):
            shutil.rmtree(repository)
    repository.mkdir(exist_ok=True)
    git.run(repository, "init", "--quiet", "--template=")
    git.run(repository, "config", "remote.origin.url", url)


def _ref(repository: Path) -> str:
    try:
        return git.run(repository, "rev-parse", "--quiet", "--verify", f"{_REF}^{{commit}}")
    except git.GitError:
        return ""


def _fetch(
    repository: Path, pin: Pin, on_step: Callable[[git.Step], None], lock: int, *, local: bool
) -> None:
    """Fetch the commit alone, or everything where the server refuses that."""
    fetch = ["fetch", "--progress", "--no-tags"]
    if local:
        fetch.append("--upload-pack=git -c uploadpack.allowAnySHA1InWant=true upload-pack")
    try:
        # The name comes last of all, so that it stands for a complete fetch.
        refspec = f"+{pin.commit}:{_REF}"
        git.run(repository, *fetch, "--depth=1", "origin", refspec, on_step=on_step, hold=[lock])
        return
    except git.GitError as failure:
        if not any(words in str(failure) for words in _REFUSALS):
            raise
    everything = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
    git.run(repository, *fetch, "origin", *everything, on_step=on_step, hold=[lock])
    if not git.succeeds(repository, "cat-file", "-e", f"{pin.commit}^{{commit}}"):
        shutil.rmtree(repository)
        raise SourcesError(
            f"there is no commit {pin.commit} of {pin.title}",
            where=pin.repository,
            why="the server neither hands it out by its hash nor has it in a branch or tag",
            remedy="check the hash; where git goes to a mirror, bring that up to date",
        )
    git.run(repository, "update-ref", _REF, pin.commit)
