"""The sources of the tflm runtime: pinned by commit, kept in the user's cache, brought there by git."""

from __future__ import annotations

from collections.abc import Mapping

from codegen.sources.errors import SourcesError, SourcesMissing, SourcesUnreachable
from codegen.sources.pins import Pin, SourceSet
from codegen.sources.tree import SourceTree, locate_set

__all__ = [
    "Pin",
    "SourceSet",
    "SourceTree",
    "SourcesError",
    "SourcesMissing",
    "SourcesUnreachable",
    "available",
    "locate",
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


def available(overrides: Mapping[str, str] | None = None) -> tuple[bool, str]:
    """Return whether the sources are in the cache, and a reason as a sentence; asks no network.

    Raises:
        UsageError: a key or a hash is not one.
    """
    try:
        locate(overrides)
    except SourcesMissing as missing:
        return False, missing.what
    return True, "its sources are in the cache"
