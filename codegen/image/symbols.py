"""An ELF file's symbols, functions and machine code: the one place that reads its symbol table.

(:mod:`micronets_gen.emulate.image` reads its own, because a copy of it travels in every project.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from micronets_gen.errors import ToolError
from micronets_gen.image.thumb import Code

_EXECUTABLE = 4  # SHF_EXECINSTR
_MARKS = ("$t", "$d")
FUNCTION, OBJECT = "STT_FUNC", "STT_OBJECT"


@dataclass(frozen=True)
class Symbol:
    """An entry of the symbol table.

    Attributes:
        address: Its value; of a function without bit 0, which says Thumb.
        kind: :data:`FUNCTION`, :data:`OBJECT` or another of the ELF specification's names (``STT_...``).
        section: Index of its section; None for an absolute or undefined one.
        file: The source that a local one is of; empty for others.
        is_global: Whether it binds globally; neither local nor weak.
    """

    name: str
    address: int
    size: int
    kind: str
    section: int | None
    file: str
    is_global: bool


@dataclass(frozen=True)
class Function:
    """A function by its address.

    Attributes:
        name: The global one of its names where there is one.
        names: Every name of the address.
        file: The source of a static one; else empty.
    """

    name: str
    address: int
    size: int
    names: frozenset[str]
    file: str


@dataclass(frozen=True, eq=False)
class Program:
    """Functions by address, and the sections that they lie in, each with the places of its literals."""

    functions: Mapping[int, Function]
    code: tuple[Code, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Function]:
        """The function of each name."""
        return {name: function for function in self.functions.values() for name in function.names}

    def code_at(self, address: int) -> Code:
        """Return the section that holds an address; an empty one where none does."""
        return next((c for c in self.code if c.base <= address < c.end), Code(address, b"", ()))


def require_regular(path: Path) -> None:
    """Raise where something else than a file lies in an image's place: at a pipe one could wait for ever.

    Raises:
        ToolError: it is there, and no regular file.
    """
    if path.exists() and not path.is_file():
        raise ToolError(
            "the image is no regular file", where=str(path), remedy="remove it and build the project again"
        )


@contextmanager
def open_image(path: Path) -> Iterator[Any]:
    """Open an image for reading: pyelftools' ``ELFFile``.

    Raises:
        ToolError: the file is missing, no regular file or no ELF image.
    """
    require_regular(path)
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with path.open("rb") as stream:
            yield ELFFile(stream)
    except OSError as error:
        raise ToolError(
            f"the image cannot be read: {error.strerror}", where=str(path), remedy="build the project first"
        ) from error
    except ELFError as error:
        raise ToolError("this is no ELF image", where=str(path), why=str(error)) from error


def read_symbols(elf: Any) -> tuple[Symbol, ...]:
    """Return the symbols of an open image in the order of its table; none where it was stripped."""
    table = elf.get_section_by_name(".symtab")
    return tuple(_symbols(table)) if table is not None else ()


def _symbols(table: Any) -> Iterator[Symbol]:
    file = ""
    for symbol in table.iter_symbols():
        entry, info = symbol.entry, symbol.entry.st_info
        if info.type == "STT_FILE":
            file = symbol.name
            continue
        yield Symbol(
            name=symbol.name,
            address=entry.st_value & ~1 if info.type == FUNCTION else entry.st_value,
            size=entry.st_size,
            kind=info.type,
            section=entry.st_shndx if isinstance(entry.st_shndx, int) else None,
            file=file if info.bind == "STB_LOCAL" else "",
            is_global=info.bind == "STB_GLOBAL",
        )


def read_program(elf: Any, path: Path) -> Program:
    """Return the functions and the machine code of an open image.

    Raises:
        ToolError: it was stripped.
    """
    symbols = read_symbols(elf)
    if not symbols:
        raise ToolError(
            "the image has no symbols", where=str(path), remedy="link without -s, and do not strip it"
        )
    sections = {i: s for i, s in enumerate(elf.iter_sections()) if s.header.sh_flags & _EXECUTABLE}
    marks: dict[int, list[tuple[int, str]]] = {index: [] for index in sections}
    functions: dict[int, Function] = {}
    for symbol in symbols:
        if symbol.section is None or symbol.section not in sections:
            continue
        if symbol.kind == FUNCTION:
            functions[symbol.address] = _joined(functions.get(symbol.address), symbol)
        elif symbol.name.startswith(_MARKS):
            marks[symbol.section].append((symbol.address & ~1, symbol.name[1]))
    code = (Code(s.header.sh_addr, s.data(), sorted(marks[i])) for i, s in sections.items())
    return Program(functions, tuple(code))


def _joined(known: Function | None, symbol: Symbol) -> Function:
    """Return what is known of an address with one symbol more."""
    if known is None:
        return Function(symbol.name, symbol.address, symbol.size, frozenset({symbol.name}), symbol.file)
    return Function(
        symbol.name if symbol.is_global else known.name,
        known.address,
        max(known.size, symbol.size),
        known.names | {symbol.name},
        known.file,
    )
