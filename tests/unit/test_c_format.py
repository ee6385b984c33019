"""C looks alike in the templates and in the projects that are made of them: templates/.clang-format."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from micronets_gen.boards.load import board_names
from micronets_gen.common.resources import data_dir
from micronets_gen.jobs.build import BuildRequest, build

C_SUFFIXES = {".c", ".cc", ".h"}
TEMPLATES = data_dir("templates")


def assert_formatted(files: list[Path]) -> None:
    assert files
    style = f"--style=file:{TEMPLATES / '.clang-format'}"
    tool = [str(Path(sys.executable).with_name("clang-format")), style, "--dry-run", "-Werror"]
    done = subprocess.run([*tool, *map(str, files)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]


def test_templates_obey() -> None:
    assert_formatted([path for path in sorted(TEMPLATES.rglob("*")) if path.suffix in C_SUFFIXES])


@pytest.mark.parametrize("board", board_names())
def test_a_generated_project_obeys_and_carries_the_rules(board: str, tmp_path: Path) -> None:
    project = build(BuildRequest(board, "digits", "aot", tmp_path / "project", compile=False)).project
    assert (project / ".clang-format").read_bytes() == (TEMPLATES / ".clang-format").read_bytes()
    assert_formatted([path for path in sorted(project.rglob("*")) if path.suffix in C_SUFFIXES])
