"""Turns templates into text, and a project's files into a folder that a person also works in."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from micronets_gen.common.files import holds
from micronets_gen.errors import UsageError
from micronets_gen.project.lock import LOCK_FILE, Inputs, Lock, content_hash


@dataclass(frozen=True)
class Written:
    """What :func:`write_files` did, as sorted paths relative to the project.

    Attributes:
        written: New or changed.
        unchanged: Already had the right bytes.
        removed: Generated earlier, no longer part of the project.
        kept: No longer part of the project but edited by hand, so left in place.
    """

    written: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    edited: tuple[str, ...] = field(default=())


def write_files(
    root: Path,
    files: Mapping[str, bytes],
    *,
    inputs: Inputs,
    user_files: Mapping[str, bytes] | None = None,
    force: bool = False,
) -> Written:
    """Bring a project folder up to date and record it in ``micronets.lock``.

    Everything is written beside its place first: where the disk is full or a person interrupts, the folder
    stays as it was.

    Args:
        root: The project; created where it does not exist.
        files: Generated files by relative POSIX path. Each is written only if its bytes differ, atomically.
        inputs: What the project is made of.
        user_files: First versions of files that belong to the user: written where there is none, never again.
        force: Overwrite edited files, and use a folder that is no project.

    Raises:
        UsageError: ``root`` holds something else or cannot be written, or a generated file was edited by hand.
    """
    users = user_files or {}
    for name in [*files, *users]:
        _check_path(name)
    previous = _previous_lock(root, force)
    edited = _edited(root, files, previous)
    if edited and not force:
        raise _edited_error(root, edited)

    missing = {name: content for name, content in users.items() if not (root / name).exists()}
    lock = {LOCK_FILE: Lock.of(inputs, files, users).dump()}
    # A new folder is a project from the first file on; an old one keeps its lock until all are in place.
    ordered = {**files, **missing, **lock} if previous else {**lock, **files, **missing}
    changed = {name: content for name, content in ordered.items() if not holds(root / name, content)}
    try:
        with _staged(root, changed) as staging:
            for name in changed:
                (staging / name).replace(root / name)
        removed, kept = _remove_stale(root, set(files) | set(users), previous)
    except OSError as error:
        raise UsageError(
            "the project cannot be written",
            where=str(root),
            why=f"{error.filename or root}: {error.strerror}",
            remedy="choose another folder with --out, or make room and give yourself write access there",
        ) from error
    return Written(tuple(sorted(changed)), tuple(sorted(set(ordered) - set(changed))), removed, kept, edited)


@contextmanager
def _staged(root: Path, files: Mapping[str, bytes]) -> Iterator[Path]:
    """Write ``files`` to a folder inside ``root``, and make the folders they go to; on failure undo both."""
    made: list[Path] = []
    try:
        _make_folder(root, made)
        staging = Path(tempfile.mkdtemp(prefix=".micronets-", dir=root))
        made.append(staging)
        for name, content in files.items():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            (staging / name).write_bytes(content)
            _make_folder((root / name).parent, made)
        yield staging
        shutil.rmtree(staging)
    except BaseException:
        for folder in reversed(made):
            if folder.name.startswith(".micronets-"):
                shutil.rmtree(folder, ignore_errors=True)
            elif folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        raise


def _make_folder(folder: Path, made: list[Path]) -> None:
    """Make a folder with its parents, and note each that was not there."""
    if folder.is_dir():
        return
    _make_folder(folder.parent, made)
    folder.mkdir()
    made.append(folder)


def _check_path(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or name == LOCK_FILE:
        raise ValueError(f"not a path inside the project: {name}")


def _previous_lock(root: Path, force: bool) -> Lock | None:
    if not root.exists():
        return None
    if not root.is_dir():
        raise UsageError(
            "is a file, not a folder", where=str(root), remedy="choose another folder with --out"
        )
    if (root / LOCK_FILE).is_file():
        try:
            return Lock.load(root / LOCK_FILE)
        except UsageError:
            if force:
                return None
            raise
    if any(root.iterdir()) and not force:
        raise UsageError(
            "the folder is not empty and holds no project of micronets-gen",
            where=str(root),
            why=f"it has no {LOCK_FILE}",
            remedy="choose another folder with --out, or write into this one with --force",
        )
    return None


def _edited(root: Path, files: Mapping[str, bytes], previous: Lock | None) -> tuple[str, ...]:
    """Return generated files whose bytes on disk are neither what was generated nor what will be."""
    recorded = previous.files if previous else {}
    found = []
    for name, content in files.items():
        path = root / name
        if not path.is_file():
            continue
        now = content_hash(path.read_bytes())
        if now not in (recorded.get(name), content_hash(content)):
            found.append(name)
    return tuple(sorted(found))


def _edited_error(root: Path, edited: Iterable[str]) -> UsageError:
    names = list(edited)
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return UsageError(
        f"generated files were edited by hand: {shown}",
        where=str(root),
        why="generating again would lose the edits",
        remedy="move your changes to src/, user.ini or a library of your own, or overwrite them with --force",
    )


def _remove_stale(
    root: Path, current: set[str], previous: Lock | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    removed, kept = [], []
    for name, recorded in sorted((previous.files if previous else {}).items()):
        path = root / name
        if name in current or not path.is_file():
            continue
        if content_hash(path.read_bytes()) != recorded:
            kept.append(name)
            continue
        path.unlink()
        removed.append(name)
        for folder in path.parents:
            if folder == root or any(folder.iterdir()):
                break
            folder.rmdir()
    return tuple(removed), tuple(kept)
