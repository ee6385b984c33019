"""Memories of the families of parts, set up as the firmware's registers say.

Sources: reference manuals RM0390 (STM32F446) 3.4, RM0385 and RM0410 (STM32F74x, F76x) 3.3, RM0432 (STM32L4+) 3.3,
RM0433 (STM32H743) 4.3, RM0455 (STM32H7A3) 4.3, RM0456 (STM32U5) 7.3 and 8.4, RM0444 (STM32G0) 3.3; Cortex-M7 TRM
DDI 0489, 5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from micronets_gen.timing.memory import IDEAL, Cache, Memory, Span

Register = Callable[[int], int]

_FLASH = (0x0800_0000, 0x081F_FFFF)
_RAM = (0x2000_0000, 0x3FFF_FFFF)
_L4_ACR = 0x4002_2000
_F4_F7_ACR = 0x4002_3C00
_U5_ACR = 0x4002_2000
_U5_ICACHE_CR = 0x4003_0400
_G0_ACR = 0x4002_2000
_H7_ACR = 0x5200_2000
_H7_CDCFGR1 = 0x5802_4418
_CCR = 0xE000_ED14
_KB = 1024
BUS_CYCLES = 5
"""Of the bus before the first word of a line, with a Cortex-M7: fitted to measured images (``benchmarks/timing``)."""


def memory_of(family: str, register: Register, dtcm: int = 0) -> Memory:
    """Return what the memories of a part cost, as its firmware has set them up.

    Args:
        family: Of the board, ``stm32l4``; one that is not known has memories without wait states.
        register: Gives the value of the register at an address.
        dtcm: Bytes of tightly coupled memory for data, of a Cortex-M7.
    """
    make = FAMILIES.get(family)
    return make(register, dtcm) if make is not None else IDEAL


def _stm32l4(register: Register, _dtcm: int) -> Memory:
    """STM32L4+ in dual-bank mode, as delivered: flash words of 8 bytes, caches of 32 lines and of 256 bytes."""
    return _accelerated(
        register(_L4_ACR),
        instructions=Cache(line=32, sets=1, ways=32),
        data=Cache(line=8, sets=1, ways=32),
        source="RM0432, 3.3.3 to 3.3.5",
    )


def _stm32f4(register: Register, _dtcm: int) -> Memory:
    """STM32F4: the ART accelerator, 64 lines of 128 bits for instructions and 8 for data."""
    return _accelerated(
        register(_F4_F7_ACR),
        instructions=Cache(line=16, sets=1, ways=64),
        data=Cache(line=16, sets=1, ways=8),
        source="RM0090 and RM0390, 3.4: ART accelerator",
    )


def _accelerated(acr: int, instructions: Cache, data: Cache, source: str) -> Memory:
    """Flash behind an accelerator of its own: a miss costs the wait states.

    The second cycle of a load is the first of its wait states: the same firmware with its weights in RAM and in flash
    of five wait states differs by 4.0 cycles for each 8 bytes (MLPerf Tiny 1.2, NUCLEO-L4R5ZI, ad).

    Args:
        acr: FLASH_ACR: wait states, and whether it prefetches and either cache is on; one that is off leaves a word.
        instructions: The cache of instructions.
        data: That of data, whose lines are the flash's words.
        source: Where both stand.
    """
    waits, ahead = acr & 15, bool(acr >> 8 & 1)
    word = Cache(line=data.line, sets=1, ways=1)
    instructions = instructions if acr >> 9 & 1 else word
    data = data if acr >> 10 & 1 else word
    return Memory(
        caches=(instructions, data),
        spans=(
            Span(
                *_FLASH,
                fetch=0,
                data=1,
                fetch_miss=waits,
                fetch_next=0 if ahead else waits,
                data_miss=max(0, waits - 1),
            ),
        ),
        description=f"flash of {waits} wait states{' with prefetch' if ahead else ''}, instruction cache of "
        f"{instructions.size:,} bytes, data cache of {data.size:,} bytes in words of {data.line}",
        source=source,
    )


def _stm32f7(register: Register, dtcm: int) -> Memory:
    """STM32F74x (4 KB of each cache) and F76x (16 KB); its accelerator serves the flash's other address alone."""
    size = 4 if dtcm <= 64 * _KB else 16
    return _cached(
        register, register(_F4_F7_ACR) & 15, ram=2, size=size * _KB, ratio=1, dtcm=dtcm, source="RM0385, 3.3"
    )


