"""What a C or C++ source includes, defines and mentions, read off its text.

No compiler is asked, and none could be: the branches of every target count. The sources are those of TFLM and
CMSIS-NN, which clang-format lays out: a definition begins in the first column and ends with a brace there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from micronets_gen.runtimes.tflm.sources import Checkout

_NO_CODE = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n]){1,4}' | ^[ \t]*\#(?:[^\n\\]|\\.)*""",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
_ATTRIBUTE = re.compile(r"__attribute__\s*\(\([^;{}]*?\)\)\s*")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"\n]+)[>"]', re.MULTILINE)
_HEAD = r"^(?P<static>static\b\s*)?[A-Za-z_][^;{}()=]*?\b(?P<name>\w+)\s*"
_FUNCTION = re.compile(_HEAD + r"\([^;{}]*\)[^;{}()=]*\{", re.MULTILINE)
_TABLE = re.compile(_HEAD + r"\[[^\]]*\]\s*=\s*\{", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Definition:
    """A function or a table.

    Attributes:
        words: Every identifier in it.
        local: Whether it is ``static``; names in anonymous namespaces are not told from others.
        text: All of it, as in :attr:`Source.code`.
    """

    name: str
    words: frozenset[str]
    local: bool
    text: str = field(default="", repr=False)


@dataclass(frozen=True)
class Source:
    """The text of one file."""

    text: str

    @cached_property
    def code(self) -> str:
        """The text without comments, literals, preprocessor lines and attributes."""
        return _ATTRIBUTE.sub("", _NO_CODE.sub(" ", self.text))

    @cached_property
    def includes(self) -> tuple[str, ...]:
        """Names of included files as written, in order, those of branches not taken too."""
        return tuple(_INCLUDE.findall(self.text))

    @cached_property
    def definitions(self) -> tuple[Definition, ...]:
        """Functions with their bodies and initialised arrays, in order."""
        found = sorted(
            [*_FUNCTION.finditer(self.code), *_TABLE.finditer(self.code)], key=lambda match: match.start()
        )
        return tuple(self._definition(match) for match in found)

    def _definition(self, match: re.Match[str]) -> Definition:
        text = self.code[match.start() : _end(self.code, match.end())]
        return Definition(match["name"], frozenset(_WORD.findall(text)), bool(match["static"]), text)


def _end(code: str, opened: int) -> int:
    """Return where the definition ends whose brace was just opened."""
    line = code.find("\n", opened)
    line = len(code) if line < 0 else line
    if code.count("}", opened, line) > code.count("{", opened, line):
        return line
    closed = code.find("\n}", opened)
    return len(code) if closed < 0 else closed


def reachable(roots: Iterable[str], files: Mapping[str, Source]) -> tuple[frozenset[str], frozenset[str]]:
    """Follow identifiers from definition to definition.

    A name means the definition in the same file; where that file has none, every definition in a header, and
    every one elsewhere that is not static.

    Args:
        roots: Names to begin with.
        files: Sources by name.

    Returns:
        The files in which something was reached, and every identifier on the way.
    """
    reached = _reach(roots, files)
    return (
        frozenset(file for file, _ in reached),
        frozenset(word for _, definition in reached for word in definition.words),
    )


def reachable_texts(roots: Iterable[str], files: Mapping[str, Source]) -> tuple[str, ...]:
    """Return the texts of all definitions that :func:`reachable` finds, in order of file and name."""
    reached = sorted(_reach(roots, files), key=lambda pair: (pair[0], pair[1].name, pair[1].text))
    return tuple(definition.text for _, definition in reached)


def _reach(roots: Iterable[str], files: Mapping[str, Source]) -> set[tuple[str, Definition]]:
    by_name: dict[str, list[tuple[str, Definition]]] = {}
    for file, source in files.items():
        for definition in source.definitions:
            by_name.setdefault(definition.name, []).append((file, definition))
    waiting = [("", root) for root in roots]
    asked: set[tuple[str, str]] = set()
    done: set[tuple[str, Definition]] = set()
    while waiting:
        origin, name = waiting.pop()
        if (origin, name) in asked:
            continue
        asked.add((origin, name))
        candidates = by_name.get(name, ())
        here = [pair for pair in candidates if pair[0] == origin]
        for file, definition in here or [
            pair for pair in candidates if not pair[1].local or pair[0].endswith(".h")
        ]:
            if (file, definition) not in done:
                done.add((file, definition))
                waiting.extend((file, word) for word in definition.words if word in by_name)
    return done


@dataclass(frozen=True)
class Tree:
    """The sources of a repository, each read once.

    Attributes:
        roots: Folders that ``#include`` looks into, relative to the repository's, in order.
    """

    checkout: Checkout
    roots: tuple[str, ...] = ("",)

    @cached_property
    def _sources(self) -> dict[str, Source]:
        return {}

    def source(self, path: str) -> Source:
        """Return the file of that relative POSIX path.

        Raises:
            SourcesModified: it is not what was stored in the cache.
        """
        if path not in self._sources:
            self._sources[path] = Source(self.checkout.read(path))
        return self._sources[path]

    def resolve(self, include: str, includer: str = "") -> str | None:
        """Return the path of an included file: beside the including one first, then in the roots."""
        folder = includer.rpartition("/")[0]
        for root in (folder, *self.roots):
            path = _normal(f"{root}/{include}" if root else include)
            if path and self.checkout.has(path):
                return path
        return None


def _normal(path: str) -> str:
    """Return the path without ``.`` and ``..``; empty where it leads out."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return ""
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
