"""Every board's start-up code compiles, links and, in the board's emulator, does what it says."""

from __future__ import annotations

import re
import subprocess
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest

from micronets_gen.boards.board import Board
from micronets_gen.boards.load import load_board, load_boards
from micronets_gen.emulate import qemu
from micronets_gen.emulate.errors import EmulationError
from micronets_gen.emulate.image import read_image
from micronets_gen.emulate.protocol import ProtocolReader
from micronets_gen.emulate.run import describe, run_elf
from micronets_gen.emulate.virtual_board import VirtualBoard
from micronets_gen.plan.placement import lost_bytes
from micronets_gen.project.soc_files import soc_files

pytestmark = pytest.mark.needs("compiler")

PROGRAMS = Path(__file__).parent / "programs"
BOARDS = load_boards()
QEMU = [board for board in BOARDS if board.emulator and board.emulator.kind == "qemu"]
VIRTUAL = [board for board in BOARDS if board.emulator and board.emulator.kind == "virtual"]
FALLBACK_HZ = {"stm32f4": 16_000_000, "stm32f7": 16_000_000, "stm32l4": 16_000_000, "stm32h7": 64_000_000}
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wundef", "-Wshadow", "-Werror", "-Wl,--fatal-warnings")


def by_name(board: Board) -> str:
    return board.name


