"""Thumb instructions as the core models see them: what they do, what they read and write, how they leave.

Capstone decodes; here its account is completed (flags, accumulators) and reduced to what costs time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Any

from micronets_gen.errors import ToolError

FLAGS = "flags"
"""The condition flags, among the registers that an instruction reads and writes."""


class Kind(Enum):
    """What an instruction occupies in a core."""

    ALU = auto()
    SHIFT = auto()
    EXTEND = auto()
    SATURATE = auto()
    MULTIPLY = auto()
    ACCUMULATE = auto()
    DIVIDE = auto()
    LOAD = auto()
    STORE = auto()
    LOAD_DUAL = auto()
    STORE_DUAL = auto()
    LOAD_MULTIPLE = auto()
    STORE_MULTIPLE = auto()
    BRANCH = auto()
    TABLE_BRANCH = auto()
    IT = auto()
    NOTHING = auto()
    SYSTEM = auto()
    FLOAT = auto()
    FLOAT_MULTIPLY = auto()
    FLOAT_ACCUMULATE = auto()
    FLOAT_DIVIDE = auto()
    FLOAT_MOVE = auto()
    VECTOR = auto()
    VECTOR_MULTIPLY = auto()
    VECTOR_LOAD = auto()
    VECTOR_STORE = auto()
    VECTOR_CONTROL = auto()
    LOOP_START = auto()
    LOOP_END = auto()


LOADS = frozenset({Kind.LOAD, Kind.LOAD_DUAL, Kind.LOAD_MULTIPLE})
STORES = frozenset({Kind.STORE, Kind.STORE_DUAL, Kind.STORE_MULTIPLE})


class Leaving(Enum):
    """How a block ends; the numbers are those of ``enum leaving`` in ``trace.c``."""

    FALLS = 0
    ALWAYS = 1
    CONDITIONAL = 2
    CALL = 3
    RETURN = 4
    INDIRECT = 5


@dataclass(frozen=True)
class Instruction:
    """One decoded instruction.

    Attributes:
        name: Without condition, flags and width: ``ldr``, ``smlad``.
        reads: Registers, :data:`FLAGS` among them; those of the address and the accumulator, too.
        writes: Registers.
        address_reads: Of those read, the ones that make an address.
        accumulates: Of those read, the ones that a product is added to.
        shifted: Of those read, the ones that pass the shifter first.
        words: Transfers to or from memory.
        width: Bytes of each.
        indexed: The address has a register as its offset.
        conditional: Executed under a condition, in an IT block or as a branch.
        leaving: How it changes the flow, or ``FALLS``.
        target: Where a direct branch goes.
    """

    address: int
    size: int
    name: str
    kind: Kind
    reads: frozenset[str]
    writes: frozenset[str]
    address_reads: frozenset[str] = frozenset()
    accumulates: frozenset[str] = frozenset()
    shifted: frozenset[str] = frozenset()
    words: int = 0
    width: int = 4
    indexed: bool = False
    conditional: bool = False
    leaving: Leaving = Leaving.FALLS
    target: int | None = None


_KINDS: dict[Kind, tuple[str, ...]] = {
    Kind.SHIFT: ("lsl", "lsr", "asr", "ror", "rrx"),
    Kind.EXTEND: (
        *("sxtb", "sxth", "uxtb", "uxth", "sxtb16", "uxtb16", "sxtab", "sxtah", "uxtab", "uxtah", "sxtab16"),
        *(
            "uxtab16",
            "pkhbt",
            "pkhtb",
            "ubfx",
            "sbfx",
            "bfi",
            "bfc",
            "sel",
            "rbit",
            "rev",
            "rev16",
            "revsh",
            "clz",
        ),
        *("sadd16", "ssub16", "uadd16", "usub16", "sadd8", "ssub8", "uadd8", "usub8", "shadd16", "shadd8"),
        *("uhadd16", "uhadd8", "sasx", "ssax"),
    ),
    Kind.SATURATE: (
        *("ssat", "usat", "ssat16", "usat16", "qadd", "qsub", "qdadd", "qdsub", "qadd16", "qsub16", "qadd8"),
        *("qsub8", "qasx", "qsax", "uqadd16", "uqadd8", "uqsub16", "uqsub8"),
    ),
    Kind.MULTIPLY: (
        *("mul", "smulbb", "smulbt", "smultb", "smultt", "smulwb", "smulwt", "smuad", "smuadx", "smusd"),
        *("smusdx", "smmul", "smmulr", "umull", "smull"),
    ),
    Kind.ACCUMULATE: (
        *(
            "mla",
            "mls",
            "smlabb",
            "smlabt",
            "smlatb",
            "smlatt",
            "smlawb",
            "smlawt",
            "smlad",
            "smladx",
            "smlsd",
        ),
        *("smlsdx", "smmla", "smmlar", "smmls", "smmlsr", "smlal", "umlal", "smlald", "smlaldx", "smlsld"),
        *("smlsldx", "smlalbb", "smlalbt", "smlaltb", "smlaltt", "umaal", "usad8", "usada8"),
    ),
    Kind.DIVIDE: ("sdiv", "udiv"),
    Kind.LOAD: (
        "ldr",
        "ldrb",
        "ldrh",
        "ldrsb",
        "ldrsh",
        "ldrex",
        "ldrexb",
        "ldrexh",
        "lda",
        "ldab",
        "ldah",
        "vldr",
    ),
    Kind.STORE: ("str", "strb", "strh", "strex", "strexb", "strexh", "stl", "stlb", "stlh", "vstr"),
    Kind.LOAD_DUAL: ("ldrd",),
    Kind.STORE_DUAL: ("strd",),
    Kind.LOAD_MULTIPLE: ("ldm", "ldmdb", "pop", "vldmia", "vldmdb", "vpop"),
    Kind.STORE_MULTIPLE: ("stm", "stmdb", "push", "vstmia", "vstmdb", "vpush"),
    Kind.BRANCH: ("b", "bl", "bx", "blx", "cbz", "cbnz", "bxns", "blxns"),
    Kind.TABLE_BRANCH: ("tbb", "tbh"),
    Kind.IT: ("it",),
    Kind.NOTHING: ("nop", "hint", "pld", "pldw", "pli", "yield"),
    Kind.SYSTEM: ("mrs", "msr", "cps", "dsb", "dmb", "isb", "svc", "bkpt", "wfi", "wfe", "sev", "udf"),
    Kind.FLOAT_MULTIPLY: ("vmul", "vnmul"),
    Kind.FLOAT_ACCUMULATE: ("vmla", "vmls", "vfma", "vfms", "vnmla", "vnmls", "vfnma", "vfnms"),
    Kind.FLOAT_DIVIDE: ("vdiv", "vsqrt"),
    Kind.FLOAT_MOVE: ("vmov", "vmrs", "vmsr", "fmstat", "fconsts", "fconstd"),
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}
_LONG_ACCUMULATORS = ("smlal", "umlal", "smlsl", "umaal")
_WIDTHS = {"b": 1, "h": 2}
_UNSCALED = (
    "add",
    "sub",
    "rsb",
    "and",
    "orr",
    "eor",
    "bic",
    "orn",
    "mvn",
    "mov",
    "cmp",
    "cmn",
    "tst",
    "teq",
    "adc",
    "sbc",
)
_SHIFTED_SOURCES = frozenset(
    {
        *(
            "ubfx",
            "sbfx",
            "bfi",
            "rbit",
            "rev",
            "rev16",
            "revsh",
            "pkhtb",
            "ssat",
            "usat",
            "ssat16",
            "usat16",
        ),
        *("qdadd", "qdsub"),
    }
)
_SHIFTED_LAST = frozenset({"sxtab", "sxtah", "uxtab", "uxtah", "sxtab16", "uxtab16", "pkhbt"})


def decode(code: bytes, address: int) -> tuple[Instruction, ...]:
    """Decode a stretch of straight-line code that begins with an instruction.

    What capstone does not know becomes an ``ALU`` instruction that reads and writes nothing;
    :mod:`micronets_gen.timing.decode_mve` knows vector instructions.

    Raises:
        ToolError: capstone is not installed.
    """
    found: list[Instruction] = []
    engine = _engine()
    position = 0
    while position < len(code):
        for insn in engine.disasm(code[position:], address + position):
            found.append(_instruction(insn))
            position = insn.address + insn.size - address
        if position < len(code):
            size = 4 if code[position + 1] >= 0xE8 else 2
            found.append(Instruction(address + position, size, "unknown", Kind.ALU, frozenset(), frozenset()))
            position += size
    return tuple(found)


@lru_cache(maxsize=1)
def _engine() -> Any:
    try:
        import capstone
    except ImportError:
        raise ToolError(
            "modelled time needs capstone, which decodes instructions",
            remedy="install it: pip install capstone",
        ) from None
    engine = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    engine.detail = True
    return engine


def _instruction(insn: Any) -> Instruction:
    from capstone import arm_const as arm

    name = "ldr" if insn.id == arm.ARM_INS_LDR else insn.insn_name()
    if name == "movs":
        name = "mov"
    kind = _KIND_OF.get(name) or (Kind.FLOAT if name.startswith("v") else Kind.ALU)
    read_ids, write_ids = insn.regs_access()
    reads = {n for r in read_ids for n in _names(insn.reg_name(r))}
    writes = {n for r in write_ids for n in _names(insn.reg_name(r))}
    conditional = insn.cc not in (arm.ARM_CC_AL, arm.ARM_CC_INVALID)
    if conditional:
        reads.add(FLAGS)
    if insn.update_flags or name in ("cmp", "cmn", "tst", "teq"):
        writes.add(FLAGS)
    operands = insn.operands
    base, indexed = _address(insn, operands, arm)
    accumulates = _accumulated(insn, name, kind, operands)
    shifted = _shifted(insn, name, operands, arm)
    leaving, target = _leaving(insn, name, kind, writes, conditional, operands, arm)
    return Instruction(
        address=insn.address,
        size=insn.size,
        name=name,
        kind=kind,
        reads=frozenset(reads | base | accumulates | shifted),
        writes=frozenset(writes - {"pc", "itstate"}),
        address_reads=base,
        accumulates=accumulates,
        shifted=shifted,
        words=_words(kind, name, operands, arm),
        width=_WIDTHS.get(name[-1], 4) if kind in (Kind.LOAD, Kind.STORE) else 4,
        indexed=indexed,
        conditional=conditional or name in ("cbz", "cbnz"),
        leaving=leaving,
        target=target,
    )


def _names(name: str) -> tuple[str, ...]:
    """The registers' names with the flags' many names as one and each double register as its two halves."""
    if name in ("cpsr", "apsr", "apsr_nzcv", "fpscr", "fpscr_nzcv"):
        return (FLAGS,)
    if name.startswith("d") and name[1:].isdigit():
        number = int(name[1:])
        return (f"s{2 * number}", f"s{2 * number + 1}")
    return (name,)


def _address(insn: Any, operands: Any, arm: Any) -> tuple[frozenset[str], bool]:
    """The registers that make the address, and whether one of them is an index."""
    for operand in operands:
        if operand.type == arm.ARM_OP_MEM:
            base = {insn.reg_name(r) for r in (operand.mem.base, operand.mem.index) if r}
            return frozenset(base - {"pc"}), operand.mem.index != 0
    if _KIND_OF.get(insn.insn_name()) in (Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE):
        if insn.insn_name() in ("push", "pop", "vpush", "vpop"):
            return frozenset({"sp"}), False
        return frozenset({insn.reg_name(operands[0].reg)}), False
    return frozenset(), False


def _accumulated(insn: Any, name: str, kind: Kind, operands: Any) -> frozenset[str]:
    if kind is not Kind.ACCUMULATE or len(operands) < 4:
        return frozenset()
    if name.startswith(_LONG_ACCUMULATORS) or name.startswith(("smlald", "smlsld")):
        return frozenset(insn.reg_name(operand.reg) for operand in operands[:2])
    return frozenset({insn.reg_name(operands[3].reg)})


def _shifted(insn: Any, name: str, operands: Any, arm: Any) -> frozenset[str]:
    registers = [operand for operand in operands if operand.type == arm.ARM_OP_REG]
    if name in _SHIFTED_SOURCES:
        through = registers[1:]
    elif name in _SHIFTED_LAST:
        through = registers[-1:]
    elif name in _UNSCALED:
        through = [operand for operand in registers if operand.shift.type != arm.ARM_SFT_INVALID]
    else:
        through = []
    return frozenset(insn.reg_name(operand.reg) for operand in through)


def _words(kind: Kind, name: str, operands: Any, arm: Any) -> int:
    if kind in (Kind.LOAD, Kind.STORE):
        double = name in ("vldr", "vstr") and operands and _is_double(operands[0], arm)
        return 2 if double else 1
    if kind in (Kind.LOAD_DUAL, Kind.STORE_DUAL):
        return 2
    if kind in (Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE):
        listed = operands if name in ("push", "pop", "vpush", "vpop") else operands[1:]
        return sum(2 if _is_double(operand, arm) else 1 for operand in listed)
    return 1 if kind is Kind.TABLE_BRANCH else 0


def _is_double(operand: Any, arm: Any) -> bool:
    return bool(operand.type == arm.ARM_OP_REG and arm.ARM_REG_D0 <= operand.reg <= arm.ARM_REG_D31)


def _leaving(
    insn: Any, name: str, kind: Kind, writes: set[str], conditional: bool, operands: Any, arm: Any
) -> tuple[Leaving, int | None]:
    if kind is Kind.TABLE_BRANCH:
        return Leaving.INDIRECT, None
    if kind is not Kind.BRANCH:
        if "pc" not in writes:
            return Leaving.FALLS, None
        returns = kind in LOADS and "sp" in _address(insn, operands, arm)[0]
        return (Leaving.RETURN if returns else Leaving.INDIRECT), None
    last = operands[-1]
    if last.type == arm.ARM_OP_IMM:
        target = int(last.imm) & 0xFFFFFFFE
        if name == "bl":
            return Leaving.CALL, target
        return (Leaving.CONDITIONAL if conditional or name in ("cbz", "cbnz") else Leaving.ALWAYS), target
    if name.startswith("bx"):
        returns = insn.reg_name(last.reg) == "lr"
        return (Leaving.RETURN if returns else Leaving.INDIRECT), None
    return Leaving.CALL, None
