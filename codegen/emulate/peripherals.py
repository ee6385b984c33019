"""The registers that firmware touches on the virtual board.

Every register keeps what was written to it. On top lie models of what start-up code waits for or reads: clock
and power status, the USART, the core's identification, the cycle counter and SysTick. Both counters count
instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from .errors import EmulationError
from .stm32 import FAMILIES, Bit, Family, Usart

_WINDOWS = ((0x40000000, 0x20000000), (0xE0000000, 0x00100000))

_DWT_CTRL = 0xE0001000
_DWT_CYCCNT = 0xE0001004
_DWT_LAR = 0xE0001FB0
_DWT_LSR = 0xE0001FB4
_DWT_UNLOCK = 0xC5ACCE55
_SYST_CSR = 0xE000E010
_SYST_RVR = 0xE000E014
_SYST_CVR = 0xE000E018
_CPUID = 0xE000ED00
_AIRCR = 0xE000ED0C
_CCR = 0xE000ED14
_CLIDR = 0xE000ED78
_CTR = 0xE000ED7C
_CCSIDR = 0xE000ED80
_CSSELR = 0xE000ED84
_CPACR = 0xE000ED88
_MPU_TYPE = 0xE000ED90
_DEMCR = 0xE000EDFC

#: Registers whose value depends on how many instructions were executed, as inclusive address ranges.
COUNTING = ((_DWT_CTRL, _DWT_CYCCNT + 3), (_SYST_CSR, _SYST_CVR + 3), (_DEMCR, _DEMCR + 3))

# Technical Reference Manuals, "CPUID Base Register": DDI 0432, 0484, 0337, 0439, 0489, 100230.
_CPUIDS = {
    "cortex-m0": 0x410CC200,
    "cortex-m0plus": 0x410CC601,
    "cortex-m3": 0x412FC231,
    "cortex-m4": 0x410FC241,
    "cortex-m7": 0x411FC270,
    "cortex-m33": 0x410FD214,
}
_M7_DATA_CACHE = 0xF003E019  # 4 KB: 32 sets of 4 lines of 32 bytes
_M7_INSTRUCTION_CACHE = 0xF007E009  # 4 KB: 64 sets of 2 lines


def map_registers(
    engine: Any, read: Callable[[int, int], int], write: Callable[[int, int, int], None]
) -> None:
    """Lets functions answer for the addresses of peripherals and of the core's own registers.

    Args:
        engine: ``unicorn.Uc``.
        read: Given address and bytes, what a load gives.
        write: Given address, bytes and value, what a store does.
    """
    for base, size in _WINDOWS:
        engine.mmio_map(
            base,
            size,
            lambda _uc, offset, width, base: read(base + offset, width),
            base,
            lambda _uc, offset, width, value, base: write(base + offset, width, value),
            base,
        )


@dataclass(frozen=True)
class Terminal:
    """The UART whose bytes are the firmware's output.

    Attributes:
        instance: Such as ``USART3``; empty: any.
        tx: Pin it must drive, such as ``PD8``; empty: do not care.
        alternate: Alternate function that connects them.
    """

    instance: str = ""
    tx: str = ""
    alternate: int = 0


class Peripherals:
    """The register file of one board.

    Args:
        core: ``cortex-m4`` and so on.
        family: ``stm32f7`` and so on, or the family itself; one without a model has registers that keep their
            value, and no UART.
        terminal: The UART whose bytes are the output.
        executed: Instructions executed before the one that accesses a register.
        emit: Takes each byte that leaves the UART.
        clock_fails: Neither the external oscillator nor a PLL starts.
    """

    def __init__(
        self,
        core: str,
        family: str | Family,
        terminal: Terminal,
        *,
        executed: Callable[[], int],
        emit: Callable[[bytes], None],
        clock_fails: bool = False,
    ) -> None:
        self._words: dict[int, int] = {}
        self._reads: dict[int, Callable[[], int]] = {}
        self._writes: dict[int, Callable[[int], None]] = {}
        self._executed = executed
        self._emit = emit
        self._core(core)
        self._cycles = _CycleCounter(self, executed, locked=core == "cortex-m7")
        self._systick = _SysTick(self, executed)
        self._lost = ""
        self._polled = 0
        model = family if isinstance(family, Family) else FAMILIES.get(family)
        if model is not None:
            self._words.update(model.reset)
            self._clocks(model, clock_fails)
            self._serial(model, terminal)

    def read(self, address: int, size: int) -> int:
        """What a load of ``size`` bytes gives."""
        word = address & ~3
        self._polled = word
        answer = self._reads.get(word)
        value = answer() if answer is not None else self._words.get(word, 0)
        return value >> (address & 3) * 8 & (1 << size * 8) - 1

    def write(self, address: int, size: int, value: int) -> None:
        """What a store of ``size`` bytes does."""
        word = address & ~3
        if size < 4:
            shift, mask = (address & 3) * 8, (1 << size * 8) - 1
            value = self._words.get(word, 0) & ~(mask << shift) | (value & mask) << shift
        accept = self._writes.get(word)
        if accept is not None:
            accept(value)
        else:
            self._words[word] = value

    def word(self, address: int) -> int:
        """What was last written to a register, or its reset value."""
        return self._words.get(address, 0)

    def store(self, address: int, value: int) -> None:
        """Sets a register, past its model."""
        self._words[address] = value

    def model(
        self, address: int, read: Callable[[], int] | None = None, write: Callable[[int], None] | None = None
    ) -> None:
        """Lets functions answer for a register."""
        if read is not None:
            self._reads[address] = read
        if write is not None:
            self._writes[address] = write

    @property
    def fpu_enabled(self) -> bool:
        """CPACR gives full access to coprocessors 10 and 11."""
        return self.word(_CPACR) >> 20 & 15 == 15

    @property
    def lost(self) -> str:
        """Why the last byte written to a UART did not arrive; empty where it did."""
        return self._lost

    def hints(self) -> list[str]:
        """What explains a firmware that hangs or stays silent."""
        found = []
        if self._lost:
            found.append(f"bytes written to the UART were lost: {self._lost}")
        if self._systick.interrupts:
            found.append("SysTick interrupts are enabled, and the virtual board takes no interrupts")
        if self._polled:
            found.append(f"the last register read is 0x{self._polled:08x}")
        return found

    def _core(self, core: str) -> None:
        self._words[_CPUID] = _CPUIDS.get(core, 0)
        self._words[_CCR] = 0x00040200 if core == "cortex-m7" else 0x00000200
        self._words[_MPU_TYPE] = 0x800
        self._reads[_CPUID] = lambda: _CPUIDS.get(core, 0)
        self._reads[_MPU_TYPE] = lambda: 0x800
        self._reads[_AIRCR] = lambda: 0xFA050000 | self.word(_AIRCR) & 0x700
        self._writes[_AIRCR] = self._reset_request
        if core == "cortex-m7":
            self._words[_CLIDR] = 0x09000003
            self._words[_CTR] = 0x8303C003
            self._reads[_CCSIDR] = lambda: _M7_INSTRUCTION_CACHE if self.word(_CSSELR) & 1 else _M7_DATA_CACHE

    def _reset_request(self, value: int) -> None:
        if value >> 16 != 0x05FA:
            return
        if value & 5:
            raise EmulationError("the firmware resets the processor (AIRCR.SYSRESETREQ)")
        self._words[_AIRCR] = value & 0xFFFF

    def _clocks(self, family: Family, clock_fails: bool) -> None:
        clocks = family.oscillators

        def status() -> int:
            value = self.word(clocks.register)
            for enable, ready in (*clocks.ready, clocks.hse, *clocks.plls):
                value = value & ~(1 << ready) | (value >> enable & 1) << ready
            if clock_fails:
                value &= ~(1 << clocks.hse[1])
            source, mask = clocks.pll_source
            oscillator = clocks.pll_sources.get(self.word(source) & mask)
            if clock_fails or oscillator is None or not value >> oscillator & 1:
                for _, ready in clocks.plls:
                    value &= ~(1 << ready)
            return value

        register, wanted, used = clocks.switch
        in_use = 0

        def switch() -> int:
            nonlocal in_use
            value = self.word(register)
            choice = value >> wanted & clocks.switch_mask
            if choice < len(clocks.sources) and status() >> clocks.sources[choice] & 1:
                in_use = choice
            return value & ~(clocks.switch_mask << used) | in_use << used

        plain: dict[int, Callable[[], int]] = {clocks.register: status, register: switch}
        followers: dict[int, list[tuple[Bit, int]]] = {}
        ones: dict[int, int] = {}
        for follower in family.followers:
            followers.setdefault(follower.status.address, []).append((follower.control, follower.status.bit))
        for bit in family.ones:
            ones[bit.address] = ones.get(bit.address, 0) | 1 << bit.bit
        for address in {*plain, *followers, *ones}:
            self._reads[address] = self._status(
                plain.get(address) or partial(self.word, address),
                followers.get(address, []),
                ones.get(address, 0),
            )

    def _status(
        self, plain: Callable[[], int], followers: list[tuple[Bit, int]], ones: int
    ) -> Callable[[], int]:
        def read() -> int:
            value = plain() | ones
            for control, bit in followers:
                value = value & ~(1 << bit) | (self.word(control.address) >> control.bit & 1) << bit
            return value

        return read

    def _serial(self, family: Family, terminal: Terminal) -> None:
        layout = family.layout
        for name, usart in family.usarts.items():
            control = usart.base + layout.control

            def enabled(control: int = control) -> int:
                value = self.word(control)
                return value >> layout.enable & value >> layout.transmitter & 1

            def status(enabled: Callable[[], int] = enabled) -> int:
                return 0xC0 | (layout.acknowledge if enabled() else 0)  # TXE and TC

            def transmit(value: int, name: str = name, usart: Usart = usart) -> None:
                self._lost = self._reason_of_loss(family, name, usart, terminal)
                if not self._lost:
                    self._emit(bytes((value & 0xFF,)))

            self.model(usart.base + layout.status, read=status, write=lambda _: None)
            self.model(usart.base + layout.transmit, read=lambda: 0, write=transmit)

    def _reason_of_loss(self, family: Family, name: str, usart: Usart, terminal: Terminal) -> str:
        layout = family.layout
        control = self.word(usart.base + layout.control)
        if terminal.instance not in ("", name):
            return f"they went to {name}, and the board's virtual COM port is on {terminal.instance}"
        if not self._is_set(usart.clock):
            return f"{name} has no clock (RCC, 0x{usart.clock.address:08x} bit {usart.clock.bit})"
        if not control >> layout.enable & 1 or not control >> layout.transmitter & 1:
            return f"{name} or its transmitter is not enabled"
        if not self.word(usart.base + layout.baud):
            return f"{name} has no baud rate"
        return self._reason_of_pin(family, terminal.tx, terminal.alternate) if terminal.tx else ""

    def _reason_of_pin(self, family: Family, tx: str, alternate: int) -> str:
        port, pin = tx[1], int(tx[2:])
        base = family.gpio + 0x400 * (ord(port) - ord("A"))
        if self.word(base) >> 2 * pin & 3 != 2:
            return f"pin {tx} is not in alternate function mode"
        if self.word(base + 0x20 + 4 * (pin // 8)) >> 4 * (pin % 8) & 15 != alternate:
            return f"pin {tx} is not connected to alternate function {alternate}"
        supply = family.supplies.get(port)
        if supply is not None and not self._is_set(supply):
            return f"port {port} has no supply (PWR, 0x{supply.address:08x} bit {supply.bit})"
        return ""

    def _is_set(self, bit: Bit) -> bool:
        return bool(self.word(bit.address) >> bit.bit & 1)


class _CycleCounter:
    """DWT CYCCNT (ARMv7-M, DDI 0403, section C1.8), advancing by one an instruction."""

    def __init__(self, registers: Peripherals, executed: Callable[[], int], *, locked: bool) -> None:
        self._registers = registers
        self._executed = executed
        self._locked = locked
        self._running = False
        self._start = 0
        self._base = 0
        registers.store(_DWT_CTRL, 0x40000000)
        registers.model(_DWT_CYCCNT, self._value, self._set)
        registers.model(_DWT_CTRL, write=self._control)
        registers.model(_DEMCR, write=self._monitor)
        if locked:
            registers.model(_DWT_LAR, lambda: 0, self._unlock)
            registers.model(_DWT_LSR, lambda: 3 if self._locked else 1)

    def _value(self) -> int:
        return (self._base + (self._executed() - self._start if self._running else 0)) & 0xFFFFFFFF

    def _set(self, value: int) -> None:
        if not self._locked:
            self._base, self._start = value, self._executed()

    def _unlock(self, key: int) -> None:
        self._locked = key != _DWT_UNLOCK

    def _control(self, value: int) -> None:
        if not self._locked:
            self._registers.store(_DWT_CTRL, 0x40000000 | value & 0x0FFFFFFF)
            self._switch()

    def _monitor(self, value: int) -> None:
        self._registers.store(_DEMCR, value)
        self._switch()

    def _switch(self) -> None:
        running = bool(self._registers.word(_DWT_CTRL) & 1 and self._registers.word(_DEMCR) >> 24 & 1)
        if running != self._running:
            self._base, self._start = self._value(), self._executed()
            self._running = running


class _SysTick:
    """SysTick (DDI 0403, section B3.3), polled, counting one an instruction."""

    def __init__(self, registers: Peripherals, executed: Callable[[], int]) -> None:
        self._registers = registers
        self._executed = executed
        self._start = 0
        self._rounds = 0
        registers.model(_SYST_CSR, self._status, self._control)
        registers.model(_SYST_CVR, self._value, self._clear)

    @property
    def interrupts(self) -> bool:
        return self._registers.word(_SYST_CSR) & 3 == 3

    def _period(self) -> int:
        return (self._registers.word(_SYST_RVR) & 0xFFFFFF) + 1

    def _elapsed(self) -> int:
        return self._executed() - self._start if self._registers.word(_SYST_CSR) & 1 else 0

    def _value(self) -> int:
        return -self._elapsed() % self._period()

    def _status(self) -> int:
        rounds = self._elapsed() // self._period()
        wrapped, self._rounds = rounds > self._rounds, rounds
        return self._registers.word(_SYST_CSR) & 7 | wrapped << 16

    def _control(self, value: int) -> None:
        if value & 1 and not self._registers.word(_SYST_CSR) & 1:
            self._start, self._rounds = self._executed(), 0
        self._registers.store(_SYST_CSR, value & 7)

    def _clear(self, _: int) -> None:
        self._start, self._rounds = self._executed(), 0
