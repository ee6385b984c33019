"""Runs real programs on every emulator: what they print, what they cost, and how they may go wrong."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path

import pytest

import micronets_gen.emulate
from micronets_gen.boards.board import Board
from micronets_gen.boards.load import load_board
from micronets_gen.emulate import qemu
from micronets_gen.emulate.errors import EmulationError
from micronets_gen.emulate.image import read_image
from micronets_gen.emulate.peripherals import Peripherals, Terminal
from micronets_gen.emulate.protocol import ProtocolReader
from micronets_gen.emulate.result import ApplicationRun, Difference, RunResult
from micronets_gen.emulate.run import describe, run_elf, run_port
from micronets_gen.emulate.stm32 import FAMILIES
from micronets_gen.emulate.text import as_json, summary
from micronets_gen.emulate.thumb import count_instructions, uses_fpu
from micronets_gen.emulate.virtual_board import VirtualBoard
from micronets_gen.project.soc_files import soc_files

PROGRAMS = Path(__file__).parent / "programs"
BARE_LD = PROGRAMS / "bare.ld"
VIRTUAL = ["nucleo_f446re", "nucleo_f746zg", "nucleo_f767zi", "nucleo_l4r5zi", "nucleo_h743zi"]
QEMU = ["qemu_mps2_an386", "qemu_mps2_an500", "qemu_mps2_an505", "qemu_mps3_an547", "qemu_netduinoplus2"]
GCC = "arm-none-eabi-gcc"

BARE = {
    "name": "bare",
    "core": "cortex-m4",
    "family": "",
    "regions": [
        {"name": "FLASH", "origin": 0x08000000, "size": 1 << 20, "kind": "flash", "default": True},
        {"name": "RAM", "origin": 0x20000000, "size": 128 << 10, "kind": "ram", "default": True},
    ],
    "emulator": {"kind": "virtual"},
}

HEADER = """
    .syntax unified
    .cpu cortex-m4
    .fpu fpv4-sp-d16
    .thumb
    .section .vectors, "a"
    .word 0x20010000
    .word reset + 1
    .text
    .thumb_func
    .global reset
    .type reset, %function
reset:
"""

needs_compiler = pytest.mark.needs("compiler")
needs_qemu = pytest.mark.needs("qemu")


def board_of(name: str) -> dict[str, object]:
    # Through JSON, as a generated project has it.
    board: dict[str, object] = json.loads(json.dumps(describe(load_board(name))))
    return board


def compile_with(*arguments: str | Path, ld: Path, elf: Path) -> None:
    subprocess.run([GCC, "-mthumb", "-O2", "-std=gnu11", *arguments, "-T", ld, "-o", elf], check=True)


def compile_for(board: Board, folder: Path, *arguments: str | Path) -> Path:
    """Compiles ``arguments`` and what lies in ``folder`` with the board's start-up code."""
    for file, text in soc_files(board, arena_region=board.default_ram.name, stack_bytes=2048).items():
        (folder / file).write_text(text)
    elf = folder / "firmware.elf"
    sources = sorted(folder.glob("*.c"))
    flags = *board.cpu_flags, "-Wall", "-Wextra", "-Werror", "-nostartfiles", "--specs=nano.specs"
    compile_with(*flags, "-I", folder, *sources, *arguments, ld=folder / "board.ld", elf=elf)
    return elf


@cache
def build_bare(folder: Path, source: str, *flags: str) -> Path:
    elf = folder / f"{source}{''.join(flags)}.elf"
    cpu = flags or ("-mcpu=cortex-m4",)
    compile_with(*cpu, "-nostdlib", PROGRAMS / source, "-lgcc", ld=BARE_LD, elf=elf)
    return elf


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("emulate")


@cache
def _build_report(root: Path, name: str, wanted: int) -> Path:
    folder = root / f"{name}_{wanted}"
    folder.mkdir()
    sources = PROGRAMS / "report.c", PROGRAMS / "work.c"
    return compile_for(load_board(name), folder, f"-DWANTED={wanted}", "-I", PROGRAMS, *sources)


def run_report(folder: Path, name: str, *, wanted: int = 1, clock_fails: bool = False) -> RunResult:
    elf = _build_report(folder, name, wanted)
    result = run_elf(elf, board_of(name), timeout=60, clock_fails=clock_fails)
    assert isinstance(result, RunResult)
    return result


