"""Cortex-M55: vector instructions are decoded, and sequences of them take what LLVM's model says; QEMU is followed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from micronets_gen.boards import cores
from micronets_gen.emulate.errors import EmulationError
from micronets_gen.emulate.image import Image, Segment
from micronets_gen.timing import qemu_trace
from micronets_gen.timing.bands import INDICATIVE, band_of
from micronets_gen.timing.core import Cause, Step
from micronets_gen.timing.cortex_m55 import CortexM55
from micronets_gen.timing.decode import Kind, Leaving, decode
from micronets_gen.timing.decode_mve import decode_with_vectors
from micronets_gen.timing.firmware import CORES, can_model
from tests.unit.test_timing_cores import causes

AT = 0x1100_0000
CORE = CortexM55()

ENCODED = {
    ("b1ec101e", "vldrb.u8 q0, [r1], #16"): ("vldr", "r1", "q0 r1"),
    ("b3ec04af", "vldrb.s32 q5, [r3], #4"): ("vldr", "r3", "q5 r3"),
    ("baed042f", "vldrh.s32 q1, [r2, #8]!"): ("vldr", "r2", "q1 r2"),
    ("9bed047f", "vldrw.u32 q3, [r11, #16]"): ("vldr", "r11", "q3"),
    ("a9ec107e", "vstrb.8 q3, [r9], #16"): ("vstr", "q3 r9", "r9"),
    ("8ded087f", "vstrw.32 q3, [sp, #32]"): ("vstr", "q3 sp", ""),
    ("90ec042f", "vldrb.s32 q1, [r0, q2]"): ("vgather", "q2 r0", "q1"),
    ("9afc452f", "vldrw.u32 q1, [r10, q2, uxtw #2]"): ("vgather", "q2 r10", "q1"),
    ("94fd029e", "vldrw.u32 q4, [q2, #8]"): ("vgather", "q2", "q4"),
    ("b4fd029e", "vldrw.u32 q4, [q2, #8]!"): ("vgather", "q2", "q2 q4"),
    ("84fd029e", "vstrw.32 q4, [q2, #8]"): ("vgather", "q2 q4", ""),
    ("b3fc611f", "vld43.32 {q0, q1, q2, q3}, [r3]!"): ("vldr", "r3", "q0 q1 q2 q3 r3"),
    ("83fca01e", "vst21.16 {q0, q1}, [r3]"): ("vstr", "q0 q1 r3", ""),
    ("faee2c4f", "vmlava.s8 r4, q5, q6"): ("vmladav", "q5 q6 r4", "r4"),
    ("f0ee0c4e", "vmlav.s16 r4, q0, q6"): ("vmladav", "q0 q6", "r4"),
    ("a2ee244e", "vmlalva.s16 r4, r5, q1, q2"): ("vmladav", "q1 q2 r4 r5", "r4 r5"),
    ("f1ee206f", "vaddva.s8 r6, q0"): ("vmladav", "q0 r6", "r6"),
    ("b9ee2e6f", "vaddlva.s32 r6, r7, q7"): ("vmladav", "q7 r6 r7", "r6 r7"),
    ("e2ee065f", "vmaxv.s8 r5, q3"): ("vmaxv", "q3 r5", "r5"),
    ("86ee095f", "vabav.s8 r5, q3, q4"): ("vmaxv", "q3 q4 r5", "r5"),
    ("26ef4468", "vadd.i32 q3, q3, q2"): ("vadd", "q2 q3", "q3"),
    ("24ef5629", "vmul.i32 q1, q2, q3"): ("vmul", "q2 q3", "q1"),
    ("24ff462b", "vqrdmulh.s32 q1, q2, q3"): ("vmul", "q2 q3", "q1"),
    ("11ee08ae", "vmullb.s16 q5, q0, q4"): ("vmul", "q0 q4", "q5"),
    ("13ee470f", "vadd.i16 q0, q1, r7"): ("vadd", "q1 r7", "q0"),
    ("23ee470e", "vmla.s32 q0, q1, r7"): ("vmul", "q0 q1 r7", "q0"),
    ("23fe670e", "vqrdmulh.s32 q0, q1, r7"): ("vmul", "q1 r7", "q0"),
    ("32ee470f", "vadd.f32 q0, q1, r7"): ("vmul", "q1 r7", "q0"),
    ("33ee470e", "vfma.f32 q0, q1, r7"): ("vmul", "q0 q1 r7", "q0"),
    ("02ef540c", "vfma.f32 q0, q1, q2"): ("vfma", "q0 q1 q2", "q0"),
    ("02ef440d", "vadd.f32 q0, q1, q2"): ("vaddf", "q1 q2", "q0"),
    ("12ff540d", "vmul.f16 q0, q1, q2"): ("vmul", "q1 q2", "q0"),
    ("28ef5801", "vmov q0, q4"): ("vadd", "q4", "q0"),
    ("80ef5560", "vmov.i32 q3, #0x5"): ("vmovi", "", "q3"),
    ("24ef4204", "vshl.s32 q0, q1, q2"): ("vadd", "q1 q2", "q0"),
    ("24ef4205", "vrshl.s32 q0, q1, q2"): ("vrshl", "q1 q2", "q0"),
    ("39ee641e", "vshl.s32 q0, r4"): ("vshl", "q0 r4", "q0"),
    ("3bee641e", "vrshl.s32 q0, r4"): ("vrshl", "q0 r4", "q0"),
    ("a1ef5ac0", "vshr.s32 q6, q5, #31"): ("vshr", "q5", "q6"),
    ("bdef5ac2", "vrshr.s32 q6, q5, #3"): ("vrshl", "q5", "q6"),
    ("a8ee420f", "vmovlb.s8 q0, q1"): ("vshr", "q1", "q0"),
    ("9ceec30f", "vshrnb.i32 q0, q1, #4"): ("vmovn", "q0 q1", "q0"),
    ("37ee070e", "vqmovnb.s32 q0, q3"): ("vmovn", "q0 q3", "q0"),
    ("e6ee101b", "vdup.8 q3, r1"): ("vdup", "r1", "q3"),
    ("26ee108b", "vmov.32 q3[1], r8"): ("vmov", "q3 r8", "q3"),
    ("37ee108b", "vmov.32 r8, q3[3]"): ("vmov", "q3", "r8"),
    ("12ec010f", "vmov q0[2], q0[0], r1, r2"): ("vmov", "q0 r1 r2", "q0"),
    ("02ec110f", "vmov r1, r2, q0[3], q0[1]"): ("vmov", "q0", "r1 r2"),
    ("25ee6e0f", "vidup.u32 q0, r4, #1"): ("vidup", "r4", "q0 r4"),
    ("25ee660f", "viwdup.u32 q0, r4, r7, #1"): ("vidup", "r4 r7", "q0 r4"),
    ("21fe020f", "vcmp.i32 eq, q0, q1"): ("vcmp", "q0 q1", "p0"),
    ("05fe471f", "vcmp.s8 ge, q2, r7"): ("vcmp", "q2 r7", "p0"),
    ("31ee020f", "vcmp.f32 eq, q0, q1"): ("vcmp", "q0 q1", "p0"),
    ("71fe4d0f", "vpst"): ("vpst", "", ""),
    ("33fe050f", "vpsel q0, q1, q2"): ("vpsel", "p0 q1 q2", "q0"),
    ("09f001e8", "vctp.8 r9"): ("vctp", "r9", "p0"),
    ("fdee101a", "vmrs r1, p0"): ("vmrs", "p0", "r1"),
    ("edee105a", "vmsr p0, r5"): ("vmrs", "r5", "p0"),
    ("51ea0290", "csinc r0, r1, r2, eq"): ("csel", "flags r1 r2", "r0"),
    ("50eaef01", "asrl r0, r1, #3"): ("asrl", "r0 r1", "r0 r1"),
    ("52ea0d93", "lsll r2, r3, r9"): ("asrl", "r2 r3 r9", "r2 r3"),
    ("54eaff0f", "sqshl r4, #3"): ("asrl", "r4", "r4"),
    ("43f001e0", "dls lr, r3"): ("dls", "r3", "lr"),
    ("1ff009c0", "letp lr, .-12"): ("le", "lr", "lr"),
}
"""Encodings and mnemonics as LLVM's assembler and disassembler have them: name here, registers read and written."""


