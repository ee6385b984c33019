"""The worst-case stack of an image: frames of functions, summed along the deepest path of the call graph.

Frames are what GCC says in its ``.su`` files (``-fstack-usage``); for functions it did not compile with that
option (the C library, assembly) they are read off the instructions that move the stack pointer. Calls are
read off the image itself, so that what the linker dropped or redirected counts as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from micronets_gen.errors import ToolError
from micronets_gen.image.symbols import Function, open_image, read_program
from micronets_gen.image.thumb import (
    Code,
    Instruction,
    branches,
    instructions,
    is_indirect,
    sets_stack_pointer,
    stack_growth,
)

BASIC_FRAME, FLOAT_FRAME = 32, 104
"""Bytes that the core stacks at an exception: r0-r3, r12, lr, pc, xpsr; with an FPU also s0-s15 and FPSCR.

Source: Armv7-M Architecture Reference Manual (DDI 0403), B1.5.
"""

_FRAME_ALIGNMENT = 4
"""The core aligns the frame to 8 bytes where the stack pointer is not (CCR.STKALIGN)."""


@dataclass(frozen=True)
class Frame:
    """One function on a path.

    Attributes:
        bytes: Stack that it takes itself.
        source: ``compiler`` (a ``.su`` file), ``code`` (its instructions) or ``core`` (an exception).
    """

    function: str
    bytes: int
    source: str


@dataclass(frozen=True)
class StackReport:
    """The worst case.

    Attributes:
        worst_bytes: Deepest path from the entry, and an exception at its deepest point if it has a handler.
        path: From the entry to the deepest function; or from a function that starts again from the stack's
            top, as fault handlers do, if that goes deeper than everything else.
        handler_path: The core's exception frame, then the deepest handler that stays on the stack; empty
            without handlers.
        unknown: Reachable functions that call through a pointer without an entry in ``indirect``.
        recursive: Functions that call each other in a circle, counted once round; one tuple a circle.
        dynamic: Reachable functions whose frame has no fixed bound (``alloca``, arrays of variable length).
    """

    worst_bytes: int
    path: tuple[Frame, ...]
    handler_path: tuple[Frame, ...]
    unknown: tuple[str, ...]
    recursive: tuple[tuple[str, ...], ...]
    dynamic: tuple[str, ...]

    @property
    def at_least(self) -> bool:
        """Whether ``worst_bytes`` is a lower bound only, because something has no known bound."""
        return bool(self.unknown or self.recursive or self.dynamic)


@dataclass(frozen=True)
class Usage:
    """One line of a ``.su`` file."""

    file: str
    function: str
    bytes: int
    qualifiers: str

    @property
    def unbounded(self) -> bool:
        """Whether the frame may be larger than ``bytes``."""
        return "dynamic" in self.qualifiers and "bounded" not in self.qualifiers


@dataclass
class _Function:
    """A function of the image and what its code does to the stack."""

    symbol: Function
    size: int
    frame: int = 0
    source: str = "code"
    dynamic: bool = False
    indirect: bool = False
    restarts: bool = False
    calls: list[int] = field(default_factory=list)
    tail_calls: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.symbol.name

    @property
    def address(self) -> int:
        return self.symbol.address


@dataclass(frozen=True)
class _Image:
    """What the analysis needs of the ELF file; addresses without the Thumb bit."""

    functions: dict[int, _Function]
    constructors: tuple[int, ...]
    vectors: tuple[int, ...]
    has_fpu: bool


INIT_CALLERS = ("board_start", "Reset_Handler", "__libc_init_array")
"""Functions that call through pointers only what ``.init_array`` and ``.preinit_array`` hold."""


def analyse_stack(
    elf: Path,
    usage: Iterable[Path],
    *,
    entry: str = "Reset_Handler",
    indirect: Mapping[str, Iterable[str]] | None = None,
) -> StackReport:
    """Compute the worst-case stack.

    Args:
        elf: The linked image.
        usage: ``.su`` files, or folders to search for them.
        entry: Where the stack is empty.
        indirect: For functions that call through pointers: every function that they may reach.

    Raises:
        ToolError: the image cannot be read, or has no such entry.
    """
    with open_image(elf) as opened:
        image = _read_image(opened, elf)
    _apply_usage(image.functions, read_usage(usage))
    by_name = {alias: f for f in image.functions.values() for alias in f.symbol.names}
    if entry not in by_name:
        raise ToolError(f"the image has no function {entry}", where=str(elf), remedy="link with its symbols")
    constructors = [image.functions[a].name for a in image.constructors if a in image.functions]
    targets = {**dict.fromkeys(INIT_CALLERS, constructors), **(indirect or {})}
    for name, callees in targets.items():
        if name in by_name and by_name[name].indirect:
            by_name[name].indirect = False
            by_name[name].calls.extend(by_name[c].address for c in callees if c in by_name)

    walk = _Walk(image.functions)
    start = by_name[entry].address
    depth, path = walk.deepest(start)
    handlers = [walk.deepest(a) for a in image.vectors if a in image.functions and a != start]
    depth, path = walk.fresh.pop(start, (depth, path))
    handler_path: tuple[Frame, ...] = ()
    if handlers:
        stacked = (FLOAT_FRAME if image.has_fpu else BASIC_FRAME) + _FRAME_ALIGNMENT
        handler_depth, deepest = max(handlers, key=_bytes)
        handler_path = (Frame("exception", stacked, "core"), *deepest)
        depth += stacked + handler_depth
    again = max(walk.fresh.values(), key=_bytes, default=(0, ()))
    if again[0] > depth:
        (depth, path), handler_path = again, ()
    reached = [image.functions[a] for a in walk.visited]
    return StackReport(
        worst_bytes=depth,
        path=path,
        handler_path=handler_path,
        unknown=tuple(sorted(f.name for f in reached if f.indirect)),
        recursive=tuple(sorted(walk.circles)),
        dynamic=tuple(sorted(f.name for f in reached if f.dynamic)),
    )


# --- .su files ------------------------------------------------------------------------------------------

_USAGE_LINE = re.compile(r"^(.+?):\d+:\d+:(.+)\t(\d+)\t(\S+)$")


def read_usage(paths: Iterable[Path]) -> tuple[Usage, ...]:
    """Read GCC's stack usage files; folders are searched, in order of name."""
    found = []
    for path in paths:
        for file in sorted(path.rglob("*.su")) if path.is_dir() else (path,):
            for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
                match = _USAGE_LINE.match(line)
                if match:
                    found.append(Usage(match[1], match[2], int(match[3]), match[4]))
    return tuple(found)


