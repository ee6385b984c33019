"""Board files: what a correct one becomes, and the exact message for everything that can be wrong in one."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import pytest

from micronets_gen.boards.board import Board, Region
from micronets_gen.boards.cores import CORES
from micronets_gen.boards.family import Frequencies, frequencies
from micronets_gen.boards.load import load_board, load_boards, parse_board
from micronets_gen.boards.rules import PROTOCOLS
from micronets_gen.errors import BoardError
from micronets_gen.plan.placement import lost_bytes
from micronets_gen.project.soc_files import soc_files

GOOD = """\
title = "My board"
vendor = "Me"
url = "https://example.org"
mcu = "STM32F746ZG"
core = "cortex-m7"
fpu = "fpv5-sp-d16"
family = "stm32f7"
clock_hz = 216_000_000

[[regions]]
name = "FLASH"
kind = "flash"
origin = 0x0800_0000
size = "1M"
default = true

[[regions]]
name = "DTCM"
kind = "ram"
origin = 0x2000_0000
size = "64K"
default = true

[[regions]]
name = "SRAM"
kind = "ram"
origin = 0x2001_0000
size = 262144

[clock]
source = "hse-bypass"
source_hz = 8_000_000
pll_m = 4
pll_n = 216
pll_div = 2
pll_q = 9
apb1_div = 4
apb2_div = 2
flash_latency = 7
boost = true

[uart]
instance = "USART3"
baud = 115200
tx = "PD8"
rx = "PD9"
alternate = 7

[emulator]
kind = "virtual"