@pytest.mark.parametrize(("code", "text"), ENCODED)
def test_vectors_loops_and_selections_are_decoded(code: str, text: str) -> None:
    name, reads, writes = ENCODED[code, text]
    (found,) = decode_with_vectors(bytes.fromhex(code), AT)
    assert (found.name, found.size, found.address) == (name, 4, AT)
    assert (" ".join(sorted(found.reads)), " ".join(sorted(found.writes))) == (reads, writes)


def test_pipes_follow_from_what_an_instruction_does() -> None:
    kinds = {text: decode_with_vectors(bytes.fromhex(code), AT)[0].kind for code, text in ENCODED}
    assert kinds["vldrb.u8 q0, [r1], #16"] is Kind.VECTOR_LOAD
    assert kinds["vstrw.32 q3, [sp, #32]"] is Kind.VECTOR_STORE
    assert kinds["vadd.i32 q3, q3, q2"] is kinds["vdup.8 q3, r1"] is Kind.VECTOR
    assert kinds["vmlava.s8 r4, q5, q6"] is kinds["vqrdmulh.s32 q1, q2, q3"] is Kind.VECTOR_MULTIPLY
    assert kinds["vpst"] is kinds["vctp.8 r9"] is Kind.VECTOR_CONTROL


def test_where_loops_lead() -> None:
    le, wls = (decode_with_vectors(bytes.fromhex(code), AT)[0] for code in ("0ff017c0", "09f015c0"))
    assert (le.kind, le.leaving, le.target) == (Kind.LOOP_END, Leaving.CONDITIONAL, AT + 4 - 44)
    assert (wls.kind, wls.reads, wls.target) == (Kind.LOOP_START, {"r9"}, AT + 4 + 40)


