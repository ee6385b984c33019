"""Cortex-M33: one instruction a cycle, loads and products whose results the next instruction has to wait for.

Arm publishes no cycle counts of this core (TRM 100230); these are measurements by others.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from micronets_gen.timing.core import Alignment, Cause, Step, Tally, computing, in_turn
from micronets_gen.timing.decode import LOADS, Instruction, Kind

_REFILL = 2
_TWO_CYCLES = frozenset({"sxtb16", "uxtb16", "sxtab16", "uxtab16"})


@dataclass(frozen=True)
class _State:
    """Registers that the instruction before wrote and that come a cycle late.

    Attributes:
        loaded: By a load.
        late: By a product or a DSP extension; as what a product is added to they are in time.
    """

    loaded: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()


class CortexM33:
    """The pipeline of the Cortex-M33."""

    name = "cortex-m33"
    start: Hashable = _State()
    unaligned = Alignment(half=1, word=1, odd_word=1)
    bank_conflict = 0
    predicts = False
    source = "measurements published by others: LDR 1 and 1 more to its use, LDM n, products and SXTB16 2 but for sums"

    def step(self, block: Sequence[Instruction], state: Hashable) -> Step:
        """Return what a block costs that is entered in ``state``."""
        assert isinstance(state, _State)
        return in_turn(block, state, _advance, refilled=_State(), refill=_REFILL)


def _advance(instruction: Instruction, state: _State, tally: Tally) -> _State:
    kind = instruction.kind
    if kind is Kind.IT:
        return state
    tally.add(Cause.ISSUE, 1)
    if instruction.reads & state.loaded:
        tally.add(Cause.LOADS, 1)
    elif (instruction.reads - instruction.accumulates) & state.late:
        tally.add(Cause.DEPENDENCIES, 1)
    tally.add(Cause.DEPENDENCIES, 1 if kind is Kind.TABLE_BRANCH else computing(kind))
    if instruction.words > 1:
        tally.add(Cause.LOADS, instruction.words - 1)
    loaded = instruction.writes - instruction.address_reads if kind in LOADS else frozenset()
    if kind in (Kind.MULTIPLY, Kind.ACCUMULATE) or instruction.name in _TWO_CYCLES:
        return _State(late=instruction.writes)
    return _State(loaded=loaded)
