"""A project's folder while a process works in it: locked against others, and only ever written inside."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath

from micronets_gen.common.locks import LockedError, exclusive
from micronets_gen.common.tables import shown
from micronets_gen.errors import UsageError

WORK = ".micronets"
"""What a process that works in a project keeps there: its lock and drafts. Gone when it ends, unless it is killed."""

_LOCK = "lock"
_PIO = ".pio"


@contextmanager
def exclusive_folder(root: Path, tell: Callable[[str], None], timeout: float = 900.0) -> Iterator[None]:
    """Hold a project's folder, which is made where it is not there.

    What a process that was killed left of drafts is removed; a folder that is still empty at the end, too.

    Args:
        root: The project.
        tell: Told where another process works in it, and this one waits.
        timeout: Seconds to wait for it.

    Raises:
        UsageError: the folder cannot be written, or the other process does not end.
    """
    require_inside(root, [f"{WORK}/{_LOCK}"])
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    work = root / WORK

    def waiting() -> None:
        tell(f"waiting for another process of micronets-gen that works in {root}")

    with ExitStack() as stack:
        stack.callback(_remove_if_empty, [work, *made])
        try:
            stack.enter_context(exclusive(work / _LOCK, waiting, timeout, keep=False))
            _remove_drafts(work)
        except LockedError:
            raise UsageError(
                "another process of micronets-gen has been working in this folder for too long",
                where=str(root),
                remedy="end it, or choose another folder with --out",
            ) from None
        except OSError as error:
            raise UsageError(
                "cannot be written",
                where=str(root),
                why=f"{error.filename or root}: {error.strerror}",
                remedy="choose another folder with --out, or make room and permit writing there",
            ) from error
        stack.callback(_remove_drafts, work)
        yield


def _remove_drafts(work: Path) -> None:
    for left in work.glob(".*"):
        remove_tree(left)


def _remove_if_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def require_buildable(folder: Path) -> None:
    """Check that PlatformIO can build in a folder; all names but these can be built in.

    Raises:
        UsageError: its path holds what SCons, which PlatformIO builds with, does not take as it stands.
    """
    path = str(folder.absolute())
    if "$" in path:
        why = "SCons, which PlatformIO builds with, takes '$' for the beginning of a variable"
    elif not path.isprintable():
        why = "its path holds characters that cannot be printed"
    else:
        return
    raise UsageError(
        "cannot be built in this folder", where=shown(path, 200), why=why, remedy="choose another folder"
    )


def drafts_of(root: Path) -> Path | None:
    """Return where files of a project that this process works in are prepared; None where it does not."""
    return root / WORK if (root / WORK).is_dir() else None


def require_inside(root: Path, names: Iterable[str]) -> None:
    """Check that no folder on the way to a project's files is a link that leads out of the project.

    Args:
        root: The project.
        names: Relative POSIX paths of files.

    Raises:
        UsageError: one is.
    """
    base = root.resolve()
    parents = {parent for name in [*names, f"{_PIO}/x"] for parent in PurePosixPath(name).parents}
    for parent in sorted(parents):
        folder = root / parent
        if parent.parts and folder.is_symlink() and not folder.resolve().is_relative_to(base):
            raise UsageError(
                "a folder of the project is a link that leads out of it",
                where=str(folder),
                why=f"it leads to {folder.resolve()}, where nothing of the project belongs",
                remedy="remove the link, or choose another folder with --out",
            )


def make_folder(folder: Path, made: list[Path]) -> None:
    """Make a folder with its parents, and note each that was not there."""
    if folder.is_dir():
        return
    make_folder(folder.parent, made)
    folder.mkdir()
    made.append(folder)


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove those folders that are empty, in the given order."""
    for folder in folders:
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()


def remove_tree(folder: Path) -> None:
    """Remove a file, or a folder with what it holds; a link itself, not what it leads to."""
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)
    else:
        folder.unlink(missing_ok=True)
