"""Whether what lies in the cache is what was put there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from micronets_gen.runtimes.tflm.sources import cache, git
from micronets_gen.runtimes.tflm.sources.checkout import Checkout
from micronets_gen.runtimes.tflm.sources.digest import digest_of, hash_files
from micronets_gen.runtimes.tflm.sources.errors import SourcesModified
from micronets_gen.runtimes.tflm.sources.pins import Pin


def checkout(pin: Pin) -> Checkout:
    """Return the files of a pin's commit, which is in the cache.

    The hashes were taken when the commit was stored, once git or the pinned digest had proved it. Where they are
    missing or damaged (the cache of an earlier version) they are taken now, after the same proof.

    Raises:
        SourcesModified: hashes have to be taken, and the files are not those of the commit.
    """
    folder = cache.entry(pin)
    hashes = cache.read_hashes(folder)
    if hashes is None or (pin.sha256 and digest_of(hashes) != pin.sha256):
        tree = cache.tree_of(folder)
        hashes = source_hashes(pin, tree)
        problem = _unproved(pin, tree, hashes)
        if problem:
            raise SourcesModified(
                f"the cache was changed: its files are not those of {pin.label}", where=str(tree), why=problem
            )
        with suppress(OSError):  # a cache that cannot be written is proved each time
            cache.write_hashes(folder, hashes)
    return Checkout(pin.label, cache.tree_of(folder), hashes)


def source_hashes(pin: Pin, tree: Path) -> dict[str, str]:
    """Return the hashes of everything in a tree that can get into firmware, licences included."""
    return hash_files(tree, pin.parts, pin.licence_files)


def changes(pin: Pin) -> str:
    """Return in what the source files in the cache differ from what was stored, or nothing; reads all of them."""
    try:
        stored = checkout(pin).hashes
    except SourcesModified as modified:
        return modified.why
    present = source_hashes(pin, cache.tree_of(cache.entry(pin)))
    return _differ(sorted(_different(stored, present)))


def _different(stored: Mapping[str, str], present: Mapping[str, str]) -> Iterator[str]:
    for name in stored.keys() | present.keys():
        if stored.get(name) != present.get(name):
            yield name


def _differ(names: list[str]) -> str:
    if not names:
        return ""
    if len(names) == 1:
        return f"1 file differs from the commit: {names[0]}"
    return f"{len(names)} files differ from the commit, such as {names[0]}"


def _unproved(pin: Pin, tree: Path, hashes: Mapping[str, str]) -> str:
    """Return why nothing proves that files are those of the commit, or nothing."""
    origin = cache.read_origin(cache.entry(pin))
    if pin.sha256 and digest_of(hashes) == pin.sha256:
        return ""
    if origin and origin.verified == "commit":
        try:
            problem = disagreement(tree, pin)
        except (git.GitError, OSError) as failure:
            return f"git cannot read it: {failure}"
        if problem or not pin.sha256:
            return problem
    return "its source files have another digest" if pin.sha256 else ""


def disagreement(repository: Path, pin: Pin) -> str:
    """Return in what a checkout differs from its pin, or nothing.

    Raises:
        GitError: it is not a repository that git can read.
    """
    head = git.run(repository, "rev-parse", "--verify", "HEAD")
    if head != pin.commit:
        return f"it is at {head}"
    changed = git.run(repository, "status", "--porcelain", "--untracked-files=all").splitlines()
    if changed:
        return _differ([line[2:].strip() for line in changed])
    return "" if (repository / pin.marker).is_file() else f"it has no {pin.marker}, so it is not {pin.title}"


def restore(pin: Pin) -> bool:
    """Bring the files of a pin's commit back from git's objects in the cache; return whether that was enough."""
    tree = cache.tree_of(cache.entry(pin))
    try:
        # Without its index git looks at every file instead of what it remembers of them.
        (tree / ".git" / "index").unlink(missing_ok=True)
        git.run(tree, "checkout", "--force", "--detach", pin.commit)
        git.run(tree, "clean", "-ffdxq")
        return not disagreement(tree, pin) and not changes(pin)
    except (git.GitError, OSError):
        return False
