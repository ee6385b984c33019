"""The rules of the Cortex-M7's pipeline, one short sequence each."""

from __future__ import annotations

import struct

import pytest

from micronets_gen.timing.core import Cause, Step
from micronets_gen.timing.cortex_m7 import CortexM7
from micronets_gen.timing.decode import Instruction, decode

# The rule, the code in words and in halfwords, and the cycles from an empty pipeline.
RULES = (
    (
        "two independent operations issue together",
        "eor r0,r1,r2; eor r3,r4,r5",
        (0xEA81, 0x0002, 0xEA84, 0x0305),
        1,
    ),
    (
        "a late result is there in the next cycle",
        "eor r0,r1,r2; eor r3,r0,r4",
        (0xEA81, 0x0002, 0xEA80, 0x0304),
        2,
    ),
    (
        "an early ADD in the older slot forwards to a late operation of the same cycle",
        "add r0,r1,r2; eor r3,r0,r4",
        (0xEB01, 0x0002, 0xEA80, 0x0304),
        1,
    ),
    (
        "an early MOV in the older slot forwards to a late operation of the same cycle",
        "mov r0,#1; eor r3,r0,r4",
        (0xF04F, 0x0001, 0xEA80, 0x0304),
        1,
    ),
    (
        "an ADD in the younger slot is late",
        "nop; add r0,r1,r2; eor r3,r0,r4; eor r6,r0,r4",
        (0xBF00, 0xEB01, 0x0002, 0xEA80, 0x0304, 0xEA80, 0x0604),
        2,
    ),
    (
        "a shift forwards from the older slot in the same cycle",
        "lsl r0,r1,#2; eor r3,r0,r4",
        (0xEA4F, 0x0081, 0xEA80, 0x0304),
        1,
    ),
    (
        "an early result makes an address in the next cycle",
        "add r0,r1,r2; ldr r3,[r0]",
        (0xEB01, 0x0002, 0x6803),
        2,
    ),
    (
        "a late result makes an address one cycle later",
        "eor r0,r1,r2; ldr r3,[r0]",
        (0xEA81, 0x0002, 0x6803),
        3,
    ),
    (
        "a late result is shifted one cycle later",
        "eor r0,r1,r2; eor r3,r4,r0,lsl #2",
        (0xEA81, 0x0002, 0xEA84, 0x0380),
        3,
    ),
    (
        "a shifted operand makes ADD late",
        "add r0,r1,r2,lsl #2; eor r3,r0,r4",
        (0xEB01, 0x0082, 0xEA80, 0x0304),
        2,
    ),
    (
        "two shifted operands never pair",
        "eor r0,r1,r2,lsl #2; eor r3,r4,r5,lsl #2",
        (0xEA81, 0x0082, 0xEA84, 0x0385),
        2,
    ),
    ("one multiplication a cycle", "mul r0,r1,r2; mul r3,r4,r5", (0xFB01, 0xF002, 0xFB04, 0xF305), 2),
    ("a product is there one cycle later", "mul r0,r1,r2; eor r3,r0,r4", (0xFB01, 0xF002, 0xEA80, 0x0304), 3),
    (
        "accumulators chain every cycle",
        "mla r0,r1,r2,r0; mla r0,r1,r2,r0; mla r0,r1,r2,r0",
        (0xFB01, 0x0002, 0xFB01, 0x0002, 0xFB01, 0x0002),
        3,
    ),
    (
        "long accumulators chain every cycle",
        "smlal r0,r1,r2,r3; smlal r0,r1,r2,r3; smlal r0,r1,r2,r3",
        (0xFBC2, 0x0103, 0xFBC2, 0x0103, 0xFBC2, 0x0103),
        3,
    ),
    (
        "an accumulator takes a late result of the same cycle",
        "eor r0,r1,r2; mla r0,r3,r4,r0",
        (0xEA81, 0x0002, 0xFB03, 0x0004),
        1,
    ),
    ("a multiplication never pairs with a store", "mul r0,r1,r2; str r3,[r4]", (0xFB01, 0xF002, 0x6023), 2),
    ("a multiplication pairs with a load", "mul r0,r1,r2; ldr r3,[r4]", (0xFB01, 0xF002, 0x6823), 1),
    (
        "a multiplicand from a word load costs one cycle",
        "ldr r0,[r1]; mul r2,r0,r3",
        (0x6808, 0xFB00, 0xF203),
        3,
    ),
    (
        "an accumulator from a word load costs nothing",
        "ldr r0,[r1]; mla r2,r3,r4,r0",
        (0x6808, 0xFB03, 0x0204),
        1,
    ),
    ("DSP issues in the older slot only", "add r0,r1,r2; sxtb16 r3,r4", (0xEB01, 0x0002, 0xFA2F, 0xF384), 2),
    ("DSP pairs as the older", "sxtb16 r3,r4; add r0,r1,r2", (0xFA2F, 0xF384, 0xEB01, 0x0002), 1),
    ("one DSP a pair", "sxtb16 r0,r1; uxtb16 r2,r3", (0xFA2F, 0xF081, 0xFA3F, 0xF283), 2),
    (
        "DSP pairs with a multiplication",
        "pkhbt r0,r1,r2,lsl #16; smlad r3,r4,r5,r3",
        (0xEAC1, 0x4002, 0xFB24, 0x3305),
        1,
    ),
    (
        "PKHBT shifts its last operand a cycle early",
        "eor r0,r1,r2; pkhbt r3,r4,r0,lsl #16",
        (0xEA81, 0x0002, 0xEAC4, 0x4300),
        3,
    ),
    ("SSAT takes one cycle more", "ssat r0,#8,r1; eor r2,r0,r3", (0xF301, 0x0007, 0xEA80, 0x0203), 3),
    ("QADD takes one cycle more", "qadd r0,r1,r2; eor r3,r0,r4", (0xFA82, 0xF081, 0xEA80, 0x0304), 3),
    ("REV is early", "rev r0,r1; eor r3,r0,r4", (0xBA08, 0xEA80, 0x0304), 1),
    ("a word is usable in the next cycle", "ldr r0,[r1]; eor r2,r0,r3", (0x6808, 0xEA80, 0x0203), 2),
    ("a byte is usable one cycle later", "ldrb r0,[r1]; eor r2,r0,r3", (0x7808, 0xEA80, 0x0203), 3),
    (
        "a halfword is usable one cycle later",
        "ldrsh r0,[r1]; eor r2,r0,r3",
        (0xF9B1, 0x0000, 0xEA80, 0x0203),
        3,
    ),
    ("a loaded word makes an address one cycle later", "ldr r0,[r1]; ldr r2,[r0]", (0x6808, 0x6802), 3),
    (
        "an address that was moved on is there in the next cycle",
        "ldr r0,[r1],#4; ldr r2,[r1],#4",
        (0xF851, 0x0B04, 0xF851, 0x2B04),
        2,
    ),
    ("a loaded value is stored in the same cycle", "ldrb r0,[r1]; strb r0,[r2]", (0x7808, 0x7010), 1),
    ("a late result is stored in the same cycle", "eor r0,r1,r2; str r0,[r3]", (0xEA81, 0x0002, 0x6018), 1),
    ("two loads pair", "ldr r0,[r2]; ldr r1,[r2,#4]", (0x6810, 0x6851), 1),
    ("two stores never pair", "str r0,[r2]; str r1,[r2,#4]", (0x6010, 0x6051), 2),
    (
        "LDRD issues alone",
        "eor r3,r4,r5; ldrd r0,r1,[r2]; eor r3,r4,r5",
        (0xEA84, 0x0305, 0xE9D2, 0x0100, 0xEA84, 0x0305),
        3,
    ),
    (
        "STRD issues alone",
        "eor r3,r4,r5; strd r0,r1,[r2]; eor r3,r4,r5",
        (0xEA84, 0x0305, 0xE9C2, 0x0100, 0xEA84, 0x0305),
        3,
    ),
    ("LDM takes a cycle for two registers", "ldm r0!,{r1,r2,r3,r4,r5}", (0xC83E,), 3),
    ("PUSH takes a cycle for two registers", "push {r4,r5,r6,lr}", (0xB570,), 2),
    (
        "LDM has its last registers in the next cycle",
        "ldm r0,{r1,r2,r3,r4}; eor r5,r4,r3",
        (0xE890, 0x001E, 0xEA84, 0x0503),
        3,
    ),
    (
        "DIVIDE takes seven cycles, nothing beside it",
        "nop; sdiv r0,r1,r2; eor r3,r0,r4",
        (0xBF00, 0xFB91, 0xF0F2, 0xEA80, 0x0304),
        9,
    ),
    (
        "an instruction under a condition waits for its flags",
        "cmp r0,#1; it eq; moveq r1,#2",
        (0x2801, 0xBF08, 0x2102),
        2,
    ),
    ("a branch pairs and waits for nothing", "ldr r0,[r1]; cbz r0,.+4", (0x6808, 0xB100), 1),
    ("a table branch takes two cycles", "tbb [pc,r0]", (0xE8DF, 0xF000), 2),
)


