"""Cortex-M0+: two stages, nothing overlaps (TRM DDI 0484, table 3-1, with the single-cycle multiplier)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from micronets_gen.timing.core import Alignment, Cause, Step, Tally
from micronets_gen.timing.decode import LOADS, Instruction, Kind, Leaving

_SYSTEM = 3


class CortexM0Plus:
    """The pipeline of the Cortex-M0+."""

    name = "cortex-m0plus"
    start: Hashable = ()
    unaligned = Alignment()
    bank_conflict = 0
    predicts = False
    source = "Cortex-M0+ TRM DDI 0484, table 3-1"

    def step(self, block: Sequence[Instruction], state: Hashable) -> Step:
        """Return what a block costs; nothing is carried from one to the next."""
        tally = Tally()
        for instruction in block:
            tally.add(Cause.ISSUE, 1)
            tally.add(Cause.LOADS, instruction.words)
            if instruction.kind is Kind.SYSTEM:
                tally.add(Cause.DEPENDENCIES, _SYSTEM - 1)
        return Step(tally.done(), taken=_refill(block[-1]), after_taken=state, after_not_taken=state)


def _refill(last: Instruction) -> int:
    """Cycles to get to the target: B and BX 1, BL 2, POP with PC 2."""
    if last.kind in LOADS or (last.leaving is Leaving.CALL and last.target is not None):
        return 2
    return 1
