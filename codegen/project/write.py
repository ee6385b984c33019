"""Brings a project's files into a folder that a person also works in.

A kill at any moment leaves a folder that the next call completes. Everything is prepared in ``.micronets`` inside the
folder, then ``.micronets/expected.json`` says of each file which bytes may be found, old and new; then the files are
renamed to their places, and ``micronets.lock`` last.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from micronets_gen.common.documents import load_json
from micronets_gen.common.files import holds, write_json
from micronets_gen.errors import UsageError
from micronets_gen.project.folder import WORK, make_folder, remove_empty, remove_tree, require_inside
from micronets_gen.project.lock import LOCK_FILE, Inputs, Lock, content_hash, is_outside

_STAGING = "files"
_EXPECTED = "expected.json"


@dataclass(frozen=True)
class Written:
    """What :func:`write_files` did, as sorted paths relative to the project.

    Attributes:
        written: New or changed.
        unchanged: Already had the right bytes.
        removed: Generated earlier, no longer part of the project.
        kept: No longer part of the project but edited by hand, so left in place.
        edited: Overwritten although edited by hand, or somebody else's.
    """

    written: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Known:
    """What may be found in a folder.

    Attributes:
        hashes: SHA-256 of what micronets-gen wrote, or was about to write when it was killed, by path.
        project: Whether the folder is one of its projects.
    """

    hashes: Mapping[str, frozenset[str]]
    project: bool


def require_own(root: Path, *, force: bool = False) -> None:
    """Check that a folder may become a project, or is one.

    Raises:
        UsageError: it holds something else, or its lock cannot be read.
    """
    _known(root, force)


def write_files(
    root: Path,
    files: Mapping[str, bytes],
    *,
    inputs: Inputs,
    user_files: Mapping[str, bytes] | None = None,
    force: bool = False,
    tell: Callable[[str], None] = lambda _text: None,
    also: Iterable[str] = (),
) -> Written:
    """Bring a project folder up to date and record it in ``micronets.lock``.

    Everything is written beside its place first: where the disk is full or a person interrupts, the folder
    stays as it was. Links are replaced, never followed.

    Args:
        root: The project; created where it does not exist.
        files: Generated files by relative POSIX path. Each is written only if its bytes differ, atomically.
        inputs: What the project is made of.
        user_files: First versions of files that belong to the user: written where there is none, never again.
        force: Overwrite edited files, and use a folder that is no project.
        tell: Told what ``force`` overwrites, before it does.
        also: Files that the caller will write afterwards, of which ``tell`` is told where the folder is no project.

    Raises:
        UsageError: ``root`` holds something else or cannot be written, or a generated file was edited by hand.
    """
    users = user_files or {}
    for name in [*files, *users]:
        _check_path(name)
    require_inside(root, [*files, *users])
    known = _known(root, force)
    edited = _edited(root, files, known)
    if edited and not force:
        raise _edited_error(root, edited)
    foreign = (
        [name for name in (LOCK_FILE, *also) if os.path.lexists(root / name)] if not known.project else []
    )
    if edited or foreign:
        tell(f"overwriting in {root}: {', '.join(sorted([*edited, *foreign]))}")

    missing = {name: content for name, content in users.items() if not os.path.lexists(root / name)}
    wanted = {**files, **missing, LOCK_FILE: Lock.of(inputs, files, users).dump()}
    changed = {name: content for name, content in wanted.items() if not holds(root / name, content)}
    try:
        with _staged(root, changed, known):
            for name in changed:
                if name != LOCK_FILE:
                    (root / WORK / _STAGING / name).replace(root / name)
            removed, kept = _remove_stale(root, set(files) | set(users), known)
            if LOCK_FILE in changed:
                (root / WORK / _STAGING / LOCK_FILE).replace(root / LOCK_FILE)
    except OSError as error:
        raise UsageError(
            "the project cannot be written",
            where=str(root),
            why=f"{error.filename or root}: {error.strerror}",
            remedy="choose another folder with --out, or make room and give yourself write access there",
        ) from error
    return Written(tuple(sorted(changed)), tuple(sorted(set(wanted) - set(changed))), removed, kept, edited)


@contextmanager
def _staged(root: Path, files: Mapping[str, bytes], known: _Known) -> Iterator[None]:
    """Prepare ``files`` inside ``root``, and the folders they go to; on failure before the first rename undo both."""
    work = root / WORK
    staging = work / _STAGING
    made: list[Path] = []
    try:
        make_folder(work, made)
        remove_tree(staging)
        for name, content in files.items():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            (staging / name).write_bytes(content)
        _expect(work / _EXPECTED, files, known)
        for name in files:
            make_folder((root / name).parent, made)
    except BaseException:
        remove_tree(staging)
        (work / _EXPECTED).unlink(missing_ok=True)
        remove_empty([work, *reversed(made)])
        raise
    yield
    remove_tree(staging)
    (work / _EXPECTED).unlink()
    remove_empty([work])


def _expect(path: Path, files: Mapping[str, bytes], known: _Known) -> None:
    """Write which bytes may be found from now on: what was known, and what is to come."""
    hashes = {name: set(known.hashes.get(name, ())) for name in {*known.hashes, *files}}
    for name, content in files.items():
        hashes[name].add(content_hash(content))
    write_json(path, {name: sorted(found) for name, found in sorted(hashes.items())})


def _check_path(name: str) -> None:
    if is_outside(name) or name == LOCK_FILE or PurePosixPath(name).parts[:1] == (WORK,):
        raise ValueError(f"not a path inside the project: {name}")


def _known(root: Path, force: bool) -> _Known:
    if not root.exists():
        return _Known({}, True)
    if not root.is_dir():
        raise UsageError(
            "is a file, not a folder", where=str(root), remedy="choose another folder with --out"
        )
    hashes = {name: set(found) for name, found in _expected(root / WORK / _EXPECTED).items()}
    project = bool(hashes) or all(path.name == WORK for path in root.iterdir())
    if os.path.lexists(root / LOCK_FILE):
        try:
            for name, recorded in Lock.load(root / LOCK_FILE).files.items():
                hashes.setdefault(name, set()).add(recorded)
            project = True
        except UsageError:
            if not force:
                raise
    if not project and not force:
        raise UsageError(
            "the folder is not empty and holds no project of micronets-gen",
            where=str(root),
            why=f"it has no {LOCK_FILE}",
            remedy="choose another folder with --out, or write into this one with --force",
        )
    return _Known({name: frozenset(found) for name, found in hashes.items()}, project)


def _expected(path: Path) -> dict[str, list[str]]:
    """Return what a process that was killed expected; nothing where it had not begun."""
    try:
        value = load_json(path)
    except UsageError:
        return {}
    if not isinstance(value, dict) or any(is_outside(name) for name in value):
        return {}
    return {name: [str(item) for item in found] for name, found in value.items() if isinstance(found, list)}


def _edited(root: Path, files: Mapping[str, bytes], known: _Known) -> tuple[str, ...]:
    """Return generated files whose bytes on disk are neither what was generated nor what will be.

    Raises:
        UsageError: there is a folder in the place of one.
    """
    found = []
    for name, content in files.items():
        path = root / name
        if path.is_dir():
            raise UsageError(
                "is a folder where a file must be",
                where=str(path),
                remedy="move it, or choose another folder with --out",
            )
        if not os.path.lexists(path) or holds(path, content):
            continue
        if not path.is_file() or _hash(path) not in known.hashes.get(name, ()):
            found.append(name)
    return tuple(sorted(found))


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _edited_error(root: Path, edited: Iterable[str]) -> UsageError:
    names = list(edited)
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return UsageError(
        f"generated files were edited by hand: {listed}",
        where=str(root),
        why="generating again would lose the edits",
        remedy="move your changes to src/, user.ini or a library of your own, or overwrite them with --force",
    )


def _remove_stale(root: Path, current: set[str], known: _Known) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Remove what is no longer part of the project, and the folders that this leaves empty."""
    base = root.resolve()
    removed, kept = [], []
    for name, hashes in sorted(known.hashes.items()):
        path = root / name
        if name in current or name == LOCK_FILE or not path.parent.resolve().is_relative_to(base):
            continue
        if path.is_file():
            if _hash(path) not in hashes:
                kept.append(name)
                continue
            path.unlink()
            removed.append(name)
        remove_empty(folder for folder in path.parents if folder.is_relative_to(root) and folder != root)
    return tuple(removed), tuple(kept)
