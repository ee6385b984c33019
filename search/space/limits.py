"""What a board leaves for a model: limits on an architecture's costs, and the final verdict.

The limits come from the board's regions less what the runtime needs beside the model, as the runtime's own plan
says for a model of the same kind, or less where a person keeps memory for an application. They steer a search;
whether an architecture fits is decided by :meth:`Target.verdict`, which plans exactly what ``build`` would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from micronets_gen.boards.board import Board
from micronets_gen.common.tables import parse_size
from micronets_gen.errors import FitError, UsageError
from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.plan.fit import Demand, demand, sample_bytes
from micronets_gen.plan.placement import find_placement
from micronets_gen.runtimes.base import Runtime
from micronets_gen.search.space.architecture import Architecture
from micronets_gen.search.space.backbone import Space
from micronets_gen.search.space.cost import Cost, cost_of
from micronets_gen.search.space.export import placeholder, write_tflite

EMBEDDED_VECTORS = 32
"""Held-out samples that ``build`` puts into flash beside the model."""

LIMITED = ("model_bytes", "working_memory", "ops")
"""The figures of :class:`micronets_gen.search.space.cost.Cost` that can be limited."""


@dataclass(frozen=True)
class Verdict:
    """Whether an architecture meets every limit.

    Attributes:
        shortfalls: One sentence for each limit that it misses, with both figures.
    """

    cost: Cost
    demand: Demand
    shortfalls: tuple[str, ...]

    @property
    def fits(self) -> bool:
        return not self.shortfalls


@dataclass(frozen=True)
class Target:
    """Where a model is to run, and how fast.

    Attributes:
        max_ops: Most operations of an inference; None for no limit.
        max_flash: Most bytes of flash that :attr:`Demand.flash` may be; None for what the board has.
        max_ram: Most bytes of RAM that :attr:`Demand.ram` may be; None for what the board has.
    """

    board: Board
    runtime: Runtime
    max_ops: int | None = None
    max_flash: int | None = None
    max_ram: int | None = None

    def demand(self, architecture: Architecture) -> Demand:
        """Plan the architecture as ``build`` would, with arbitrary weights."""
        graph = read_model_bytes(write_tflite(placeholder(architecture)), architecture.name)
        plan = self.runtime.plan(graph, self.board, "model")
        values = prod(architecture.input_shape) + architecture.classes
        return demand(plan, self.runtime.footprint(plan), self.board, EMBEDDED_VECTORS * sample_bytes(values))

    def limits(self, architecture: Architecture) -> dict[str, float]:
        """Return the limits for architectures like this one, by name of the cost; negative where nothing fits."""
        cost, need = cost_of(architecture), self.demand(architecture)
        limits = {
            "model_bytes": float(self.flash - (need.flash - cost.model_bytes)),
            "working_memory": float(self._arena(need) - (need.arena - cost.working_memory)),
        }
        if self.max_ops is not None:
            limits["ops"] = float(self.max_ops)
        return limits

    def verdict(self, architecture: Architecture) -> Verdict:
        """Decide whether an architecture meets every limit, and say by how much it does not."""
        cost, need = cost_of(architecture), self.demand(architecture)
        wanted: Mapping[str, tuple[int, int | None]] = {
            "bytes of flash": (need.flash, self.flash),
            "bytes of arena": (need.arena, self._room(need)),
            "bytes of RAM (arena, data and stack)": (need.ram, self.max_ram),
            "operations": (cost.ops, self.max_ops),
        }
        return Verdict(
            cost,
            need,
            tuple(
                f"{size:,} {what}, {size - limit:,} more than the {limit:,} that there are"
                for what, (size, limit) in wanted.items()
                if limit is not None and size > limit
            ),
        )

    @property
    def flash(self) -> int:
        """Bytes of flash that there are."""
        return self.board.default_flash.size if self.max_flash is None else self.max_flash

    @property
    def ram(self) -> int:
        """Bytes of RAM that there are, in all regions."""
        return self.board.ram_bytes if self.max_ram is None else self.max_ram

    def _arena(self, need: Demand) -> int:
        """Return the largest arena beside the rest of the image."""
        return min(self._room(need), self.ram - need.other_ram)

    def _room(self, need: Demand) -> int:
        """Return the largest arena that finds a place on the board beside the rest of the image."""
        low, high = 0, max(span.size for span in self.board.ram_spans())
        while low < high:
            middle = (low + high + 1) // 2
            if find_placement(self.board, middle, need.other_ram, 0) is None:
                high = middle - 1
            else:
                low = middle
        return low


def require_feasible(space: Space, target: Target) -> None:
    """Raise where not even the smallest architecture of a space meets the limits.

    Raises:
        FitError: with each limit that is missed, and by how much.
    """
    verdict = target.verdict(space.architecture(space.smallest()))
    if not verdict.fits:
        raise FitError(
            "no architecture of this backbone meets the limits",
            where=f"{space.backbone.name} on {target.board.name}",
            why="the smallest one needs " + "; ".join(verdict.shortfalls),
            remedy="relax the limit, take a larger board, or a smaller backbone",
        )


def require_fit(architecture: Architecture, target: Target) -> None:
    """Raise where an architecture does not meet the limits.

    Raises:
        FitError: with each limit that is missed, and by how much.
    """
    verdict = target.verdict(architecture)
    if not verdict.fits:
        raise FitError(
            "the architecture does not meet the limits",
            where=f"{architecture.name} on {target.board.name}",
            why="; ".join(verdict.shortfalls),
            remedy="relax the limit, take a larger board, or search one that fits",
        )


def bytes_of(text: str, option: str) -> int:
    """Return the bytes that a person wrote as in a board's file: ``20000``, ``64K`` or ``1M``.

    Raises:
        UsageError: it is no size.
    """
    size = parse_size(text)
    if size is None:
        raise UsageError(
            f"'{text}' is no size", where=option, remedy='give bytes, or a text such as "64K" or "1M"'
        )
    return size


def require_memory(board: Board, flash: int | None, ram: int | None) -> None:
    """Raise where a person's limits of memory are none.

    Raises:
        UsageError: a limit of 0 or less, or above what the board has.
    """
    for option, limit, there in (
        ("--flash", flash, board.default_flash.size),
        ("--ram", ram, board.ram_bytes),
    ):
        if limit is not None and limit <= 0:
            raise UsageError("a limit of 0 or less", where=option)
        if limit is not None and limit > there:
            raise UsageError(
                f"{limit:,} bytes are more than the {there:,} of {board.name}",
                where=option,
                remedy="give less, or leave the option out for all that there is",
            )


def ops_within(board: Board, seconds: float) -> int:
    """Return how many operations the board does in a time, by its measured line.

    Raises:
        UsageError: nobody measured the board, or the time is too short for any model.
    """
    latency = board.latency
    if latency is None:
        raise UsageError(
            "nobody has measured how long an operation takes on this board",
            where=board.name,
            remedy="give the limit in operations, with --mops, or add [latency] to the board's file",
        )
    if seconds <= latency.offset_s:
        raise UsageError(
            f"{1000 * seconds:.4g} ms is less than the {1000 * latency.offset_s:.4g} ms of a model without operations",
            where=board.name,
            why=latency.source,
            remedy=f"allow more than {1000 * latency.offset_s:.4g} ms, or give the limit in operations, with --mops",
        )
    return int((seconds - latency.offset_s) / latency.seconds_per_op)


def latency_of(board: Board, operations: int) -> float | None:
    """Return the seconds that a model takes by the board's measured line; None where there is none."""
    if board.latency is None:
        return None
    return board.latency.offset_s + operations * board.latency.seconds_per_op
