"""Text in the languages of generated files stays text."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from platformio.project.config import ProjectConfig

from micronets_gen.boards.load import load_board
from micronets_gen.common.escape import c_comment, c_string, ini_value, markdown
from micronets_gen.common.templates import environment
from micronets_gen.project.soc_files import soc_files

ODD = """a*/b/*c*/*/ "q" \\ ??/ ??? $x ${sysenv.HOME} %(y)s 100 % ; c # d `e` <b>[f](g)|\n\x1b é \u202e"""


@pytest.mark.needs("gcc")
def test_comment_of_c_does_not_end(tmp_path: Path) -> None:
    source = (
        f"/* {c_comment(ODD)} */\nint main(void) {{ return 0; }} /*{c_comment('/')}*/ /*{c_comment('*')} */\n"
    )
    (tmp_path / "a.c").write_text(source)
    subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "a.c"], cwd=tmp_path, check=True)


@pytest.mark.needs("gcc")
def test_string_of_c_says_the_same(tmp_path: Path) -> None:
    source = f'#include <stdio.h>\nint main(void) {{ return fputs("{c_string(ODD)}", stdout) < 0; }}\n'
    (tmp_path / "a.c").write_text(source)
    subprocess.run(
        ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", "a", "a.c"], cwd=tmp_path, check=True
    )
    said = subprocess.run([tmp_path / "a"], check=True, capture_output=True, encoding="utf-8").stdout
    assert said == ODD.replace("\n", "?").replace("\x1b", "?").replace("\u202e", "?")


def test_value_of_an_ini_is_one_value(tmp_path: Path) -> None:
    path = tmp_path / "platformio.ini"
    path.write_text(f"; {ini_value(ODD)}\n[platformio]\ndescription = {ini_value(ODD)}\n", encoding="utf-8")
    config = ProjectConfig(str(path))
    assert config.get("platformio", "description").startswith('a*/b/*c*/*/ "q"')
    assert "100 % _ c _ d" in config.get("platformio", "description")
    assert config.sections() == ["platformio"]


def test_paragraph_of_markdown_holds_no_markup() -> None:
    assert markdown("<b> [f](g) `e` a|b * & ~") == r"\<b\> \[f\](g) \`e\` a\|b \* \& \~"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("board.ld", "Memory of the"),
        ("board_config.h", "figures of its board file"),
        ("vectors.c", "interrupts"),
    ],
)
def test_files_of_a_board_escape_its_texts(name: str, expected: str) -> None:
    board = load_board("nucleo_f746zg")
    regions = tuple(replace(region, note="*/ EVIL") for region in board.regions)
    odd = replace(board, title="*/ EVIL", mcu="*/ EVIL", regions=regions)
    text = soc_files(odd, arena_region=odd.default_ram.name, stack_bytes=1024)[name]
    assert expected in text
    assert "EVIL" in text
    assert "*/ EVIL" not in text


def test_templates_know_the_filters() -> None:
    made = environment().from_string("{{ t | comment }}{{ t | string }}{{ t | ini }}{{ t | markdown }}")
    assert made.render(t="%*/") == "%* /%*/%%*/%\\*/"
