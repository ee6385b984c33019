"""A new operator is a module, a kernel and a test: CONTRIBUTING's steps, taken in a copy of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from micronets_gen.operators import operator_specs

ROOT = Path(__file__).resolve().parents[2]
FILES = Path(__file__).parent / "new_operator"
PLACES = {
    "record.py": "codegen/operators/absolute.py",
    "lowering.py": "codegen/runtimes/aot/absolute.py",
    "mn_absolute.h": "templates/aot/mn_absolute.h",
    "mn_absolute.c": "templates/aot/mn_absolute.c",
    "checks.py": "tests/operators/test_absolute.py",
}


def copy_repository(to: Path) -> None:
    """Copy what an operator is added to; the rest is linked."""
    ignore = shutil.ignore_patterns("__pycache__", "*.tflite", "*.npz")
    for name in ("benchmarks", "codegen", "templates", "tests", "tools"):
        shutil.copytree(ROOT / name, to / name, ignore=ignore)
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, to / name)
    for name in ("boards", "search"):
        (to / name).symlink_to(ROOT / name)


def replace(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1, (file, before)
    file.write_text(text.replace(before, after), encoding="utf-8")


def python(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root / ".editable"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=root, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.needs("gcc", "compiler")
def test_an_operator_is_added_by_following_the_steps(tmp_path: Path) -> None:
    assert "ABS" not in operator_specs(), "take another operator for this test"
    copy_repository(tmp_path)
    for name, place in PLACES.items():
        shutil.copy(FILES / name, tmp_path / place)
    assert python(tmp_path, "tools/link_package.py").returncode == 0
    pytest = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/test_operators.py")

    missing = python(tmp_path, *pytest)
    assert "has_a_facet_or_says_why_not[arena requests-ABS]" in missing.stdout
    assert "test_readme_lists_the_operators" in missing.stdout
    assert "test_the_code_size_of_every_kernel_is_recorded" in missing.stdout
    assert "3 failed" in missing.stdout.splitlines()[-1], missing.stdout

    kernels = tmp_path / "codegen/runtimes/tflm/arena/kernels.py"
    kernels.write_text(
        kernels.read_text(encoding="utf-8") + 'ARENA_REQUESTS.lacks("ABS", because="nobody measured it")\n',
        encoding="utf-8",
    )
    assert python(tmp_path, "-m", "benchmarks.code_sizes").returncode == 0
    replace(tmp_path / "README.md", "Operators:\nADD", "Operators:\nABS, ADD")
    complete = python(tmp_path, *pytest, PLACES["checks.py"])
    assert complete.returncode == 0, complete.stdout
    assert "failed" not in complete.stdout.splitlines()[-1]
