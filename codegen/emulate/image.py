"""Reads what an emulator needs of a 32-bit little-endian ARM ELF: bytes to load and names of addresses.

Source: System V ABI, chapter 4 (object files) and 5 (program loading).
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from .errors import EmulationError

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_PROGRAM = struct.Struct("<8I")
_SECTION = struct.Struct("<10I")
_SYMBOL = struct.Struct("<IIIBBH")
_EM_ARM = 40
_PT_LOAD = 1
_SHT_SYMTAB = 2
_STT_FUNC = 2


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
    """

    path: Path
    segments: tuple[Segment, ...]
    functions: tuple[tuple[int, str], ...]

    def locate(self, address: int) -> str:
        """The address for a person: ``0x08000123 (main+0x1b)``."""
        position = bisect_right(self.functions, (address & ~1, "\uffff")) - 1
        if position < 0:
            return f"0x{address:08x}"
        start, name = self.functions[position]
        offset = (address & ~1) - start
        if offset > 0x10000:
            return f"0x{address:08x}"
        return f"0x{address:08x} ({name}+0x{offset:x})" if offset else f"0x{address:08x} ({name})"


def read_image(path: Path) -> Image:
    """Reads an ELF file.

    Raises:
        EmulationError: The file is missing, no ARM ELF, or cut short.
    """
    try:
        raw = path.read_bytes()
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
        return Image(path, _segments(raw, header), _functions(raw, header))
    except (struct.error, IndexError):
        raise EmulationError("the ELF file is cut short", where=str(path), remedy="build it again") from None


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


def _functions(raw: bytes, header: tuple[int, ...]) -> tuple[tuple[int, str], ...]:
    table, size, count = header[6], header[11], header[12]
    sections = [_SECTION.unpack_from(raw, table + index * size) for index in range(count)]
    found = set()
    for section in sections:
        if section[1] != _SHT_SYMTAB:
            continue
        names = sections[section[6]][4]
        for position in range(section[4], section[4] + section[5], _SYMBOL.size):
            name, value, _, info, _, _ = _SYMBOL.unpack_from(raw, position)
            if info & 15 == _STT_FUNC:
                start = names + name
                found.add((value & ~1, raw[start : raw.index(b"\0", start)].decode("utf-8", "replace")))
    return tuple(sorted(found))
