"""What depends on addresses and on history: code runs, is followed, and its cycles are compared."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from micronets_gen.timing.core import Cause, Core
from micronets_gen.timing.cortex_m4 import CortexM4
from micronets_gen.timing.cortex_m7 import CortexM7
from micronets_gen.timing.cycles import Cycles
from micronets_gen.timing.memory import IDEAL, Cache, Memory, Span
from micronets_gen.timing.trace import Trace

pytestmark = pytest.mark.needs("gcc")

_CODE, _DATA, _SIZE = 0x0800_0000, 0x2400_0000, 0x4000
_NEXT = 0xE7FF  # b to the instruction that follows: it ends a block
_NOP = 0xBF00
_LDR_R0_R2, _LDR_R0_R4, _STR_R0_R2, _LDRH_R0_R2 = 0x6810, 0x6820, 0x6010, 0x8810


def run(*halfwords: int, memory: Memory = IDEAL, core: Core | None = None, **registers: int) -> Cycles:
    """What code costs from its beginning to the branch that is put behind it."""
    import unicorn
    from unicorn import arm_const

    engine: Any = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    engine.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M7)
    engine.mem_map(_CODE, _SIZE)
    engine.mem_map(_DATA, _SIZE)
    code = struct.pack(f"<{len(halfwords) + 2}H", *halfwords, _NEXT, _NOP)
    engine.mem_write(_CODE, code)
    engine.reg_write(arm_const.UC_ARM_REG_SP, _DATA + _SIZE)
    for name, value in registers.items():
        engine.reg_write(getattr(arm_const, f"UC_ARM_REG_{name.upper()}"), value)
    trace = Trace(engine, core or CortexM7(), memory)
    engine.emu_start(_CODE | 1, _CODE + len(code))
    return trace.read()


def test_a_load_that_is_not_aligned_costs_three_cycles_more_and_a_store_nothing() -> None:
    def extra(instruction: int, offset: int) -> int:
        return run(instruction, r2=_DATA + offset).total - run(instruction, r2=_DATA).total

    assert [extra(_LDR_R0_R2, offset) for offset in (1, 2, 3, 4)] == [3, 3, 3, 0]
    assert [extra(_LDRH_R0_R2, offset) for offset in (1, 2)] == [3, 0]
    assert extra(_STR_R0_R2, 1) == 0


def test_two_loads_of_one_cycle_wait_for_each_other_where_their_addresses_have_the_same_bit_2() -> None:
    pair = (_LDR_R0_R2, 0x6819)  # ldr r0,[r2]; ldr r1,[r3]
    cycles = [run(*pair, r2=_DATA, r3=_DATA + offset).of(Cause.LOADS) for offset in (0, 4, 8, 12)]
    assert cycles == [1, 0, 1, 0]


def test_a_load_and_a_store_of_one_cycle_share_a_bank() -> None:
    assert run(_LDR_R0_R2, 0x6019, r2=_DATA, r3=_DATA).of(Cause.LOADS) == 0  # str r1,[r3]


def test_a_block_gives_back_what_a_load_before_it_has_paid() -> None:
    pair = (_LDR_R0_R2, 0x6019)  # ldr r0,[r2]; str r1,[r3]: the emulator's page may end between them

    def loads(before: int) -> int:
        registers = {"r2": _DATA, "r3": _DATA + 64}
        return run(*[_NOP] * before, *pair, core=CortexM4(), **registers).of(Cause.LOADS)

    assert [loads(page // 2 - 1) for page in (512, 1024, 2048, 4096)] == [0] * 4


def test_a_loop_is_mispredicted_where_it_begins_and_where_it_ends() -> None:
    cycles = run(0x3801, 0xD1FD, r0=100)  # subs r0,#1; bne to it
    assert cycles.of(Cause.BRANCHES) == 2 * 8
    assert cycles.of(Cause.ISSUE) == 100 + 1


def test_calls_and_returns_are_foreseen() -> None:
    # bl f; bl f; b end; f: bx lr; end:
    assert run(0xF000, 0xF803, 0xF000, 0xF801, 0xE000, 0x4770).of(Cause.BRANCHES) == 0


def test_a_return_that_is_not_taken_leaves_the_return_to_come_foreseen() -> None:
    # bl f; b end; f: cmp r0,#1; it eq; bxeq lr; bx lr; end:
    code = (0xF000, 0xF801, 0xE003, 0x2801, 0xBF08, 0x4770, 0x4770)
    assert run(*code, r0=1).of(Cause.BRANCHES) == 0
    assert run(*code, r0=0).of(Cause.BRANCHES) == 0


def test_a_branch_to_a_register_is_foreseen_where_it_went_before() -> None:
    # blx r3; blx r4; b end; f: bx lr; g: bx lr; end: - and the same call again, by a loop
    once = (0x4798, 0xE000, 0x4770)  # blx r3; b end; bx lr
    assert run(*once, r3=_CODE + 5).of(Cause.BRANCHES) == 8
    # loop: blx r3; subs r0,#1; bne loop; b end; f: bx lr
    loop = (0x4798, 0x3801, 0xD1FC, 0xE000, 0x4770)
    assert run(*loop, r3=_CODE + 9, r0=100).of(Cause.BRANCHES) == 8 + 2 * 8


def test_a_line_is_missed_once_by_loads_and_never_by_stores() -> None:
    memory = Memory(
        caches=(Cache(32, 64, 2, random=True), Cache(32, 32, 4, random=True)),
        spans=(Span(_DATA, _DATA + _SIZE - 1, fetch=0, data=1, fetch_miss=7, fetch_next=7, data_miss=7),),
    )
    read = run(_LDR_R0_R2, _LDR_R0_R2, _LDR_R0_R2, r2=_DATA, memory=memory)
    assert (read.of(Cause.DATA), read.misses[1]) == (7, 1)
    written = run(_STR_R0_R2, _STR_R0_R2, r2=_DATA, memory=memory)
    assert (written.of(Cause.DATA), written.misses[1]) == (0, 0)
    assert run(_LDR_R0_R2, r2=_DATA + 30, memory=memory).of(Cause.DATA) == 2 * 7


def test_a_cache_of_four_ways_keeps_four_lines_of_a_set() -> None:
    memory = Memory(
        caches=(Cache(32, 32, 4, random=True),), spans=(Span(_DATA, _DATA + _SIZE - 1, data=0, data_miss=1),)
    )

    four = [half for line in range(4) for half in (0xF8D2, line * 1024)]  # ldr.w r0,[r2,#...]
    assert run(*_loop(*four), r2=_DATA, r3=100, memory=memory).misses[0] == 4
    assert run(*_loop(*four, _LDR_R0_R4), r2=_DATA, r4=_DATA + 4096, r3=100, memory=memory).misses[0] > 20


def _loop(*body: int) -> tuple[int, ...]:
    """A loop of r3 turns."""
    return (*body, 0x3B01, 0xD100 | -(len(body) + 3) & 0xFF)  # subs r3,#1; bne
