"""A board made of a unicorn core, the board's memory map and the registers its firmware touches.

It boots the exact image that goes into a real board. There are no interrupts: the firmware polls, as the
generated one does. Instructions are counted exactly; DWT CYCCNT answers with their number.
"""

from __future__ import annotations

import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .cores import new_engine
from .counting import BlockCounter
from .errors import EmulationError, stack_overflow
from .image import Image
from .peripherals import COUNTING, Peripherals, Terminal, map_registers
from .protocol import ProtocolReader
from .thumb import BRANCH_TO_SELF, HINTS, count_instructions, uses_fpu

#: What RAM holds after power-up here: nothing a program could mistake for zeros.
RAM_PATTERN = 0xA5
_PAGE = 0x1000
_NOWHERE = 0xFFFFFFFE
_BKPT, _SVC = 7, 2
_SEMIHOSTING = b"\xab\xbe"
_SYS_WRITEC, _SYS_WRITE0, _SYS_WRITE, _SYS_EXIT, _SYS_EXIT_EXTENDED = 0x03, 0x04, 0x05, 0x18, 0x20
_APPLICATION_EXIT = 0x20026
_REFUSED = 0xFFFFFFFF
_MOST_SEMIHOSTED = 1 << 16
_EXIT, _STATUS = "board_exit", "board_exit_status"  # templates/soc/common/exit_park.c

Progress = Callable[[int], None]


