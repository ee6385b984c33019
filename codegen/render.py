"""Turns templates into text, and a project's files into a folder that a person also works in."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from codegen.errors import UsageError
from codegen.lock import LOCK_FILE, Inputs, Lock, content_hash
from codegen.resources import data_dir


@cache
def environment() -> Environment:
    """Return the Jinja environment: undefined names are errors, blocks leave no blank lines."""
    return Environment(
        loader=FileSystemLoader(data_dir("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def render(template: str, /, **values: object) -> str:
    """Return the text of ``templates/<template>`` with plain values."""
    return environment().get_template(template).render(values)


def template_text(name: str) -> str:
    """Return ``templates/<name>`` as it stands."""
    return (data_dir("templates") / name).read_text(encoding="utf-8")


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

    Args:
        root: The project; created where it does not exist.
        files: Generated files by relative POSIX path. Each is written only if its bytes differ, atomically.
        inputs: What the project is made of.
        user_files: First versions of files that belong to the user: written where there is none, never again.
        force: Overwrite edited files, and use a folder that is no project.

    Raises:
        UsageError: ``root`` holds something else, or a generated file was edited by hand.
    """
    users = user_files or {}
    for name in [*files, *users]:
        _check_path(name)
    previous = _previous_lock(root, force)
    edited = _edited(root, files, previous)
    if edited and not force:
        raise _edited_error(root, edited)

    written: list[str] = []
    unchanged: list[str] = []
    for name, content in sorted(files.items()):
        (written if write_if_changed(root / name, content) else unchanged).append(name)
    for name, content in sorted(users.items()):
        if not (root / name).exists():
            write_if_changed(root / name, content)
            written.append(name)

    removed, kept = _remove_stale(root, set(files) | set(users), previous)
    lock = Lock.of(inputs, files, users)
    (written if write_if_changed(root / LOCK_FILE, lock.dump()) else unchanged).append(LOCK_FILE)
    return Written(tuple(sorted(written)), tuple(sorted(unchanged)), removed, kept, edited)


def write_if_changed(path: Path, content: bytes) -> bool:
    """Write ``content`` atomically unless ``path`` holds it already; return whether it was written."""
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return True


@cache
def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


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
