"""Cycles of single instruction sequences, each with the rule that gives them."""

from __future__ import annotations

from dataclasses import fields

import pytest

from micronets_gen.timing.core import Cause, Core, Step
from micronets_gen.timing.cortex_m0plus import CortexM0Plus
from micronets_gen.timing.cortex_m4 import CortexM4
from micronets_gen.timing.cortex_m33 import CortexM33
from micronets_gen.timing.decode import Leaving, decode
from micronets_gen.timing.firmware import CORES
from micronets_gen.timing.result import CAUSES, Spent

AT = 0x0800_0000


def step(core: Core, code: str, address: int = AT) -> Step:
    return core.step(decode(bytes.fromhex(code), address), core.start)


def causes(cycles: tuple[int, ...]) -> dict[str, int]:
    return {Cause(index).name.lower(): count for index, count in enumerate(cycles) if count}


M4_RULES = {
    "a load takes two cycles: ldr, adds": ("0868d218", {"issue": 2, "loads": 1}),
    "n loads in a row take n + 1: ldr, ldr, ldr, adds": ("08681a682c68f619", {"issue": 4, "loads": 1}),
    "a store hides a load's second cycle: ldr, str, adds": ("08681a60f619", {"issue": 3}),
    "a load waits for its address: ldr, ldr of it, nop": ("0868026800bf", {"issue": 3, "loads": 2}),
    "ldrd takes three and hides nothing: ldrd, ldr, nop": ("d2e90001236800bf", {"issue": 3, "loads": 3}),
    "a store with a register offset takes two: str, nop": ("885000bf", {"issue": 2, "loads": 1}),
    "ldm takes 1 + n: ldm of 3, nop": ("0ec800bf", {"issue": 2, "loads": 3}),
    "push takes 1 + n: push of 3, nop": ("30b500bf", {"issue": 2, "loads": 3}),
    "IT folds behind a 16-bit instruction: cmp, it, moveq": ("884208bf1a46", {"issue": 2}),
    "IT takes a cycle behind a 32-bit one: cmp.w, it, moveq": ("b0eb010f08bf1a46", {"issue": 3}),
    "a division takes two to twelve: sdiv": ("91fbf2f0", {"issue": 1, "dependencies": 5}),
    "a fused multiply-add takes three: vfma": ("a0ee810a", {"issue": 1, "dependencies": 2}),
    "products take one, sums included: smlad, smlad, smlad": ("21fb020021fb023321fb0244", {"issue": 3}),
}


@pytest.mark.parametrize("rule", M4_RULES)
def test_cortex_m4(rule: str) -> None:
    code, expected = M4_RULES[rule]
    assert causes(step(CortexM4(), code).cycles) == expected


def test_cortex_m4_pays_for_every_third_wide_instruction_in_a_row_that_is_not_word_aligned() -> None:
    three = "21fb020021fb023321fb0244"
    assert causes(step(CortexM4(), three, AT + 2).cycles) == {"issue": 3, "alignment": 1}
    assert causes(step(CortexM4(), three * 2, AT + 2).cycles) == {"issue": 6, "alignment": 2}
    assert causes(step(CortexM4(), three[:16], AT + 2).cycles) == {"issue": 2}


def test_cortex_m4_carries_loads_and_runs_into_the_block_that_follows() -> None:
    core = CortexM4()
    first = step(core, "0868")  # ldr
    after = core.step(decode(bytes.fromhex("1a68"), AT), first.after_not_taken)
    assert causes(first.cycles) == {"issue": 1, "loads": 1}
    assert causes(after.cycles) == {"issue": 1}
    assert causes(core.step(decode(bytes.fromhex("1a68"), AT), first.after_taken).cycles) == {
        "issue": 1,
        "loads": 1,
    }


def test_cortex_m4_refills_after_a_branch_that_is_taken() -> None:
    loop = step(CortexM4(), "0138fcd1")  # subs, bne
    assert causes(loop.cycles) == {"issue": 2}
    assert (loop.taken, loop.not_taken) == (2, 0)


M33_RULES = {
    "a load takes one cycle: ldr, adds": ("0868d218", {"issue": 2}),
    "its use in the next instruction waits for one: ldr, adds of it": ("08680130", {"issue": 2, "loads": 1}),
    "ldm takes n: ldm of 3, nop": ("0ec800bf", {"issue": 2, "loads": 2}),
    "sums chain: smlad, smlad": ("21fb020023fb0400", {"issue": 2}),
    "other uses of a product wait for one: smlad, adds": ("21fb02001b18", {"issue": 2, "dependencies": 1}),
    "so do those of sxtb16: sxtb16, smlad": ("2ffa81f020fb0322", {"issue": 2, "dependencies": 1}),
}


@pytest.mark.parametrize("rule", M33_RULES)
def test_cortex_m33(rule: str) -> None:
    code, expected = M33_RULES[rule]
    assert causes(step(CortexM33(), code).cycles) == expected


def test_cortex_m0plus_overlaps_nothing() -> None:
    assert causes(step(CortexM0Plus(), "08681a682c68f619").cycles) == {"issue": 4, "loads": 3}
    assert step(CortexM0Plus(), "0138fcd1").taken == 1
    assert step(CortexM0Plus(), "10bd").taken == 2


LEAVING = {
    "0138fcd1": Leaving.CONDITIONAL,  # bne
    "00f002f8": Leaving.CALL,  # bl
    "8847": Leaving.CALL,  # blx r1
    "7047": Leaving.RETURN,  # bx lr
    "10bd": Leaving.RETURN,  # pop {r4, pc}
    "fee7": Leaving.ALWAYS,  # b .
    "08b1": Leaving.CONDITIONAL,  # cbz
    "dfe800f0": Leaving.INDIRECT,  # tbb
    "0868": Leaving.FALLS,  # ldr
}


@pytest.mark.parametrize("code", LEAVING)
def test_how_a_block_is_left(code: str) -> None:
    assert decode(bytes.fromhex(code), AT)[-1].leaving is LEAVING[code]


def test_long_products_read_what_they_are_added_to() -> None:
    (umlal,) = decode(bytes.fromhex("e2fb0301"), AT)
    assert umlal.accumulates == {"r0", "r1"} <= umlal.reads


def test_what_capstone_does_not_know_is_still_an_instruction() -> None:
    unknown = decode(bytes.fromhex("00ef00ff0868"), AT)  # an MVE instruction, ldr
    assert [instruction.size for instruction in unknown] == [4, 2]


def test_causes_have_one_order() -> None:
    assert [cause.name.lower() for cause in Cause] == list(CAUSES)
    assert [field.name for field in fields(Spent)][1:] == list(CAUSES)


@pytest.mark.parametrize("name", CORES)
def test_every_core_says_what_it_rests_on(name: str) -> None:
    core = CORES[name]()
    assert core.name == name
    assert core.source
    assert hash(core.start) is not None
