"""Which sources the tflm runtime is made of, each at one commit."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from micronets_gen.errors import UsageError

PINS_FILE = Path(__file__).with_name("pins.toml")

# The other two have not changed for years, and can be overridden through the Python interface.
_WITH_OPTION = frozenset({"tflm", "cmsis_nn", "flatbuffers"})
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Pin:
    """One repository at one commit.

    Attributes:
        key: ``tflm``, ``cmsis_nn``, ``flatbuffers``, ``gemmlowp`` or ``ruy``.
        title: Its name for people.
        repository: URL, as git takes it.
        commit: Full hash, lower case.
        licence: SPDX identifier.
        licence_files: Licence and notices, relative to the tree.
        marker: A file that only this repository has, relative to the tree.
        parts: The folders that firmware is compiled from.
        sha256: Digest of the source files in ``parts``; empty where it is not known.
    """

    key: str
    title: str
    repository: str
    commit: str
    licence: str
    licence_files: tuple[str, ...]
    marker: str
    parts: tuple[str, ...]
    sha256: str

    @property
    def slug(self) -> str:
        """Name of the repository without its owner, as folders are called."""
        return self.repository.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")

    @property
    def label(self) -> str:
        """Title and shortened commit."""
        return f"{self.title} {self.commit[:12]}"


@dataclass(frozen=True)
class SourceSet:
    """The repositories of one build, in the order in which they are fetched."""

    pins: tuple[Pin, ...]

    @staticmethod
    def pinned(overrides: Mapping[str, str] | None = None) -> SourceSet:
        """Return the pinned set, with other commits where ``overrides`` has one.

        Args:
            overrides: Full commit hashes by key.

        Raises:
            UsageError: a key or a hash is not one.
        """
        return _pinned().override(overrides or {})

    @staticmethod
    def read(path: Path) -> SourceSet:
        """Return the set that a pins file describes."""
        with path.open("rb") as file:
            tables = tomllib.load(file)
        return SourceSet(tuple(_pin(key, table) for key, table in tables.items()))

    def __iter__(self) -> Iterator[Pin]:
        """Iterate over the pins."""
        return iter(self.pins)

    def __getitem__(self, key: str) -> Pin:
        """Return the pin of that key."""
        return next(pin for pin in self.pins if pin.key == key)

    @property
    def commits(self) -> Mapping[str, str]:
        """Commit by key."""
        return {pin.key: pin.commit for pin in self.pins}

    def override(self, commits: Mapping[str, str]) -> SourceSet:
        """Return the set with other commits.

        Raises:
            UsageError: a key or a hash is not one.
        """
        known = [pin.key for pin in self.pins]
        for key, commit in commits.items():
            if key not in known:
                raise UsageError(f"there is no source '{key}'", remedy=f"the sources are {', '.join(known)}")
            if not _COMMIT.fullmatch(commit.lower()):
                raise UsageError(
                    f"'{commit}' is not a full commit hash",
                    where=option(key) or key,
                    why="servers hand out commits by their full hash, and a branch is another commit tomorrow",
                    remedy=f"give the 40 digits: git ls-remote {self[key].repository} HEAD",
                )
        return SourceSet(tuple(_at(pin, commits.get(pin.key, pin.commit).lower()) for pin in self.pins))


def option(key: str) -> str:
    """Return the command-line option that overrides the commit of ``key``; empty where there is none."""
    return f"--{key.replace('_', '-')}-commit" if key in _WITH_OPTION else ""


def _at(pin: Pin, commit: str) -> Pin:
    return pin if commit == pin.commit else replace(pin, commit=commit, sha256="")


@cache
def _pinned() -> SourceSet:
    return SourceSet.read(PINS_FILE)


def _pin(key: str, table: Mapping[str, object]) -> Pin:
    def text(name: str) -> str:
        return str(table[name])

    def texts(name: str) -> tuple[str, ...]:
        values = table[name]
        if not isinstance(values, list):
            raise TypeError(f"{key}.{name} is not a list")
        return tuple(str(value) for value in values)

    return Pin(
        key=key,
        title=text("title"),
        repository=text("repository"),
        commit=text("commit"),
        licence=text("licence"),
        licence_files=texts("licence_files"),
        marker=text("marker"),
        parts=texts("parts"),
        sha256=text("sha256"),
    )


def overrides(
    tflm_commit: str | None, cmsis_nn_commit: str | None, flatbuffers_commit: str | None = None
) -> dict[str, str]:
    """Return the commits that a person gave, by key."""
    given = {"tflm": tflm_commit, "cmsis_nn": cmsis_nn_commit, "flatbuffers": flatbuffers_commit}
    return {key: commit for key, commit in given.items() if commit}