def _apply_usage(functions: Mapping[int, _Function], usage: Iterable[Usage]) -> None:
    by_name: dict[str, list[Usage]] = {}
    for entry in usage:
        by_name.setdefault(entry.function, []).append(entry)
    for function in functions.values():
        names = function.symbol.names | {name.partition(".")[0] for name in function.symbol.names}
        entries = [entry for name in sorted(names) for entry in by_name.get(name, ())]
        # Static functions of one name: the file decides, and where it cannot, the largest.
        same_file = [e for e in entries if Path(e.file).name == Path(function.symbol.file).name]
        candidates = same_file or entries
        if candidates:
            worst = max(candidates, key=lambda e: e.bytes)
            # GCC leaves out the argument registers that a function pushes, and what inline assembly does.
            if worst.bytes >= function.frame:
                function.frame, function.source = worst.bytes, "compiler"
            function.dynamic = any(e.unbounded for e in candidates)


# --- the deepest path -----------------------------------------------------------------------------------


_Path = tuple[int, tuple[Frame, ...]]


def _bytes(path: _Path) -> int:
    return path[0]


class _Walk:
    """Finds deepest paths; functions that call each other in a circle are taken as one (Tarjan's algorithm).

    Attributes:
        visited: Every function reached so far.
        circles: The recursions found, by name.
        fresh: Deepest paths from functions that set the stack pointer anew; their callers pay nothing.
    """

    def __init__(self, functions: Mapping[int, _Function]) -> None:
        self._functions = functions
        self._done: dict[int, _Path] = {}
        self._number: dict[int, int] = {}
        self._open: list[int] = []
        self.visited: set[int] = set()
        self.circles: set[tuple[str, ...]] = set()
        self.fresh: dict[int, _Path] = {}

    def deepest(self, address: int) -> _Path:
        """Bytes and frames of the deepest path from a function."""
        if address not in self._done:
            self._explore(address)
        return self._done[address]

    def _explore(self, address: int) -> int:
        """Number what is reached and close each circle at its first member; return the lowest open number."""
        lowest = self._number[address] = len(self._number)
        self._open.append(address)
        self.visited.add(address)
        function = self._functions[address]
        for callee in (*function.calls, *function.tail_calls):
            if callee not in self._number:
                lowest = min(lowest, self._explore(callee))
            elif callee not in self._done:
                lowest = min(lowest, self._number[callee])
        if lowest == self._number[address]:
            position = self._open.index(address)
            members = self._open[position:]
            del self._open[position:]
            self._close(members)
        return lowest

    def _close(self, members: list[int]) -> None:
        functions = [self._functions[a] for a in members]
        circle = any(callee in members for f in functions for callee in f.calls)
        if circle:
            self.circles.add(tuple(sorted(f.name for f in functions)))
        own = tuple(Frame(f.name, f.frame, f.source) for f in functions)
        if not circle and len(own) > 1:
            # They only jump to each other: one frame at a time.
            own = (max(own, key=lambda frame: frame.bytes),)
        held = sum(frame.bytes for frame in own)
        best: _Path = (held, own)
        left = tuple(Frame(frame.function, 0, frame.source) for frame in own)
        for function in functions:
            for callee in function.calls:
                if callee not in members:
                    depth, path = self._done[callee]
                    best = max(best, (held + depth, (*own, *path)), key=_bytes)
            for callee in function.tail_calls:
                if callee not in members:
                    # The frame is gone before the jump, unless it leads to a cold part of the same function.
                    part = self._functions[callee].name.startswith(f"{function.name}.")
                    kept, frames = (held, own) if part or circle else (0, left)
                    depth, path = self._done[callee]
                    best = max(best, (kept + depth, (*frames, *path)), key=_bytes)
        for function in functions:
            if function.restarts:
                self.fresh[function.address] = best
            self._done[function.address] = (0, ()) if function.restarts else best


