"""The registers that published firmware touches: those of the virtual board, with reception and interrupts added.

The generated firmware polls; firmware of other makers is built on a vendor's library, which receives by interrupt,
keeps its time with SysTick and waits for bits that no table here knows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count

from benchmarks.timing.boards import Board, Uart
from micronets_gen.emulate.peripherals import Peripherals, Terminal

_VTOR = 0xE000ED08
_SYST_CSR = 0xE000E010
_ISER, _ICER = 0xE000E100, 0xE000E180
_MPU_RNR, _MPU_RBAR, _MPU_RASR = 0xE000ED98, 0xE000ED9C, 0xE000EDA0
_SYSTEM = 0xE0000000
# Microseconds are counted by TIM2 or TIM5; a reading is always later than the one before, and has as many digits,
# since printing it takes time, too.
_COUNTERS = (0x40000024, 0x40000C24)
_START, _STEP = 100_000_000, 1000
# So many readings of one register, with nothing in between, are a loop that waits for it.
_PATIENCE = 16

_CR1, _ISR, _RDR, _TDR = 0x00, 0x1C, 0x24, 0x28
_ENABLE, _RECEIVER, _TRANSMITTER, _RECEPTION_INTERRUPT = 1 << 0, 1 << 2, 1 << 3, 1 << 5
_RECEIVED, _SENT, _ACKNOWLEDGED = 1 << 5, 3 << 6, 3 << 21


class Registers:
    """The registers of one board.

    Args:
        board: Which.
        emit: Takes each byte that leaves a UART.
        asked: Called whenever the state of a UART is read.

    Attributes:
        pending: Bytes on their way into the UART that has spoken last.
        mpu: Of each region of the MPU that was set, its registers RBAR and RASR (RLAR of Armv8-M).
    """

    def __init__(self, board: Board, emit: Callable[[int], None], asked: Callable[[], None]) -> None:
        self.pending: deque[int] = deque()
        self.mpu: dict[int, tuple[int, int]] = {}
        readings = count(_START, _STEP)
        self._file = Peripherals(
            board.core, board.startup, Terminal(), executed=lambda: next(readings), emit=lambda _: None
        )
        self._emit = emit
        self._asked = asked
        self._terminal: Uart | None = None
        self._enabled: set[int] = set()
        self._polled, self._readings = 0, 0
        self._known = {address for uart in board.uarts for address in (uart.base + _ISR, uart.base + _RDR)}
        self._base_names_region = board.core != "cortex-m33"  # RBAR.VALID of Armv6-M and Armv7-M
        for uart in board.uarts:
            self._serial(uart)
        for address in _COUNTERS:
            self._file.model(address, read=lambda: next(readings))
        for word in range(8):
            self._file.model(_ISER + 4 * word, write=lambda bits, word=word: self._enable(word, bits))
            self._file.model(_ICER + 4 * word, write=lambda bits, word=word: self._disable(word, bits))
        self._file.model(_MPU_RBAR, write=self._set_base)
        self._file.model(_MPU_RASR, write=self._set_attributes)

    def read(self, address: int, size: int) -> int:
        """What a load of ``size`` bytes gives."""
        if address >= _SYSTEM or address in self._known or address in _COUNTERS:
            return self._file.read(address, size)
        self._readings = self._readings + 1 if address == self._polled else 1
        self._polled = address
        if self._readings < _PATIENCE:
            return self._file.read(address, size)
        # It waits for something: ones, zeros or what is there in turn will be it.
        turn = self._readings % 3
        return (1 << 8 * size) - 1 if turn == 0 else 0 if turn == 1 else self._file.read(address, size)

    def write(self, address: int, size: int, value: int) -> None:
        """What a store of ``size`` bytes does."""
        self._readings = 0
        self._file.write(address, size, value)

    def value(self, address: int) -> int:
        """The 32-bit register at ``address``, as the firmware has left it."""
        return self._file.read(address, 4)

    @property
    def vectors(self) -> int:
        """Address of the vector table; 0 where the firmware has not set it."""
        return self._file.word(_VTOR)

    @property
    def ticking(self) -> bool:
        """SysTick is running and raises its exception."""
        return self._file.word(_SYST_CSR) & 3 == 3

    @property
    def interrupt(self) -> int | None:
        """The number of the interrupt that a received byte raises now; None: it is polled for, or not yet."""
        uart = self._terminal
        if uart is None or not self.pending or uart.interrupt not in self._enabled:
            return None
        control = self._file.word(uart.base + _CR1)
        return uart.interrupt if control & _ENABLE and control & _RECEPTION_INTERRUPT else None

    @property
    def polled(self) -> int:
        """The register that was read last."""
        return self._polled

    def _serial(self, uart: Uart) -> None:
        def status() -> int:
            self._asked()
            on = self._file.word(uart.base + _CR1) & _ENABLE
            received = _RECEIVED if self.pending and uart is self._terminal else 0
            return _SENT | received | (_ACKNOWLEDGED if on else 0)

        def receive() -> int:
            return self.pending.popleft() if self.pending and uart is self._terminal else 0

        def transmit(value: int) -> None:
            if self._file.word(uart.base + _CR1) & (_ENABLE | _TRANSMITTER) == _ENABLE | _TRANSMITTER:
                self._terminal = uart
                self._emit(value & 0xFF)

        self._file.model(uart.base + _ISR, read=status, write=lambda _: None)
        self._file.model(uart.base + _RDR, read=receive)
        self._file.model(uart.base + _TDR, write=transmit)

    def _enable(self, word: int, bits: int) -> None:
        self._enabled |= {32 * word + bit for bit in range(32) if bits >> bit & 1}

    def _disable(self, word: int, bits: int) -> None:
        self._enabled -= {32 * word + bit for bit in range(32) if bits >> bit & 1}

    def _set_base(self, value: int) -> None:
        if self._base_names_region and value & 0x10:
            self._file.store(_MPU_RNR, value & 0xF)
        self._file.store(_MPU_RBAR, value)

    def _set_attributes(self, value: int) -> None:
        self.mpu[self._file.word(_MPU_RNR)] = self._file.word(_MPU_RBAR), value
        self._file.store(_MPU_RASR, value)
