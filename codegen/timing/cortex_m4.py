"""Cortex-M3 and Cortex-M4: one instruction a cycle, loads that overlap with what follows.

Cycles are those of the Technical Reference Manuals (Cortex-M3 DDI 0337, Cortex-M4 DDI 0439, section 3.3,
"Instruction set summary" and "Load/store timings").
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from micronets_gen.timing.core import Alignment, Cause, Step, Tally, computing, in_turn
from micronets_gen.timing.decode import Instruction, Kind

_REFILL = 2
_RUN = 3


@dataclass(frozen=True)
class _State:
    """What the instruction before leaves to the next.

    Attributes:
        loaded: Registers of a single load whose data phase the next access can hide; None after anything else.
        narrow: It was 16 bits long, so that an IT after it takes no cycle.
        run: Consecutive 32-bit instructions at addresses 2 mod 4, modulo three.
    """

    loaded: frozenset[str] | None = None
    narrow: bool = False
    run: int = 0


class CortexM4:
    """The pipeline of the Cortex-M3 and M4."""

    start: Hashable = _State()
    unaligned = Alignment(half=1, word=1, odd_word=2)
    bank_conflict = 0
    predicts = False
    source = (
        "Cortex-M4 TRM DDI 0439, 3.3; branch refill of 2, the mean of 1 to 3; a cycle for every third consecutive "
        "32-bit instruction at 2 mod 4 (observed on boards)"
    )

    def __init__(self, name: str = "cortex-m4") -> None:
        self.name = name

    def step(self, block: Sequence[Instruction], state: Hashable) -> Step:
        """Return what a block costs that is entered in ``state``."""
        assert isinstance(state, _State)
        return in_turn(block, state, _advance, refilled=_State(), refill=_REFILL)


def _advance(instruction: Instruction, state: _State, tally: Tally) -> _State:
    kind = instruction.kind
    run = 0
    if instruction.size == 4 and instruction.address & 2:
        run = (state.run + 1) % _RUN
        if run == 0:
            tally.add(Cause.ALIGNMENT, 1)
    if kind is Kind.IT:
        tally.add(Cause.ISSUE, 0 if state.narrow else 1)
        return _State(run=run)
    tally.add(Cause.ISSUE, 1)
    tally.add(Cause.DEPENDENCIES, computing(kind))
    loaded: frozenset[str] | None = None
    match kind:
        case Kind.LOAD | Kind.TABLE_BRANCH:
            # The data phase is paid here and given back where the next access hides it.
            hidden = state.loaded is not None and not state.loaded & instruction.address_reads
            tally.add(Cause.LOADS, instruction.words - (1 if hidden else 0))
            loaded = instruction.writes - instruction.address_reads
        case Kind.STORE:
            hidden = (
                state.loaded is not None
                and not instruction.indexed
                and not state.loaded & (instruction.address_reads | instruction.reads)
            )
            tally.add(
                Cause.LOADS, instruction.words - 1 + (1 if instruction.indexed else 0) - (1 if hidden else 0)
            )
        case Kind.LOAD_DUAL | Kind.STORE_DUAL | Kind.LOAD_MULTIPLE | Kind.STORE_MULTIPLE:
            tally.add(Cause.LOADS, instruction.words)
        case _:
            pass
    return _State(loaded=loaded, narrow=instruction.size == 2, run=run)