def run_assembly(folder: Path, body: str, **changes: object) -> None:
    source = folder / "body.S"
    source.write_text(HEADER + body)
    elf = folder / "body.elf"
    compile_with("-nostdlib", source, ld=BARE_LD, elf=elf)
    run_elf(elf, {**BARE, **changes}, timeout=1.5)


def printed(elf: Path, core: str = "cortex-m4") -> list[int]:
    lines: list[str] = []
    with pytest.raises(EmulationError, match="endless loop"):
        run_elf(elf, {**BARE, "core": core}, timeout=20, on_line=lines.append)
    return [int(line, 16) for line in lines]


@needs_compiler
@pytest.mark.parametrize("name", VIRTUAL + [pytest.param(name, marks=needs_qemu) for name in QEMU])
def test_every_board_boots_and_reports(folder: Path, name: str) -> None:
    board = load_board(name)
    result = run_report(folder, name)
    assert result.passed
    assert result.unit == "instructions"
    assert result.clock_hz == board.clock_hz
    assert result.clock_note == ""
    assert [(layer.name, layer.op, layer.macs) for layer in result.layers] == [("work", "WORK", 2000)]
    assert 100_000 < result.count == result.layers[0].count < 1_000_000
    assert result.output.startswith("an application's own line\nMN,begin,2\n")


@needs_compiler
@pytest.mark.parametrize("name", VIRTUAL)
def test_a_clock_that_fails_is_survived_and_reported(folder: Path, name: str) -> None:
    result = run_report(folder, name, clock_fails=True)
    assert result.passed
    assert "did not start" in result.clock_note
    assert result.clock_hz in (16_000_000, 64_000_000)
    assert result.count == run_report(folder, name).count


@needs_compiler
@needs_qemu
def test_the_virtual_board_counts_what_qemu_counts(folder: Path) -> None:
    exact = run_report(folder, "qemu_netduinoplus2")
    assert exact.granularity == 1
    virtual = run_report(folder, "nucleo_f446re")
    assert virtual.count == exact.count
    answers = {line for result in (exact, virtual) for line in result.output.split("\n") if "answer" in line}
    assert len(answers) == 1


@needs_compiler
@needs_qemu
@pytest.mark.parametrize("name", ["nucleo_f746zg", "qemu_mps2_an500"])
def test_a_run_is_deterministic(folder: Path, name: str) -> None:
    assert run_report(folder, name) == run_report(folder, name)


@needs_compiler
@pytest.mark.parametrize("name", ["nucleo_f446re", pytest.param("qemu_mps2_an386", marks=needs_qemu)])
def test_a_failed_vector_is_reported(folder: Path, name: str) -> None:
    result = run_report(folder, name, wanted=0)
    assert not result.passed
    assert [(v.mismatches, v.differences) for v in result.vectors] == [(1, (Difference(7, 1, 2),))]


@needs_compiler
def test_the_cycle_counter_is_exact_anywhere_in_the_code(folder: Path) -> None:
    assert printed(build_bare(folder, "counted.S")) == [1, 4, 21, 5, 701, 4, 1, 0]


@needs_compiler
def test_the_bindings_own_hook_counts_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("unicorn")
    monkeypatch.setitem(sys.modules, "unicorn.unicorn_py3.unicorn", None)
    assert printed(build_bare(folder, "counted.S")) == [1, 4, 21, 5, 701, 4, 1, 0]


@needs_compiler
def test_counting_blocks_equals_counting_every_instruction(folder: Path) -> None:
    import unicorn
    from unicorn.arm_const import UC_ARM_REG_SP, UC_CPU_ARM_CORTEX_M4

    image = read_image(build_bare(folder, "branches.c", "-mcpu=cortex-m0plus"))
    board = VirtualBoard(image, BARE, ProtocolReader())
    with pytest.raises(EmulationError, match="endless loop"):
        board.run(timeout=20)

    engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    engine.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M4)
    engine.mem_map(0x08000000, 1 << 20)
    engine.mem_map(0x20000000, 128 << 10)
    for segment in image.segments:
        engine.mem_write(segment.address, segment.data)
    executed = last = 0

    def count(_uc: object, address: int, _size: int, _data: object) -> None:
        nonlocal executed, last
        executed += 1
        if address == last:  # it branches to itself
            engine.emu_stop()
        last = address

    engine.hook_add(unicorn.UC_HOOK_CODE, count)
    engine.reg_write(UC_ARM_REG_SP, 0x20020000)
    engine.emu_start(int.from_bytes(engine.mem_read(0x08000004, 4), "little"), 0xFFFFFFFE)
    assert executed > 300_000
    assert board.instructions == executed


