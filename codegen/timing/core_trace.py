"""Follows an image block by block without a program in C: the cycles of the core alone, one call of Python a block."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from micronets_gen.emulate.counting import add_block_hook
from micronets_gen.timing.core import Cause, Core, Step
from micronets_gen.timing.cycles import Cycles
from micronets_gen.timing.decode import Instruction, decode
from micronets_gen.timing.memory import Memory

UNKNOWN = Memory(
    description="core timings only, since this computer has no C compiler to follow addresses with"
)


class BlockCosts:
    """Adds up the cycles of blocks that are entered one after the other.

    Caches, wait states and unaligned accesses cost nothing, and every branch is foreseen.

    Args:
        core: The pipeline.
        decoded: Gives the instructions of the block at an address, of so many bytes.
    """

    def __init__(self, core: Core, decoded: Callable[[int, int], Sequence[Instruction]]) -> None:
        self._core = core
        self._decoded = decoded
        self._marks: tuple[int, ...] = ()
        self._reached: Callable[[int], None] = lambda _address: None
        self._steps: dict[tuple[int, int, Hashable], tuple[int, Step]] = {}
        self._state = core.start
        self._under_way: tuple[int, int, int, Step] | None = None
        self._instructions = 0
        self._cycles = [0] * len(Cause)

    def mark(self, addresses: tuple[int, int], reached: Callable[[int], None]) -> None:
        """Calls a function with each of two addresses that execution reaches: entries of functions."""
        self._marks, self._reached = tuple(address & ~1 for address in addresses), reached

    def read(self) -> Cycles:
        """Return what was spent so far, up to the last block that is complete."""
        return Cycles(self._instructions, tuple(self._cycles), 0, ())

    def enter(self, address: int, size: int) -> None:
        """Note that a block begins, which completes the one before."""
        if self._under_way is not None:
            self._finish(address)
        if address in self._marks:
            self._reached(address)
        key = address, size, self._state
        found = self._steps.get(key)
        if found is None:
            block = self._decoded(address, size)
            found = self._steps[key] = len(block), self._core.step(block, self._state)
        self._under_way = address, size, *found

    def _finish(self, following: int) -> None:
        assert self._under_way is not None
        address, size, instructions, step = self._under_way
        self._instructions += instructions
        for cause, cycles in enumerate(step.cycles):
            self._cycles[cause] += cycles
        taken = following != address + size
        self._cycles[Cause.BRANCHES] += step.taken if taken else step.not_taken
        self._state = step.after_taken if taken else step.after_not_taken


class CoreTrace(BlockCosts):
    """As :class:`micronets_gen.timing.trace.Trace`, blind to addresses of data.

    Args:
        engine: ``unicorn.Uc``.
        core: The pipeline.
    """

    def __init__(self, engine: Any, core: Core) -> None:
        super().__init__(core, lambda address, size: decode(bytes(engine.mem_read(address, size)), address))
        self.error: BaseException | None = None
        self.memory = UNKNOWN
        self._callback = add_block_hook(engine, self._guarded)

    def configure(self, memory: Memory) -> None:
        """Keeps to a memory without wait states: what it is asked for cannot be followed here."""

    def _guarded(self, engine: Any, address: int, size: int, _data: Any) -> None:
        try:
            self.enter(address, size)
        except BaseException as error:
            self.error = error
            engine.emu_stop()
