"""The boards whose published images are run: memory map, clock, UARTs and what start-up code waits for, as data.

Sources: reference manuals RM0432 (L4+), RM0385 (F746), RM0455 (H7A3), RM0456 (U5), RM0444 (G0), sections on memory
organisation, RCC, PWR and interrupts; data sheets of the parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from micronets_gen.emulate.stm32 import FAMILIES, Bit, Family, Follower, Oscillators

_KB = 1024
FLASH = 0x08000000


@dataclass(frozen=True)
class Region:
    """Memory: where it begins, how many bytes it has, and whether firmware can write to it."""

    origin: int
    size: int
    writable: bool = True


@dataclass(frozen=True)
class Uart:
    """A UART of the second generation (USARTv2): its registers and the number of its interrupt."""

    base: int
    interrupt: int


@dataclass(frozen=True)
class Board:
    """One board.

    Attributes:
        name: As boards are called in published results.
        core: ``cortex-m4`` and so on.
        clock_hz: Of the core, as the published firmware sets it.
        family: Of the part, as ``micronets_gen.timing.families`` calls it.
        startup: Clocks and supplies of the family; its UARTs are left out, ``uarts`` are those.
        regions: Memory; the image goes to the beginning of the flash at 0x08000000.
        dtcm: Bytes of the memory for data that a Cortex-M7 reads past its cache, at 0x20000000.
    """

    name: str
    core: str
    clock_hz: int
    family: str
    startup: Family
    regions: tuple[Region, ...]
    uarts: tuple[Uart, ...]
    dtcm: int = 0


def _startup(name: str, reset: dict[int, int] | None = None) -> Family:
    family = FAMILIES[name]
    return replace(family, usarts={}, reset={**family.reset, **(reset or {})})


_U5_RCC, _U5_PWR = 0x46020C00, 0x46020800
_U5 = Family(
    oscillators=Oscillators(
        register=_U5_RCC,
        ready=((0, 2), (4, 5), (8, 10), (12, 13), (14, 15)),
        hse=(16, 17),
        plls=((24, 25), (26, 27), (28, 29)),
        pll_source=(_U5_RCC + 0x28, 3),
        pll_sources={1: 2, 2: 10, 3: 17},
        switch=(_U5_RCC + 0x1C, 0, 2),
        switch_mask=3,
        sources=(2, 10, 17, 25),
    ),
    layout=FAMILIES["stm32l4"].layout,
    usarts={},
    gpio=0x42020000,
    followers=(
        Follower(Bit(_U5_RCC + 0xF0, 0), Bit(_U5_RCC + 0xF0, 1)),  # LSE
        Follower(Bit(_U5_RCC + 0xF0, 26), Bit(_U5_RCC + 0xF0, 27)),  # LSI
        Follower(Bit(_U5_PWR + 0x0C, 18), Bit(_U5_PWR + 0x0C, 14)),  # booster
        Follower(Bit(_U5_PWR + 0x0C, 16), Bit(_U5_PWR + 0x3C, 16)),  # ACTVOS follows VOS
        Follower(Bit(_U5_PWR + 0x0C, 17), Bit(_U5_PWR + 0x3C, 17)),
        Follower(Bit(_U5_PWR + 0x08, 1), Bit(_U5_PWR + 0x3C, 1)),  # LDO or SMPS
    ),
    ones=(Bit(_U5_PWR + 0x0C, 15), Bit(_U5_PWR + 0x3C, 15)),  # VOSRDY, ACTVOSRDY
    reset={_U5_RCC: 0x35, 0x40022000: 0x01, 0x40030400: 0x04},
)

_G0_RCC = 0x40021000
_G0 = Family(
    oscillators=Oscillators(
        register=_G0_RCC,
        ready=((8, 10), (22, 23)),
        hse=(16, 17),
        plls=((24, 25),),
        pll_source=(_G0_RCC + 0x0C, 3),
        pll_sources={2: 10, 3: 17},
        switch=(_G0_RCC + 0x08, 0, 3),
        switch_mask=7,
        sources=(10, 17, 25),
    ),
    layout=FAMILIES["stm32l4"].layout,
    usarts={},
    gpio=0x50000000,
    followers=(
        Follower(Bit(_G0_RCC + 0x5C, 0), Bit(_G0_RCC + 0x5C, 1)),  # LSE
        Follower(Bit(_G0_RCC + 0x60, 0), Bit(_G0_RCC + 0x60, 1)),  # LSI
    ),
    reset={_G0_RCC: 0x500, 0x40022000: 0x40600, 0x40007000: 0x208},
)

_APB1 = (0x40004400, 0x40004800, 0x40004C00, 0x40005000)


def _uarts(apb1: tuple[int, ...], others: dict[int, int]) -> tuple[Uart, ...]:
    """USART2, USART3, UART4, UART5 with these interrupts, and others by address."""
    return tuple(
        Uart(base, number) for base, number in {**dict(zip(_APB1, apb1, strict=True)), **others}.items()
    )


BOARDS = (
    Board(
        name="NUCLEO-L4R5ZI",
        core="cortex-m4",
        clock_hz=120_000_000,
        family="stm32l4",
        startup=_startup("stm32l4"),
        regions=(
            Region(FLASH, 2048 * _KB, writable=False),
            Region(0x10000000, 64 * _KB),
            Region(0x1FFF0000, 64 * _KB, writable=False),
            Region(0x20000000, 640 * _KB),
        ),
        uarts=_uarts((38, 39, 52, 53), {0x40013800: 37, 0x40008000: 70}),
    ),
    Board(
        name="NUCLEO-U575ZI-Q",
        core="cortex-m33",
        clock_hz=160_000_000,
        family="stm32u5",
        startup=_U5,
        regions=(
            Region(FLASH, 2048 * _KB, writable=False),
            Region(0x0BF90000, 128 * _KB, writable=False),
            Region(0x20000000, 768 * _KB),
            Region(0x28000000, 16 * _KB),
        ),
        uarts=_uarts((62, 63, 64, 65), {0x40013800: 61, 0x46002400: 66}),
    ),
    Board(
        name="DISCO-F746NG",
        core="cortex-m7",
        clock_hz=216_000_000,
        family="stm32f7",
        startup=_startup("stm32f7"),
        regions=(
            Region(0x00000000, 16 * _KB),
            Region(FLASH, 1024 * _KB, writable=False),
            Region(0x1FF00000, 128 * _KB, writable=False),
            Region(0x20000000, 320 * _KB),
        ),
        uarts=_uarts((38, 39, 52, 53), {0x40011000: 37, 0x40011400: 71, 0x40007800: 82, 0x40007C00: 83}),
        dtcm=64 * _KB,
    ),
    Board(
        name="NUCLEO-H7A3ZI-Q",
        core="cortex-m7",
        clock_hz=280_000_000,
        family="stm32h7",
        startup=_startup("stm32h7", {0x52002000: 0x13}),
        regions=(
            Region(0x00000000, 64 * _KB),
            Region(FLASH, 2048 * _KB, writable=False),
            Region(0x08FFF000, 4 * _KB, writable=False),
            Region(0x20000000, 128 * _KB),
            Region(0x24000000, 1024 * _KB),
            Region(0x30000000, 128 * _KB),
            Region(0x38000000, 32 * _KB),
        ),
        uarts=_uarts(
            (38, 39, 52, 53),
            {0x40011000: 37, 0x40011400: 71, 0x40007800: 82, 0x40007C00: 83, 0x58000C00: 142},
        ),
        dtcm=128 * _KB,
    ),
    Board(
        name="NUCLEO-G0B1RE",
        core="cortex-m0plus",
        clock_hz=64_000_000,
        family="stm32g0",
        startup=_G0,
        regions=(
            Region(FLASH, 512 * _KB, writable=False),
            Region(0x1FFF0000, 64 * _KB, writable=False),
            Region(0x20000000, 144 * _KB),
        ),
        uarts=_uarts((28, 29, 29, 29), {0x40013800: 27, 0x40008000: 29, 0x40008400: 28}),
    ),
)


def board_of(folder: str) -> Board | None:
    """Return the board that a folder of published results is named after, such as ``NUCLEO_U575ZI_int8``."""
    name = folder.replace("_", "-")
    return next((board for board in BOARDS if name.startswith(board.name.removesuffix("-Q"))), None)
