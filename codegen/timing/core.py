"""What a core model is: cycles of a block of code by cause, from one state of the pipeline to the next."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol, TypeVar

from micronets_gen.timing.decode import Instruction, Kind, Leaving

State = TypeVar("State", bound=Hashable)

_COMPUTING = {Kind.DIVIDE: 5, Kind.FLOAT_DIVIDE: 13, Kind.FLOAT_ACCUMULATE: 2}


class Cause(IntEnum):
    """Where a cycle goes; the numbers are those of ``enum cause`` in ``trace.c``."""

    ISSUE = 0
    DEPENDENCIES = 1
    LOADS = 2
    BRANCHES = 3
    ALIGNMENT = 4
    FETCH = 5
    DATA = 6


@dataclass(frozen=True)
class Step:
    """One block, executed once from one state of the pipeline.

    Attributes:
        cycles: By :class:`Cause`, without what branches, caches and wait states cost.
        taken: Cycles more where the block is left by its branch.
        not_taken: Cycles more where its branch is not taken.
        mispredicted: Cycles more where the core had foreseen another way.
        after_taken: State of the pipeline then.
        after_not_taken: State of the pipeline where execution falls through.
        paired: Numbers of the data accesses that issue in the same cycle as the one before.
    """

    cycles: tuple[int, ...]
    taken: int = 0
    not_taken: int = 0
    mispredicted: int = 0
    after_taken: Hashable = None
    after_not_taken: Hashable = None
    paired: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Alignment:
    """Cycles more for an access that is not aligned: a halfword, a word at 2 mod 4, a word at an odd address."""

    half: int = 0
    word: int = 0
    odd_word: int = 0


class Core(Protocol):
    """The pipeline of one core.

    Attributes:
        name: GCC's, ``cortex-m4``.
        start: State of the pipeline after reset.
        unaligned: What unaligned data cost.
        bank_conflict: Cycles more where two loads that issue together lie in the same bank.
        predicts: Whether the core predicts branches; ``Step.mispredicted`` counts only then.
        source: Manuals and measurements that the numbers come from.
    """

    name: str
    start: Hashable
    unaligned: Alignment
    bank_conflict: int
    predicts: bool
    source: str

    def step(self, block: Sequence[Instruction], state: Hashable) -> Step:
        """Return what a block costs that is entered in ``state``."""
        ...


@dataclass
class Tally:
    """Cycles by cause, while they are added up."""

    cycles: list[int] = field(default_factory=lambda: [0] * len(Cause))

    def add(self, cause: Cause, cycles: int) -> None:
        """Add cycles."""
        self.cycles[cause] += cycles

    def done(self) -> tuple[int, ...]:
        """Return them."""
        return tuple(self.cycles)


def computing(kind: Kind) -> int:
    """Return the cycles beyond the first of what computes for longer on a core without a second pipe.

    A division takes 2 to 12 by its operands, taken as 6.
    """
    return _COMPUTING.get(kind, 0)


def in_turn(
    block: Sequence[Instruction],
    state: State,
    advance: Callable[[Instruction, State, Tally], State],
    *,
    refilled: State,
    refill: int,
) -> Step:
    """Return what a block costs on a core that issues one instruction after the other and predicts no branch.

    Args:
        block: The instructions.
        state: What the block before leaves.
        advance: Adds the cycles of an instruction, and gives what it leaves to the next.
        refilled: What is left behind a branch that was taken.
        refill: Cycles of a branch that is taken, beyond the first.
    """
    tally = Tally()
    for instruction in block:
        state = advance(instruction, state, tally)
    last = block[-1]
    falls = last.leaving is Leaving.FALLS or last.conditional
    return Step(
        tally.done(), taken=refill, after_taken=refilled, after_not_taken=state if falls else refilled
    )