def link(
    board: Board,
    folder: Path,
    *defines: str,
    arena: str = "",
    stack_bytes: int = 2048,
    optimize: str = "-Os",
    status: int = 0,
) -> subprocess.CompletedProcess[str]:
    """Build the probe; the image is ``folder / probe.elf``."""
    files = soc_files(board, arena_region=arena or board.default_ram.name, stack_bytes=stack_bytes)
    for name, text in files.items():
        (folder / name).write_text(text)
    command = ["arm-none-eabi-gcc", *board.cpu_flags, "-std=c11", *optimize.split(), "-g", *WARNINGS]
    command += ["-ffunction-sections", "-fdata-sections", "-nostartfiles", "--specs=nano.specs"]
    command += ["-Wl,--gc-sections", "-T", "board.ld", "-I.", f"-DSTATUS={status}", *defines]
    command += [
        str(PROGRAMS / "probe.c"),
        *(name for name in files if name.endswith(".c")),
        "-o",
        "probe.elf",
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def build(board: Board, folder: Path, *defines: str, **options: object) -> Path:
    done = link(board, folder, *defines, **options)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return folder / "probe.elf"


def run_qemu(board: Board, elf: Path) -> tuple[str, int]:
    assert board.emulator is not None
    done = subprocess.run(
        qemu.command(board.emulator.machine, elf),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout, done.returncode


def run_virtual(board: Board, elf: Path, *, clock_fails: bool = False) -> str:
    reader = ProtocolReader()
    VirtualBoard(read_image(elf), describe(board), reader, clock_fails=clock_fails).run(timeout=60)
    return reader.output


def symbols(elf: Path) -> dict[str, int]:
    text = subprocess.run(["arm-none-eabi-nm", str(elf)], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^([0-9a-f]{8}) . (\S+)$", text, re.MULTILINE)
    return {name: int(address, 16) for address, name in found}


def check_ticks(output: str, ratio: Fraction) -> None:
    """The loop has 2,000,000 instructions; calls and the counter's own reading add a few."""
    ticks = re.search(r"^ticks (\d+)$", output, re.MULTILINE)
    assert ticks is not None, output
    assert 0 <= int(ticks[1]) * ratio - 2_000_000 <= ratio + 40


@pytest.mark.parametrize("board", QEMU, ids=by_name)
def test_qemu_boots_counts_and_exits(board: Board, tmp_path: Path) -> None:
    assert board.emulator is not None
    ratio = Fraction(board.emulator.instructions_numerator, board.emulator.instructions_denominator)
    output, status = run_qemu(board, build(board, tmp_path, status=3))
    lines = output.splitlines()
    assert lines[:3] == [
        "MN,begin,2",
        f"MN,board,{board.name},{board.clock_hz},ok",
        f"MN,counter,instructions,{ratio.numerator},{ratio.denominator}",
    ]
    assert lines[-2:] == ["memory good", "MN,end"]
    check_ticks(output, ratio)
    assert status == 3


def test_own_board_file_boots(tmp_path: Path) -> None:
    """A Cortex-M3 without FPU, which no bundled board has, from one new file."""
    text = Path(load_board("qemu_mps2_an386").path).read_text(encoding="utf-8")
    text = text.replace("cortex-m4", "cortex-m3").replace('fpu = "fpv4-sp-d16"\n', "")
    path = tmp_path / "my_an385.toml"
    path.write_text(text.replace("mps2-an386", "mps2-an385"))
    board = load_board(path)
    output, status = run_qemu(board, build(board, tmp_path))
    assert "MN,board,my_an385,25000000,ok\n" in output
    assert status == 0


@pytest.mark.parametrize("optimize", ["-O0", "-Og", "-O3", "-Os -flto"])
@pytest.mark.parametrize("name", ["qemu_mps2_an500", "qemu_mps3_an547"])
def test_start_up_survives_the_optimizer(name: str, optimize: str, tmp_path: Path) -> None:
    board = load_board(name)
    _, status = run_qemu(board, build(board, tmp_path, optimize=optimize))
    assert status == 0


@pytest.mark.parametrize("board", VIRTUAL, ids=by_name)
def test_virtual_board_boots_at_the_rated_clock(board: Board, tmp_path: Path) -> None:
    output = run_virtual(board, build(board, tmp_path))
    lines = output.splitlines()
    assert lines[:3] == ["MN,begin,2", f"MN,board,{board.name},{board.clock_hz},ok", "MN,counter,cycles,1,1"]
    assert lines[-2:] == ["memory good", "MN,end"]
    check_ticks(output, Fraction(1))


@pytest.mark.parametrize("board", VIRTUAL, ids=by_name)
def test_clock_that_does_not_start_falls_back_and_says_so(board: Board, tmp_path: Path) -> None:
    output = run_virtual(board, build(board, tmp_path, optimize="-O2"), clock_fails=True)
    assert f"MN,board,{board.name},{FALLBACK_HZ[board.family]},fallback\n" in output
    assert output.endswith("MN,end\n")


@pytest.mark.parametrize("board", QEMU, ids=by_name)
def test_undefined_instruction_is_reported_with_its_address(board: Board, tmp_path: Path) -> None:
    elf = build(board, tmp_path, "-DBREAK_UNDEFINED")
    output, status = run_qemu(board, elf)
    assert output.endswith(f"\nMN,fault,usage,0x{symbols(elf)['undefined_here'] & ~1:08x}\n")
    assert status == 128 + 4


@pytest.mark.parametrize("board", QEMU, ids=by_name)
def test_stack_overflow_is_reported_even_without_a_stack(board: Board, tmp_path: Path) -> None:
    elf = build(board, tmp_path, "-DBREAK_STACK", "-Wno-infinite-recursion")
    output, status = run_qemu(board, elf)
    assert re.search(r"\nMN,fault,stack,0x[0-9a-f]{8}\n$", output), output
    assert status == 128 + 7


# On the other two machines memory goes on below the RAM, down to the code.
@pytest.mark.parametrize("name", ["qemu_mps2_an505", "qemu_mps3_an547", "qemu_netduinoplus2"])
def test_overflow_that_passes_the_guard_is_named(name: str, tmp_path: Path) -> None:
    board = load_board(name)
    elf = build(board, tmp_path, "-DBREAK_FRAMES", "-Wno-infinite-recursion")
    with pytest.raises(EmulationError, match="the stack overflowed") as raised:
        run_elf(elf, describe(board), timeout=60)
    assert "R13" not in str(raised.value)


def test_interrupt_that_nobody_handles_is_reported(tmp_path: Path) -> None:
    board = load_board("qemu_mps2_an386")
    output, status = run_qemu(board, build(board, tmp_path, "-DBREAK_SVC"))
    assert "\nMN,fault,interrupt,0x" in output
    assert status == 128 + 6


def test_counter_continues_across_the_wrap_of_systick(tmp_path: Path) -> None:
    board = load_board("qemu_mps3_an547")
    output, status = run_qemu(board, build(board, tmp_path, "-DWRAP"))
    assert "\nsteady\n" in output
    assert status == 0


@pytest.mark.parametrize("board", BOARDS, ids=by_name)
def test_arena_can_lie_in_every_region_and_span(board: Board, tmp_path: Path) -> None:
    for place in {region.name: region for region in (*board.ram, *board.ram_spans())}.values():
        folder = tmp_path / place.name
        folder.mkdir()
        found = symbols(build(board, folder, arena=place.name))
        assert place.origin <= found["_arena_start"] < found["_arena_end"] <= place.end
        assert found["_arena_end"] - found["_arena_start"] == 1024
        home = place if place.default else board.default_ram
        assert found["_data_start"] == home.origin
        assert found["_stack_top"] == home.end
        assert found["_stack_top"] - found["_stack_limit"] >= 2048


def test_span_holds_an_arena_larger_than_each_of_its_regions(tmp_path: Path) -> None:
    board = load_board("nucleo_f746zg")
    elf = build(board, tmp_path, "-DARENA_BYTES=300000", arena="DTCM+SRAM1+SRAM2")
    assert run_virtual(board, elf).endswith("memory good\nMN,end\n")


@pytest.mark.parametrize(
    ("defines", "arena", "sentence"),
    [
        (
            ["-DARENA_BYTES=300000"],
            "SRAM1",
            "RAM overflow in SRAM1: the arena of the model needs more than its 240 KiB. Generate the project "
            "again to place the arena elsewhere, take a smaller model, or a board with more RAM.",
        ),
        (
            ["-DARENA_BYTES=65000"],
            "DTCM",
            "RAM overflow in DTCM: the arena of the model, data, bss, the heap and the stack need more than its 64 "
            "KiB. Take a smaller model, shrink your own variables or the heap (custom_heap_bytes in user.ini), or take "
            "a board with more RAM.",
        ),
        (
            ["-DBSS_BYTES=65000"],
            "SRAM1",
            "RAM overflow in DTCM: data, bss, the heap and the stack need more than its 64 KiB. Shrink your "
            "own variables or the heap (custom_heap_bytes in user.ini), or move large variables to another region "
            "by a section attribute.",
        ),
        (
            ["-Wl,--defsym=_heap_bytes=70000"],
            "DTCM",
            "RAM overflow in DTCM: the arena of the model, data, bss, the heap and the stack need more than its",
        ),
    ],
)
def test_linker_says_what_to_do(defines: list[str], arena: str, sentence: str, tmp_path: Path) -> None:
    done = link(load_board("nucleo_f746zg"), tmp_path, *defines, arena=arena)
    assert done.returncode != 0
    assert sentence in done.stderr


@pytest.mark.parametrize("name", ["nucleo_f446re", "qemu_mps2_an505"])
def test_no_more_is_lost_than_announced(name: str, tmp_path: Path) -> None:
    board = load_board(name)
    found = symbols(build(board, tmp_path))
    used = found["_bss_end"] - board.default_ram.origin + found["_arena_end"] - found["_arena_start"]
    room = found["_stack_top"] - found["_stack_limit"]
    assert board.default_ram.size - used - room <= lost_bytes(board)


def test_no_system_call_and_no_heap_is_linked(tmp_path: Path) -> None:
    found = symbols(build(load_board("nucleo_f746zg"), tmp_path))
    assert not {"_sbrk", "malloc", "_write", "_exit", "__errno"} & found.keys()


def test_start_up_code_may_be_in_an_archive(tmp_path: Path) -> None:
    board = load_board("qemu_mps2_an505")
    build(board, tmp_path)
    flags = [*board.cpu_flags, "-Os", "-nostartfiles", "--specs=nano.specs", "-I.", "-DSTATUS=0"]
    sources = sorted(path.name for path in tmp_path.glob("*.c"))
    run_here = partial(subprocess.run, cwd=tmp_path, check=True)
    run_here(["arm-none-eabi-gcc", *flags, "-c", *sources])
    run_here(["arm-none-eabi-ar", "rcs", "libboard.a", *(name[:-2] + ".o" for name in sources)])
    probe = str(PROGRAMS / "probe.c")
    run_here(["arm-none-eabi-gcc", *flags, "-T", "board.ld", probe, "libboard.a", "-o", "archived.elf"])
    output, status = run_qemu(board, tmp_path / "archived.elf")
    assert output.endswith("memory good\nMN,end\n")
    assert status == 0


def test_cpp_constructors_run(tmp_path: Path) -> None:
    board = load_board("qemu_mps2_an386")
    files = soc_files(board, arena_region="RAM", stack_bytes=2048)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "main.cc").write_text(
        '#include "board.h"\n'
        "struct Answer { int value; explicit Answer(int v) : value(v) {} };\n"
        "static volatile int seed = 40;\n"
        "static Answer answer(seed + 2);\n"
        "int main() { board_init(); return answer.value; }\n"
    )
    flags = [*board.cpu_flags, "-Os", "-Wall", "-Wextra", "-Werror"]
    link_flags = ["-fno-exceptions", "-fno-rtti", "-nostdlib", "-T", "board.ld", "-Wl,--fatal-warnings"]
    sources = [name for name in files if name.endswith(".c")]
    objects = [name[:-2] + ".o" for name in sources]
    run_here = partial(subprocess.run, cwd=tmp_path, check=True)
    run_here(["arm-none-eabi-gcc", *flags, "-c", *sources])
    run_here(
        ["arm-none-eabi-g++", *flags, *link_flags, "main.cc", *objects, "-lc_nano", "-lgcc", "-o", "main.elf"]
    )
    assert run_qemu(board, tmp_path / "main.elf") == ("", 42)
