"""The facts of Thumb machine code that a stack analysis needs: lengths, calls, moves of the stack pointer.

Encodings are those of the Armv7-M and Armv8-M Architecture Reference Manuals (DDI 0403, DDI 0553). The length
of an instruction follows from its first halfword alone, so vector instructions need not be known.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """Contents of one section with the places where code (``t``) and literals (``d``) begin, by address."""

    base: int
    data: bytes
    marks: Sequence[tuple[int, str]]

    @property
    def end(self) -> int:
        """The first address behind the section."""
        return self.base + len(self.data)

    def halfword(self, address: int) -> int:
        """Read 16 bits; zeros behind the end."""
        return int.from_bytes(self.data[address - self.base : address - self.base + 2], "little")

    def word(self, address: int) -> int | None:
        """Read 32 bits; ``None`` outside the section."""
        offset = address - self.base
        if not 0 <= offset <= len(self.data) - 4:
            return None
        return int.from_bytes(self.data[offset : offset + 4], "little")


@dataclass(frozen=True)
class Instruction:
    """Address and halfwords of one instruction; ``second`` is ``None`` for a 16-bit one."""

    address: int
    first: int
    second: int | None


def instructions(code: Code, start: int, end: int) -> Iterator[Instruction]:
    """Yield the instructions between two addresses, without literal pools."""
    places = [mark[0] for mark in code.marks]
    address = start
    while address + 2 <= end:
        index = bisect_right(places, address) - 1
        if index >= 0 and code.marks[index][1] == "d":
            following = places[index + 1] if index + 1 < len(places) else end
            address = max(following, address + 2)
            continue
        first = code.halfword(address)
        if first >> 11 >= 0b11101:
            yield Instruction(address, first, code.halfword(address + 2))
            address += 4
        else:
            yield Instruction(address, first, None)
            address += 2


def stack_growth(instruction: Instruction) -> int | None:
    """Bytes that an instruction takes from the stack; ``None`` where that is not a constant."""
    first, second = instruction.first, instruction.second
    if second is None:
        if first & 0xFE00 == 0xB400:  # push {...}
            return 4 * (first & 0x1FF).bit_count()
        if first & 0xFF80 == 0xB080:  # sub sp, #imm
            return 4 * (first & 0x7F)
        # add sp, rm
        return None if first & 0xFF87 == 0x4485 else 0
    if first == 0xE92D:  # push.w {...}
        return 4 * second.bit_count()
    if first == 0xF84D and second & 0x0F00 == 0x0D00:  # str rt, [sp, #-imm]!
        return second & 0xFF
    if first == 0xE96D:  # strd rt, rt2, [sp, #-imm]!
        return 4 * (second & 0xFF)
    if first & 0xFFBF == 0xED2D and second & 0x0E00 == 0x0A00:  # vpush {...}
        return 4 * (second & 0xFF)
    if second & 0x8F00 == 0x0D00:
        immediate = (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF
        if first & 0xFBEF == 0xF1AD:  # sub.w sp, sp, #const
            return _expanded(immediate)
        if first & 0xFBFF == 0xF2AD:  # subw sp, sp, #imm12
            return immediate
        if first & 0xFFEF == 0xEBAD:  # sub.w sp, sp, rm
            return None
    return 0


def sets_stack_pointer(instruction: Instruction) -> bool:
    """Whether an instruction gives the stack pointer a new value from a register."""
    first, second = instruction.first, instruction.second
    if second is None:
        return first & 0xFF87 == 0x4685  # mov sp, rm
    return first & 0xFFF0 == 0xF380 and second == 0x8808  # msr msp, rn


def _expanded(immediate: int) -> int:
    """``ThumbExpandImm`` of a 12-bit immediate."""
    low = immediate & 0xFF
    if immediate >> 10 == 0:
        return (low, low << 16 | low, low << 24 | low << 8, low * 0x01010101)[immediate >> 8]
    rotation = immediate >> 7
    value = 0x80 | immediate & 0x7F
    return (value >> rotation | value << (32 - rotation)) & 0xFFFFFFFF


def is_indirect(instruction: Instruction) -> bool:
    """Whether an instruction calls or jumps to what a register says, other than to return.

    Loads into the program counter are no calls: the compiler returns or switches with them.
    """
    first = instruction.first
    if instruction.second is not None:
        return False
    # blx rm; bx rm and mov pc, rm, if rm is not lr.
    return first & 0xFF87 == 0x4780 or (first & 0xFF87 in {0x4700, 0x4687} and first >> 3 & 15 != 14)


def branches(instruction: Instruction, code: Code) -> Iterator[tuple[int, bool]]:
    """Targets of an instruction, each with whether the return address is kept."""
    pc, first, second = instruction.address + 4, instruction.first, instruction.second
    if second is None:
        if first & 0xF800 == 0xE000:
            yield pc + _signed(first & 0x7FF, 11) * 2, False
        elif first & 0xF000 == 0xD000 and first >> 8 & 15 < 14:
            yield pc + _signed(first & 0xFF, 8) * 2, False
        return
    if first & 0xF800 == 0xF000 and second & 0x8000:
        sign, high, low = first >> 10 & 1, first & 0x3FF, second & 0x7FF
        j1, j2 = second >> 13 & 1, second >> 11 & 1
        if second & 0x1000:
            i1, i2 = 1 ^ j1 ^ sign, 1 ^ j2 ^ sign
            offset = sign << 23 | i1 << 22 | i2 << 21 | high << 11 | low
            yield pc + _signed(offset, 24) * 2, bool(second & 0x4000)
        elif not second & 0x4000 and first >> 7 & 7 != 7:
            offset = sign << 19 | j2 << 18 | j1 << 17 | (first & 0x3F) << 11 | low
            yield pc + _signed(offset, 20) * 2, False
    elif first & 0xFF7F == 0xF85F and second >> 12 == 15:
        # The linker's veneers jump by loading the target.
        offset = second & 0xFFF
        word = code.word((pc & ~3) + (offset if first & 0x80 else -offset))
        if word is not None:
            yield word & ~1, False


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value