# --- the image ------------------------------------------------------------------------------------------


def _read_image(elf: Any, path: Path) -> _Image:
    program = read_program(elf, path)
    functions = {address: _Function(symbol, symbol.size) for address, symbol in program.functions.items()}
    for code in program.code:
        _decode(functions, code)
    return _Image(
        functions,
        tuple(a & ~1 for name in (".preinit_array", ".init_array") for a in _words(elf, name)),
        tuple(a & ~1 for a in _words(elf, ".isr_vector")[1:]),
        _has_fpu(elf),
    )


def _words(elf: Any, name: str) -> list[int]:
    section = elf.get_section_by_name(name)
    data = section.data() if section is not None and section.header.sh_type != "SHT_NOBITS" else b""
    return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data) - 3, 4)]


def _has_fpu(elf: Any) -> bool:
    """Whether the build attributes let the compiler use floating-point or vector registers."""
    section = elf.get_section_by_name(".ARM.attributes")
    if section is None:
        return True
    for subsection in section.iter_subsections():
        for scope in subsection.iter_subsubsections():
            for attribute in scope.iter_attributes():
                if attribute.tag in {"TAG_FP_ARCH", "TAG_MVE_ARCH"} and attribute.value:
                    return True
    return False


def _decode(functions: dict[int, _Function], code: Code) -> None:
    """Fill in frames and calls of the functions of one section."""
    here = sorted(a for a in functions if code.base <= a < code.end)
    for address, following in pairwise([*here, code.end]):
        function = functions[address]
        # Hand-written assembly may come without sizes.
        function.size = min(function.size, code.end - address) or following - address
    for address in here:
        function = functions[address]
        for instruction in instructions(code, address, address + function.size):
            _interpret(functions, function, instruction, code)


def _interpret(
    functions: Mapping[int, _Function], function: _Function, instruction: Instruction, code: Code
) -> None:
    """Add what one instruction does to the stack or the call graph to its function."""
    grown = stack_growth(instruction)
    if grown is None:
        function.dynamic = True
    else:
        function.frame += grown
    if function.frame == 0 and sets_stack_pointer(instruction):
        function.restarts = True
    if is_indirect(instruction):
        function.indirect = True
    for target, linked in branches(instruction, code):
        if linked and target in functions:
            function.calls.append(target)
        elif function.address <= target < function.address + function.size:
            continue
        elif target in functions:
            function.tail_calls.append(target)
        else:
            # A jump into the middle of another function, from hand-written assembly: count all of that one.
            owner = _enclosing(functions, target)
            if owner is not None:
                function.calls.append(owner)


def _enclosing(functions: Mapping[int, _Function], address: int) -> int | None:
    return next((f.address for f in functions.values() if f.address <= address < f.address + f.size), None)