[upload]
protocols = ["stlink", "jlink"]
openocd_interface = "stlink"
openocd_target = "stm32f7x"
jlink_device = "STM32F746ZG"
"""

BOARD_KEYS = (
    "clock, clock_hz, core, emulator, family, fpu, mcu, notes, power, regions, title, "
    "uart, upload, url, vendor"
)
REGION_KEYS = "default, kind, name, note, origin, size, vectors"


def parse(text: str = GOOD, name: str = "mine") -> Board:
    return parse_board(text, name=name, where="mine.toml")


def test_good_board() -> None:
    board = parse()
    assert board.name == "mine"
    assert board.regions[1] == Region("DTCM", 0x20000000, 65536, "ram", default=True)
    assert board.regions[2].size == 262144
    assert board.clock is not None
    assert board.clock.ahb_div == 1
    assert board.emulator is not None
    assert (board.emulator.instructions_numerator, board.emulator.instructions_denominator) == (1, 1)
    assert board.cpu_flags == ("-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "clock_hz =",
            "clock_hx =",
            "mine.toml: unknown key 'clock_hx'\n"
            f"  what to do: did you mean clock_hz? the keys are {BOARD_KEYS}",
        ),
        (
            'kind = "ram"',
            'type = "ram"',
            f"mine.toml: [[regions]] 2 (DTCM): unknown key 'type'\n  what to do: the keys are {REGION_KEYS}",
        ),
        (
            'mcu = "STM32F746ZG"\n',
            "",
            "mine.toml: the key 'mcu' is missing\n  what to do: add mcu = a text",
        ),
        (
            "baud = 115200\n",
            "",
            "mine.toml: [uart]: the key 'baud' is missing\n  what to do: add baud = an integer",
        ),
        (
            "216_000_000",
            '"216 MHz"',
            "mine.toml: 'clock_hz' must be an integer, not a text\n  why: it is '216 MHz'",
        ),
        (
            "boost = true",
            "boost = 1",
            "mine.toml: [clock]: 'boost' must be true or false, not an integer\n  why: it is 1",
        ),
        (
            '"64K"',
            '"64 KB"',
            "mine.toml: [[regions]] 2 (DTCM): 'size' must be a number of bytes or a text such as \"64K\" or "
            "\"2M\", not a text\n  why: it is '64 KB'",
        ),
        (
            '["stlink", "jlink"]',
            '"stlink"',
            "mine.toml: [upload]: 'protocols' must be an array of texts, not a text\n  why: it is 'stlink'",
        ),
        (
            "0x2001_0000",
            "0x2000_F000",
            "mine.toml: the regions DTCM and SRAM overlap\n"
            "  why: DTCM ends at 0x20010000, SRAM begins at 0x2000F000\n"
            "  what to do: list memory once, at the address that the program uses",
        ),
        ('name = "SRAM"', 'name = "DTCM"', "mine.toml: two regions are called DTCM"),
        (
            'name = "SRAM"',
            'name = "s-ram"',
            "mine.toml: 's-ram' cannot be a region's name\n"
            "  what to do: use capital letters, digits and underscores, a letter first",
        ),
        (
            'kind = "flash"',
            'kind = "flesh"',
            "mine.toml: region FLASH: 'kind' cannot be 'flesh'\n"
            "  what to do: did you mean flash? choices are code, flash, ram",
        ),
        ("size = 262144", "size = 0", "mine.toml: region SRAM: the size must be positive"),
        (
            "size = 262144",
            "size = 262145",
            "mine.toml: region SRAM: origin and size must be multiples of 32 bytes",
        ),
        (
            "origin = 0x2001_0000",
            "origin = 0xFFFF_0000",
            "mine.toml: region SRAM: the region does not lie within 32-bit addresses",
        ),
        (
            'size = "64K"\ndefault = true',
            'size = "64K"',
            "mine.toml: no region of kind 'ram' is the default\n"
            "  what to do: set default = true in the one region of kind 'ram' that takes data and stack",
        ),
        (
            "size = 262144",
            "size = 262144\ndefault = true",
            "mine.toml: 2 regions of kind 'ram' are the default\n"
            "  what to do: set default = true in the one region of kind 'ram' that takes data and stack",
        ),
        (
            'family = "stm32f7"',
            'family = "stm32f8"',
            "mine.toml: 'family' cannot be 'stm32f8'\n  what to do: did you mean stm32f7? choices are "
            "mps2, mps2_an505, mps3_an547, qemu_stm32f405, stm32f4, stm32f7, stm32h7, stm32l4",
        ),
        (
            '"cortex-m7"',
            '"cortex-m8"',
            "mine.toml: 'core' cannot be 'cortex-m8'\n  what to do: did you mean cortex-m7? choices are "
            "cortex-m3, cortex-m33, cortex-m4, cortex-m55, cortex-m7",
        ),
        (
            '"fpv5-sp-d16"',
            '"fpv4-sp-d16"',
            "mine.toml: the cortex-m7 has no FPU 'fpv4-sp-d16'\n"
            "  what to do: set fpu to one of: none, 'fpv5-sp-d16', 'fpv5-d16'",
        ),
        (
            'core = "cortex-m7"\nfpu = "fpv5-sp-d16"',
            'core = "cortex-m4"',
            "mine.toml: the family stm32f7 has no cortex-m4\n  what to do: its cores are: cortex-m7",
        ),
        (
            'core = "cortex-m7"\nfpu = "fpv5-sp-d16"',
            'core = "cortex-m55"',
            "mine.toml: the cortex-m55 needs an FPU\n  what to do: set fpu to one of: 'auto'",
        ),
        ("clock_hz = 216_000_000", "clock_hz = 0", "mine.toml: 'clock_hz' must be positive"),
        (
            "clock_hz = 216_000_000",
            "clock_hz = 200_000_000",
            "mine.toml: [clock]: the clock tree gives 216 MHz, clock_hz says 200 MHz\n"
            "  why: 8 MHz / 4 * 216 / 2 / 1",
        ),
        (
            '"hse-bypass"',
            '"msi"',
            "mine.toml: [clock]: 'source' cannot be 'msi'\n  what to do: choices are hse, hse-bypass",
        ),
        ("pll_m = 4", "pll_m = 1", "mine.toml: [clock]: 'pll_m' must be from 2 to 63, not 1"),
        (
            "pll_m = 4",
            "pll_m = 2",
            "mine.toml: [clock]: the PLL's input is at 4 MHz, STM32F7 allows 0.95 MHz to 2.1 MHz",
        ),
        (
            "pll_n = 216",
            "pll_n = 240",
            "mine.toml: [clock]: the VCO is at 480 MHz, STM32F7 allows 100 MHz to 432 MHz",
        ),
        ("pll_q = 9\n", "", "mine.toml: [clock]: 'pll_q' must be from 2 to 15, not 0"),
        (
            "pll_q = 9",
            "pll_q = 8",
            "mine.toml: [clock]: the 48 MHz domain is at 54 MHz, STM32F7 allows at most 48 MHz",
        ),
        (
            "pll_div = 2",
            "pll_div = 3",
            "mine.toml: [clock]: 'pll_div' cannot be 3\n  what to do: choices are 2, 4, 6, 8",
        ),
        (
            "boost = true",
            "boost = false",
            "mine.toml: [clock]: the core is at 216 MHz, STM32F7 reaches 180 MHz without boost\n"
            "  what to do: set boost = true",
        ),
        (
            "apb1_div = 4",
            "apb1_div = 2",
            "mine.toml: [clock]: APB1 is at 108 MHz, STM32F7 allows at most 54 MHz",
        ),
        (
            "apb2_div = 2",
            "apb2_div = 1",
            "mine.toml: [clock]: APB2 is at 216 MHz, STM32F7 allows at most 108 MHz",
        ),
        (
            "flash_latency = 7",
            "flash_latency = 6",
            "mine.toml: [clock]: 6 wait states are too few for the flash at 216 MHz\n"
            "  what to do: set flash_latency = 7",
        ),
        (
            "flash_latency = 7",
            "flash_latency = 16",
            "mine.toml: [clock]: 'flash_latency' must be from 7 to 15, not 16",
        ),
        (
            '"USART3"',
            '"USART9"',
            "mine.toml: [uart]: 'instance' cannot be 'USART9'\n"
            "  what to do: did you mean USART6? choices are USART1, USART2, USART3, USART6",
        ),
        ('"PD8"', '"PD16"', "mine.toml: [uart]: 'tx' must be a pin such as PD8, not 'PD16'"),
        ("alternate = 7", "alternate = 16", "mine.toml: [uart]: 'alternate' must be from 0 to 15, not 16"),
        ("115200", "300", "mine.toml: [uart]: 'baud' must be from 9600 to 1000000, not 300"),
        (
            'kind = "virtual"',
            'kind = "qemu"',
            "mine.toml: [emulator]: the key 'machine' is missing\n"
            "  what to do: add QEMU's name of the machine",
        ),
        (
            'kind = "virtual"',
            'kind = "virtual"\nmachine = "x"',
            "mine.toml: [emulator]: the virtual board has no 'machine'\n  what to do: remove the key",
        ),
        (
            'kind = "virtual"',
            'kind = "virtual"\ninstructions_denominator = 0',
            "mine.toml: [emulator]: the instructions per tick must be positive",
        ),
        (
            '["stlink", "jlink"]',
            "[]",
            "mine.toml: [upload]: 'protocols' is empty\n  what to do: list the default protocol first",
        ),
        (
            '"jlink"]',
            '"jlnk"]',
            "mine.toml: [upload]: 'protocols' cannot be 'jlnk'\n"
            "  what to do: did you mean jlink? choices are blackmagic, cmsis-dap, jlink, stlink",
        ),
        (
            'openocd_target = "stm32f7x"\n',
            "",
            "mine.toml: [upload]: the key 'openocd_target' is missing\n"
            "  what to do: add the name of OpenOCD's target file, such as stm32f7x",
        ),
        (
            'jlink_device = "STM32F746ZG"\n',
            "",
            "mine.toml: [upload]: the key 'jlink_device' is missing\n"
            "  what to do: add SEGGER's name of the chip",
        ),
        ("[uart]", "[uart", "mine.toml: is not valid TOML\n  why: "),
    ],
)
def test_wrong_board(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(BoardError) as raised:
        parse(GOOD.replace(old, new, 1))
    if message.endswith("why: "):
        assert str(raised.value).startswith(message)
    else:
        assert str(raised.value) == message
    assert raised.value.exit_code == 4


def test_clock_table_is_needed_where_there_is_a_clock_tree() -> None:
    start, end = GOOD.index("[clock]"), GOOD.index("[uart]")
    with pytest.raises(BoardError) as raised:
        parse(GOOD[:start] + GOOD[end:])
    assert str(raised.value) == (
        "mine.toml: the table [clock] is missing\n  what to do: STM32F7 starts from a clock tree; add it"
    )


def test_clock_table_is_refused_where_the_clock_is_fixed() -> None:
    text = GOOD.replace('stm32f7"', 'mps2"').replace("USART3", "UART0")
    with pytest.raises(BoardError) as raised:
        parse(text)
    assert str(raised.value) == (
        "mine.toml: [clock]: the clock of Arm MPS2 is fixed\n  what to do: remove the table"
    )


def test_boost_is_refused_where_there_is_none() -> None:
    text = (Path(load_board("nucleo_h743zi").path)).read_text(encoding="utf-8")
    with pytest.raises(BoardError) as raised:
        parse(text.replace("flash_latency = 2", "flash_latency = 2\nboost = true"))
    assert str(raised.value) == "mine.toml: [clock]: STM32H7 has no boost\n  what to do: remove boost"


def test_name_of_the_file_is_the_board() -> None:
    with pytest.raises(BoardError) as raised:
        parse(name="My-Board")
    assert str(raised.value) == (
        "mine.toml: 'My-Board' cannot be a board's name\n"
        "  what to do: name the file with lower-case letters, digits and underscores, a letter first"
    )


def test_own_board_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    assert load_board(path) == load_board(str(path)) == parse()
    assert load_board(path).path == str(path)


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(BoardError) as raised:
        load_board(path)
    assert str(raised.value) == (f"{path}: the file does not exist\n  what to do: check the path")


def test_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BoardError, match="the file is no text in UTF-8"):
        load_board(path)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("nucleo_f746", "did you mean nucleo_f746zg, nucleo_f767zi or nucleo_f446re? "),
        ("qwertz", ""),
    ],
)
def test_unknown_board(name: str, meant: str) -> None:
    with pytest.raises(BoardError) as raised:
        load_board(name)
    assert str(raised.value) == (
        f"there is no board '{name}'\n"
        f"  what to do: {meant}'micronets-gen boards' lists them; the path of a .toml file works, too"
    )


def test_bundled_boards() -> None:
    boards = load_boards()
    kilobytes = {b.name: (b.core, b.ram_bytes // 1024, b.flash_bytes // 1024) for b in boards}
    assert kilobytes == {
        "nucleo_f446re": ("cortex-m4", 128, 512),
        "nucleo_f746zg": ("cortex-m7", 320, 1024),
        "nucleo_f767zi": ("cortex-m7", 512, 2048),
        "nucleo_h743zi": ("cortex-m7", 992, 2048),
        "nucleo_l4r5zi": ("cortex-m4", 640, 2048),
        "qemu_mps2_an386": ("cortex-m4", 20480, 4096),
        "qemu_mps2_an500": ("cortex-m7", 20480, 4096),
        "qemu_mps2_an505": ("cortex-m33", 4096, 4096),
        "qemu_mps3_an547": ("cortex-m55", 4608, 2048),
        "qemu_netduinoplus2": ("cortex-m4", 192, 1024),
    }
    assert [board.name for board in boards] == sorted(board.name for board in boards)
    assert all(load_board(board.name) == board for board in boards)
    assert {name for board in boards if board.upload for name in board.upload.protocols} == set(PROTOCOLS)
    assert {board.core for board in boards} <= CORES.keys()


def test_spans_join_adjacent_regions() -> None:
    board = load_board("nucleo_f746zg")
    (span,) = board.ram_spans()
    assert (span.name, span.origin, span.end, span.default) == (
        "DTCM+SRAM1+SRAM2",
        0x20000000,
        0x20050000,
        True,
    )
    assert board.place("DTCM+SRAM1+SRAM2") == span
    assert board.place("SRAM1+SRAM2") == dataclasses.replace(
        span,
        name="SRAM1+SRAM2",
        origin=0x20010000,
        size=256 * 1024,
        default=False,
        note="SRAM1: through the data cache; SRAM2: through the data cache",
    )
    assert board.place("SRAM1") is board.regions[3]
    assert [s.name for s in load_board("nucleo_h743zi").ram_spans()] == [
        "DTCM",
        "AXISRAM",
        "SRAM123",
        "SRAM4",
    ]


@pytest.mark.parametrize("name", ["NONE", "FLASH", "ITCM", "DTCM+SRAM2", "SRAM1+DTCM", "SRAM1+SRAM1", ""])
def test_place_refuses_what_is_no_place(name: str) -> None:
    with pytest.raises(KeyError):
        load_board("nucleo_f746zg").place(name)


def test_clock_trees_run_at_the_data_sheets_limits() -> None:
    clock = load_board("nucleo_f746zg").clock
    assert clock is not None
    assert frequencies(clock, core_before_ahb=False) == Frequencies(
        pll_input=2_000_000,
        vco=432_000_000,
        core=216_000_000,
        ahb=216_000_000,
        apb1=54_000_000,
        apb2=108_000_000,
        usb=48_000_000,
    )
    clock = load_board("nucleo_h743zi").clock
    assert clock is not None
    made = frequencies(clock, core_before_ahb=True)
    assert (made.core, made.ahb, made.apb1, made.usb) == (400_000_000, 200_000_000, 100_000_000, 0)


@pytest.mark.parametrize("board", load_boards(), ids=lambda board: board.name)
def test_files_of_a_board(board: Board) -> None:
    files = soc_files(board, arena_region=board.default_ram.name, stack_bytes=1024)
    assert list(files) == sorted(files)
    needed = {"board.h", "startup.c", "system.c", "uart.c", "counter.c", "board.ld"}
    assert needed <= files.keys()
    for name, text in files.items():
        assert "{{" not in text, name
        assert "{%" not in text, name
        assert text.startswith("/* SPDX-License-Identifier: Apache-2.0 */\n"), name
        assert text.endswith("\n"), name
        assert not text.endswith("\n\n"), name
        sentence = '       "'  # a linker script cannot break a string
        assert all(len(line) <= 120 or line.startswith(sentence) for line in text.splitlines()), name
    assert files == soc_files(board, arena_region=board.default_ram.name, stack_bytes=1024)


def test_soc_files_refuse_what_cannot_be_linked() -> None:
    board = load_board("nucleo_f746zg")
    with pytest.raises(KeyError, match="NONE"):
        soc_files(board, arena_region="NONE", stack_bytes=1024)
    with pytest.raises(ValueError, match="stack_bytes is 0, which is not positive"):
        soc_files(board, arena_region="DTCM", stack_bytes=0)


def test_lost_bytes_are_guard_and_alignment() -> None:
    assert lost_bytes(load_board("nucleo_f746zg")) == 127 + 128 + 15
    assert lost_bytes(load_board("qemu_mps2_an505")) == 7 + 15


NOTE = 'name = "SRAM"'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"My board"', '"a */ int x; /*"', "title: a text cannot hold '/*' or '*/'"),
        ('"My board"', r'"a\nextra_scripts = evil.py"', "'title' must be one line of printable characters"),
        ('"My board"', r'"a\u202Eb"', "it holds U+202E"),
        ('"My board"', f'"{"x" * 101}"', "'title' has 101 characters; 100 at most"),
        ('"My board"', f'"{"x" * 101}" # "My board"', "'title' has 101 characters"),
        ('"STM32F746ZG"', '"a (b) */"', "'mcu' cannot be 'a (b) */'"),
        ('"https://example.org"', '"javascript:alert(1)"', "'url' cannot be"),
        (NOTE, f'{NOTE}\nnote = "*/ SECTIONS {{}}"', "region SRAM: a text cannot hold"),
        (NOTE, 'name = "ORIGIN"', "'ORIGIN' cannot be a region's name\n  why: it means something else"),
        (NOTE, r'name = "\u001b[2J"', r"(\x1b[2J): 'name' must be one line of printable characters"),
        ("stm32f7x", "../../evil", "'openocd_target' cannot be"),
        (
            '"stm32f7x"\njlink_device = "STM32F746ZG"',
            '"stm32f7x"\njlink_device = "x\\nexec evil"',
            "'jlink_device' must be one line",
        ),
        ('"virtual"', '"qemu"\nmachine = "an500,firmware=/etc/passwd"', "'machine' cannot be"),
        ("216_000_000", "9" * 5000, "is not valid TOML"),
        ("216_000_000", "0x" + "f" * 5000, "'clock_hz' must fit into 64 bits"),
        (
            "216_000_000",
            f"[0x{'f' * 5000}]",
            "'clock_hz' must be an integer, not an array\n  why: it is too much to show",
        ),
        ("216_000_000", "[" * 3000 + "]" * 3000, "nested too deep"),
        ('"64K"', f'"{"9" * 5000}K"', "'size' must be"),
        ("clock_hz =", f"{'x' * 5000} = 1\nclock_hz =", f"unknown key '{'x' * 80}…'"),
        (
            'device = "STM32F746ZG"',
            'device = "STM32F746ZG"\n[[regions]]' + "\n[[regions]]" * 2000,
            "'regions' has 2,004 elements; 32 at most",
        ),
    ],
)
def test_board_that_attacks(old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(BoardError) as raised:
        parse(GOOD.replace(old, new, 1))
    assert says in str(raised.value)
    assert str(raised.value).isprintable() or str(raised.value).replace("\n", "").isprintable()
    assert len(str(raised.value)) < 1000


def test_name_of_adjacent_regions_together_is_taken() -> None:
    text = GOOD.replace(
        "[clock]", '[[regions]]\nname = "DTCM_SRAM"\nkind = "ram"\norigin = 0x3000_0000\nsize = 32\n\n[clock]'
    )
    with pytest.raises(BoardError, match="DTCM_SRAM has the name that adjacent regions have together"):
        parse(text)


def test_pins_where_they_are_fixed_are_refused() -> None:
    start, end = GOOD.index("[clock]"), GOOD.index("[uart]")
    text = (GOOD[:start] + GOOD[end:]).replace('stm32f7"', 'mps2"').replace("USART3", "UART0")
    with pytest.raises(BoardError, match="the pins of Arm MPS2 are fixed"):
        parse(text)


def test_board_files_that_are_none_or_never_end(tmp_path: Path) -> None:
    fifo, large, folder = tmp_path / "fifo.toml", tmp_path / "large.toml", tmp_path / "folder.toml"
    os.mkfifo(fifo)
    large.write_text("#" * (65 << 10))
    folder.mkdir()
    for path, says in (
        (fifo, "is no regular file"),
        (large, "the file is too large\n  why: such a file has 65,536 bytes at most"),
        (folder, "is a folder, not a file"),
    ):
        with pytest.raises(BoardError, match=says):
            load_board(path)


def test_slowest_board_file_is_refused_within_a_second() -> None:
    text = "[" + ".".join("a" * 30_000) + "]"
    start = time.process_time()
    with pytest.raises(BoardError):
        parse(text)
    assert time.process_time() - start < 5