class VirtualBoard:
    """One board with one image, ready to boot.

    Args:
        image: What is in the flash.
        board: The board's data (:func:`.run.describe`).
        reader: Takes what the firmware writes.
        clock_fails: Neither the external oscillator nor a PLL starts: the firmware has to fall back.

    Raises:
        EmulationError: Unicorn is missing or lacks the core, or the image does not fit the memory map.
    """

    def __init__(
        self, image: Image, board: Mapping[str, Any], reader: ProtocolReader, *, clock_fails: bool = False
    ) -> None:
        self._image = image
        self._board = board
        self._reader = reader
        self._fault = ""
        self._parked = False
        self._status: int | None = None
        self._engine = new_engine(board["core"])
        uart = board.get("uart") or {}
        self._counter = BlockCounter(self._engine, self._measure)
        self._peripherals = Peripherals(
            board["core"],
            board.get("family", ""),
            Terminal(uart.get("instance", ""), uart.get("tx", ""), uart.get("alternate", 0)),
            executed=self._executed,
            emit=self._emit,
            clock_fails=clock_fails,
        )
        self._map_memory()
        self._load()
        self._hook()

    @property
    def engine(self) -> Any:
        """``unicorn.Uc``, to be hooked into before :meth:`run`."""
        return self._engine

    def register(self, address: int) -> int:
        """What was last written to a register, or its reset value."""
        return self._peripherals.word(address)

    @property
    def instructions(self) -> int:
        """Executed since reset."""
        return self._counter.entered

    def run(self, *, timeout: float, progress: Progress | None = None) -> int | None:
        """Executes from reset until the reader is finished or the firmware leaves.

        Args:
            timeout: Seconds of the host's time.
            progress: Called a few times a second, from another thread, with the instructions executed so far.

        Returns:
            The status with which the firmware left; None where the reader was finished before.

        Raises:
            EmulationError: The firmware crashed, went to sleep or took longer.
            KeyboardInterrupt: A person stopped it.
        """
        pc = self._reset()
        done, late = threading.Event(), threading.Event()
        watch = threading.Thread(target=self._watch, args=(done, late, timeout, progress), daemon=True)
        watch.start()
        try:
            with _interruptible(self._engine.emu_stop) as interrupted:
                self._execute(pc, lambda: interrupted.is_set() or late.is_set())
            if interrupted.is_set():
                raise KeyboardInterrupt
            if self._counter.error is not None:
                raise self._counter.error
            self._reader.close()
            if self._reader.finished:
                return None
            if self._status is None and late.is_set():
                raise self._too_late(timeout)
            status = self._exit_status()
            if self._peripherals.lost:
                raise EmulationError(
                    f"the firmware left with status {status}, and what it wrote did not arrive",
                    why=self._said(),
                )
            return status
        except EmulationError as error:
            if not error.where:
                error.where = self._image.locate(self._pc())
            raise
        finally:
            done.set()
            watch.join()

    def _execute(self, pc: int, stopped: Callable[[], bool]) -> None:
        """Runs from ``pc`` until something stops the engine."""
        import unicorn

        while not stopped():
            try:
                self._engine.emu_start(pc | 1, _NOWHERE)
            except unicorn.UcError as error:
                pc = self._resume_or_raise(error)
            else:
                return

    def _watch(
        self, done: threading.Event, late: threading.Event, timeout: float, progress: Progress | None
    ) -> None:
        deadline = time.monotonic() + timeout
        while not done.wait(max(0.01, min(0.25, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                late.set()
                self._engine.emu_stop()
            if progress is not None:
                progress(self.instructions)

    def _map_memory(self) -> None:
        import unicorn

        for start, size in _pages([region for region in self._board["regions"] if region["kind"] != "flash"]):
            self._engine.mem_map(start, size)
            self._engine.mem_write(start, bytes((RAM_PATTERN,)) * size)
        for start, size in _pages([region for region in self._board["regions"] if region["kind"] == "flash"]):
            self._engine.mem_map(start, size, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
            self._engine.mem_write(start, b"\xff" * size)
        map_registers(self._engine, self._peripherals.read, self._peripherals.write)

    def _load(self) -> None:
        flash = [region for region in self._board["regions"] if region["kind"] == "flash"]
        for segment in self._image.segments:
            end = segment.address + len(segment.data)
            if not any(r["origin"] <= segment.address and end <= r["origin"] + r["size"] for r in flash):
                raise EmulationError(
                    f"0x{segment.address:08x} to 0x{end:08x} is not in the flash of {self._board['name']}",
                    where=str(self._image.path),
                    remedy="build the image for this board, with its linker script",
                )
            self._engine.mem_write(segment.address, segment.data)

    def _hook(self) -> None:
        import unicorn

        # An access that is hooked, if only by nothing, brings unicorn's PC up to date within its block.
        for first, last in COUNTING:
            self._engine.hook_add(
                unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE, lambda *_: None, begin=first, end=last
            )
        self._engine.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._invalid_access)
        self._engine.hook_add(unicorn.UC_HOOK_INTR, self._exception)

    def _reset(self) -> int:
        from unicorn.arm_const import UC_ARM_REG_SP

        regions = self._board["regions"]
        table = next((region for region in regions if region.get("vectors")), None) or next(
            (region for region in regions if region["kind"] == "flash" and region.get("default")),
            next(region for region in regions if region["kind"] == "flash"),
        )
        stack, reset = struct.unpack("<II", self._engine.mem_read(table["origin"], 8))
        if (
            not reset & 1
            or not _within(reset & ~1, regions, ("flash", "code"))
            or not _within(stack - 4, regions, ("ram",))
        ):
            raise EmulationError(
                f"no vector table at 0x{table['origin']:08x}: stack 0x{stack:08x}, reset 0x{reset:08x}",
                where=str(self._image.path),
                remedy="the image must begin with the vector table (section .isr_vector)",
            )
        self._engine.reg_write(UC_ARM_REG_SP, stack)
        return int(reset)

    def _measure(self, address: int, size: int) -> int:
        code = self._engine.mem_read(address, size)
        if code == BRANCH_TO_SELF:
            self._parked = True
            self._engine.emu_stop()
        if not self._peripherals.fpu_enabled and uses_fpu(code):
            raise EmulationError(
                "the firmware uses the FPU before it enables it",
                where=self._image.locate(address),
                remedy="set CP10 and CP11 in CPACR at the start of Reset_Handler, then DSB and ISB",
            )
        return count_instructions(code)

    def _executed(self) -> int:
        return self._counter.before(self._pc())

    def _stack_pointer(self) -> int:
        from unicorn.arm_const import UC_ARM_REG_SP

        return int(self._engine.reg_read(UC_ARM_REG_SP))

    def _pc(self) -> int:
        from unicorn.arm_const import UC_ARM_REG_PC

        return int(self._engine.reg_read(UC_ARM_REG_PC)) & ~1

    def _emit(self, data: bytes) -> None:
        self._reader.feed(data)
        if self._reader.finished:
            self._engine.emu_stop()

    def _invalid_access(self, _uc: Any, kind: int, address: int, size: int, _value: int, _data: Any) -> bool:
        import unicorn

        what = {
            unicorn.UC_MEM_READ_UNMAPPED: f"reads {size} bytes at 0x{address:08x}, where there is nothing",
            unicorn.UC_MEM_WRITE_UNMAPPED: f"writes {size} bytes at 0x{address:08x}, where there is nothing",
            unicorn.UC_MEM_WRITE_PROT: f"writes {size} bytes at 0x{address:08x}, into the flash",
        }
        self._fault = what.get(kind, f"jumps to 0x{address:08x}, where there is no code")
        return False

    def _resume_or_raise(self, error: Any) -> int:
        """Where to go on after a hint that unicorn does not know; anything else ends the run."""
        import unicorn

        pc = self._pc()
        address, size = self._counter.block
        if error.errno == unicorn.UC_ERR_INSN_INVALID:
            if pc == address + size and bytes(self._engine.mem_read(pc - 2, 2)) in HINTS:
                return pc
            code = bytes(self._engine.mem_read(pc, 4)).hex(" ", 2)
            raise EmulationError(
                f"the firmware executes an instruction that a {self._board['core']} lacks ({code})"
            )
        if self._image.overflows_stack(self._stack_pointer()):
            raise stack_overflow(self._image.locate(pc))
        if self._fault:
            raise EmulationError(f"the firmware {self._fault}", why=self._said())
        raise EmulationError(f"the emulated core stopped: {error}", why=self._said())

    def _exception(self, _uc: Any, number: int, _data: Any) -> None:
        from unicorn import arm_const

        pc = self._pc()
        if number == _BKPT and bytes(self._engine.mem_read(pc, 2)) == _SEMIHOSTING:
            operation = self._engine.reg_read(arm_const.UC_ARM_REG_R0)
            argument = self._engine.reg_read(arm_const.UC_ARM_REG_R1)
            self._engine.reg_write(arm_const.UC_ARM_REG_R0, self._semihosting(operation, argument))
            self._engine.reg_write(arm_const.UC_ARM_REG_PC, pc + 2 | 1)
            return
        what = {_BKPT: "stops at a breakpoint (BKPT)", _SVC: "calls the supervisor (SVC)"}.get(
            number, f"takes exception {number}"
        )
        raise EmulationError(f"the firmware {what}, and the virtual board takes no exceptions")

    def _semihosting(self, operation: int, argument: int) -> int:
        """Arm "Semihosting for AArch32 and AArch64": output and exit; everything else is refused."""
        if operation == _SYS_WRITEC:
            self._emit(self._memory(argument, 1))
            return 0
        if operation == _SYS_WRITE0:
            self._emit(self._string(argument))
            return 0
        if operation == _SYS_WRITE:
            _, buffer, length = struct.unpack("<III", self._memory(argument, 12))
            self._emit(self._memory(buffer, length))
            return 0
        if operation == _SYS_EXIT:
            self._leave(0 if argument == _APPLICATION_EXIT else 1)
        elif operation == _SYS_EXIT_EXTENDED:
            reason, status = struct.unpack("<II", self._memory(argument, 8))
            self._leave(status if reason == _APPLICATION_EXIT else 1)
        return _REFUSED

    def _memory(self, address: int, length: int) -> bytes:
        import unicorn

        if length > _MOST_SEMIHOSTED:
            raise EmulationError(
                f"the firmware hands over {length:,} bytes at once through semihosting",
                why=f"at most {_MOST_SEMIHOSTED:,} are taken",
            )
        try:
            return bytes(self._engine.mem_read(address, length))
        except unicorn.UcError:
            raise EmulationError(
                f"the firmware hands over {length:,} bytes at 0x{address:08x} through semihosting, where there is "
                "no memory"
            ) from None

    def _string(self, address: int) -> bytes:
        text = b""
        while len(text) < _MOST_SEMIHOSTED:
            text += self._memory(address + len(text), 1)
            if text.endswith(b"\0"):
                return text[:-1]
        raise EmulationError(
            f"the firmware hands over a text of more than {_MOST_SEMIHOSTED:,} bytes through semihosting"
        )

    def _leave(self, status: int) -> None:
        self._status = status & 0xFF
        self._engine.emu_stop()

    def _exit_status(self) -> int:
        """The status that the firmware left with; on a real board board_exit() keeps it for a debugger and sleeps.

        Raises:
            EmulationError: It sleeps or hangs elsewhere.
        """
        if self._status is not None:
            return self._status
        function = self._image.function_at(self._pc())
        variable = self._image.objects.get(_STATUS)
        if variable is None or function is None or function[1] != _EXIT:
            raise self._asleep()
        (status,) = struct.unpack("<I", self._memory(variable, 4))
        return int(status) & 0xFF

    def _asleep(self) -> EmulationError:
        what = "stops in an endless loop" if self._parked else "sleeps (WFI), and nothing can wake it"
        return EmulationError(
            f"the firmware {what}",
            why=self._said(),
            remedy="an application ends with board_exit(status), the self-test with MN,end",
        )

    def _too_late(self, timeout: float) -> EmulationError:
        return EmulationError(
            f"the firmware was still running after {timeout:g} s and {self.instructions:,} instructions",
            why=self._said(),
            remedy="give it longer (--timeout), or look for a loop that waits for hardware that is not there; an "
            "application ends with board_exit(status)",
        )

    def _said(self) -> str:
        return "; ".join(filter(None, [self._reader.unfinished().why, *self._peripherals.hints()]))


@contextmanager
def _interruptible(stop: Callable[[], None]) -> Iterator[threading.Event]:
    """Lets Ctrl-C stop the engine: Python's own handler would raise inside a callback, where it is lost."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def interrupt(_number: int, _frame: object) -> None:
        interrupted.set()
        stop()

    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, previous if previous is not None else signal.SIG_DFL)


def _pages(regions: list[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """The regions as (address, size) in whole pages, those that share or touch a page joined."""
    joined: list[tuple[int, int]] = []
    for region in sorted(regions, key=lambda region: int(region["origin"])):
        start = region["origin"] // _PAGE * _PAGE
        end = -(-(region["origin"] + region["size"]) // _PAGE) * _PAGE
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return [(start, end - start) for start, end in joined]


def _within(address: int, regions: list[Mapping[str, Any]], kinds: tuple[str, ...]) -> bool:
    return any(r["kind"] in kinds and r["origin"] <= address < r["origin"] + r["size"] for r in regions)