def block(*halfwords: int) -> tuple[Instruction, ...]:
    return decode(struct.pack(f"<{len(halfwords)}H", *halfwords), 0x0800_0000)


def steps(*blocks: tuple[int, ...]) -> list[Step]:
    """Of blocks that are executed one after the other, none of them left by a branch."""
    core = CortexM7()
    state = core.start
    done = []
    for halfwords in blocks:
        done.append(core.step(block(*halfwords), state))
        state = done[-1].after_not_taken
    return done


@pytest.mark.parametrize(("code", "cycles"), [row[2:] for row in RULES], ids=[row[0] for row in RULES])
def test_rule(code: tuple[int, ...], cycles: int) -> None:
    assert sum(steps(code)[0].cycles) == cycles


@pytest.mark.parametrize(("code", "cycles"), [row[2:] for row in RULES if len(row[2]) > 1])
def test_a_block_costs_the_same_in_parts(code: tuple[int, ...], cycles: int) -> None:
    parts = [code[at : at + size] for at, size in _bounds(code)]
    assert sum(sum(step.cycles) for step in steps(*parts)) == cycles


def _bounds(code: tuple[int, ...]) -> list[tuple[int, int]]:
    """Where each instruction begins and how many halfwords it has; IT stays with what it governs."""
    found = []
    at = 0
    while at < len(code):
        size = 2 if code[at] >= 0xE800 else 1
        if code[at] >> 8 == 0xBF and code[at] & 15:
            size += 2 if code[at + 1] >= 0xE800 else 1
        found.append((at, size))
        at += size
    return found


