"""Tables that the modules of a package fill when they are imported, so that adding an entry is adding a module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Generic[T]):
    """Entries by name, or why there is none.

    Args:
        what: What an entry is, for messages to developers.
        package: The package whose modules add entries; each is imported before the entries are first read. Empty where
            the module of the registry adds them all.
    """

    def __init__(self, what: str, package: str = "") -> None:
        self._what = what
        self._package = package
        self._entries: dict[str, T] = {}
        self._lacking: dict[str, str] = {}
        self._complete = not package

    def add(self, name: str, entry: T) -> None:
        """Add an entry.

        Raises:
            ValueError: there is one of that name, or a reason for there being none.
        """
        self._require_new(name)
        self._entries[name] = entry

    def lacks(self, name: str, because: str) -> None:
        """Say why there is no entry of a name, as a clause.

        Raises:
            ValueError: there is one, or the reason was given.
        """
        self._require_new(name)
        self._lacking[name] = because

    def entries(self) -> Mapping[str, T]:
        """Return all entries, sorted by name."""
        self._import()
        return MappingProxyType(dict(sorted(self._entries.items())))

    def why_not(self, name: str) -> str:
        """Return why there is no entry of a name; empty where there is one, or nobody said why."""
        self._import()
        return self._lacking.get(name, "")

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Put the entries back at the end as they were at the beginning."""
        self._import()
        entries, lacking = dict(self._entries), dict(self._lacking)
        try:
            yield
        finally:
            self._entries, self._lacking = entries, lacking

    def _require_new(self, name: str) -> None:
        if name in self._entries or name in self._lacking:
            raise ValueError(f"{name} has its {self._what} already")

    def _import(self) -> None:
        if self._complete:
            return
        # Set first: a module may read, while it is imported, what is there so far.
        self._complete = True
        try:
            for module in iter_modules(import_module(self._package).__path__):
                import_module(f"{self._package}.{module.name}")
        except BaseException:
            self._complete = False
            raise
