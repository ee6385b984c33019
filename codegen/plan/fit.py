"""Where a model fits, before anything is compiled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from micronets_gen.boards.board import Board
from micronets_gen.errors import FitError
from micronets_gen.plan.footprint import Footprint
from micronets_gen.plan.placement import (
    Placement,
    biggest_tensors,
    describe_board,
    find_placement,
    lost_bytes,
    place_arena,
    smallest_board,
)
from micronets_gen.plan.plan import Plan

_LABEL = 4


def sample_bytes(values: int) -> int:
    """Return the bytes of flash that an embedded sample takes: ``values`` of inputs and outputs, and a label."""
    return values + _LABEL


@dataclass(frozen=True)
class Demand:
    """What an image needs on a board, in bytes; what ``build`` links has no more.

    Attributes:
        arena: Working memory as the runtime lays it out.
        other_ram: Data, bss, the stack that the linker reserves, and what alignment can take.
        flash: Code, constants and golden vectors, at most.
        least_flash: The same at least.
    """

    arena: int
    other_ram: int
    flash: int
    least_flash: int

    @property
    def ram(self) -> int:
        """Bytes of RAM in all."""
        return self.arena + self.other_ram

    def placement(self, board: Board) -> Placement | None:
        """Return where the arena goes on a board that holds the image for certain; None where none is certain."""
        return find_placement(board, self.arena, self.other_ram, self.flash)


def demand(plan: Plan, footprint: Footprint, board: Board, vector_bytes: int = 0) -> Demand:
    """Return what a plan's image needs on a board like the plan's."""
    data = footprint.constants + vector_bytes
    return Demand(
        arena=plan.memory.size,
        other_ram=footprint.static_ram + footprint.stack + lost_bytes(board),
        flash=data + footprint.most_code,
        least_flash=data + footprint.least_code,
    )


def place(plan: Plan, footprint: Footprint, boards: Sequence[Board], *, vector_bytes: int = 0) -> Plan:
    """Return the plan with the arena's region; what may fit is left to the linker.

    Args:
        boards: Where to look for one that would hold what the plan's board does not.
        vector_bytes: Golden vectors in flash.

    Raises:
        FitError: the model cannot fit, with the biggest tensors and the smallest board that would hold it.
    """
    need = demand(plan, footprint, plan.board, vector_bytes)
    if vector_bytes and find_placement(plan.board, need.arena, need.other_ram, need.least_flash) is None:
        _require_that_vectors_are_not_why(plan.board, need, vector_bytes)
    placement = place_arena(
        plan.board,
        need.arena,
        need.other_ram,
        need.least_flash,
        most_flash_bytes=need.flash,
        tensors=biggest_tensors(plan.memory),
        boards=boards,
    )
    return replace(plan, arena_region=placement.region)


def overflowed(
    plan: Plan,
    footprint: Footprint,
    region: str,
    excess: int,
    boards: Sequence[Board],
    heap: Heap | None = None,
) -> FitError:
    """Return the error for an image that the linker found too large, though the bounds before it held.

    Args:
        region: Where there was no room.
        excess: Bytes too many.
        boards: Where to look for one that would hold it.
        heap: What of that region is the project's heap.
    """
    need = demand(plan, footprint, plan.board)
    flash = plan.board.default_flash
    if region == flash.name:
        need = replace(need, flash=flash.size + excess)
        weights = sorted((t for t in plan.graph.tensors if t.is_constant), key=lambda t: -t.nbytes)[:3]
        largest, lighter = [(t.name, t.nbytes) for t in weights], "use fewer weights"
    else:
        need = replace(need, other_ram=need.other_ram + max(excess, heap.size if heap else 0))
        largest, lighter = list(biggest_tensors(plan.memory)), "make the largest tensors smaller"
    other = smallest_board(boards, need.arena, need.other_ram, need.flash)
    tensors = "largest: " + ", ".join(f"{name} {size:,}" for name, size in largest)
    larger = f"take {describe_board(other)}, the smallest that holds it" if other else ""
    return FitError(
        f"the image is {excess:,} bytes too large for {region}",
        where=plan.board.name,
        why="; ".join(filter(None, [heap.share if heap else "", tensors])),
        remedy=", or ".join(filter(None, [heap.remedy if heap else "", larger, lighter])),
    )


@dataclass(frozen=True)
class Heap:
    """The heap that a project asks for in a region that is too small.

    Attributes:
        size: In bytes.
        most: Bytes that there would have been room for; less than 0 where it is not the heap's fault.
    """

    size: int
    most: int

    @property
    def share(self) -> str:
        """How large it is, as a clause."""
        return f"custom_heap_bytes in user.ini asks for {self.size:,} bytes"

    @property
    def remedy(self) -> str:
        """How it would fit; empty where it would not."""
        return f"set custom_heap_bytes in user.ini to {self.most} or less" if self.most >= 0 else ""


def smaller_heap(heap: int, excess: int) -> str:
    """Return how a heap would make room for ``excess`` bytes; empty where it is not so large."""
    return f"set custom_heap_bytes in user.ini to {heap - excess & -8} or less" if heap >= excess else ""


def _require_that_vectors_are_not_why(board: Board, need: Demand, vector_bytes: int) -> None:
    bare = need.least_flash - vector_bytes
    if find_placement(board, need.arena, need.other_ram, bare) is not None:
        raise FitError(
            "the golden vectors of the self-test do not fit beside the model",
            where=board.name,
            why=f"the model needs at least {bare:,} and the vectors {vector_bytes:,} of the "
            f"{board.default_flash.size:,} bytes of {board.default_flash.name}",
            remedy="embed fewer of them with --vector-count, or take a board with more flash",
        )
