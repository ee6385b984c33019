"""The files of one repository in the cache, each proved to be what it was when it was stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from micronets_gen.runtimes.tflm.sources.digest import content_hash
from micronets_gen.runtimes.tflm.sources.errors import SourcesModified


@dataclass(frozen=True)
class Checkout:
    """One repository at one commit.

    Which files there are is what the record says, not what the folder holds: one that was deleted must not make
    another take its place.

    Attributes:
        title: Its name and commit, for messages.
        folder: Where the files lie.
        hashes: :func:`~micronets_gen.runtimes.tflm.sources.digest.content_hash` by relative POSIX path.
    """

    title: str
    folder: Path
    hashes: Mapping[str, str] = field(repr=False)

    def has(self, path: str) -> bool:
        """Whether the commit has a source file or licence of that relative POSIX path."""
        return path in self.hashes

    def names(self, folder: str, suffix: str) -> list[str]:
        """Return the sorted names of the files with a suffix that lie directly in a folder."""
        start = f"{folder}/"
        rest = (path.removeprefix(start) for path in self.hashes if path.startswith(start))
        return sorted(name for name in rest if name.endswith(suffix) and "/" not in name)

    def paths(self, folders: Iterable[str], suffixes: tuple[str, ...]) -> list[str]:
        """Return the sorted paths of the files with one of the suffixes anywhere in some folders."""
        starts = tuple(f"{folder}/" for folder in folders)
        return sorted(path for path in self.hashes if path.startswith(starts) and path.endswith(suffixes))

    def read(self, path: str) -> str:
        """Return the text of a file.

        Raises:
            SourcesModified: it is not what was stored, or not there.
        """
        file = self.folder / path
        if file.exists() and not file.is_file():  # a pipe could be waited at for ever
            raise self._modified(path, "it is no regular file")
        try:
            content = file.read_bytes()
        except OSError as error:
            raise self._modified(path, error.strerror or str(error)) from error
        if content_hash(content) != self.hashes[path]:
            raise self._modified(path, "its contents are not those of the commit")
        return content.decode("utf-8", "replace").replace("\r\n", "\n")

    def _modified(self, path: str, why: str) -> SourcesModified:
        return SourcesModified(
            f"the cache was changed: {path} of {self.title} is not what was stored",
            where=str(self.folder / path),
            why=why,
        )
