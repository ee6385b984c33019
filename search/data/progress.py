"""What loading tells a person: progress on standard error, and warnings about files that were left out."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from micronets_gen.errors import UsageError

T = TypeVar("T")

TOLERATED = 0.05
"""The largest share of a data set's files that may be unusable."""

_EVERY_S = 10.0


class DataWarning(UserWarning):
    """Part of the data was left out; what is left is used."""


def progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Yield ``items`` and show how far it is: a bar on a terminal, a line every ten seconds elsewhere.

    Work that takes less than ten seconds leaves no line.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track

        console = Console(stderr=True)
        yield from track(items, description=what, total=total, console=console, transient=True)
        return
    start = shown = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - shown >= _EVERY_S and done < total:
            shown = now
            left = (now - start) / done * (total - done)
            print(f"{what}: {done} of {total}, about {left:.0f} s left", file=sys.stderr, flush=True)


def report_unusable(root: Path, reasons: Mapping[str, str], files: int, warned: int = 5) -> None:
    """Warn about files that were left out, or refuse the data where they are too many.

    Args:
        root: The data set.
        reasons: File, relative to ``root``, to what is wrong with it.
        files: How many files were read.
        warned: How many of them the warning names.

    Raises:
        UsageError: more than :data:`TOLERATED` of the files are unusable.
    """
    if not reasons:
        return
    named = "; ".join(f"{name}: {why}" for name, why in list(reasons.items())[:warned])
    if len(reasons) > warned:
        named += f"; and {len(reasons) - warned} more"
    if len(reasons) > TOLERATED * files:
        raise UsageError(
            f"{len(reasons)} of {files} files cannot be used",
            where=str(root),
            why=named,
            remedy="unpack the data set again; a few unusable files would be left out with a warning",
        )
    warnings.warn(f"{root}: left out {len(reasons)} of {files} files: {named}", DataWarning, stacklevel=2)