def test_scalar_code_is_decoded_as_for_other_cores() -> None:
    """Among them a block of IT, floats and ORR, whose encodings lie beside those of vectors."""
    code = bytes.fromhex("08bf1a4642ea0300b1ee000a2ded108b91fbf2f0")
    assert decode_with_vectors(code, AT) == decode(code, AT)
    mixed = decode_with_vectors(bytes.fromhex("1a4626ef44681a46"), AT)
    assert [(i.address - AT, i.name) for i in mixed] == [(0, "mov"), (2, "vadd"), (6, "mov")]


def step(code: str, state: object = CORE.start) -> Step:
    assert isinstance(state, type(CORE.start))
    return CORE.step(decode_with_vectors(bytes.fromhex(code), AT), state)


LDR, ADD, MUL, STR = "90ed001f", "20ef4428", "22ef5469", "81ed007f"
RULES = {
    "beats overlap in different pipes: vldr, vadd, vmul, vstr": (LDR + ADD + MUL + STR, {"issue": 4}),
    "loads share a pipe: vldr, vldr, vadd": (LDR + "90ed009e" + ADD, {"issue": 3, "loads": 1}),
    "a product is late for sums: vmul, vadd of it": (MUL + "26ef4668", {"issue": 2, "dependencies": 1}),
    "two narrow instructions, one of them simple: adds, lsls": ("401cd200", {"issue": 1}),
    "a result is not there in the same cycle: adds, adds of it": ("401c401c", {"issue": 2}),
    "wide ones issue alone: add.w, adds": ("00f10100491c", {"issue": 2}),
    "none of them simple: lsls, lsls": ("c900d200", {"issue": 2}),
    "a load's value is late: ldr, adds of it": ("0868401c", {"issue": 2, "loads": 1}),
    "products are late: muls, adds of it": ("4843401c", {"issue": 2, "dependencies": 1}),
    "ldm takes n: ldm of 3, nop": ("0ec800bf", {"issue": 2, "loads": 2}),
    "a vector of addresses is needed early: vadd, vldr of it": (
        "26ef4448" + "90ec042f",
        {"issue": 2, "dependencies": 4},
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_cortex_m55(rule: str) -> None:
    code, expected = RULES[rule]
    assert causes(step(code).cycles) == expected


def test_the_end_of_a_loop_is_remembered_and_costs_nothing() -> None:
    """The inner loop of a product of one vector and four: five loads of two cycles, products beside them."""
    loop = "b5ec101eb4ec103ef0ee222fb1ec105ef0ee248fb0ec107ef0ee26afb3ec103ef0ee226f1ff015c0"
    first = step(loop)
    assert first.taken > 0
    again = step(loop, first.after_taken)
    for _ in range(3):
        assert (sum(again.cycles), again.taken, again.cycles[Cause.ISSUE]) == (10, 0, 9)
        again = step(loop, again.after_taken)


def test_a_branch_that_is_taken_refills() -> None:
    assert (step("0138fcd1").taken, step("0138fcd1").not_taken) == (3, 0)
    assert step("401c").taken == 0, "no branch ends the block"


def test_what_is_under_way_is_known_to_the_next_block() -> None:
    ends = step("90ed001f")  # vldrw q0
    assert causes(step("90ed009e", ends.after_not_taken).cycles) == {"issue": 1, "loads": 1}
    assert causes(step("90ed009e", ends.after_taken).cycles) == {"issue": 1, "loads": 1}


def test_every_core_of_a_board_is_modelled() -> None:
    assert set(cores.CORES) <= set(CORES)


def test_its_band_is_wider_than_that_of_cores_with_manuals() -> None:
    band = band_of("cortex-m55", "mps3_an547")
    assert band.images == 0
    assert band.percent > INDICATIVE.percent


def test_it_is_followed_in_qemu_only() -> None:
    assert can_model({"core": "cortex-m55", "emulator": {"kind": "qemu"}}) == ""
    virtual = {"core": "cortex-m55", "emulator": {"kind": "virtual"}}
    assert can_model(virtual) == "the cortex-m55 is followed in QEMU only"


LOG = b"""----------------
IN: first
0x11000000:  4805       ldr      r0, [pc, #0x14]
0x11000002:  f441 0170  orr      r1, r1, #0xf00000
0x11000006:  e7fe       b        #0x11000006

Trace 0: 0x7f01 [0080044a/11000000/00000150/ff000200] first
----------------
IN: second
0x11000010:  eef0       .byte    0xf0, 0xee
0x11000012:  2f22       cmp      r7, #0x22

Trace 0: 0x7f02 [0080044a/11000010/00000150/ff000200] second
Stopped execution of TB chain before 0x7f02 [11000010] second
Trace 0: 0x7f02 [0080044a/11000010/00000150/ff000200] second
Trace 0: 0x7f01 [0080044a/11000000/00000150/ff000200] first
cpu_io_recompile: rewound execution of TB to 11000000
----------------
IN: first
0x11000002:  f441 0170  orr      r1, r1, #0xf00000

Trace 0: 0x7f03 [0080044a/11000002/00000150/ff000200] first
Trace 0: 0x7f01 [0080044a/11000000/00000150/ff000200] first
cpu_io_recompile: rewound execution of TB to 11000000
Trace 0: 0x7f01 [0080044a/11000000/00000150/ff000200] first
Trace 0: 0x7f02 [0080044a/11000010/00000150/ff000200] second
"""


def test_the_blocks_that_qemu_runs_are_read() -> None:
    """One that is stopped before it begins did not run, and one that touches a device ran up to there."""
    assert list(qemu_trace._read(io.BytesIO(LOG))) == [
        (0x1100_0000, 8),
        (0x1100_0010, 4),
        (0x1100_0000, 2),
        (0x1100_0002, 4),
        (0x1100_0000, 8),
    ]


def test_code_is_that_of_the_image() -> None:
    image = Image(Path("a.elf"), (Segment(AT, bytes.fromhex("401c" + LDR)),), (), {})
    assert [i.name for i in qemu_trace.decoded(image, AT + 2, 4)] == ["vldr"]
    with pytest.raises(EmulationError, match="cannot be timed"):
        qemu_trace.decoded(image, AT + 4, 4)
