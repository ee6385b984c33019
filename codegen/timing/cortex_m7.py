"""Cortex-M7: two instructions a cycle, in order; each reads its operands in the stage that needs them.

An instruction that issues in cycle t makes its address and shifts in cycle t, computes in t + 1 (or early, in t),
accumulates products in t + 2 and stores in t + 3. It issues as soon as each operand is there in its stage.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum, IntFlag, auto

from micronets_gen.timing.core import Alignment, Cause, Step, Tally
from micronets_gen.timing.decode import FLAGS, LOADS, STORES, Instruction, Kind, Leaving

_ADDRESS, _COMPUTE, _ACCUMULATE, _STORE = range(4)
_FLOAT_ACCUMULATE = 3

# Cycles from issue to the first stage that can read a result.
_EARLY_RESULT = 1
_RESULT = 2
_WORD = 2
_PRODUCT = 3
_SATURATED = 3
_PART_OF_WORD = 3
_FLOAT_LOADED = 3
_FLOAT_RESULT = 4
_FLOAT_SUM = 6

_DIVIDE = 7
_DIVIDE_FLOAT = {"vdiv": 16, "vsqrt": 14}
_TABLE = 2
_MISPREDICTED = 8
_MISPREDICTED_FLAGS_KNOWN = 6
_FLAGS_KNOWN_AFTER = 3


class _Use(IntFlag):
    """What two instructions of one cycle may compete for."""

    LOAD = auto()
    STORE = auto()
    PRODUCT = auto()
    SHIFTER = auto()
    BRANCH = auto()
    FLOAT = auto()
    FLOAT_SUM = auto()
    FLOAT_MOVE = auto()


# Pairs that never issue together. Two loads do, if they lie in different banks; that is seen when they are executed.
_RIVALS = (
    (_Use.STORE, _Use.STORE | _Use.PRODUCT),
    (_Use.PRODUCT, _Use.STORE | _Use.PRODUCT),
    (_Use.SHIFTER, _Use.SHIFTER),
    (_Use.BRANCH, _Use.BRANCH),
    (_Use.FLOAT, _Use.FLOAT),
    (_Use.FLOAT_SUM, _Use.FLOAT_MOVE),
    (_Use.FLOAT_MOVE, _Use.FLOAT_SUM),
)


class _Early(Enum):
    """Where an instruction can compute in the early stage: nowhere, in the older slot, in both."""

    NEVER = auto()
    OLDER = auto()
    BOTH = auto()


class _Origin(Enum):
    """Where a value comes from that is not there yet."""

    COMPUTED = auto()
    LOADED = auto()
    LOADED_WORD = auto()


@dataclass(frozen=True)
class _Plan:
    """An instruction as the pipeline sees it.

    Attributes:
        reads: Registers, the stage that needs each, and whether it gets words from memory a cycle later.
        writes: Registers, the cycles after issue, and what they are.
        early: Where it can compute early.
        uses: What it occupies.
        rivals: What it cannot issue with.
        older: It issues in the older slot only.
        alone: Nothing issues with it.
        cycles: That it occupies the pipeline for.
        cause: Of those beyond the first.
        accesses: To data.
    """

    reads: tuple[tuple[str, int, bool], ...]
    writes: tuple[tuple[str, int, _Origin], ...]
    early: _Early
    uses: int
    rivals: int
    older: bool
    alone: bool
    cycles: int
    cause: Cause
    accesses: int


@dataclass(frozen=True)
class _State:
    """What one block leaves to the next, whose first cycle is 0.

    Attributes:
        waiting: Registers, the cycle of the first stage that can read each, and what they are.
        older: What the last instruction uses, which has issued in cycle -1 with no other; None: that cycle is full.
    """

    waiting: tuple[tuple[str, int, _Origin], ...] = ()
    older: int | None = None


class CortexM7:
    """The pipeline of the Cortex-M7."""

    start: Hashable = _State()
    unaligned = Alignment(half=3, word=3, odd_word=3)
    bank_conflict = 1
    predicts = True
    source = (
        "measurements of an STM32H743 (jnk0le/random, cortex_m7.md) and LLVM's ARMScheduleM7.td; branch predictor "
        "assumed to be a two-bit counter, a return stack and the last target"
    )

    def __init__(self, name: str = "cortex-m7") -> None:
        self.name = name
        # By identity: the block is kept, so that its identity stays its own.
        self._plans: dict[int, tuple[Sequence[Instruction], tuple[_Plan, ...]]] = {}

    def step(self, block: Sequence[Instruction], state: Hashable) -> Step:
        """Return what a block costs that is entered in ``state``."""
        assert isinstance(state, _State)
        pipe = _Pipe(state)
        for plan in self._planned(block):
            pipe.issue(plan)
        last = block[-1]
        after = pipe.state(pipe.older)
        return Step(
            pipe.tally.done(),
            mispredicted=pipe.penalty(last),
            after_taken=after if last.leaving is Leaving.FALLS else pipe.state(None),
            after_not_taken=after,
            paired=frozenset(pipe.paired),
        )

    def _planned(self, block: Sequence[Instruction]) -> tuple[_Plan, ...]:
        known = self._plans.get(id(block))
        if known is None:
            known = self._plans[id(block)] = block, tuple(_plan(instruction) for instruction in block)
        return known[1]


class _Pipe:
    """The issue of one block's instructions, in order.

    Attributes:
        tally: Cycles so far.
        paired: Numbers of the loads that have issued in the cycle of the load before.
        older: What the instruction uses that waits for another to issue with it, in the cycle before the next.
    """

    def __init__(self, state: _State) -> None:
        self.tally = Tally()
        self.paired: list[int] = []
        self.older = state.older
        self._next = 0
        self._issued = 0
        self._accesses = 0
        self._waiting = {register: (cycle, origin) for register, cycle, origin in state.waiting}

    def issue(self, plan: _Plan) -> None:
        """Issue the next instruction in the first cycle that can take it."""
        ready, origin = self._ready(plan)
        if self.older is not None and self._joins(plan, ready):
            if plan.uses & self.older & _Use.LOAD:
                self.paired.append(self._accesses)
            self._issued, younger = self._next - 1, True
            self.older = None
        else:
            self._issued, younger = max(self._next, ready), False
            stall = self._issued - self._next
            self.tally.add(Cause.DEPENDENCIES if origin is _Origin.COMPUTED else Cause.LOADS, stall)
            self.tally.add(Cause.ISSUE, 1)
            self.tally.add(plan.cause, plan.cycles - 1)
            self._next = self._issued + plan.cycles
            self.older = None if plan.alone else plan.uses
        self._accesses += plan.accesses
        self._write(plan, younger)

    def penalty(self, branch: Instruction) -> int:
        """Cycles that it costs that the last instruction, a branch, goes another way than predicted."""
        if branch.leaving is not Leaving.CONDITIONAL or FLAGS not in branch.reads:
            return _MISPREDICTED
        set_in = self._waiting[FLAGS][0] - _RESULT if FLAGS in self._waiting else None
        known = set_in is None or self._issued - set_in >= _FLAGS_KNOWN_AFTER
        return _MISPREDICTED_FLAGS_KNOWN if known else _MISPREDICTED

    def state(self, older: int | None) -> _State:
        """What the next block finds, without what cannot delay it."""
        first = 0 if older is None else -1
        waiting = []
        for register, (cycle, origin) in self._waiting.items():
            last = cycle - self._next
            if register == FLAGS:
                last += _FLAGS_KNOWN_AFTER - _RESULT
            if last > first:
                waiting.append((register, cycle - self._next, origin))
        return _State(tuple(sorted(waiting, key=lambda item: item[0])), older)

    def _ready(self, plan: _Plan) -> tuple[int, _Origin]:
        """The first cycle in which the operands allow it to issue, and what it waits for."""
        ready, cause = -1, _Origin.COMPUTED
        for register, stage, slow in plan.reads:
            if register in self._waiting:
                cycle, origin = self._waiting[register]
                cycle -= stage
                if slow and origin is _Origin.LOADED_WORD:
                    cycle += 1
                if cycle > ready:
                    ready, cause = cycle, origin
        return ready, cause

    def _joins(self, plan: _Plan, ready: int) -> bool:
        """Whether it issues as the younger of a pair."""
        return not (plan.older or plan.alone or ready >= self._next or plan.rivals & (self.older or 0))

    def _write(self, plan: _Plan, younger: bool) -> None:
        early = plan.early is _Early.BOTH or (plan.early is _Early.OLDER and not younger)
        if early:
            early = all(
                self._waiting[register][0] <= self._issued
                for register, _, _ in plan.reads
                if register in self._waiting
            )
        for register, after, origin in plan.writes:
            soonest = _EARLY_RESULT if early and register != FLAGS else after
            self._waiting[register] = self._issued + soonest, origin


_EARLY_OLDER = frozenset({"add", "addw", "sub", "subw", "mov", "movw", "adr"})
_EARLY_ALWAYS = frozenset({"rev", "rev16", "revsh", "rbit"})
_EARLY_BOTH = frozenset({"lsl", "lsr", "asr", "ror"})
_LATENCIES = {
    Kind.MULTIPLY: _PRODUCT,
    Kind.ACCUMULATE: _PRODUCT,
    Kind.SATURATE: _SATURATED,
    Kind.FLOAT: _FLOAT_RESULT,
    Kind.FLOAT_MULTIPLY: _FLOAT_RESULT,
    Kind.FLOAT_ACCUMULATE: _FLOAT_SUM,
}
_USES = {
    Kind.MULTIPLY: _Use.PRODUCT,
    Kind.ACCUMULATE: _Use.PRODUCT,
    Kind.BRANCH: _Use.BRANCH,
    Kind.FLOAT: _Use.FLOAT,
    Kind.FLOAT_MULTIPLY: _Use.FLOAT,
    Kind.FLOAT_ACCUMULATE: _Use.FLOAT | _Use.FLOAT_SUM,
    Kind.FLOAT_DIVIDE: _Use.FLOAT,
    Kind.FLOAT_MOVE: _Use.FLOAT_MOVE,
}
_ALONE = frozenset(
    {
        *(Kind.LOAD_DUAL, Kind.STORE_DUAL, Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE),
        *(Kind.DIVIDE, Kind.FLOAT_DIVIDE, Kind.TABLE_BRANCH, Kind.SYSTEM),
    }
)
_NUMBERS = {"sb": 9, "sl": 10, "fp": 11, "ip": 12, "sp": 13, "lr": 14}


def _plan(instruction: Instruction) -> _Plan:
    kind, name = instruction.kind, instruction.name
    uses = _uses(instruction)
    rivals = 0
    for use, rival in _RIVALS:
        if uses & use:
            rivals |= rival
    early = _Early.NEVER
    if name in _EARLY_BOTH:
        early = _Early.BOTH
    elif name in _EARLY_OLDER and not instruction.shifted:
        early = _Early.OLDER
    return _Plan(
        reads=_reads(instruction),
        writes=_writes(instruction),
        early=early,
        uses=int(uses),
        rivals=int(rivals),
        older=kind in (Kind.EXTEND, Kind.SATURATE),
        alone=kind in _ALONE or instruction.words > 1,
        cycles=_cycles(instruction),
        cause=Cause.LOADS if kind in LOADS | STORES else Cause.DEPENDENCIES,
        accesses=instruction.words,
    )


def _uses(instruction: Instruction) -> _Use:
    uses = _USES.get(instruction.kind, _Use(0))
    if instruction.kind in LOADS:
        uses |= _Use.LOAD
    elif instruction.kind in STORES:
        uses |= _Use.STORE
    if instruction.shifted or instruction.name == "bfc":
        uses |= _Use.SHIFTER
    if instruction.name in ("vldr", "vstr"):
        uses |= _Use.FLOAT_MOVE
    return uses


def _cycles(instruction: Instruction) -> int:
    """Cycles for which nothing else can issue, its own among them."""
    match instruction.kind:
        case Kind.DIVIDE:
            return _DIVIDE
        case Kind.FLOAT_DIVIDE:
            return _DIVIDE_FLOAT[instruction.name]
        case Kind.TABLE_BRANCH:
            return _TABLE
        case _:
            return max(1, -(-instruction.words // 2))


def _reads(instruction: Instruction) -> tuple[tuple[str, int, bool], ...]:
    kind = instruction.kind
    if kind in (Kind.BRANCH, Kind.IT):
        return ()
    product = kind in (Kind.MULTIPLY, Kind.ACCUMULATE)
    found = []
    for register in instruction.reads:
        stage = _COMPUTE
        if register in instruction.address_reads or register in instruction.shifted:
            stage = _ADDRESS
        elif register in instruction.accumulates:
            stage = _ACCUMULATE
        elif kind in STORES and register != FLAGS:
            stage = _STORE
        elif kind is Kind.FLOAT_ACCUMULATE and register in instruction.writes:
            stage = _FLOAT_ACCUMULATE
        slow = stage == _COMPUTE and (product or bool(instruction.shifted))
        found.append((register, stage, slow))
    return tuple(found)


def _writes(instruction: Instruction) -> tuple[tuple[str, int, _Origin], ...]:
    kind = instruction.kind
    if kind in LOADS:
        return _loaded(instruction)
    after = _LATENCIES.get(kind, _RESULT)
    if kind in STORES or kind is Kind.BRANCH or instruction.name in _EARLY_ALWAYS:
        after = _EARLY_RESULT
    elif kind is Kind.FLOAT_MOVE:
        moved = all(register[0] == "s" and register[1:].isdigit() for register in instruction.writes)
        after = _FLOAT_RESULT if moved else _PRODUCT
    elif kind in (Kind.DIVIDE, Kind.FLOAT_DIVIDE):
        after = _cycles(instruction) - 1 + (_RESULT if kind is Kind.DIVIDE else _FLOAT_RESULT - 1)
    return tuple(
        (register, _RESULT if register == FLAGS and kind is not Kind.FLOAT_MOVE else after, _Origin.COMPUTED)
        for register in instruction.writes
    )


def _loaded(instruction: Instruction) -> tuple[tuple[str, int, _Origin], ...]:
    """The registers that are loaded, two a cycle, and the address that is moved on, which is there early."""
    into_registers = instruction.words - (instruction.leaving is not Leaving.FALLS)
    moved = instruction.address_reads & instruction.writes
    if len(instruction.writes) <= into_registers:
        moved = frozenset()
    found = [(register, _EARLY_RESULT, _Origin.COMPUTED) for register in moved]
    for index, register in enumerate(sorted(instruction.writes - moved, key=_number)):
        if instruction.name.startswith("v"):
            after, origin = _FLOAT_LOADED, _Origin.LOADED
        elif instruction.width < 4:
            after, origin = _PART_OF_WORD, _Origin.LOADED
        else:
            after, origin = _WORD, _Origin.LOADED_WORD
        found.append((register, after + index // 2, origin))
    return tuple(found)


def _number(register: str) -> int:
    return _NUMBERS[register] if register in _NUMBERS else int(register[1:]) if register[1:].isdigit() else 0
