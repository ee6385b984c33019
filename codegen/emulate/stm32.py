"""What STM32 firmware waits for at start-up, as data: which status bit follows which control bit.

Sources: reference manuals RM0390 (F446), RM0385 (F746), RM0410 (F767), RM0432 (L4+), RM0433 (H743), sections
on RCC, PWR, GPIO and USART.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bit:
    """One bit of a register."""

    address: int
    bit: int


@dataclass(frozen=True)
class Follower:
    """A status bit that becomes what its control bit is."""

    control: Bit
    status: Bit


@dataclass(frozen=True)
class Oscillators:
    """The clock sources and the switch between them.

    Attributes:
        register: Holds every enable and ready bit.
        ready: (enable, ready) of each internal source.
        hse: (enable, ready).
        plls: (enable, ready) of each PLL.
        pll_source: Register and mask of the PLLs' source.
        pll_sources: Ready bit of each source, by the masked value.
        switch: Register with the wanted source, lowest bit, and lowest bit of the field with the one in use.
        switch_mask: Mask of either field at bit 0.
        sources: Ready bits in the order of the switch's values.
    """

    register: int
    ready: tuple[tuple[int, int], ...]
    hse: tuple[int, int]
    plls: tuple[tuple[int, int], ...]
    pll_source: tuple[int, int]
    pll_sources: dict[int, int]
    switch: tuple[int, int, int]
    switch_mask: int
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Usart:
    """A USART: its registers and the bit that gives it a clock."""

    base: int
    clock: Bit


@dataclass(frozen=True)
class UsartLayout:
    """Offsets of the registers and positions of the bits of one generation of USARTs."""

    control: int
    baud: int
    status: int
    transmit: int
    enable: int
    transmitter: int
    acknowledge: int = 0


@dataclass(frozen=True)
class Family:
    """One STM32 family.

    Attributes:
        gpio: Address of port A; each port takes 0x400.
        supplies: Bits without which the pins of a port have no supply, by port.
        ones: Status bits that read as one.
        reset: Registers that are not zero after reset.
    """

    oscillators: Oscillators
    layout: UsartLayout
    usarts: dict[str, Usart]
    gpio: int
    followers: tuple[Follower, ...] = ()
    ones: tuple[Bit, ...] = ()
    reset: dict[int, int] = field(default_factory=dict)
    supplies: dict[str, Bit] = field(default_factory=dict)


_USART_1 = UsartLayout(control=0x0C, baud=0x08, status=0x00, transmit=0x04, enable=13, transmitter=3)
_USART_2 = UsartLayout(
    control=0x00,
    baud=0x0C,
    status=0x1C,
    transmit=0x28,
    enable=0,
    transmitter=3,
    acknowledge=1 << 21 | 1 << 22,
)


def _usarts(
    apb1: int, apb2: int, addresses: dict[str, int], bits: dict[str, tuple[int, int]]
) -> dict[str, Usart]:
    """USARTs whose clock bit is (bus, bit)."""
    return {
        name: Usart(addresses[name], Bit({1: apb1, 2: apb2}[bus], bit)) for name, (bus, bit) in bits.items()
    }


_APB1_USARTS = {"USART2": 0x40004400, "USART3": 0x40004800, "UART4": 0x40004C00, "UART5": 0x40005000}
_APB1_BITS = {"USART2": (1, 17), "USART3": (1, 18), "UART4": (1, 19), "UART5": (1, 20)}
_F4_BITS = {**_APB1_BITS, "USART1": (2, 4), "USART6": (2, 5)}
_F7_BITS = {**_F4_BITS, "UART7": (1, 30), "UART8": (1, 31)}
_F7_USARTS = {
    **_APB1_USARTS,
    "USART1": 0x40011000,
    "USART6": 0x40011400,
    "UART7": 0x40007800,
    "UART8": 0x40007C00,
}

_F4_F7_RCC = 0x40023800
_F4_F7_PWR = 0x40007000
_F4_F7_OSCILLATORS = Oscillators(
    register=_F4_F7_RCC,
    ready=((0, 1),),
    hse=(16, 17),
    plls=((24, 25), (26, 27), (28, 29)),
    pll_source=(_F4_F7_RCC + 0x04, 1 << 22),
    pll_sources={0: 1, 1 << 22: 17},
    switch=(_F4_F7_RCC + 0x08, 0, 2),
    switch_mask=3,
    sources=(1, 17, 25),
)
_F4_F7_FOLLOWERS = (
    Follower(Bit(_F4_F7_RCC + 0x70, 0), Bit(_F4_F7_RCC + 0x70, 1)),  # LSE
    Follower(Bit(_F4_F7_RCC + 0x74, 0), Bit(_F4_F7_RCC + 0x74, 1)),  # LSI
    Follower(Bit(_F4_F7_PWR, 16), Bit(_F4_F7_PWR + 4, 16)),  # over-drive
    Follower(Bit(_F4_F7_PWR, 17), Bit(_F4_F7_PWR + 4, 17)),  # over-drive switching
)
_F4_F7_RESET = {
    _F4_F7_RCC: 0x81,
    _F4_F7_RCC + 0x04: 0x24003010,
    _F4_F7_PWR: 0xC000,
}


def _f4_f7(layout: UsartLayout, bits: dict[str, tuple[int, int]]) -> Family:
    return Family(
        oscillators=_F4_F7_OSCILLATORS,
        layout=layout,
        usarts=_usarts(_F4_F7_RCC + 0x40, _F4_F7_RCC + 0x44, _F7_USARTS, bits),
        gpio=0x40020000,
        followers=_F4_F7_FOLLOWERS,
        ones=(Bit(_F4_F7_PWR + 4, 14),),  # VOSRDY
        reset=_F4_F7_RESET,
    )


_L4_RCC = 0x40021000
_L4 = Family(
    oscillators=Oscillators(
        register=_L4_RCC,
        ready=((0, 1), (8, 10)),
        hse=(16, 17),
        plls=((24, 25), (26, 27), (28, 29)),
        pll_source=(_L4_RCC + 0x0C, 3),
        pll_sources={1: 1, 2: 10, 3: 17},
        switch=(_L4_RCC + 0x08, 0, 2),
        switch_mask=3,
        sources=(1, 10, 17, 25),
    ),
    layout=_USART_2,
    usarts={
        **_usarts(
            _L4_RCC + 0x58,
            _L4_RCC + 0x60,
            {**_APB1_USARTS, "USART1": 0x40013800},
            {**_APB1_BITS, "USART1": (2, 14)},
        ),
        "LPUART1": Usart(0x40008000, Bit(_L4_RCC + 0x5C, 0)),
    },
    gpio=0x48000000,
    followers=(
        Follower(Bit(_L4_RCC + 0x90, 0), Bit(_L4_RCC + 0x90, 1)),  # LSE
        Follower(Bit(_L4_RCC + 0x94, 0), Bit(_L4_RCC + 0x94, 1)),  # LSI
        Follower(Bit(_L4_RCC + 0x98, 0), Bit(_L4_RCC + 0x98, 1)),  # HSI48
    ),
    reset={_L4_RCC: 0x61, 0x40007000: 0x200, 0x40007080: 0x100, 0x40022000: 0x600},
    supplies={"G": Bit(0x40007004, 9)},  # PWR_CR2 IOSV: VDDIO2
)

_H7_RCC = 0x58024400
_H7_PWR = 0x58024800
_H7 = Family(
    oscillators=Oscillators(
        register=_H7_RCC,
        ready=((0, 2), (7, 8), (12, 13)),
        hse=(16, 17),
        plls=((24, 25), (26, 27), (28, 29)),
        pll_source=(_H7_RCC + 0x28, 3),
        pll_sources={0: 2, 1: 8, 2: 17},
        switch=(_H7_RCC + 0x10, 0, 3),
        switch_mask=7,
        sources=(2, 8, 17, 25),
    ),
    layout=_USART_2,
    usarts={
        **_usarts(_H7_RCC + 0xE8, _H7_RCC + 0xF0, _F7_USARTS, _F7_BITS),
        "LPUART1": Usart(0x58000C00, Bit(_H7_RCC + 0xF4, 3)),
    },
    gpio=0x58020000,
    followers=(
        Follower(Bit(_H7_RCC + 0x70, 0), Bit(_H7_RCC + 0x70, 1)),  # LSE
        Follower(Bit(_H7_RCC + 0x74, 0), Bit(_H7_RCC + 0x74, 1)),  # LSI
        Follower(Bit(_H7_PWR + 0x18, 14), Bit(_H7_PWR + 4, 14)),  # ACTVOS follows VOS
        Follower(Bit(_H7_PWR + 0x18, 15), Bit(_H7_PWR + 4, 15)),
    ),
    ones=(
        Bit(_H7_RCC, 5),  # HSIDIVF
        Bit(_H7_RCC, 14),  # D1CKRDY
        Bit(_H7_RCC, 15),  # D2CKRDY
        Bit(_H7_PWR + 0x04, 13),  # ACTVOSRDY
        Bit(_H7_PWR + 0x18, 13),  # VOSRDY
    ),
    reset={
        _H7_RCC: 0x01,
        _H7_RCC + 0x28: 0x02020200,
        _H7_PWR: 0xF000C000,
        _H7_PWR + 0x0C: 0x00000006,
        _H7_PWR + 0x18: 0x00004000,
        0x52002000: 0x37,
    },
)

FAMILIES = {
    "stm32f4": _f4_f7(_USART_1, _F4_BITS),
    "stm32f7": _f4_f7(_USART_2, _F7_BITS),
    "stm32l4": _L4,
    "stm32h7": _H7,
}