def _stm32h7(register: Register, dtcm: int) -> Memory:
    """STM32H7: caches of 16 KB; the bus runs at the core's clock or a part of it."""
    prescaler = register(_H7_CDCFGR1) & 15
    ratio = 1 if prescaler < 8 else 2 << (prescaler - 8) if prescaler < 12 else 4 << (prescaler - 8)
    return _cached(
        register,
        register(_H7_ACR) & 15,
        ram=1,
        size=16 * _KB,
        ratio=ratio,
        dtcm=dtcm,
        source="RM0433 and RM0455, 4.3 and 8.7",
    )


def _cached(
    register: Register, waits: int, *, ram: int, size: int, ratio: int, dtcm: int, source: str
) -> Memory:
    """Memories behind the caches of a Cortex-M7, over a bus of the core's clock divided by ``ratio``.

    ``ram`` and ``waits + 1`` are the bus cycles of a first word; ``size`` is that of each cache. Stores never wait.
    """
    enabled = register(_CCR)
    instructions = Cache(32, size // 64, 2, random=True) if enabled >> 17 & 1 else Cache(8, 1, 1)
    cached = bool(enabled >> 16 & 1)

    def span(first: int, last: int, first_word: int) -> Span:
        miss = (BUS_CYCLES + first_word) * ratio
        return Span(
            first, last, fetch=0, data=1 if cached else None, fetch_miss=miss, fetch_next=miss, data_miss=miss
        )

    return Memory(
        caches=(instructions, Cache(32, size // 128, 4, random=True)) if cached else (instructions,),
        spans=(span(*_FLASH, waits + 1), span(_RAM[0] + dtcm, _RAM[1], ram)),
        description=f"flash of {waits} wait states, bus at the core's clock{f' / {ratio}' if ratio > 1 else ''}, "
        f"instruction cache of {instructions.size:,} bytes, "
        f"{f'data cache of {size:,} bytes' if cached else 'no data cache'}",
        source=f"{source}; Cortex-M7 TRM DDI 0489, 5.2",
    )


def _stm32u5(register: Register, _dtcm: int) -> Memory:
    """STM32U5: one cache of 8 KB for instructions and data of the flash, of one way or two."""
    waits = register(_U5_ACR) & 15
    control = register(_U5_ICACHE_CR)
    ways = 2 if control >> 2 & 1 else 1
    cache = Cache(line=16, sets=512 // ways, ways=ways) if control & 1 else Cache(line=16, sets=1, ways=1)
    miss = waits + 1  # the flash is asked once the cache has answered
    return Memory(
        caches=(cache,),
        spans=(Span(*_FLASH, fetch=0, data=0, fetch_miss=miss, fetch_next=miss, data_miss=miss),),
        description=f"flash of {waits} wait states, cache of {cache.size:,} bytes for instructions and data",
        source="RM0456, 7.3.3 and 8.4",
    )


def _stm32g0(register: Register, _dtcm: int) -> Memory:
    """STM32G0: two buffers of 64 bits for instructions, none for data."""
    acr = register(_G0_ACR)
    waits = acr & 7
    buffers = Cache(line=8, sets=1, ways=2 if acr >> 9 & 1 else 1)
    return Memory(
        caches=(buffers,),
        spans=(
            Span(
                *_FLASH,
                fetch=0,
                fetch_miss=waits,
                fetch_next=0 if acr >> 8 & 1 else waits,
                data_miss=waits,
            ),
        ),
        description=f"flash of {waits} wait states{' with prefetch' if acr >> 8 & 1 else ''}, "
        f"instruction cache of {buffers.size} bytes",
        source="RM0444, 3.3.4 and 3.3.5",
    )


FAMILIES: Mapping[str, Callable[[Register, int], Memory]] = {
    "stm32l4": _stm32l4,
    "stm32f4": _stm32f4,
    "stm32f7": _stm32f7,
    "stm32h7": _stm32h7,
    "stm32u5": _stm32u5,
    "stm32g0": _stm32g0,
}
"""By the families of ``templates/soc``, and two of boards whose published images the model was tried on."""
