"""A reading of a trace: cycles so far, and what they went to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import add, sub

from micronets_gen.timing.core import Cause


@dataclass(frozen=True)
class Cycles:
    """Modelled cycles and what they were spent on; differences of two readings are one, too.

    Attributes:
        instructions: Executed.
        by_cause: Cycles, by :class:`Cause`.
        accesses: Loads and stores of data.
        misses: Of each cache of the memory.
    """

    instructions: int
    by_cause: tuple[int, ...]
    accesses: int
    misses: tuple[int, ...]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_cause)

    def of(self, cause: Cause) -> int:
        """Return those of one cause."""
        return self.by_cause[cause]

    def __sub__(self, before: Cycles) -> Cycles:
        return self._with(before, sub)

    def __add__(self, more: Cycles) -> Cycles:
        return self._with(more, add)

    def _with(self, other: Cycles, combine: Callable[[int, int], int]) -> Cycles:
        return Cycles(
            combine(self.instructions, other.instructions),
            tuple(map(combine, self.by_cause, other.by_cause)),
            combine(self.accesses, other.accesses),
            tuple(map(combine, self.misses, other.misses)),
        )
