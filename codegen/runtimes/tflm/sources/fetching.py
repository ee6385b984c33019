"""Fetching what the cache lacks, and finding out quickly whether that would work."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from micronets_gen.common.caches import cache_root
from micronets_gen.runtimes.tflm.sources import cache, git
from micronets_gen.runtimes.tflm.sources.errors import SourcesError, SourcesUnreachable
from micronets_gen.runtimes.tflm.sources.pins import Pin, SourceSet
from micronets_gen.runtimes.tflm.sources.store import OnProgress, bring, quiet
from micronets_gen.runtimes.tflm.sources.tree import SourceTree, locate_set, missing_of, names

# How long a build that may take another runtime waits for a server, in seconds.
PROBE_SECONDS = 3.0


def fetch_set(sources: SourceSet, on_progress: OnProgress = quiet) -> SourceTree:
    """Bring what is missing into the cache and return the folders.

    Raises:
        SourcesUnreachable: a server does not answer.
        SourcesError: a server does not have a commit, or git is missing or failed.
    """
    missing = missing_of(sources)
    if missing:
        git.require_git()
    for index, pin in enumerate(missing):
        try:
            bring(pin, pin.repository, on_progress)
        except git.GitError as failure:
            raise _explain(missing[index:], str(failure)) from failure
        except OSError as failure:
            raise SourcesError(
                f"{pin.title} cannot be written into the cache",
                where=str(cache.entry(pin)),
                why=str(failure),
                remedy="make room and set permissions there, or set MICRONETS_CACHE to another folder",
            ) from failure
    return locate_set(sources)


def probe(sources: SourceSet, timeout: float = PROBE_SECONDS) -> tuple[bool, str]:
    """Return whether the sources are in the cache or their servers answer, and the reason as a sentence.

    Args:
        sources: Which.
        timeout: Seconds for all servers together.
    """
    missing = missing_of(sources)
    if not missing:
        return True, "its sources are in the cache"
    absent = "its sources are not in the cache"
    if shutil.which("git") is None:
        return False, f"{absent}, and git is not installed"
    with ThreadPoolExecutor(len(missing)) as pool:
        answers = list(pool.map(lambda pin: _answer(pin, timeout), missing))
    for pin, answer in zip(missing, answers, strict=True):
        if answer:
            return False, f"{absent}, and {_server(pin)} cannot be reached ({answer})"
    return True, f"{absent} yet, and {_server(missing[0])} answers"


def _answer(pin: Pin, timeout: float) -> str:
    """Return git's complaint about a server, or nothing where it answers."""
    try:
        git.run(_anywhere(), "ls-remote", "--quiet", pin.repository, "HEAD", timeout=timeout)
    except git.GitError as failure:
        return str(failure)
    return ""


def _anywhere() -> Path:
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    return root


def _server(pin: Pin) -> str:
    """Return what git asks for a repository: its host, or the folder or URL it is configured to use instead."""
    url = _effective(pin)
    return urlsplit(url).hostname or url


def _effective(pin: Pin) -> str:
    """Return the URL after ``url.<base>.insteadOf``."""
    try:
        return git.run(_anywhere(), "ls-remote", "--get-url", pin.repository)
    except git.GitError:
        return pin.repository


def _explain(missing: list[Pin], complaint: str) -> SourcesError:
    """Return the error for a failed fetch of the first of ``missing``."""
    pin = missing[0]
    url = _effective(pin)
    asked = pin.repository if url == pin.repository else f"{url} (set by url.<base>.insteadOf)"
    if not _answer(pin, timeout=30.0):
        return SourcesError(
            f"git cannot fetch {pin.label}",
            where=asked,
            why=complaint,
            remedy="try again: what is complete stays; or build with --runtime aot, which needs no sources",
        )
    base = pin.repository.removesuffix(urlsplit(pin.repository).path) + "/"
    return SourcesUnreachable(
        f"the sources of the tflm runtime are not in the cache and cannot be fetched: {asked} cannot be reached",
        why=f"git says: {complaint}; missing: {names(missing)}",
        remedy=f"""one of three:
    1. fetch elsewhere and import: run 'micronets-gen sources fetch' where the network can be reached, copy the
       folder 'sources' of its cache here, then run 'micronets-gen sources import DIR'
    2. set a mirror: git config --global url.https://MIRROR/.insteadOf {base}
    3. do without: build with --runtime aot, which needs no sources""",
    )
