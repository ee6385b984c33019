"""What a board leaves for a model: limits on an architecture's costs, and the final verdict.

The limits come from the board's regions less what the runtime needs beside the model, as the runtime's own plan
says for a model of the same kind, or less where a person keeps memory for an application. They steer a search;
whether an architecture fits is decided by :meth:`Target.verdict`, which plans exactly what ``build`` would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from micronets_gen.boards.board import Board
from micronets_gen.common.numbers import duration
from micronets_gen.errors import FitError, UsageError
from micronets_gen.jobs.estimate import UNKNOWN, unknown_time
from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.plan.fit import Demand, demand, sample_bytes
from micronets_gen.plan.goal import Goal
from micronets_gen.plan.optimize import SPEED
from micronets_gen.plan.placement import find_placement
from micronets_gen.runtimes.base import Runtime
from micronets_gen.search.space.architecture import Architecture
from micronets_gen.search.space.backbone import Space
from micronets_gen.search.space.cost import Cost, cost_of
from micronets_gen.search.space.export import placeholder, write_tflite
from micronets_gen.timing.estimate import Estimate, estimated, predictable
from micronets_gen.timing.measured import records_of
from micronets_gen.timing.regression import Regression

EMBEDDED_VECTORS = 32
"""Held-out samples that ``build`` puts into flash beside the model."""

LIMITED = ("model_bytes", "working_memory", "ops", "cycles")
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
        max_cycles: Most cycles that an inference may take; None for no limit. Predictions must stay below it by as
            much as they were off at most, so that the image keeps it.
        regression: Of the runtime on the board; None where its time is not known.
    """

    board: Board
    runtime: Runtime
    max_ops: int | None = None
    max_flash: int | None = None
    max_ram: int | None = None
    max_cycles: int | None = None
    regression: Regression | None = None

    def cost(self, architecture: Architecture) -> Cost:
        """Return what an architecture costs on the board.

        Raises:
            UsageError: its time is limited and not known.
        """
        cost = cost_of(architecture, self.regression)
        if self.max_cycles is not None and cost.cycles is None:
            raise _unknown(self.board, self.runtime.name, "a layer of the network was not characterised")
        return cost

    def estimate(self, cost: Cost) -> Estimate | None:
        """Return the time of an inference; None where it is not known."""
        if self.regression is None or cost.cycles is None:
            return None
        return estimated(self.regression, cost.cycles, self.board.clock_hz, records_of(self.board))

    def demand(self, architecture: Architecture) -> Demand:
        """Plan the architecture as ``build`` would, with arbitrary weights."""
        graph = read_model_bytes(write_tflite(placeholder(architecture)), architecture.name)
        # The figures of a search count every tensor whole.
        plan = self.runtime.as_given().optimized(Goal(SPEED)).plan(graph, self.board, "model")
        values = prod(architecture.input_shape) + architecture.classes
        return demand(plan, self.runtime.footprint(plan), self.board, EMBEDDED_VECTORS * sample_bytes(values))

    def limits(self, architecture: Architecture) -> dict[str, float]:
        """Return the limits for architectures like this one, by name of the cost; negative where nothing fits."""
        cost, need = self.cost(architecture), self.demand(architecture)
        limits = {
            "model_bytes": float(self.flash - (need.flash - cost.model_bytes)),
            "working_memory": float(self._arena(need) - (need.arena - cost.working_memory)),
        }
        if self.max_ops is not None:
            limits["ops"] = float(self.max_ops)
        if self.predicted_cycles is not None:
            limits["cycles"] = float(self.predicted_cycles)
        return limits

    def verdict(self, architecture: Architecture) -> Verdict:
        """Decide whether an architecture meets every limit, and say by how much it does not."""
        cost, need = self.cost(architecture), self.demand(architecture)
        wanted: Mapping[str, tuple[int, int | None]] = {
            "bytes of flash": (need.flash, self.flash),
            "bytes of arena": (need.arena, self._room(need)),
            "bytes of RAM (arena, data and stack)": (need.ram, self.max_ram),
            "operations": (cost.ops, self.max_ops),
        }
        missed = [
            f"{size:,} {what}, {size - limit:,} more than the {limit:,} that there are"
            for what, (size, limit) in wanted.items()
            if limit is not None and size > limit
        ]
        return Verdict(cost, need, (*missed, *self._too_slow(cost)))

    @property
    def predicted_cycles(self) -> int | None:
        """Most cycles that may be predicted; None for no limit."""
        if self.max_cycles is None or self.regression is None:
            return self.max_cycles
        return predictable(self.max_cycles, self.regression.worst_percent)

    @property
    def flash(self) -> int:
        """Bytes of flash that there are."""
        return self.board.default_flash.size if self.max_flash is None else self.max_flash

    @property
    def ram(self) -> int:
        """Bytes of RAM that there are, in all regions."""
        return self.board.ram_bytes if self.max_ram is None else self.max_ram

    def _too_slow(self, cost: Cost) -> Iterator[str]:
        limit, estimate = self.predicted_cycles, self.estimate(cost)
        if limit is None or estimate is None or self.max_cycles is None or estimate.cycles <= limit:
            return
        predicted, most, asked = (
            duration(cycles / self.board.clock_hz) for cycles in (estimate.cycles, limit, self.max_cycles)
        )
        yield (
            f"{predicted} as predicted ({estimate.cycles:,} cycles), more than {most}, which keep {asked} "
            f"where predictions are {estimate.prediction_percent:.3g} % off"
        )

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


def excess(cost: Cost, limits: Mapping[str, float]) -> float:
    """Return the sum over limits of what is above them, relative to them; infinite where a limit is 0 or less."""
    total = 0.0
    for name in LIMITED:
        if name in limits:
            limit, value = limits[name], getattr(cost, name)
            total += max(0.0, value / limit - 1) if limit > 0 else float("inf")
    return total


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


def cycles_within(board: Board, runtime: str, regression: Regression | None, seconds: float) -> int:
    """Return how many cycles the board has for an inference in a time.

    Raises:
        UsageError: nobody knows how many cycles the runtime's layers take there.
    """
    if regression is None:
        raise _unknown(board, runtime, UNKNOWN)
    return int(seconds * board.clock_hz)


def _unknown(board: Board, runtime: str, why: str) -> UsageError:
    return unknown_time(board, runtime, why, instead="give the limit in operations, with --mops")
