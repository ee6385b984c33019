"""Bytes of an image by section, symbol, region and purpose, against the cross compiler's own tools."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from micronets_gen.boards.board import Board, Region, Uart
from micronets_gen.errors import ToolError
from micronets_gen.image.elf import ImageReport, Rule, analyse_elf, loaded_sha256, read_map

GCC = shutil.which("arm-none-eabi-gcc")
needs_gcc = pytest.mark.needs("compiler")

KB = 1024
BOARD = Board(
    name="test",
    title="Test",
    vendor="Vendor",
    url="",
    mcu="mcu",
    core="cortex-m7",
    fpu="fpv5-sp-d16",
    family="family",
    clock_hz=1,
    regions=(
        Region("FLASH", 0x0800_0000, 256 * KB, "flash", default=True),
        Region("DTCM", 0x2000_0000, 64 * KB, "ram", default=True),
        Region("SRAM1", 0x2001_0000, 32 * KB, "ram"),
        Region("SRAM2", 0x2001_8000, 16 * KB, "ram"),
    ),
    uart=Uart("UART1", 115200),
    emulator=None,
    upload=None,
)

LINKER = """
ENTRY(Reset_Handler)
MEMORY { FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 256K
         DTCM (rwx) : ORIGIN = 0x20000000, LENGTH = 64K
         SRAM (rwx) : ORIGIN = 0x20010000, LENGTH = 48K }
