"""Which memory region holds the arena, and what to say where none does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from micronets_gen.boards.board import Board, Region
from micronets_gen.boards.cores import CORES
from micronets_gen.common.numbers import size
from micronets_gen.errors import FitError
from micronets_gen.plan.plan import MemoryPlan

STACK_GUARD_BYTES = 128
"""What the MPU locks below the stack of an ARMv7-M core; ARMv8-M checks the stack pointer instead."""


_ARENA_ALIGN = 16


def lost_bytes(board: Board) -> int:
    """Return the most bytes of the default RAM that alignment and the guard of the stack can take."""
    return max(2 * stack_guard(board), 8) + _ARENA_ALIGN - 2


def stack_guard(board: Board) -> int:
    return STACK_GUARD_BYTES if CORES[board.core].armv7m else 0


@dataclass(frozen=True)
class RegionNeed:
    """What one region would have to hold, in bytes.

    Attributes:
        region: Name; ``A+B`` for regions that follow each other.
        need: Bytes that would go there.
        size: Bytes that it has.
        holds: What goes there, in words.
    """

    region: str
    need: int
    size: int
    holds: str

    @property
    def free(self) -> int:
        """Bytes left; negative where it is too small."""
        return self.size - self.need

    def __str__(self) -> str:
        verdict = f"{-self.free:,} too many" if self.free < 0 else f"{self.free:,} free"
        return f"{self.region} ({self.holds}): {self.need:,} of {self.size:,} bytes, {verdict}"


@dataclass(frozen=True)
class Placement:
    """Where the arena goes.

    Attributes:
        board: Name of the board.
        region: Name of the RAM region; ``A+B`` for a span of regions that follow each other.
        origin: First address of that region or span.
        size: Its bytes.
        shared: Whether data, bss and stack live in it too.
        regions: What every region concerned holds; the default flash region first.
    """

    board: str
    region: str
    origin: int
    size: int
    shared: bool
    regions: tuple[RegionNeed, ...]


def place_arena(
    board: Board,
    arena_bytes: int,
    other_ram_bytes: int,
    flash_bytes: int,
    *,
    most_flash_bytes: int | None = None,
    tensors: Sequence[tuple[str, int]] = (),
    boards: Iterable[Board] = (),
) -> Placement:
    """Choose the region of the arena.

    The default region, if the arena fits beside data, bss and stack; else the first region in the order of
    the board's file that holds it; else the shortest span of regions that follow each other.

    Args:
        board: The board.
        arena_bytes: Size of the arena.
        other_ram_bytes: Data, bss and stack, which live in the default region.
        flash_bytes: The whole image, constants included, at least.
        most_flash_bytes: The same at most, where that differs: another board must hold so much.
        tensors: The biggest tensors with their bytes, for the message.
        boards: Every board there is, to name the smallest that would do.

    Raises:
        FitError: It fits nowhere; the message goes region by region.
    """
    placement = find_placement(board, arena_bytes, other_ram_bytes, flash_bytes)
    if placement is not None:
        return placement
    flash = _flash_need(board, flash_bytes)
    ram_is_short = find_placement(board, arena_bytes, other_ram_bytes, 0) is None
    problems = [str(flash)] if flash.free < 0 else []
    if ram_is_short:
        problems += map(str, _alternatives(board, arena_bytes, other_ram_bytes))
        if tensors:
            problems.append("largest at the peak: " + ", ".join(f"{name} {size:,}" for name, size in tensors))
    at_least = "" if most_flash_bytes is None else "at least "
    lighter = "make the largest tensors smaller" if ram_is_short else "use fewer weights"
    other = smallest_board(boards, arena_bytes, other_ram_bytes, most_flash_bytes or flash_bytes)
    raise FitError(
        f"the model does not fit: it needs {arena_bytes:,} bytes of arena, "
        f"{other_ram_bytes:,} bytes of other RAM and {at_least}{flash_bytes:,} bytes of flash",
        where=board.name,
        why="; ".join(problems),
        remedy=f"take {describe_board(other)}, the smallest that holds it, or {lighter}"
        if other
        else lighter,
    )


def find_placement(
    board: Board, arena_bytes: int, other_ram_bytes: int, flash_bytes: int
) -> Placement | None:
    """Choose as :func:`place_arena` does; ``None`` where nothing fits."""
    flash = _flash_need(board, flash_bytes)
    home = board.default_ram
    if flash.free < 0 or other_ram_bytes > home.size:
        return None
    for region, shared in _candidates(board):
        need = arena_bytes + (other_ram_bytes if shared else 0)
        if need > region.size:
            continue
        ram = [_need(region, need, shared)]
        if not shared:
            ram.insert(0, RegionNeed(home.name, other_ram_bytes, home.size, "data and stack"))
        return Placement(board.name, region.name, region.origin, region.size, shared, (flash, *ram))
    return None


def smallest_board(
    boards: Iterable[Board], arena_bytes: int, other_ram_bytes: int, flash_bytes: int
) -> Board | None:
    """The board with the least RAM, then flash, that holds the model; real boards before emulated ones."""
    fitting = [b for b in boards if find_placement(b, arena_bytes, other_ram_bytes, flash_bytes)]
    return min(fitting, key=lambda b: (b.upload is None, b.ram_bytes, b.flash_bytes, b.name), default=None)


def biggest_tensors(plan: MemoryPlan, count: int = 3) -> tuple[tuple[str, int], ...]:
    """The largest buffers live at the peak, as ``(name, bytes)``, largest first."""
    moments = {b.first for b in plan.buffers}
    live = [[b for b in plan.buffers if b.first <= moment <= b.last] for moment in sorted(moments)]
    peak = max(live, key=lambda buffers: sum(b.size for b in buffers), default=[])
    return tuple((b.name, b.size) for b in sorted(peak, key=lambda b: (-b.size, b.name))[:count])


def _candidates(board: Board) -> list[tuple[Region, bool]]:
    """Places for the arena in order of preference, with whether data and stack live there too."""
    ram = [r for r in board.regions if r.kind == "ram"]
    ordered = board.ram
    singles = sorted(ram, key=lambda r: not r.default)
    spans = [
        ordered[start : start + length]
        for length in range(2, len(ordered) + 1)
        for start in range(len(ordered) - length + 1)
    ]
    joined = [
        board.place("+".join(r.name for r in span))
        for span in spans
        if all(a.end == b.origin for a, b in pairwise(span))
        # Data in the middle of a span would cut the arena in two.
        and not any(r.default for r in span[1:-1])
    ]
    return [(region, region.default) for region in (*singles, *joined)]


def _need(region: Region, need: int, shared: bool) -> RegionNeed:
    return RegionNeed(region.name, need, region.size, "arena, data and stack" if shared else "arena")


def _flash_need(board: Board, flash_bytes: int) -> RegionNeed:
    flash = board.default_flash
    return RegionNeed(flash.name, flash_bytes, flash.size, "code and constants")


def _alternatives(board: Board, arena_bytes: int, other_ram_bytes: int) -> list[RegionNeed]:
    """What each region, and the longest span of them, would have to hold."""
    candidates = _candidates(board)
    singles = len(board.ram)
    places = [*candidates[:singles], *candidates[singles:][-1:]]
    needs = [
        _need(region, arena_bytes + (other_ram_bytes if shared else 0), shared) for region, shared in places
    ]
    home = board.default_ram
    if other_ram_bytes > home.size:
        needs.insert(0, RegionNeed(home.name, other_ram_bytes, home.size, "data and stack alone"))
    return needs


def describe_board(board: Board) -> str:
    """Return a board's name and memory, in words."""
    kind = "" if board.upload else "emulated, "
    return f"{board.name} ({kind}{size(board.ram_bytes)} RAM, {size(board.flash_bytes)} flash)"
