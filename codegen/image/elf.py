"""What is in a linked image: bytes by section, symbol, origin and memory region.

Sizes come from the ELF file. The linker's map, where it lies beside the image, adds which object or library
member each byte came from; without it the origin is the source file that the ELF names for static symbols.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from micronets_gen.boards.board import Board, Region
from micronets_gen.common.integers import overlap
from micronets_gen.image.symbols import FUNCTION, OBJECT, Symbol, open_image, read_symbols

CODE, RODATA, DATA, BSS, ARENA, HEAP = "code", "rodata", "data", "bss", "arena", "heap"

_STACK_TOP = "_stack_top"
_STACK_LIMIT = "_stack_limit"
_SHF_ALLOC, _SHF_EXECINSTR = 2, 4


@dataclass(frozen=True)
class Rule:
    """Bytes that match every given pattern (``re.search``) are of ``category``; the first such rule wins."""

    category: str
    symbol: str = ""
    file: str = ""
    section: str = ""

    def matches(self, symbol: str, file: str, section: str) -> bool:
        """Whether every pattern that the rule has is found."""
        pairs = ((self.symbol, symbol), (self.file, file), (self.section, section))
        return all(re.search(pattern, text) for pattern, text in pairs if pattern)


WEIGHTS, BIASES, VECTORS, OTHER = "weights", "biases", "test vectors", "padding and other"
TABLES = "quantisation and tables"
MODEL_FILE = "model file"
"""A ``.tflite`` file as it is, weights and all: what an interpreter reads."""

CATEGORIES: tuple[Rule, ...] = (
    Rule("board", section=r"^\.(isr_vector|note\.gnu\.build-id)"),
    Rule(VECTORS, file=r"selftest.*\bvectors\b"),
    Rule("self-test", file=r"\bselftest|libselftest"),
    Rule(WEIGHTS, symbol=r"_(weights|filter)$"),
    Rule(BIASES, symbol=r"_bias$"),
    Rule(MODEL_FILE, symbol=r"^model_data$"),
    Rule("kernels", file=r"/(tflm_kernels|cmsis_nn)/"),
    Rule("interpreter", file=r"/tflm/"),
    Rule("kernels", symbol=r"^mn_"),
    Rule("kernels", file=r"\bmn_\w+"),
    Rule(TABLES, file=r"\bmodel_data\b"),
    Rule("model code", file=r"\bmodel(_interpreter)?\.[co]"),
    Rule("board", file=r"libboard\.a|/board/|\b(startup|syscalls|system|uart|counter|faults|exit)\.(c|o)"),
    Rule("C library", file=r"\blib(c|m|g|gcc|nosys|stdc\+\+|supc\+\+)(_nano)?\.a|/(crt\w+)\.o"),
    Rule("application", file=r"/src/|\bmain\.(c|cc|cpp|o)"),
)
"""How bytes of flash are told apart; the rest is ``padding and other``."""


@dataclass(frozen=True)
class SectionReport:
    """One section that occupies memory.

    Attributes:
        address: Where the program sees it.
        load_address: Where its contents are stored; differs for ``.data``.
        region: Region of ``address``; ``A+B`` where it spans two, empty where the board has no memory there.
        load_region: Region of ``load_address``; empty where nothing is stored (bss, arena, heap).
        kind: ``code``, ``rodata``, ``data``, ``bss``, ``arena`` or ``heap``.
    """

    name: str
    address: int
    load_address: int
    size: int
    region: str
    load_region: str
    kind: str


@dataclass(frozen=True)
class SymbolReport:
    """One function or object, static ones included; ``file`` is empty where the image does not tell."""

    name: str
    address: int
    size: int
    region: str
    section: str
    kind: str
    file: str
    category: str


@dataclass(frozen=True)
class RegionReport:
    """How full one region of the board is.

    Attributes:
        used: Bytes of sections in it, load images of ``.data`` included.
        stack: Worst-case stack that it must hold besides; 0 where the stack is elsewhere or unknown.
        free: Bytes left after both; negative where it does not fit.
    """

    name: str
    kind: str
    origin: int
    size: int
    used: int
    stack: int
    free: int


@dataclass(frozen=True)
class CategoryReport:
    """Bytes of flash by what they are for."""

    name: str
    flash_bytes: int


@dataclass(frozen=True)
class ImageReport:
    """The whole image.

    Attributes:
        sha256: As :func:`loaded_sha256` gives it.
        symbols: Largest first.
        categories: Of flash, largest first; they add up to ``flash_bytes``.
        flash_bytes: Everything stored in the image: code, constants and initial values of data.
        ram_bytes: Static RAM: data, bss, arena and heap. The stack is apart.
        arena_bytes: Section ``.arena``.
        stack_room: What is left for the stack between ``_stack_limit`` and ``_stack_top``; None where the
            image lacks these symbols.
    """

    sha256: str
    sections: tuple[SectionReport, ...]
    symbols: tuple[SymbolReport, ...]
    regions: tuple[RegionReport, ...]
    categories: tuple[CategoryReport, ...]
    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    stack_room: int | None = None

    def category_bytes(self, name: str) -> int:
        """Bytes of flash of one category; 0 where the image has none."""
        return sum(c.flash_bytes for c in self.categories if c.name == name)

    @property
    def runtime_bytes(self) -> int:
        """Flash without the model's numbers (or its file) and golden vectors: what the program costs beside."""
        return self.flash_bytes - sum(map(self.category_bytes, (WEIGHTS, BIASES, MODEL_FILE, VECTORS)))

    @property
    def fits(self) -> bool:
        """Whether every region holds what is in it, the stack included."""
        return all(region.free >= 0 for region in self.regions)