@needs_compiler
@pytest.mark.parametrize(
    ("core", "fpu"),
    [("cortex-m4", "fpv4-sp-d16"), ("cortex-m7", "fpv5-d16"), ("cortex-m33", "fpv5-sp-d16")],
)
def test_dsp_and_floating_point_instructions(folder: Path, core: str, fpu: str) -> None:
    elf = build_bare(folder, "simd.c", f"-mcpu={core}", f"-mfpu={fpu}", "-mfloat-abi=hard")
    low, high, a, b = (0x5678 * -0xFF), 0x1234 * 0x7F80, 0x12345678, 0x7F80FF01
    wanted = [
        low + high + 5,
        0xFF800001,
        (a * b + 0x80000000) >> 32,
        low + high + 77,
        127,
        0x7FFFFFFF,
        3375,
        6562,
    ]
    if fpu == "fpv5-d16":
        wanted.append(2_250_000)
    assert printed(elf, core) == [value & 0xFFFFFFFF for value in wanted]


CRASHES = {
    "reads 4 bytes at 0x30000000, where there is nothing": "ldr r0, =0x30000000\n ldr r1, [r0]\n b .",
    "writes 1 bytes at 0x08000010, into the flash": "ldr r0, =0x08000010\n strb r0, [r0]\n b .",
    "jumps to 0x10000000, where there is no code": "ldr r0, =0x10000001\n bx r0",
    "sleeps \\(WFI\\), and nothing can wake it": "wfi\n b .",
    "stops in an endless loop": "nop\n b .",
    "uses the FPU before it enables it": "vmov.f32 s0, #1.0\n b .",
    "executes an instruction that a cortex-m4 lacks \\(00de": "udf #0",
    "stops at a breakpoint": "bkpt 1",
    "calls the supervisor": "svc 1",
    "resets the processor": "ldr r0, =0xE000ED0C\n ldr r1, =0x05FA0004\n str r1, [r0]\n b .",
    "still running after 1.5 s": "ldr r0, =0x40001000\n1: ldr r1, [r0]\n cmp r1, #1\n bne 1b",
}


@needs_compiler
@pytest.mark.parametrize("message", CRASHES)
def test_a_crash_says_what_and_where(tmp_path: Path, message: str) -> None:
    with pytest.raises(EmulationError, match=message) as raised:
        run_assembly(tmp_path, CRASHES[message])
    assert "(reset" in raised.value.where or "jumps" in message


@needs_compiler
def test_a_hang_names_the_register_it_polls(tmp_path: Path) -> None:
    with pytest.raises(EmulationError) as raised:
        run_assembly(tmp_path, CRASHES["still running after 1.5 s"])
    assert "the last register read is 0x40001000" in raised.value.why


@needs_compiler
def test_an_instruction_the_core_lacks_is_refused(tmp_path: Path) -> None:
    body = "smlad r0, r1, r2, r3\n b ."
    with pytest.raises(EmulationError, match="endless loop"):
        run_assembly(tmp_path, body)
    with pytest.raises(EmulationError, match="a cortex-m0 lacks"):
        run_assembly(tmp_path, body, core="cortex-m0")


@needs_compiler
def test_an_image_for_another_board_is_refused(folder: Path) -> None:
    with pytest.raises(EmulationError, match="is not in the flash of qemu_mps2_an386"):
        VirtualBoard(
            read_image(_build_report(folder, "nucleo_f446re", 1)),
            board_of("qemu_mps2_an386"),
            ProtocolReader(),
        )


@needs_compiler
def test_output_on_the_wrong_uart_is_explained(folder: Path) -> None:
    board = board_of("nucleo_f446re")
    board["uart"] = {"instance": "USART1", "tx": "PA9", "alternate": 7}
    with pytest.raises(EmulationError, match="what it wrote did not arrive") as raised:
        run_elf(_build_report(folder, "nucleo_f446re", 1), board, timeout=10)
    assert "they went to USART2, and the board's virtual COM port is on USART1" in raised.value.why