SECTIONS {
  .isr_vector : { KEEP(*(.isr_vector)) } > FLASH
  .text : { *(.text .text.*) } > FLASH
  .rodata : { . = ALIGN(16); *(.rodata .rodata.*) } > FLASH
  .data : { *(.data .data.*) } > DTCM AT> FLASH
  .bss (NOLOAD) : { *(.bss .bss.*) } > DTCM
  .arena (NOLOAD) : { *(.arena) } > SRAM
  end = .;
}
_stack_top = 0x20010000;
"""

SOURCES = {
    "board/startup.c": """
        int main(void);
        void Reset_Handler(void);
        void Reset_Handler(void) { main(); for (;;) {} }
        __attribute__((section(".isr_vector"), used))
        void *const board_vectors[4] = {0, (void *)Reset_Handler};
    """,
    "model/model_data.c": """
        const signed char conv_weights[5000] = {1, 2, 3};
        const int conv_bias[25] = {4};
        const int conv_multiplier[25] = {5};
    """,
    "model/mn_conv.c": """
        int mn_conv(const signed char *w, const int *b, int n);
        static int counter;
        int mn_conv(const signed char *w, const int *b, int n)
        { int s = b[n % 25]; while (n--) s += w[n] * n; return s + counter++; }
    """,
    "model/model.c": """
        #include <string.h>
        extern const signed char conv_weights[5000]; extern const int conv_bias[25], conv_multiplier[25];
        int mn_conv(const signed char *w, const int *b, int n);
        int model_invoke(void);
        __attribute__((section(".arena"))) static signed char arena[40000];
        int model_invoke(void) { memset(arena, 1, sizeof arena);
        return mn_conv(conv_weights, conv_bias, 5000) * conv_multiplier[3] + arena[7]; }
    """,
    "selftest/vectors.c": "const signed char vector_0_input[700] = {1};",
    "src/main.c": """
        int model_invoke(void); extern const signed char vector_0_input[700];
        int table[100] = {1, 2, 3}; static int zeros[300]; volatile int sink;
        const char *volatile text = "an application's message";
        int main(void)
        { for (int i = 0; i < 300; ++i) { zeros[i] += sink; sink += zeros[299 - i]; }
          sink = model_invoke() + table[sink % 100] + vector_0_input[sink % 700] + text[0]; return 0; }
    """,
}


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert GCC is not None
    folder = tmp_path_factory.mktemp("image")
    (folder / "link.ld").write_text(LINKER)
    cpu = ("-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard")
    objects = []
    for name, source in SOURCES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        objects.append(str(Path(name).with_suffix(".c.o")))
        subprocess.run(
            [GCC, *cpu, "-O2", "-ffunction-sections", "-fdata-sections", "-c", name, "-o", objects[-1]],
            cwd=folder,
            check=True,
        )
    subprocess.run(
        [GCC, *cpu, "-nostartfiles", "--specs=nano.specs", "--specs=nosys.specs", "-T", "link.ld", *objects,
         "-Wl,--gc-sections,--no-warnings,-Map=firmware.map", "-o", "firmware.elf"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "firmware.elf"


@pytest.fixture(scope="module")
def report(elf: Path) -> ImageReport:
    return analyse_elf(elf, BOARD, stack_bytes=1024)


@needs_gcc
def test_sections_are_those_of_size(report: ImageReport, elf: Path) -> None:
    listing = subprocess.run(
        ["arm-none-eabi-size", "-A", "-d", str(elf)], check=True, capture_output=True, text=True
    ).stdout
    expected = {
        (name, int(size), int(address))
        for name, size, address in (line.split() for line in listing.splitlines() if line.startswith("."))
        if int(address) and int(size)
    }
    assert {(s.name, s.size, s.address) for s in report.sections} == expected


@needs_gcc
def test_kinds_regions_and_load_images(report: ImageReport) -> None:
    found = {s.name: (s.kind, s.region, s.load_region) for s in report.sections}
    assert found == {
        ".isr_vector": ("rodata", "FLASH", "FLASH"),
        ".text": ("code", "FLASH", "FLASH"),
        ".rodata": ("rodata", "FLASH", "FLASH"),
        ".data": ("data", "DTCM", "FLASH"),
        ".bss": ("bss", "DTCM", ""),
        ".arena": ("arena", "SRAM1+SRAM2", ""),
    }


@needs_gcc
def test_totals_add_up(report: ImageReport) -> None:
    size = {s.name: s.size for s in report.sections}
    assert report.arena_bytes == size[".arena"] == 40000
    assert report.ram_bytes == size[".data"] + size[".bss"] + report.arena_bytes
    assert report.flash_bytes == sum(size[n] for n in (".isr_vector", ".text", ".rodata", ".data"))
    assert report.flash_bytes == sum(c.flash_bytes for c in report.categories)
    assert report.runtime_bytes == report.flash_bytes - 5000 - 100 - 700


@needs_gcc
def test_regions_hold_sections_load_images_and_stack(report: ImageReport) -> None:
    regions = {r.name: r for r in report.regions}
    assert regions["FLASH"].used == report.flash_bytes
    assert regions["DTCM"].used == report.ram_bytes - report.arena_bytes
    assert regions["DTCM"].stack == 1024
    assert regions["DTCM"].free == 64 * KB - regions["DTCM"].used - 1024
    assert regions["SRAM1"].used == 32 * KB
    assert regions["SRAM1"].free == 0
    assert regions["SRAM2"].used == 40000 - 32 * KB
    assert report.fits


@needs_gcc
def test_symbols_are_those_of_nm(report: ImageReport, elf: Path) -> None:
    listing = subprocess.run(
        ["arm-none-eabi-nm", "-S", str(elf)], check=True, capture_output=True, text=True
    ).stdout
    rows = [line.split() for line in listing.splitlines() if len(line.split()) == 4]
    expected = {(name, int(size, 16)) for _, size, kind, name in rows if kind not in "aAwW"}
    found = {(s.name, s.size) for s in report.symbols}
    assert expected <= found
    assert [s.size for s in report.symbols] == sorted((s.size for s in report.symbols), reverse=True)


@needs_gcc
def test_symbols_know_where_they_are_and_come_from(report: ImageReport) -> None:
    found = {s.name: s for s in report.symbols}
    assert found["arena"].region == "SRAM1+SRAM2"
    assert found["arena"].file == "model/model.c.o"
    assert found["counter"].kind == "bss"
    assert found["zeros"].file == "src/main.c.o"
    assert found["table"].kind == "data"
    assert found["mn_conv"].address % 2 == 0
    assert "libc_nano.a" in found["memset"].file
    assert {name: found[name].category for name in ("conv_weights", "conv_bias", "conv_multiplier")} == {
        "conv_weights": "weights",
        "conv_bias": "biases",
        "conv_multiplier": "quantisation and tables",
    }
    assert found["vector_0_input"].category == "test vectors"
    assert found["mn_conv"].category == "kernels"
    assert found["model_invoke"].category == "model code"
    assert found["main"].category == "application"
    assert found["memset"].category == "C library"
    assert found["Reset_Handler"].category == found["board_vectors"].category == "board"


@needs_gcc
def test_categories_count_every_byte_once(report: ImageReport) -> None:
    assert report.category_bytes("weights") == 5000
    assert report.category_bytes("test vectors") == 700
    # Initial values of data are stored in flash, strings have no symbol: both belong to the application.
    assert report.category_bytes("application") > 400 + len("an application's message")
    assert report.category_bytes("padding and other") < 64
    assert report.category_bytes("nothing of the kind") == 0


@needs_gcc
def test_without_a_map_static_symbols_still_have_files(elf: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.elf"
    shutil.copy(elf, alone)
    report = analyse_elf(alone, BOARD)
    files = {s.name: s.file for s in report.symbols}
    assert files["zeros"] == "main.c"
    assert files["mn_conv"] == ""
    assert report.flash_bytes == sum(c.flash_bytes for c in report.categories)
    assert {r.stack for r in report.regions} == {0}


@needs_gcc
def test_rules_are_data(elf: Path) -> None:
    report = analyse_elf(elf, BOARD, rules=(Rule("all model", symbol="^conv_"), Rule("rest")))
    assert {c.name for c in report.categories} == {"all model", "rest", "padding and other"}
    assert report.category_bytes("all model") == 5200


@needs_gcc
def test_digest_is_of_what_is_loaded(report: ImageReport, elf: Path, tmp_path: Path) -> None:
    stripped, edited = tmp_path / "stripped.elf", tmp_path / "edited.elf"
    subprocess.run(["arm-none-eabi-strip", "-o", str(stripped), str(elf)], check=True)
    assert stripped.stat().st_size < elf.stat().st_size
    assert loaded_sha256(stripped) == loaded_sha256(elf) == report.sha256
    raw = elf.read_bytes()
    assert raw.count(b"an application's message") == 1
    edited.write_bytes(raw.replace(b"an application's message", b"another person's message"))
    assert loaded_sha256(edited) != report.sha256


@needs_gcc
def test_what_does_not_fit_has_a_negative_margin(elf: Path) -> None:
    report = analyse_elf(elf, BOARD, stack_bytes=70 * KB)
    assert not report.fits
    assert next(r for r in report.regions if r.name == "DTCM").free < -6 * KB


@needs_gcc
def test_memory_that_the_board_lacks_has_no_region(elf: Path) -> None:
    report = analyse_elf(elf, replace(BOARD, regions=BOARD.regions[:2]))
    assert next(s for s in report.sections if s.name == ".arena").region == ""


def test_map_lines(tmp_path: Path) -> None:
    path = tmp_path / "firmware.map"
    path.write_text(
        "Discarded input sections\n\n .text.gone  0x00000000  0x10 a.o\n\nLinker script and memory map\n\n"
        ".text           0x08000000      0x123\n"
        " *(.text .text.*)\n"
        " .text.main     0x08000000       0x2a src/main.c.o\n"
        " *fill*         0x0800002a        0x2 \n"
        " .rodata.a_rather_long_name\n"
        "                0x0800002c        0x8 lib dir/libx.a(x.o)\n"
        " .rodata.empty  0x08000034        0x0 b.o\n"
        " .rodata.str1.4 0x08000034       0x10 src/main.c.o\n"
        "                                 0x14 (size before relaxing)\n"
        "\n.debug_info     0x00000000      0x123\n"
        " .debug_info    0x00000000      0x123 src/main.c.o\n"
    )
    assert [(p.section, p.address, p.size, p.file) for p in read_map(path) if p.output == ".text"] == [
        (".text.main", 0x0800_0000, 0x2A, "src/main.c.o"),
        (".rodata.a_rather_long_name", 0x0800_002C, 8, "lib dir/libx.a(x.o)"),
        (".rodata.str1.4", 0x0800_0034, 0x10, "src/main.c.o"),
    ]


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be read"):
        analyse_elf(tmp_path / "none.elf", BOARD)
    (tmp_path / "text.elf").write_text("hello")
    with pytest.raises(ToolError, match="no ELF image"):
        analyse_elf(tmp_path / "text.elf", BOARD)