@dataclass(frozen=True)
class Piece:
    """An input section as the linker placed it into the section ``output``, from its map."""

    output: str
    section: str
    address: int
    size: int
    file: str


def loaded_sha256(path: Path) -> str:
    """Return the SHA-256 of what an image puts where in memory.

    Raises:
        ToolError: the file is missing or no ELF image.
    """
    digest = sha256()
    with open_image(path) as elf:
        for segment in elf.iter_segments("PT_LOAD"):
            header = segment.header
            digest.update(f"{header.p_vaddr} {header.p_paddr} {header.p_filesz} {header.p_memsz}\n".encode())
            digest.update(segment.data())
    return digest.hexdigest()


def analyse_elf(
    path: Path,
    board: Board,
    *,
    stack_bytes: int | None = None,
    rules: Sequence[Rule] = CATEGORIES,
) -> ImageReport:
    """Read an image.

    Args:
        path: The ELF file; the linker's map is read where it lies beside it with suffix ``.map``.
        board: Whose regions it was linked for.
        stack_bytes: Worst-case stack (:func:`micronets_gen.image.stack.analyse_stack`), to be counted in its region.
        rules: How to tell categories apart.

    Raises:
        ToolError: the file is missing or no ELF image.
    """
    by_index, raw_symbols = _read(path, board)
    sections = tuple(by_index.values())
    map_path = path.with_suffix(".map")
    names = {section.name for section in sections}
    # Debug information has addresses of its own, which mean nothing here.
    pieces = [p for p in read_map(map_path) if p.output in names] if map_path.is_file() else []
    symbols = _symbols(raw_symbols, by_index, pieces, board, rules)
    flash_bytes = sum(s.size for s in sections if s.load_region)
    top = next((s.address for s in raw_symbols if s.name == _STACK_TOP), None)
    limit = next((s.address for s in raw_symbols if s.name == _STACK_LIMIT), None)
    return ImageReport(
        sha256=loaded_sha256(path),
        sections=sections,
        symbols=symbols,
        regions=tuple(_region(r, sections, board, top, stack_bytes) for r in board.regions),
        categories=_categories(sections, symbols, pieces, rules, flash_bytes),
        flash_bytes=flash_bytes,
        ram_bytes=sum(s.size for s in sections if s.kind in {DATA, BSS, ARENA, HEAP}),
        arena_bytes=sum(s.size for s in sections if s.kind == ARENA),
        stack_room=None if top is None or limit is None else top - limit,
    )


def _read(path: Path, board: Board) -> tuple[dict[int, SectionReport], tuple[Symbol, ...]]:
    """Return the sections that occupy memory, by index, and every symbol."""
    with open_image(path) as elf:
        loaded = (s.header for s in elf.iter_segments() if s.header.p_type == "PT_LOAD")
        segments = [header for header in loaded if header.p_memsz]
        sections = {
            index: _section(s.name, s.header, segments, board)
            for index, s in enumerate(elf.iter_sections())
            if s.header.sh_flags & _SHF_ALLOC and s.header.sh_size
        }
        return sections, read_symbols(elf)


def _section(name: str, header: Any, segments: Iterable[Any], board: Board) -> SectionReport:
    address, size = int(header.sh_addr), int(header.sh_size)
    stored = header.sh_type != "SHT_NOBITS"
    load = address
    for segment in segments:
        if segment.p_vaddr <= address < segment.p_vaddr + segment.p_memsz:
            load = address - segment.p_vaddr + segment.p_paddr
            break
    if name.startswith(".arena"):
        kind = ARENA
    elif name == ".heap":
        kind = HEAP
    elif not stored:
        kind = BSS
    elif header.sh_flags & _SHF_EXECINSTR:
        kind = CODE
    elif _is_ram(board, address):
        kind = DATA
    else:
        kind = RODATA
    load_region = _region_name(board, load, size) if stored else ""
    return SectionReport(name, address, load, size, _region_name(board, address, size), load_region, kind)


# --- regions --------------------------------------------------------------------------------------------


def _region_name(board: Board, address: int, size: int) -> str:
    return "+".join(
        r.name
        for r in sorted(board.regions, key=lambda r: r.origin)
        if r.origin < address + max(size, 1) and address < r.end
    )


