"""Reads what an emulator needs of a 32-bit little-endian ARM ELF: bytes to load and names of addresses.

Source: System V ABI, chapter 4 (object files) and 5 (program loading).
"""

from __future__ import annotations

import errno
import stat
import struct
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import EmulationError

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_PROGRAM = struct.Struct("<8I")
_SECTION = struct.Struct("<10I")
_SYMBOL = struct.Struct("<IIIBBH")
_NOTE = struct.Struct("<III4s")
_EM_ARM = 40
_PT_LOAD = 1
_SHT_SYMTAB = 2
_SHT_NOTE = 7
_STT_FUNC = 2
_STT_NOTYPE_OR_OBJECT = (0, 1)
_STB_LOCAL = 0
_NT_GNU_BUILD_ID = 3


@dataclass(frozen=True)
class Segment:
    """Bytes that a programmer writes at ``address`` (the load address)."""

    address: int
    data: bytes


@dataclass(frozen=True)
class Image:
    """A firmware image.

    Attributes:
        segments: What is loaded, without zero-initialised memory.
        functions: (address, name), ascending.
        objects: Addresses of variables and of the linker script's symbols, by name.
        build: Identity of the build, as the linker computed it, in hexadecimal; empty where there is none.
    """

    path: Path
    segments: tuple[Segment, ...]
    functions: tuple[tuple[int, str], ...]
    objects: Mapping[str, int]
    build: str = ""

    def function_at(self, address: int) -> tuple[int, str] | None:
        """Start and name of the function that ``address`` lies in; None where there is none near."""
        position = bisect_right(self.functions, (address & ~1, "\uffff")) - 1
        if position < 0 or (address & ~1) - self.functions[position][0] > 0x10000:
            return None
        return self.functions[position]

    def overflows_stack(self, pointer: int | None) -> bool:
        """Whether a stack pointer lies outside the stack; False where the image does not say where that is."""
        limit, top = self.objects.get("_stack_limit"), self.objects.get("_stack_top")
        if limit is None or top is None or pointer is None:
            return False
        return not limit <= pointer <= top

    def locate(self, address: int) -> str:
        """The address for a person: ``0x08000123 (main+0x1b)``."""
        function = self.function_at(address)
        if function is None:
            return f"0x{address:08x}"
        start, name = function
        offset = (address & ~1) - start
        return f"0x{address:08x} ({name}+0x{offset:x})" if offset else f"0x{address:08x} ({name})"


def read_image(path: Path) -> Image:
    """Reads an ELF file.

    Raises:
        EmulationError: The file is missing, no ARM ELF, or cut short.
    """
    try:
        raw = read_regular(path)
    except OSError as error:
        raise EmulationError(
            f"cannot read the firmware image ({error.strerror})", where=str(path), remedy="build it: pio run"
        ) from None
    if raw[:6] != b"\x7fELF\x01\x01":
        raise EmulationError(
            "not a 32-bit little-endian ELF file", where=str(path), remedy="give firmware.elf"
        )
    try:
        header = _HEADER.unpack_from(raw)
        if header[2] != _EM_ARM:
            raise EmulationError("not an ARM image", where=str(path), remedy="give firmware.elf")
        sections = _sections(raw, header)
        functions, objects = _symbols(raw, sections)
        return Image(path, _segments(raw, header), functions, objects, _build(raw, sections))
    except (struct.error, IndexError):
        raise EmulationError("the ELF file is cut short", where=str(path), remedy="build it again") from None


def read_regular(path: Path, *, most: int = -1) -> bytes:
    """Reads a file, at most so many bytes of it; a pipe, at which one could wait for ever, is none.

    Raises:
        OSError: There is no such file, or it cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "is no regular file")
    with path.open("rb") as file:
        return file.read(most)


def _segments(raw: bytes, header: tuple[int, ...]) -> tuple[Segment, ...]:
    table, size, count = header[5], header[9], header[10]
    found = []
    for index in range(count):
        kind, offset, _, load, filled, *_ = _PROGRAM.unpack_from(raw, table + index * size)
        if kind == _PT_LOAD and filled:
            if offset + filled > len(raw):
                raise IndexError(offset)
            found.append(Segment(load, raw[offset : offset + filled]))
    return tuple(found)


def _sections(raw: bytes, header: tuple[int, ...]) -> list[tuple[int, ...]]:
    table, size, count = header[6], header[11], header[12]
    return [_SECTION.unpack_from(raw, table + index * size) for index in range(count)]


def _symbols(
    raw: bytes, sections: list[tuple[int, ...]]
) -> tuple[tuple[tuple[int, str], ...], dict[str, int]]:
    functions, objects = set(), {}
    for section in sections:
        if section[1] != _SHT_SYMTAB:
            continue
        names = sections[section[6]][4]
        for position in range(section[4], section[4] + section[5], _SYMBOL.size):
            name, value, _, info, _, _ = _SYMBOL.unpack_from(raw, position)
            if info & 15 == _STT_FUNC:
                functions.add((value & ~1, _text(raw, names + name)))
            elif info & 15 in _STT_NOTYPE_OR_OBJECT and info >> 4 != _STB_LOCAL:
                objects[_text(raw, names + name)] = value
    return tuple(sorted(functions)), objects


def _text(raw: bytes, start: int) -> str:
    end = raw.find(b"\0", start)
    if end < 0:
        raise IndexError(start)
    return raw[start:end].decode("utf-8", "replace")


def _build(raw: bytes, sections: list[tuple[int, ...]]) -> str:
    """The linker's note of the build: sizes of name and hash, type, name, hash (``ld --build-id``)."""
    for section in sections:
        if section[1] == _SHT_NOTE and section[5] >= _NOTE.size:
            name_size, size, kind, name = _NOTE.unpack_from(raw, section[4])
            if (name_size, kind, name) == (4, _NT_GNU_BUILD_ID, b"GNU\0"):
                start = section[4] + _NOTE.size
                return raw[start : start + size].hex()
    return ""
