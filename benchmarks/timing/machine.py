"""A unicorn core with the memory and registers of a board, on which published firmware boots and talks.

Interrupts are delivered by calling their handlers as functions, between two blocks of code: SysTick while the firmware
waits, reception whenever a byte is handed over. While it executes a command there is no hook and no other interrupt,
so that whoever traces the engine sees the firmware's blocks alone, one after the other.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.timing.boards import FLASH, Board
from benchmarks.timing.registers import Registers
from micronets_gen.emulate.cores import new_engine
from micronets_gen.emulate.errors import EmulationError
from micronets_gen.emulate.peripherals import map_registers

#: Where a handler returns to: nothing of a board lies there, and code may (above 0xE0000000 none is fetched).
_RETURN = 0x1E000000
_PAGE = 0x1000
_SYSTICK = 15
_INTERRUPTS = 16
# Blocks of code between two ticks of SysTick while the firmware waits.
_SLICE = 2000
# Room for what an exception pushes, the registers of the FPU included.
_FRAME = 0x68


class Machine:
    """One board with one image.

    Args:
        board: Which.
        image: What lies at the beginning of its flash.
        patience: Seconds of the host's time that a command may take.

    Attributes:
        engine: The ``unicorn.Uc``; hooks may be added before a command and between commands.
        registers: What the firmware has set.
    """

    def __init__(self, board: Board, image: bytes, patience: float = 600.0) -> None:
        from unicorn.arm_const import UC_ARM_REG_SP

        self.board = board
        self.engine = new_engine(board.core)
        self.registers = Registers(board, self._take, self._asked)
        self._patience = patience
        self._late = threading.Event()
        self._output = bytearray()
        self._wanted = b""
        self._interrupted: list[tuple[int, Any]] = []
        self._blocks = 0
        self._hook: int | None = None
        self._fault = ""
        self._map(image)
        stack, self._pc = struct.unpack("<II", image[:8])
        self.engine.reg_write(UC_ARM_REG_SP, stack)

    def boot(self, text: str) -> str:
        """Run from reset, with interrupts, until the firmware has written ``text``; return what it wrote.

        Raises:
            EmulationError: it crashed, or takes too long.
        """
        with self._deadline():
            self._expect(text)
            while not self._found():
                self._slice()
            # Its last byte may not have left the UART; until then it sends no other.
            self._wanted = b""
            self._slice()
        return self._said()

    def execute(self, command: bytes, text: str) -> str:
        """Hand over the bytes of a command and let the firmware execute it.

        Args:
            command: Its last byte is what starts the execution.
            text: What the firmware writes at its end.

        Returns:
            What it wrote meanwhile.

        Raises:
            EmulationError: it crashed, or takes too long.
        """
        with self._deadline():
            self._expect(text)
            for byte in command:
                self._hand_over(byte)
            while not self._found():
                self._watch_blocks(False)
                self._run()
        return self._said()

    def register(self, address: int) -> int:
        """The 32-bit register at ``address``, as the firmware has left it."""
        return self.registers.value(address)

    def _map(self, image: bytes) -> None:
        import unicorn

        for region in self.board.regions:
            fill = b"\0" if region.writable else b"\xff"
            rights = unicorn.UC_PROT_ALL if region.writable else unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
            self.engine.mem_map(region.origin, region.size, rights)
            self.engine.mem_write(region.origin, fill * region.size)
        self.engine.mem_map(_RETURN, _PAGE)
        self.engine.mem_write(FLASH, image)
        map_registers(self.engine, self.registers.read, self.registers.write)
        self.engine.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._invalid_access)

    def _hand_over(self, byte: int) -> None:
        """Put a byte into the UART, and return once its interrupt was handled or it was read by polling."""
        self.registers.pending.append(byte)
        while self.registers.pending:
            number = self.registers.interrupt
            if number is not None and self._open_to_interrupts():
                self._handle(_INTERRUPTS + number)
            else:
                self._slice()

    def _slice(self) -> None:
        """Run some blocks of what is no handler, with a tick of SysTick before them."""
        if self.registers.ticking and self._open_to_interrupts():
            self._handle(_SYSTICK)
        self._watch_blocks(True)
        self._blocks = _SLICE
        self._run()

    def _handle(self, number: int) -> None:
        """Let the handler of an exception run to its end."""
        from unicorn import arm_const

        table = self.registers.vectors or FLASH
        (handler,) = struct.unpack("<I", self.engine.mem_read(table + 4 * number, 4))
        self._interrupted.append((self._pc, self.engine.context_save()))
        stack = self.engine.reg_read(arm_const.UC_ARM_REG_SP)
        self.engine.reg_write(arm_const.UC_ARM_REG_SP, stack - _FRAME & ~7)
        self.engine.reg_write(arm_const.UC_ARM_REG_LR, _RETURN | 1)
        self._pc = handler & ~1
        self._watch_blocks(False)
        while self._interrupted:
            self._run()

    def _open_to_interrupts(self) -> bool:
        from unicorn.arm_const import UC_ARM_REG_PRIMASK

        return not self.engine.reg_read(UC_ARM_REG_PRIMASK) & 1

    def _run(self) -> None:
        """Run until a handler returns, a slice ends or the firmware has said what is awaited."""
        import unicorn
        from unicorn.arm_const import UC_ARM_REG_PC

        try:
            self.engine.emu_start(self._pc | 1, _RETURN)
        except unicorn.UcError as error:
            raise self._problem(self._fault or f"stops: {error}") from None
        self._pc = self.engine.reg_read(UC_ARM_REG_PC) & ~1
        if self._pc == _RETURN:
            self._pc, context = self._interrupted.pop()
            self.engine.context_restore(context)
        if self._late.is_set():
            raise self._problem(f"is not done after {self._patience:g} s")

    def _watch_blocks(self, on: bool) -> None:
        """Stop after so many blocks, or let the engine run without a hook."""
        import unicorn

        if on == (self._hook is not None):
            return
        if self._hook is None:
            self._hook = self.engine.hook_add(unicorn.UC_HOOK_BLOCK, self._enter_block)
        else:
            self.engine.hook_del(self._hook)
            self._hook = None
        # What is translated already was translated with the hooks of that time.
        self.engine.ctl_flush_tb()

    def _enter_block(self, _uc: Any, _address: int, _size: int, _data: Any) -> None:
        self._blocks -= 1
        if self._blocks <= 0:
            self.engine.emu_stop()

    def _expect(self, text: str) -> None:
        self._wanted = text.encode("latin-1")
        self._output.clear()

    def _found(self) -> bool:
        return bool(self._wanted) and self._output.endswith(self._wanted)

    def _said(self) -> str:
        return self._output.decode("latin-1")

    def _take(self, byte: int) -> None:
        self._output.append(byte)

    def _asked(self) -> None:
        """Stop where the firmware, outside of handlers, asks whether the last byte has left.

        An engine that was stopped at an access goes on with that access: a store would be done twice.
        """
        if self._found() and not self._interrupted:
            self.engine.emu_stop()

    def _invalid_access(self, _uc: Any, _kind: int, address: int, size: int, _value: int, _data: Any) -> bool:
        self._fault = f"accesses {size} bytes at 0x{address:08x}, where there is nothing"
        return False

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        def stop() -> None:
            self._late.set()
            self.engine.emu_stop()

        timer = threading.Timer(self._patience, stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _problem(self, what: str) -> EmulationError:
        return EmulationError(
            f"the firmware {what}",
            where=f"{self.board.name} at 0x{self._pc:08x}",
            why=f"the register at 0x{self.registers.polled:08x} was read last; it has said {self._said()[-200:]!r}",
        )
