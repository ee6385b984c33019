"""How many Thumb instructions lie in a stretch of code.

Source: ARMv7-M Architecture Reference Manual (DDI 0403), section A5.1: a halfword whose five top bits are
11101, 11110 or 11111 begins a 32-bit instruction. Every instruction counts one, IT itself and what it skips
included, as in QEMU under ``-icount``.
"""

from __future__ import annotations

BRANCH_TO_SELF = b"\xfe\xe7"
HINTS = (b"\x10\xbf", b"\x20\xbf", b"\x40\xbf")  # YIELD, WFE, SEV


def count_instructions(code: bytes | bytearray) -> int:
    """Instructions in ``code``, which begins with one; one cut off at the end counts."""
    count = position = 0
    high = code[1::2]
    while position < len(high):
        position += 2 if high[position] >= 0xE8 else 1
        count += 1
    return count


def uses_fpu(code: bytes | bytearray) -> bool:
    """Whether any instruction in ``code`` is the FPU's: of coprocessor 10 or 11 (DDI 0403, section A6.4)."""
    high = code[1::2]
    position = 0
    while position < len(high):
        if high[position] < 0xE8:
            position += 1
            continue
        if high[position] & 0xEC == 0xEC and position + 1 < len(high) and high[position + 1] & 0x0E == 0x0A:
            return True
        position += 2
    return False
