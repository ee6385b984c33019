"""The sources of the tflm runtime: pinned by commit, kept in the user's cache, brought there by git."""

from __future__ import annotations

from collections.abc import Mapping

from micronets_gen.runtimes.tflm.sources.checkout import Checkout
from micronets_gen.runtimes.tflm.sources.errors import (
    SourcesError,
    SourcesMissing,
    SourcesModified,
    SourcesUnreachable,
)
from micronets_gen.runtimes.tflm.sources.pins import Pin, SourceSet
from micronets_gen.runtimes.tflm.sources.store import OnProgress, Progress, quiet, telling
from micronets_gen.runtimes.tflm.sources.tree import SourceTree, locate_set

__all__ = [
    "Checkout",
    "OnProgress",
    "Pin",
    "Progress",
    "SourceSet",
    "SourceTree",
    "SourcesError",
    "SourcesMissing",
    "SourcesModified",
    "SourcesUnreachable",
    "fetch",
    "locate",
    "obtainable",
    "telling",
]


def locate(overrides: Mapping[str, str] | None = None) -> SourceTree:
    """Return the folders of the sources, from the cache alone.

    Args:
        overrides: Full commit hashes by key (``tflm``, ``cmsis_nn``, ...) where they are not the pinned ones.

    Raises:
        SourcesMissing: they are not all there.
        UsageError: a key or a hash is not one.
    """
    return locate_set(SourceSet.pinned(overrides))


def obtainable(overrides: Mapping[str, str] | None = None, timeout: float = 3.0) -> tuple[bool, str]:
    """Return whether the sources are in the cache or can be fetched, and a reason as a sentence.

    Asks the servers, each for no longer than ``timeout`` seconds and all at once, where the cache lacks something.

    Raises:
        UsageError: a key or a hash is not one.
    """
    from micronets_gen.runtimes.tflm.sources.fetching import probe

    return probe(SourceSet.pinned(overrides), timeout)


def fetch(overrides: Mapping[str, str] | None = None, progress: OnProgress = quiet) -> SourceTree:
    """Bring what is missing into the cache with git, and return the folders.

    Each repository is complete or absent, and what is complete stays where a later one fails.

    Args:
        overrides: Full commit hashes by key where they are not the pinned ones.
        progress: Called with what happens now, often.

    Raises:
        SourcesUnreachable: a server does not answer; the text gives the ways out.
        SourcesError: a server does not have a commit, or git is missing or failed.
        UsageError: a key or a hash is not one.
    """
    from micronets_gen.runtimes.tflm.sources.fetching import fetch_set

    return fetch_set(SourceSet.pinned(overrides), progress)