def _is_ram(board: Board, address: int) -> bool:
    return any(r.kind == "ram" and r.origin <= address < r.end for r in board.regions)


def _region(
    region: Region, sections: Iterable[SectionReport], board: Board, stack_top: int | None, stack: int | None
) -> RegionReport:
    used = 0
    for section in sections:
        places = {section.address, section.load_address} if section.load_region else {section.address}
        used += sum(overlap(place, section.size, region.origin, region.size) for place in places)
    # The stack grows down from its top, which is the first address behind it.
    home = region.origin < stack_top <= region.end if stack_top is not None else region == board.default_ram
    here = stack or 0 if home and region.kind == "ram" else 0
    return RegionReport(
        region.name, region.kind, region.origin, region.size, used, here, region.size - used - here
    )


# --- origins --------------------------------------------------------------------------------------------

_PIECE = re.compile(r"^ (\.?\S+)?\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S.*)$")


def read_map(path: Path) -> tuple[Piece, ...]:
    """Read the input sections of a GNU ld map, by address. Lines of other kinds are skipped."""
    text = path.read_text(encoding="utf-8", errors="replace")
    _, _, text = text.partition("Linker script and memory map")
    pieces = []
    output = pending = ""
    for line in text.splitlines():
        if line[:1] not in {"", " "}:
            output = line.split()[0]
        match = _PIECE.match(line)
        if match:
            section = match[1] or pending
            address, size = int(match[2], 16), int(match[3], 16)
            if size and section and not section.startswith("*"):
                pieces.append(Piece(output, section, address, size, match[4].strip()))
            pending = ""
        else:
            # A long section name stands alone on the line before its numbers.
            pending = line.strip() if re.match(r"^ \.\S+$", line) else ""
    return tuple(sorted(pieces, key=lambda p: (p.address, -p.size)))


def _piece_at(pieces: Sequence[Piece], starts: Sequence[int], address: int) -> Piece | None:
    for index in range(bisect_right(starts, address) - 1, -1, -1):
        piece = pieces[index]
        if piece.address <= address < piece.address + piece.size:
            return piece
        if piece.address < address - 0x10_0000:
            return None
    return None


def _symbols(
    raw: Iterable[Symbol],
    sections: Mapping[int, SectionReport],
    pieces: Sequence[Piece],
    board: Board,
    rules: Sequence[Rule],
) -> tuple[SymbolReport, ...]:
    starts = [p.address for p in pieces]
    found = []
    for symbol in raw:
        section = sections.get(symbol.section) if symbol.section is not None else None
        if section and symbol.size and symbol.kind in {FUNCTION, OBJECT}:
            piece = _piece_at(pieces, starts, symbol.address)
            file = piece.file if piece else symbol.file
            found.append(
                SymbolReport(
                    symbol.name,
                    symbol.address,
                    symbol.size,
                    _region_name(board, symbol.address, symbol.size),
                    section.name,
                    section.kind,
                    file,
                    _category(rules, symbol.name, file, section.name),
                )
            )
    return tuple(sorted(found, key=lambda s: (-s.size, s.name, s.address)))


def _category(rules: Iterable[Rule], symbol: str, file: str, section: str) -> str:
    return next((r.category for r in rules if r.matches(symbol, file, section)), OTHER)


def _categories(
    sections: Sequence[SectionReport],
    symbols: Sequence[SymbolReport],
    pieces: Sequence[Piece],
    rules: Sequence[Rule],
    flash_bytes: int,
) -> tuple[CategoryReport, ...]:
    """Attribute every byte of flash once: to its symbol, else to the input section that it came with."""
    sums: dict[str, int] = {}
    named = sorted((s for s in symbols if s.kind in {CODE, RODATA, DATA}), key=lambda s: (s.address, -s.size))
    stored = [s for s in sections if s.load_region]
    end = 0
    gaps: list[tuple[int, int]] = []
    for section in sorted(stored, key=lambda s: s.address):
        position, limit = section.address, section.address + section.size
        for symbol in (s for s in named if section.address <= s.address < limit):
            if symbol.address > position:
                gaps.append((position, symbol.address))
            # Aliases and labels inside a function must not count twice.
            end = min(symbol.address + symbol.size, limit)
            fresh = end - max(position, symbol.address)
            if fresh > 0:
                sums[symbol.category] = sums.get(symbol.category, 0) + fresh
                position = end
        if position < limit:
            gaps.append((position, limit))
    for piece in pieces:
        name = piece.section.rpartition(".")[2]
        for low, high in gaps:
            bytes_ = min(high, piece.address + piece.size) - max(low, piece.address)
            if bytes_ > 0:
                category = _category(rules, name, piece.file, piece.section)
                sums[category] = sums.get(category, 0) + bytes_
    sums[OTHER] = sums.get(OTHER, 0) + flash_bytes - sum(sums.values())
    ranked = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    return tuple(CategoryReport(name, size) for name, size in ranked if size)
