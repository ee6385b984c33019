"""Memories of the families of parts, set up as the firmware's registers say.

Sources: reference manuals RM0390 (STM32F446) 3.4, RM0385 and RM0410 (STM32F74x, F76x) 3.3, RM0432 (STM32L4+) 3.3,
RM0433 (STM32H743) 4.3; Cortex-M7 TRM DDI 0489, 5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from micronets_gen.timing.memory import IDEAL, Cache, Memory, Span

Register = Callable[[int], int]

_FLASH = (0x0800_0000, 0x081F_FFFF)
_L4_ACR = 0x4002_2000
_F4_F7_ACR = 0x4002_3C00


def memory_of(family: str, register: Register) -> Memory:
    """Return what the memories of a part cost, as its firmware has set them up.

    Args:
        family: Of the board, ``stm32l4``; one that is not known has memories without wait states.
        register: Gives the value of the register at an address.
    """
    make = FAMILIES.get(family)
    return make(register) if make is not None else IDEAL


def _stm32l4(register: Register) -> Memory:
    """STM32L4+ in dual-bank mode, as delivered: flash words of 8 bytes, caches of 32 lines and of 256 bytes."""
    acr = register(_L4_ACR)
    waits = acr & 15
    return _accelerated(
        waits,
        instructions=Cache(line=32, sets=1, ways=32) if acr >> 9 & 1 else Cache(line=8, sets=1, ways=1),
        data=Cache(line=8, sets=1, ways=32) if acr >> 10 & 1 else Cache(line=8, sets=1, ways=1),
        ahead=bool(acr >> 8 & 1),
        source="RM0432, 3.3.3 to 3.3.5",
    )


def _stm32f4(register: Register) -> Memory:
    """STM32F4: the ART accelerator, 64 lines of 128 bits for instructions and 8 for data."""
    acr = register(_F4_F7_ACR)
    waits = acr & 15
    return _accelerated(
        waits,
        instructions=Cache(line=16, sets=1, ways=64) if acr >> 9 & 1 else Cache(line=16, sets=1, ways=1),
        data=Cache(line=16, sets=1, ways=8) if acr >> 10 & 1 else Cache(line=16, sets=1, ways=1),
        ahead=bool(acr >> 8 & 1),
        source="RM0090 and RM0390, 3.4: ART accelerator",
    )


def _accelerated(waits: int, instructions: Cache, data: Cache, ahead: bool, source: str) -> Memory:
    """Flash behind an accelerator of its own: a miss costs the wait states."""
    return Memory(
        caches=(instructions, data),
        spans=(
            Span(
                *_FLASH,
                fetch=0,
                data=1,
                fetch_miss=waits,
                fetch_next=0 if ahead else waits,
                data_miss=waits,
            ),
        ),
        description=f"flash of {waits} wait states{' with prefetch' if ahead else ''}, instruction cache of "
        f"{instructions.size:,} bytes, data cache of {data.size:,} bytes in words of {data.line}",
        source=source,
    )


FAMILIES: Mapping[str, Callable[[Register], Memory]] = {"stm32l4": _stm32l4, "stm32f4": _stm32f4}
"""By the families of ``templates/soc``."""
