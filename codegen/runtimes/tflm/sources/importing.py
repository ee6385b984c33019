"""Taking over sources that are on this machine already: clones, bare mirrors, exported trees, another cache."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from micronets_gen.runtimes.tflm.sources import cache, git
from micronets_gen.runtimes.tflm.sources.digest import digest
from micronets_gen.runtimes.tflm.sources.errors import SourcesError
from micronets_gen.runtimes.tflm.sources.pins import Pin, SourceSet, option
from micronets_gen.runtimes.tflm.sources.store import OnProgress, Progress, bring, quiet, replacing, seal

# The folder above an exported cache, sources/<repository>/<commit>/tree, is the deepest layout in use.
_DEPTH = 4


@dataclass(frozen=True)
class Imported:
    """One repository that was taken over.

    Attributes:
        pin: What it is, at the commit that was taken over.
        path: Where it came from.
        verified: ``commit``, ``digest`` or ``none``, as in the cache.
        warnings: Sentences.
    """

    pin: Pin
    path: Path
    verified: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """A folder that holds one of the repositories.

    Attributes:
        is_git: Whether it has a git repository of its own.
    """

    pin: Pin
    path: Path
    is_git: bool


def import_set(sources: SourceSet, directory: Path, on_progress: OnProgress = quiet) -> tuple[Imported, ...]:
    """Take over every repository of the set that ``directory`` is or holds.

    A clone that holds the wanted commit gives that one, wherever its HEAD is; otherwise it gives its HEAD, with a
    warning. Changes that are not committed stay behind.

    Args:
        sources: What is wanted.
        directory: A checkout, a bare repository, an exported tree, or a folder of several.
        on_progress: Called often.

    Raises:
        SourcesError: nothing was recognised, or something cannot be trusted; what was good is in the cache.
    """
    if not directory.is_dir():
        raise SourcesError(
            "there is no such folder", where=str(directory), remedy="give the folder of the checkouts"
        )
    candidates = list(find_candidates(sources, directory))
    if not candidates:
        raise SourcesError(
            "none of the sources of the tflm runtime is in this folder",
            where=str(directory),
            why=f"looked {_DEPTH} folders deep for {', '.join(f'{p.title} ({p.marker})' for p in sources)}",
            remedy="give a checkout of one of them, or a folder with several",
        )
    taken: list[Imported] = []
    problems: list[tuple[Pin, SourcesError]] = []
    for candidate in candidates:
        if any(done.pin == candidate.pin for done in taken):
            continue
        try:
            taken.append(_take(candidate, on_progress))
        except SourcesError as problem:
            problems.append((candidate.pin, problem))
    keys = {done.pin.key for done in taken}
    unsolved = [problem for pin, problem in problems if pin.key not in keys]
    if len(unsolved) == 1:
        raise unsolved[0]
    if unsolved:
        raise SourcesError(
            f"{len(unsolved)} of the checkouts cannot be imported",
            where=str(directory),
            why="; ".join(f"{p.where}: {p.what}" + (f" ({p.why})" if p.why else "") for p in unsolved),
            remedy="repair them (git fsck, git fetch, git checkout), or clone them anew",
        )
    return tuple(taken)


def find_candidates(sources: SourceSet, directory: Path, depth: int = _DEPTH) -> Iterator[Candidate]:
    """Yield the repositories of the set in a folder, by what is in them; never looks into one of them."""
    is_git = _is_git(directory)
    pin = _recognise(sources, directory, is_git)
    if pin:
        yield Candidate(pin, directory, is_git)
        return
    if depth and not is_git:
        for child in sorted(directory.iterdir()):
            if child.is_dir() and not child.name.startswith(".") and not child.name.endswith(".partial"):
                yield from find_candidates(sources, child, depth - 1)


def _is_git(directory: Path) -> bool:
    bare = (directory / "HEAD").is_file() and (directory / "objects").is_dir()
    return bare or (directory / ".git").exists()


def _recognise(sources: SourceSet, directory: Path, is_git: bool) -> Pin | None:
    for pin in sources:
        if (directory / pin.marker).is_file():
            return pin
    if is_git and shutil.which("git"):
        for pin in sources:
            if any(
                git.succeeds(directory, "cat-file", "-e", f"{at}:{pin.marker}") for at in (pin.commit, "HEAD")
            ):
                return pin
        # One that git cannot read, or whose files are missing: its name tells what is to be repaired.
        if not git.succeeds(directory, "rev-parse", "--verify", "HEAD"):
            return next((pin for pin in sources if pin.slug == directory.name.removesuffix(".git")), None)
    return None


def _take(candidate: Candidate, on_progress: OnProgress) -> Imported:
    if not candidate.is_git:
        return _take_exported(candidate, on_progress)
    git.require_git()
    try:
        return _take_repository(candidate, on_progress)
    except git.GitError as failure:
        if candidate.pin.sha256 and digest(candidate.path, candidate.pin.parts) == candidate.pin.sha256:
            note = f"git cannot read {candidate.path} ({failure}); its files are those of the commit all the same"
            taken = _take_exported(candidate, on_progress)
            return replace(taken, warnings=(note, *taken.warnings))
        raise SourcesError(
            f"this checkout of {candidate.pin.title} is broken",
            where=str(candidate.path),
            why=f"git says: {failure}",
            remedy=_repair(candidate, str(failure)),
        ) from failure


def _repair(candidate: Candidate, complaint: str) -> str:
    if "dubious ownership" in complaint:
        return f"if you trust its owner: git config --global --add safe.directory {candidate.path.absolute()}"
    return f"repair it, or clone it anew: git clone {candidate.pin.repository}"


def _take_repository(candidate: Candidate, on_progress: OnProgress) -> Imported:
    pin, path = candidate.pin, candidate.path
    warnings = []
    if not git.succeeds(path, "cat-file", "-e", f"{pin.commit}^{{commit}}"):
        head = git.run(path, "rev-parse", "--verify", "HEAD^{commit}")
        warnings.append(
            f"{path} does not hold {pin.title} {pin.commit}; its HEAD {head} was imported instead"
            + (f", which builds take with {option(pin.key)} {head}" if option(pin.key) else "")
        )
        pin = replace(pin, commit=head, sha256="")
    bare = git.run(path, "rev-parse", "--is-bare-repository") == "true"
    if not bare and git.run(path, "status", "--porcelain", "--untracked-files=no"):
        warnings.append(f"{path} has changes that are not committed; they were left out")
    bring(pin, str(path.absolute()), on_progress, local=True)
    return Imported(pin, path, "commit", tuple(warnings))


def _take_exported(candidate: Candidate, on_progress: OnProgress) -> Imported:
    pin, path = candidate.pin, candidate.path
    warnings: tuple[str, ...] = ()
    verified = "none"
    if not pin.sha256:
        warnings = (f"{path} has no git repository, so nothing proves that it is {pin.title} {pin.commit}",)
    elif digest(path, pin.parts) == pin.sha256:
        verified = "digest"
    else:
        raise SourcesError(
            f"this tree is not {pin.title} {pin.commit}",
            where=str(path),
            why="it has no git repository, and its source files have another digest",
            remedy="export that commit"
            + (f"; or say which it is with {option(pin.key)}" if option(pin.key) else ""),
        )
    with replacing(pin, on_progress) as place:
        if place:
            partial, _lock = place
            on_progress(Progress(pin, 0.0, "copying"))
            shutil.rmtree(partial)
            shutil.copytree(
                path, cache.tree_of(partial), symlinks=True, ignore=shutil.ignore_patterns(".git")
            )
            seal(pin, partial, cache.Origin(source=str(path.absolute()), verified=verified))
            on_progress(Progress(pin, 1.0, "done"))
    return Imported(pin, path, verified, warnings)
