"""What a memory plan is made for: the least RAM, no rolling, or no more rolling than the RAM there is demands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from micronets_gen.boards.board import Board
from micronets_gen.common.tables import bytes_of
from micronets_gen.errors import FitError, UsageError
from micronets_gen.plan.fit import Demand
from micronets_gen.plan.optimize import BALANCED, OPTIMIZE
from micronets_gen.plan.placement import find_placement


@dataclass(frozen=True)
class Goal:
    """What a plan is made for.

    Attributes:
        optimize: ``speed``: every tensor is whole; ``ram``: the smallest arena; ``balanced``: the least rolling with
            which the model fits.
        ram: Most bytes of RAM (arena, data and stack); None for what the board has.
    """

    optimize: str = BALANCED
    ram: int | None = None

    @classmethod
    def of(cls, optimize: str, ram: int | str | None) -> Goal:
        """Return the goal that a person asks for.

        Raises:
            UsageError: there is none of that name, or the limit is no size.
        """
        if optimize not in OPTIMIZE:
            raise UsageError(
                f"there is nothing called '{optimize}' to optimise for",
                where="--optimize",
                remedy=f"name one of {', '.join(OPTIMIZE)}",
            )
        limit = None if ram is None else bytes_of(str(ram), "--ram")
        if limit is not None and limit <= 0:
            raise UsageError(
                f"{limit} bytes hold nothing", where="--ram", remedy="give the bytes that there are"
            )
        return cls(optimize, limit)

    def kept_by(self, need: Demand, board: Board) -> bool:
        """Whether the RAM that an image needs is there."""
        within = self.ram is None or need.ram <= self.ram
        return within and find_placement(board, need.arena, need.other_ram, 0) is not None

    def require(self, need: Demand, board: Board, smallest: int | None) -> None:
        """Raise where an image needs more RAM than was asked for, or than there is with less rolling than would do.

        Args:
            need: Of the image.
            board: Where it is to run.
            smallest: Bytes of the smallest arena that there is; None where only this one is known.

        Raises:
            FitError: it does, and by how much.
        """
        if self.kept_by(need, board):
            return
        enough = smallest is not None and self.kept_by(replace(need, arena=smallest), board)
        over = 0 if self.ram is None else need.ram - self.ram
        if over <= 0 and not enough:
            return  # the board itself is too small, which is told region by region
        raise FitError(
            f"the model needs {need.ram:,} bytes of RAM, "
            + (f"{over:,} more than --ram allows" if over > 0 else "for which the board has no room"),
            where=board.name,
            why=f"{need.arena:,} bytes of arena, {need.other_ram:,} of data and stack"
            + (f"; the smallest arena has {smallest:,}" if smallest is not None else ""),
            remedy="leave --optimize at balanced" if enough else "allow more, or take a smaller model",
        )


DEFAULT = Goal()


def largest(fits: Callable[[int], bool], low: int, high: int) -> int | None:
    """Return the largest number from ``low`` to ``high`` that fits, if smaller ones do; None where ``low`` does not."""
    if not fits(low):
        return None
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