def test_causes_of_stalls() -> None:
    waiting_for_a_byte = steps((0x7808, 0xEA80, 0x0203))[0].cycles
    assert (waiting_for_a_byte[Cause.LOADS], waiting_for_a_byte[Cause.DEPENDENCIES]) == (1, 0)
    waiting_for_a_product = steps((0xFB01, 0xF002, 0xEA80, 0x0304))[0].cycles
    assert (waiting_for_a_product[Cause.LOADS], waiting_for_a_product[Cause.DEPENDENCIES]) == (0, 1)


def test_loads_that_pair_are_named_by_their_number() -> None:
    # ldr r0,[r2]; ldr r1,[r2,#4]; str r0,[r3]; ldr r4,[r5]: a load beside a store is in no bank's way
    assert steps((0x6810, 0x6851, 0x6018, 0x682C))[0].paired == {1}
    # ldr r0,[r2] at the end of one block, ldr r1,[r2,#4] at the beginning of the next
    assert steps((0x6810,), (0x6851,))[1].paired == {0}


@pytest.mark.parametrize(("nops", "cycles"), [(0, 8), (4, 8), (5, 6)])
def test_a_mispredicted_branch_is_cheaper_three_cycles_after_its_flags(nops: int, cycles: int) -> None:
    # subs r0,#1; nop ...; bne
    assert steps((0x3801, *[0xBF00] * nops, 0xD1F9))[0].mispredicted == cycles
    assert steps((0x3801,), *[(0xBF00,)] * nops, (0xD1F9,))[-1].mispredicted == cycles


def test_a_branch_that_depends_on_no_flags_is_mispredicted_in_full() -> None:
    assert [step.mispredicted for step in steps((0x4770,), (0xB100,))] == [8, 8]  # bx lr; cbz r0


def test_after_a_branch_that_is_taken_the_next_block_begins_in_a_cycle_of_its_own() -> None:
    core = CortexM7()
    branch = core.step(block(0xD1F9), core.start)
    target = block(0xEA81, 0x0002)  # eor r0,r1,r2
    assert sum(core.step(target, branch.after_taken).cycles) == 1
    assert sum(core.step(target, branch.after_not_taken).cycles) == 0


def test_states_forget_what_delays_nothing() -> None:
    nothing_open = steps((0xBF00, 0xBF00))[0].after_not_taken
    written = steps((0x7808, 0xEB01, 0x0002), *[(0xBF00,)] * 6)  # ldrb r0,[r1]; add r0,r1,r2
    assert written[0].after_not_taken != nothing_open
    assert written[-1].after_not_taken == nothing_open