@needs_compiler
@needs_qemu
def test_a_fault_in_qemu_names_the_function(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(
        "void board_init(void);\nvoid crash(void);\n"
        '__attribute__((noinline)) void crash(void) { __asm volatile("udf #0"); }\n'
        "int main(void) { board_init(); crash(); return 0; }\n"
    )
    elf = compile_for(load_board("qemu_mps2_an386"), tmp_path)
    with pytest.raises(
        EmulationError, match="the firmware stopped in its fault handler: usage fault"
    ) as raised:
        run_elf(elf, board_of("qemu_mps2_an386"), timeout=30)
    assert "(crash)" in raised.value.where


EVERY_BOARD = pytest.mark.parametrize(
    "name", ["nucleo_f446re", "nucleo_f746zg", pytest.param("qemu_mps2_an386", marks=needs_qemu)]
)


def application(folder: Path, name: str, body: str, *flags: str) -> Path:
    """An image whose main() is ``body``."""
    (folder / "main.c").write_text(
        f'#include <stdio.h>\n#include <stdlib.h>\n#include "board.h"\nint main(void)\n{{\n{body}\n}}\n'
    )
    return compile_for(load_board(name), folder, "-Wl,--gc-sections", "-ffunction-sections", *flags)


@needs_compiler
@EVERY_BOARD
@pytest.mark.parametrize("leave", ["board_exit(7);", "return 7;", "exit(7);"])
def test_an_application_shows_its_words_and_ends_with_its_status(
    tmp_path: Path, name: str, leave: str
) -> None:
    elf = application(
        tmp_path, name, f'board_init(); printf("hello %d\\n", 42); board_write("no end", 6); {leave}'
    )
    lines: list[str] = []
    result = run_elf(elf, board_of(name), timeout=20, on_line=lines.append)
    assert isinstance(result, ApplicationRun)
    assert (result.status, result.passed, result.output) == (7, False, "hello 42\nno end\n")
    assert lines == ["hello 42", "no end"]
    assert as_json(result)["kind"] == "application"
    assert summary(result).startswith(f"{name}: the application ended with status 7 in ")


@needs_compiler
@EVERY_BOARD
def test_a_self_test_that_leaves_too_early_is_no_application(tmp_path: Path, name: str) -> None:
    elf = application(tmp_path, name, 'board_init(); board_write("MN,begin,2\\n", 11); return 0;')
    with pytest.raises(EmulationError, match="the firmware left with status 0 before MN,end"):
        run_elf(elf, board_of(name), timeout=20)


@needs_compiler
@EVERY_BOARD
def test_a_heap_holds_what_it_says_and_a_full_one_says_what_to_set(tmp_path: Path, name: str) -> None:
    body = 'board_init(); for (int i = 0; i < 2; i++) printf("%d", malloc(3000) != NULL); return 0;'
    flags = "-fno-builtin-malloc", "-Wl,--defsym=_heap_bytes=4096"
    result = run_elf(application(tmp_path, name, body, *flags), board_of(name), timeout=20)
    assert result.output == "1The heap is full: set custom_heap_bytes in user.ini to more bytes.\n0\n"


@needs_compiler
@EVERY_BOARD
def test_text_needs_no_heap(tmp_path: Path, name: str) -> None:
    body = 'board_init(); char t[9]; snprintf(t, sizeof t, "%x", 0xbeef); puts(t); fprintf(stderr, "!"); return 0;'
    result = run_elf(application(tmp_path, name, body), board_of(name), timeout=20)
    assert result.output == "beef\n!\n"


STUCK_UARTS = {"nucleo_f446re": "stm32f4", "nucleo_f746zg": "stm32f7"}


@needs_compiler
@pytest.mark.parametrize("name", STUCK_UARTS)
def test_a_uart_that_never_becomes_ready_is_given_up(tmp_path: Path, name: str) -> None:
    body = 'board_init(); board_write("0123456789", 10); return 3;'
    board = VirtualBoard(
        read_image(application(tmp_path, name, body)), board_of(name), reader := ProtocolReader()
    )
    family = FAMILIES[STUCK_UARTS[name]]
    usart = family.usarts[load_board(name).uart.instance]
    board._peripherals.model(usart.base + family.layout.status, read=lambda: 0)
    assert board.run(timeout=30) == 3
    assert reader.silent


@needs_compiler
@needs_qemu
def test_a_uart_of_arm_that_never_becomes_ready_is_given_up(tmp_path: Path) -> None:
    turn_off = "*(volatile unsigned *)0x40004008u = 0;"
    body = f'board_init(); {turn_off} board_write("0123456789", 10); return 3;'
    result = run_elf(application(tmp_path, "qemu_mps2_an386", body), board_of("qemu_mps2_an386"), timeout=30)
    assert (result.output, result.passed) == ("", False)


SEMIHOSTING = """
static int semihosting(int number, const void *argument)
{
    register int operation __asm("r0") = number;
    register const void *block __asm("r1") = argument;
    __asm volatile("bkpt 0xab" : "+r"(operation) : "r"(block) : "memory");
    return operation;
}
"""


@needs_compiler
@needs_qemu
def test_firmware_in_qemu_reaches_no_file_and_no_command_of_the_host(tmp_path: Path) -> None:
    kept, made, touched = (tmp_path / name for name in ("kept", "made", "touched"))
    kept.write_text("kept")
    command = f"touch {touched}"
    calls = [
        f'{{ const unsigned b[] = {{(unsigned)"{command}", {len(command)}}}; semihosting(0x12, b); }}',
        f'{{ const unsigned b[] = {{(unsigned)"{made}", 4, {len(str(made))}}}; int f = semihosting(1, b);'
        '  const unsigned w[] = {(unsigned)f, (unsigned)"x", 1}; semihosting(5, w); }',
        f'{{ const unsigned b[] = {{(unsigned)"{kept}", 4, {len(str(kept))}}}; semihosting(1, b); }}',
        f'{{ const unsigned b[] = {{(unsigned)"{kept}", {len(str(kept))}}}; semihosting(0xe, b); }}',
    ]
    name = "qemu_mps2_an386"
    source = (
        f"{SEMIHOSTING}\nint main(void);\nint main(void)\n{{ board_init();\n{' '.join(calls)}\nreturn 7; }}"
    )
    (tmp_path / "main.c").write_text(f'#include "board.h"\n{source}\n')
    elf = compile_for(load_board(name), tmp_path, "-Wl,--gc-sections", "-ffunction-sections")

    native = [part.replace("target=gdb", "target=native") for part in qemu.command("mps2-an386", elf)]
    subprocess.run(native, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    assert (touched.exists(), made.exists(), kept.exists()) == (True, True, False)  # the image does try

    touched.unlink()
    made.unlink()
    kept.write_text("kept")
    result = run_elf(elf, board_of(name), timeout=30)
    assert isinstance(result, ApplicationRun)
    assert result.status == 7
    assert (touched.exists(), made.exists(), kept.read_text()) == (False, False, "kept")


@needs_compiler
@needs_qemu
def test_the_time_limit_holds_where_output_has_no_line_ends(tmp_path: Path) -> None:
    elf = application(tmp_path, "qemu_mps2_an386", 'board_init(); for (;;) board_write("x", 1);')
    start = time.monotonic()
    with pytest.raises(EmulationError, match="still running after 1 s") as raised:
        run_elf(elf, board_of("qemu_mps2_an386"), timeout=1)
    assert time.monotonic() - start < 10
    assert len(raised.value.why) < 300


@needs_compiler
@needs_qemu
def test_a_stack_overflow_that_locks_the_core_up_is_named(tmp_path: Path) -> None:
    body = '__asm volatile("cpsid f\\n mov sp, %0\\n udf #0" ::"r"(16)); return 0;'
    with pytest.raises(EmulationError, match="the stack overflowed") as raised:
        run_elf(application(tmp_path, "qemu_mps2_an386", body), board_of("qemu_mps2_an386"), timeout=20)
    assert "R13" not in str(raised.value)


@needs_compiler
@needs_qemu
def test_a_core_that_locks_up_is_explained_without_its_registers(tmp_path: Path) -> None:
    elf = application(tmp_path, "qemu_mps2_an386", '__asm volatile("cpsid f\\n udf #0"); return 0;')
    with pytest.raises(EmulationError, match="the core stopped for good: Lockup") as raised:
        run_elf(elf, board_of("qemu_mps2_an386"), timeout=20)
    assert "R13" not in str(raised.value)
    assert "(main" in raised.value.where


@needs_compiler
@pytest.mark.parametrize(
    ("block", "operation", "why"),
    [
        (".word 1, 0x20000000, 0xFFFFFFFF", 5, "hands over 4,294,967,295 bytes at once"),
        (".word 1, 0x30000000, 16", 5, "where there is no memory"),
        (".fill 70000, 1, 0x41", 4, "a text of more than 65,536 bytes"),
    ],
)
def test_what_semihosting_takes_is_bounded(tmp_path: Path, block: str, operation: int, why: str) -> None:
    body = f"movs r0, #{operation}\n ldr r1, =block\n bkpt 0xab\n b .\n .align 2\nblock: {block}"
    with pytest.raises(EmulationError, match=why):
        run_assembly(tmp_path, body.replace(".align 2", ".ltorg\n .align 2"))


def test_the_qemu_command_is_deterministic_and_without_a_window() -> None:
    assert " ".join(qemu.command("mps2-an386", Path("firmware.elf"))) == (
        "qemu-system-arm -M mps2-an386 -display none -icount shift=0 -serial stdio -monitor none -nic none "
        "-semihosting-config enable=on,target=gdb -no-reboot -kernel firmware.elf"
    )


@needs_compiler
def test_missing_qemu_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    image = read_image(build_bare(folder, "counted.S"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmulationError) as raised:
        qemu.run(image, "mps2-an386", ProtocolReader(), timeout=1)
    assert str(raised.value) == (
        "qemu-system-arm is not installed\n"
        "  what to do: install it: apt install qemu-system-arm (Debian, Ubuntu), brew install qemu (macOS)"
    )


@needs_compiler
@needs_qemu
def test_qemu_without_the_machine_is_explained(folder: Path) -> None:
    elf = build_bare(folder, "counted.S")
    with pytest.raises(EmulationError, match="machine none-such ended with status 1") as raised:
        qemu.run(read_image(elf), "none-such", ProtocolReader(), timeout=10)
    assert "unsupported machine type" in raised.value.why


@needs_compiler
@needs_qemu
def test_qemu_stops_at_the_time_limit(folder: Path) -> None:
    elf = build_bare(folder, "counted.S")
    with pytest.raises(EmulationError, match=r"still running after 0\.5 s"):
        qemu.run(read_image(elf), "netduinoplus2", ProtocolReader(), timeout=0.5)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    elf = tmp_path / "firmware.elf"
    with pytest.raises(EmulationError, match="cannot read the firmware image"):
        read_image(elf)
    elf.write_bytes(b"MZ\x90\x00")
    with pytest.raises(EmulationError, match="not a 32-bit little-endian ELF file"):
        read_image(elf)
    elf.write_bytes(b"\x7fELF\x01\x01" + bytes(12) + b"\x28")
    with pytest.raises(EmulationError, match="cut short"):
        read_image(elf)


def test_a_board_without_an_emulator_says_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(EmulationError, match="no emulator runs this board's image") as raised:
        run_elf(tmp_path / "x.elf", {**BARE, "emulator": None})
    assert "--port" in raised.value.remedy


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("", 0),
        ("00bf", 1),
        ("00bf00bf", 2),
        ("eef30080", 1),
        ("00bf10f10101 00bf", 3),
        ("00e8", 1),
        ("ffe7", 1),
    ],
)
def test_instructions_in_code(code: str, count: int) -> None:
    assert count_instructions(bytes.fromhex(code)) == count


def test_fpu_instructions_are_recognised() -> None:
    assert uses_fpu(bytes.fromhex("00bf b7ee 000a"))  # vmov.f32 s0, #1.0
    assert uses_fpu(bytes.fromhex("2ded 048b"))  # vpush {d8-d9}
    assert not uses_fpu(bytes.fromhex("00bf 22fb 0313"))  # smlad
    assert not uses_fpu(bytes.fromhex("0bea 0aea"))  # a second halfword that looks like a first


class _Machine:
    """Peripherals with a count that the test sets."""

    def __init__(self, core: str = "cortex-m4", family: str = "", terminal: Terminal | None = None) -> None:
        self.count = 0
        self.output = b""
        self.registers = Peripherals(
            core, family, terminal or Terminal(), executed=lambda: self.count, emit=self._emit
        )

    def _emit(self, data: bytes) -> None:
        self.output += data

    def read(self, address: int) -> int:
        return self.registers.read(address, 4)

    def write(self, address: int, value: int) -> None:
        self.registers.write(address, 4, value)


def test_systick_counts_down_and_tells_when_it_wrapped() -> None:
    machine = _Machine()
    machine.write(0xE000E014, 99)
    machine.write(0xE000E018, 5)
    machine.write(0xE000E010, 5)
    assert machine.read(0xE000E018) == 0
    machine.count = 1
    assert machine.read(0xE000E018) == 99
    machine.count = 150
    assert machine.read(0xE000E018) == 50
    assert machine.read(0xE000E010) == 0x10005
    assert machine.read(0xE000E010) == 5


def test_the_cortex_m7_locks_its_cycle_counter() -> None:
    machine = _Machine("cortex-m7")
    machine.write(0xE000EDFC, 1 << 24)
    machine.write(0xE0001000, 1)
    machine.count = 10
    assert machine.read(0xE0001004) == 0
    machine.write(0xE0001FB0, 0xC5ACCE55)
    machine.write(0xE0001000, 1)
    machine.count = 25
    assert machine.read(0xE0001004) == 15


def test_registers_keep_bytes_and_halfwords() -> None:
    machine = _Machine()
    machine.write(0x40010000, 0x11223344)
    machine.registers.write(0x40010001, 1, 0xAA)
    machine.registers.write(0x40010002, 2, 0xBBCC)
    assert machine.read(0x40010000) == 0xBBCCAA44
    assert machine.registers.read(0x40010003, 1) == 0xBB


def test_the_system_clock_switches_only_to_a_source_that_runs() -> None:
    machine = _Machine(family="stm32f4")
    machine.write(0x40023808, 2)  # the PLL, which is off
    assert machine.read(0x40023808) == 2
    machine.write(0x40023804, 1 << 22)  # its source: the HSE, which is off
    machine.write(0x40023800, 1 << 24 | 1)
    assert machine.read(0x40023800) >> 24 == 1
    machine.write(0x40023800, 1 << 24 | 1 << 16 | 1)
    assert machine.read(0x40023800) == 0x03030003
    assert machine.read(0x40023808) == 2 | 2 << 2


def test_a_uart_needs_its_clock_transmitter_baud_rate_and_pin() -> None:
    machine = _Machine(family="stm32f4", terminal=Terminal("USART2", "PA2", 7))
    steps = [
        ("has no clock", 0x40023840, 1 << 17),
        ("transmitter is not enabled", 0x4000440C, 1 << 13 | 1 << 3),
        ("has no baud rate", 0x40004408, 0x16D),
        ("PA2 is not in alternate function mode", 0x40020000, 2 << 4),
        ("PA2 is not connected to alternate function 7", 0x40020020, 7 << 8),
    ]
    for reason, address, value in steps:
        machine.write(0x40004404, ord("x"))
        assert reason in machine.registers.hints()[0]
        machine.write(address, value)
    assert machine.output == b""
    machine.write(0x40004404, ord("y"))
    assert machine.output == b"y"


@pytest.mark.needs("unix")
def test_a_board_on_a_serial_port_is_read(folder: Path) -> None:
    pytest.importorskip("serial")
    device, port = os.openpty()
    lines = (
        "2,7\r\nMN,vector,3,PASS,0\r\nMN,begin,2\r\nMN,board,x,216000000,ok\r\n"
        "MN,begin,2\r\nMN,board,nucleo_f746zg,216000000,ok\r\nMN,model,m,aot\r\nMN,build,\r\nMN,counter,cycles,1,1\r\n"
        "MN,startup,12\r\nMN,invoke,1000\r\nMN,vector,0,PASS,0\r\nMN,result,PASS,1,1\r\nMN,end\r\n"
    )
    started = threading.Event()

    def board() -> None:
        started.wait(10)
        os.write(device, lines.encode())

    thread = threading.Thread(target=board)
    thread.start()
    notices: list[str] = []

    def notice(text: str) -> None:
        notices.append(text)
        started.set()  # the person presses reset

    try:
        result = run_port(os.ttyname(port), timeout=2, notice=notice)
    finally:
        thread.join()
        os.close(device)
        os.close(port)
    assert result.passed
    assert (result.unit, result.count, result.startup, result.board) == ("cycles", 1000, 12, "nucleo_f746zg")
    assert notices == [f"nothing from {result.ran_on} yet: press the board's reset button"]


@pytest.mark.needs("unix")
def test_a_silent_board_is_given_up() -> None:
    pytest.importorskip("serial")
    device, port = os.openpty()
    try:
        with pytest.raises(EmulationError, match=r"did not finish within 0\.3 s") as raised:
            run_port(os.ttyname(port), timeout=0.3)
    finally:
        os.close(device)
        os.close(port)
    assert raised.value.why == "the firmware wrote nothing"
    assert "115200 baud" in raised.value.remedy
    assert "if it is an application that writes nothing, set SELFTEST to 1" in raised.value.remedy


@pytest.mark.needs("unix")
def test_an_application_on_a_port_is_taken_for_one() -> None:
    pytest.importorskip("serial")
    device, port = os.openpty()

    def notice(_text: str) -> None:  # opening a port drops what came before
        os.write(device, b"the largest of the outputs is number 3\r\n")

    try:
        with pytest.raises(EmulationError) as raised:
            run_port(os.ttyname(port), timeout=0.6, notice=notice)
    finally:
        os.close(device)
        os.close(port)
    assert raised.value.why == (
        "the firmware never wrote MN,begin; the last line is 'the largest of the outputs is number 3'"
    )
    assert raised.value.remedy == (
        "if it is an application, watch it with `pio device monitor`, or set SELFTEST to 1 at the top of src/main.c "
        "(and not to 0 in user.ini) and upload it again; if it is the self-test, press the board's reset button, and "
        "see that it sends at 115200 baud"
    )


def test_a_port_that_is_not_there() -> None:
    pytest.importorskip("serial")
    with pytest.raises(EmulationError, match="cannot read the port"):
        run_port("/dev/no-such-port")


def test_the_package_imports_only_what_a_generated_project_may_have() -> None:
    allowed = set(sys.stdlib_module_names) | {"unicorn", "serial"}
    for path in sorted(Path(micronets_gen.emulate.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            assert {name.split(".")[0] for name in names} <= allowed, path.name


def _command_line(tmp_path: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    copy = tmp_path / "pio" / "emulate"
    if not copy.exists():
        shutil.copytree(
            Path(micronets_gen.emulate.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__")
        )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-m", "emulate", *arguments],
        cwd=copy.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@needs_compiler
@pytest.mark.needs("unix")
def test_a_person_can_stop_a_run(tmp_path: Path) -> None:
    source, elf, board = tmp_path / "spin.S", tmp_path / "spin.elf", tmp_path / "board.json"
    source.write_text(
        HEADER + 'movs r0, #4\n ldr r1, =text\n bkpt 0xab\n1: adds r0, #1\n b 1b\ntext: .asciz "spinning\\n"'
    )
    compile_with("-nostdlib", source, ld=BARE_LD, elf=elf)
    board.write_text(json.dumps(board_of("nucleo_f446re")))
    command = [sys.executable, "-m", "micronets_gen.emulate", "--board-json", str(board), str(elf)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "spinning\n"
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=10)
    assert (process.returncode, complaint) == (130, "stopped\n")


@needs_compiler
def test_the_copy_in_a_project_runs_alone(folder: Path, tmp_path: Path) -> None:
    board = tmp_path / "board.json"
    board.write_text(json.dumps(board_of("nucleo_f446re")))
    good, bad = (_build_report(folder, "nucleo_f446re", wanted) for wanted in (1, 0))

    shown = _command_line(tmp_path, "--board-json", board, good)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "an application's own line" in shown.stdout
    assert shown.stdout.endswith("PASS: 1 of 1 vectors byte-exact\n")

    failed = _command_line(tmp_path, "--board-json", board, bad, "--json")
    assert failed.returncode == 1
    data = json.loads(failed.stdout)
    assert data["passed"] is False
    assert data["layers"] == [
        {"index": 0, "name": "work", "op": "WORK", "macs": 2000, "count": data["count"]}
    ]

    stopped = _command_line(tmp_path, "--board-json", board, tmp_path / "none.elf")
    assert stopped.returncode == 2
    assert "cannot read the firmware image" in stopped.stderr

    slow = _command_line(tmp_path, "--board-json", board, good, "--timeout", "0")
    assert slow.returncode == 2
    assert "still running after 0 s" in slow.stderr


@needs_compiler
@needs_qemu
def test_any_time_can_be_waited(folder: Path) -> None:
    elf, board = _build_report(folder, "qemu_mps2_an386", 1), board_of("qemu_mps2_an386")
    assert run_elf(elf, board, timeout=float("inf")).passed
    with pytest.raises(EmulationError, match="nan s is no time to wait"):
        run_elf(elf, board, timeout=float("nan"))
