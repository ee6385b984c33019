"""Cortex-M55: one instruction a cycle or two narrow ones, vectors of two beats in three pipes that overlap.

The rules are those of LLVM's scheduling model (``ARMScheduleM55.td``), which tells a compiler in which order to put
instructions; no board was measured, and Arm publishes no cycles of this core.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

from micronets_gen.timing.core import Alignment, Cause, Step, Tally, computing
from micronets_gen.timing.decode import FLAGS, LOADS, STORES, Instruction, Kind, Leaving

_REFILL = 3
_BEATS = 2
_GATHERED = 4
"""Cycles that an address in a vector is needed before others."""

_PIPES = {
    Kind.VECTOR_LOAD: "load/store",
    Kind.VECTOR_STORE: "load/store",
    Kind.VECTOR: "integer",
    Kind.VECTOR_MULTIPLY: "multiply",
}
_FORWARDED = 2
"""Latency of vectors that a store takes a cycle before others can."""

_LATE_VECTORS = {
    **dict.fromkeys(("vrshl", "vmul", "vmovi", "vfma", "vmladav", "vgather"), 2),
    **dict.fromkeys(("vmovn", "vmaxv"), 3),
}
_LATE = {
    **dict.fromkeys((Kind.MULTIPLY, Kind.ACCUMULATE, Kind.SATURATE, Kind.FLOAT, Kind.FLOAT_MULTIPLY), 2),
    **dict.fromkeys(LOADS, 2),
    Kind.FLOAT_ACCUMULATE: 4,
}
_LATE_NAMES = frozenset(
    {
        *(
            "ubfx",
            "sbfx",
            "sxtab",
            "sxtah",
            "uxtab",
            "uxtah",
            "sadd16",
            "ssub16",
            "uadd16",
            "usub16",
            "sadd8",
        ),
        *("ssub8", "uadd8", "usub8", "shadd16", "shadd8", "uhadd16", "uhadd8", "sasx", "ssax"),
    }
)
_SECOND = frozenset({"nop", "it", "b", "mov", "sxtb", "sxth", "uxtb", "uxth"})


@dataclass(frozen=True)
class _Due:
    """A register that an instruction writes.

    Attributes:
        time: When it can be used.
        loaded: Whether a load brings it.
        stored: Cycles earlier that a store of vectors can use it.
    """

    time: int
    loaded: bool = False
    stored: int = 0


@dataclass(frozen=True)
class _State:
    """What a block leaves to the next, in cycles from where that begins.

    Attributes:
        ready: Registers that are not there yet.
        busy: Pipes of vectors that are taken, and until when.
        alone: The instruction before, where another may issue beside it.
        loop: Address of the loop's end that the core remembers, so that it costs nothing.
    """

    ready: frozenset[tuple[str, _Due]] = frozenset()
    busy: frozenset[tuple[str, int]] = frozenset()
    alone: Instruction | None = None
    loop: int | None = None


class CortexM55:
    """The pipeline of the Cortex-M55."""

    name = "cortex-m55"
    start: Hashable = _State()
    unaligned = Alignment()
    bank_conflict = 0
    predicts = False
    source = (
        "LLVM, ARMScheduleM55.td (a scheduling model: latencies, pipes, pairs of 16-bit instructions; refill of 3); "
        "Arm publishes no cycles of this core"
    )

    def step(self, block: Sequence[Instruction], state: Hashable) -> Step:
        """Return what a block costs that is entered in ``state``."""
        assert isinstance(state, _State)
        pipeline = _Pipeline(state)
        for instruction in block:
            pipeline.take(instruction)
        last = block[-1]
        refill = 0 if last.leaving is Leaving.FALLS else _REFILL
        if last.kind is Kind.LOOP_END:
            refill = 0 if state.loop == last.address else _REFILL
            pipeline.loop = last.address
        return Step(
            pipeline.tally.done(),
            taken=refill,
            after_taken=pipeline.left(refill),
            after_not_taken=pipeline.left(),
        )


@dataclass
class _Pipeline:
    """The core while a block runs; times are cycles from its beginning.

    Attributes:
        now: When the next instruction issues, unless it goes beside the one before.
    """

    state: _State
    now: int = 0
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.ready = dict(self.state.ready)
        self.busy = dict(self.state.busy)
        self.alone, self.loop = self.state.alone, self.state.loop

    def take(self, instruction: Instruction) -> None:
        """Issue an instruction as soon as it can."""
        if instruction.kind is Kind.LOOP_END and self.loop == instruction.address:
            return
        needed, cause = self._needed(instruction)
        if _pairs(self.alone, instruction) and needed < self.now:
            self.alone = None
            self._write(instruction, self.now - 1)
            return
        if needed > self.now:
            self.tally.add(cause, needed - self.now)
            self.now = needed
        self.tally.add(Cause.ISSUE, 1)
        more, why = _more(instruction)
        self.tally.add(why, more)
        self.alone = instruction if instruction.size == 2 else None
        self._write(instruction, self.now, more)
        self.now += 1 + more

    def left(self, later: int = 0) -> _State:
        """Return what is under way so many cycles after the block."""
        end = self.now + later
        return _State(
            frozenset(
                (r, replace(due, time=due.time - end)) for r, due in self.ready.items() if due.time > end
            ),
            frozenset((pipe, time - end) for pipe, time in self.busy.items() if time > end),
            None if later else self.alone,
            self.loop,
        )

    def _needed(self, instruction: Instruction) -> tuple[int, Cause]:
        """Return when everything is there that an instruction needs, and what is waited for until then."""
        needed, cause = self.now - 1, Cause.DEPENDENCIES
        for register in instruction.reads & self.ready.keys():
            due = self.ready[register]
            time = due.time
            if register in instruction.address_reads:
                time += _GATHERED if register.startswith("q") else 0
            elif instruction.kind is Kind.VECTOR_STORE:
                time -= due.stored
            if time > needed:
                needed, cause = time, Cause.LOADS if due.loaded else Cause.DEPENDENCIES
        pipe = _PIPES.get(instruction.kind, "")
        if self.busy.get(pipe, -1) > needed:
            loads = pipe == "load/store"
            needed, cause = self.busy[pipe], Cause.LOADS if loads else Cause.DEPENDENCIES
        return needed, cause

    def _write(self, instruction: Instruction, issued: int, more: int = 0) -> None:
        latency = _latency(instruction)
        moved = instruction.address_reads if instruction.kind in (*LOADS, *STORES, *_PIPES) else frozenset()
        loads = instruction.kind in LOADS or instruction.kind is Kind.VECTOR_LOAD
        for register in instruction.writes:
            late, loaded = (1, False) if register in moved else (latency, loads)
            stored = 1 if instruction.kind in _PIPES and late == _FORWARDED else 0
            self.ready[register] = _Due(issued + more + late, loaded, stored)
        if instruction.kind in _PIPES:
            self.busy[_PIPES[instruction.kind]] = issued + _BEATS


def _pairs(first: Instruction | None, second: Instruction) -> bool:
    """Return whether two instructions issue in one cycle: both of 16 bits, and one of a few simple ones."""
    if first is None or second.size != 2 or first.leaving is not Leaving.FALLS:
        return False
    return (_simple(first) or _simple(second)) and not first.writes & (second.reads | second.writes - {FLAGS})


def _simple(instruction: Instruction) -> bool:
    if instruction.name in ("add", "sub"):
        return len(instruction.reads) < 2 and "sp" not in instruction.reads
    return instruction.name in _SECOND


def _latency(instruction: Instruction) -> int:
    """Return how many cycles after its issue an instruction's result can be used."""
    if instruction.kind in _PIPES:
        return _LATE_VECTORS.get(instruction.name, 1)
    if instruction.name in _LATE_NAMES:
        return 2
    if instruction.kind is Kind.ALU and instruction.shifted:
        return 2
    return _LATE.get(instruction.kind, 1)


def _more(instruction: Instruction) -> tuple[int, Cause]:
    """Return the cycles in which nothing else can issue, after the first, and what they go to."""
    if instruction.words > 1:
        return instruction.words - 1, Cause.LOADS
    if instruction.kind in (Kind.DIVIDE, Kind.FLOAT_DIVIDE):
        return computing(instruction.kind), Cause.DEPENDENCIES
    return (1, Cause.DEPENDENCIES) if instruction.kind is Kind.TABLE_BRANCH else (0, Cause.DEPENDENCIES)
