"""Follows a unicorn engine block by block and adds up the cycles that a core and its memories would take."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Hashable
from typing import Any

from micronets_gen.emulate.counting import hook_natively
from micronets_gen.timing.core import Cause, Core, Step
from micronets_gen.timing.cycles import Cycles
from micronets_gen.timing.decode import LOADS, STORES, Instruction, decode
from micronets_gen.timing.memory import IDEAL, Memory
from micronets_gen.timing.native import (
    MOST_CACHES,
    MOST_SPANS,
    NONE,
    BlockData,
    CacheData,
    Counts,
    LearnBlock,
    LearnRow,
    Marked,
    Marks,
    RegionData,
    RowData,
    Settings,
    library,
)


class Trace:
    """Hooks into an engine from now on; the engine must not have translated code before.

    Args:
        engine: ``unicorn.Uc``.
        core: The pipeline.
        memory: What memory costs; :meth:`configure` changes it.

    Raises:
        ToolError: no compiler of the host, or no capstone.
    """

    def __init__(self, engine: Any, core: Core, memory: Memory = IDEAL) -> None:
        import unicorn
        from unicorn.arm_const import UC_ARM_REG_XPSR
        from unicorn.unicorn_py3.unicorn import uclib

        self.error: BaseException | None = None
        self.memory = memory
        self._marked: Any = None
        self._engine = engine
        self._core = core
        self._blocks: list[tuple[Instruction, ...]] = []
        self._states: list[Hashable] = [core.start]
        self._state_numbers: dict[Hashable, int] = {core.start: 0}
        self._lib = library()
        self._callbacks = LearnBlock(self._learn_block), LearnRow(self._learn_row)
        self._trace = self._lib.trace_new(
            *self._callbacks,
            ctypes.cast(uclib.uc_reg_read, ctypes.c_void_p),
            ctypes.cast(uclib.uc_reg_write, ctypes.c_void_p),
            UC_ARM_REG_XPSR,
        )
        if not self._trace:
            raise MemoryError
        self.configure(memory)
        accesses = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
        hook_natively(engine, unicorn.UC_HOOK_BLOCK, self._lib.trace_block, self._trace)
        hook_natively(engine, accesses, self._lib.trace_access, self._trace)

    def __del__(self) -> None:
        if getattr(self, "_trace", None):
            self._lib.trace_free(self._trace)

    def configure(self, memory: Memory) -> None:
        """Sets what memory costs from now on, with empty caches."""
        if len(memory.caches) > MOST_CACHES or len(memory.spans) > MOST_SPANS:
            raise ValueError("too many caches or spans for one memory")
        self.memory = memory
        if not self._lib.trace_configure(self._trace, ctypes.byref(_settings(self._core, memory))):
            raise MemoryError

    def mark(self, addresses: tuple[int, int], reached: Callable[[int], None]) -> None:
        """Calls a function with each of two addresses that execution reaches: entries of functions."""

        def guarded(address: int) -> None:
            try:
                reached(address)
            except BaseException as error:
                self._fail(error)

        self._marked = Marked(guarded)
        self._lib.trace_mark(self._trace, Marks(*(address & ~1 for address in addresses)), self._marked)

    def read(self) -> Cycles:
        """Return what was spent so far, up to the last block that is complete.

        Raises:
            BaseException: what a core model raised while the engine ran.
        """
        counts = Counts()
        whole = self._lib.trace_read(self._trace, counts)
        if self.error is not None:
            raise self.error
        if not whole:
            raise MemoryError
        causes = len(Cause)
        return Cycles(
            counts[0], tuple(counts[1 : 1 + causes]), counts[1 + causes], tuple(counts[2 + causes :])
        )

    def _learn_block(self, address: int, size: int) -> int:
        try:
            block = decode(bytes(self._engine.mem_read(address, size)), address)
            data = BlockData(
                address=address,
                size=size,
                instructions=len(block),
                leaving=block[-1].leaving.value,
                target=block[-1].target or 0,
                it_memory=any(i.conditional and i.kind in LOADS | STORES for i in block),
            )
            self._blocks.append(block)
            return int(self._lib.trace_add_block(self._trace, ctypes.byref(data)))
        except BaseException as error:
            return self._fail(error)

    def _learn_row(self, block: int, state: int) -> int:
        try:
            step = self._core.step(self._blocks[block], self._states[state])
            return int(self._lib.trace_add_row(self._trace, ctypes.byref(self._row(block, state, step))))
        except BaseException as error:
            return self._fail(error)

    def _fail(self, error: BaseException) -> int:
        self.error = error
        self._engine.emu_stop()
        return NONE

    def _row(self, block: int, state: int, step: Step) -> RowData:
        return RowData(
            block=block,
            state=state,
            cycles=(len(Cause) * ctypes.c_int32)(*step.cycles),
            taken=step.taken,
            not_taken=step.not_taken,
            mispredicted=step.mispredicted,
            state_taken=self._number(step.after_taken),
            state_not_taken=self._number(step.after_not_taken),
            paired=sum(1 << index for index in step.paired if index < 64),
        )

    def _number(self, state: Hashable) -> int:
        number = self._state_numbers.setdefault(state, len(self._states))
        if number == len(self._states):
            self._states.append(state)
        return number


def _settings(core: Core, memory: Memory) -> Settings:
    settings = Settings(
        regions=len(memory.spans),
        caches=len(memory.caches),
        unaligned_half=core.unaligned.half,
        unaligned_word=core.unaligned.word,
        odd_word=core.unaligned.odd_word,
        bank_conflict=core.bank_conflict,
        predicts=core.predicts,
    )
    for index, span in enumerate(memory.spans):
        settings.region[index] = RegionData(
            first=span.first,
            last=span.last,
            fetch_cache=NONE if span.fetch is None else span.fetch,
            data_cache=NONE if span.data is None else span.data,
            fetch_miss=span.fetch_miss,
            fetch_next=span.fetch_next,
            data_miss=span.data_miss,
            store_miss=span.store_miss,
        )
    for index, cache in enumerate(memory.caches):
        settings.cache[index] = CacheData(
            line_shift=cache.line.bit_length() - 1, sets=cache.sets, ways=cache.ways, random=cache.random
        )
    return settings
