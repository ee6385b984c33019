"""Symbols, functions and code of an ELF file, as the analyses of images share them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from micronets_gen.errors import ToolError
from micronets_gen.image.symbols import FUNCTION, OBJECT, Program, open_image, read_program, read_symbols

PACKAGE = Path(__file__).resolve().parents[2] / "codegen"

SOURCE = """
    .file "one.c"
    .syntax unified
    .thumb
    .text
    .type hidden, %function
hidden:
    .type seen, %function
    .global seen
    .thumb_func
seen:
    ldr r0, =0x12345678
    bx lr
    .ltorg
    .size hidden, . - hidden
    .size seen, 4
    .data
    .type table, %object
    .global table
table:
    .word 1, 2
    .size table, 8
    .global _absolute
    .set _absolute, 0x20001001
"""


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("symbols")
    (folder / "one.s").write_text(SOURCE)
    options = ("-mcpu=cortex-m4", "-nostdlib", "-Wl,-Ttext=0x8000,-Tdata=0x20000000,-e,seen")
    subprocess.run(["arm-none-eabi-gcc", *options, "one.s", "-o", "one.elf"], cwd=folder, check=True)
    return folder / "one.elf"


def program(elf: Path) -> Program:
    with open_image(elf) as image:
        return read_program(image, elf)


@pytest.mark.needs("compiler")
def test_addresses_of_functions_have_no_thumb_bit(elf: Path) -> None:
    with open_image(elf) as image:
        symbols = {symbol.name: symbol for symbol in read_symbols(image)}
    assert (symbols["seen"].kind, symbols["seen"].address, symbols["seen"].is_global) == (
        FUNCTION,
        0x8000,
        True,
    )
    assert (symbols["hidden"].file, symbols["seen"].file) == ("one.c", "")
    assert (symbols["table"].kind, symbols["table"].size) == (OBJECT, 8)
    assert (symbols["_absolute"].address, symbols["_absolute"].section) == (0x2000_1001, None)


@pytest.mark.needs("compiler")
def test_names_of_an_address_are_one_function(elf: Path) -> None:
    found = program(elf)
    assert list(found.functions) == [0x8000]
    function = found.functions[0x8000]
    assert (function.name, function.names, function.size) == ("seen", {"hidden", "seen"}, 8)
    assert found.by_name["hidden"] is found.by_name["seen"] is function


@pytest.mark.needs("compiler")
def test_code_knows_its_literals(elf: Path) -> None:
    found = program(elf)
    code = found.code_at(0x8002)
    assert code.marks == [(0x8000, "t"), (0x8004, "d")]
    assert code.word(0x8004) == 0x12345678
    assert found.code_at(0x2000_0000).data == b""


@pytest.mark.needs("compiler")
def test_a_stripped_image_is_refused_by_name(elf: Path, tmp_path: Path) -> None:
    stripped = tmp_path / "stripped.elf"
    subprocess.run(["arm-none-eabi-strip", "-o", str(stripped), str(elf)], check=True)
    with open_image(stripped) as image:
        assert read_symbols(image) == ()
    with pytest.raises(ToolError) as caught:
        program(stripped)
    assert str(caught.value) == (
        f"{stripped}: the image has no symbols\n  what to do: link without -s, and do not strip it"
    )


def test_nothing_else_reads_symbol_tables() -> None:
    reading = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(
            word in path.read_text(encoding="utf-8") for word in (".symtab", "iter_symbols", "_SHT_SYMTAB")
        )
    ]
    assert sorted(reading) == ["emulate/image.py", "image/symbols.py"]
