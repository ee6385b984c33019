"""A wheel, built and used as a user gets it: without the clone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BOARD = "qemu_mps2_an386"

pytestmark = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import hatchling"], capture_output=True, check=False).returncode
    != 0,
    reason="needs hatchling",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the files that git knows, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    clone = folder / "clone"
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
            *("--wheel-dir", str(folder), str(clone)),
        ],
        check=True,
        cwd=folder,
    )
    shutil.rmtree(clone)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """The interpreter of a fresh environment with the wheel, and nothing of the clone on its path.

    The dependencies are those of this environment: they are looked at after the fresh one's own packages.
    """
    place = wheel.parent / "venv"
    venv.create(place, with_pip=False)
    fresh = place / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(place), "platbase": str(place)}))
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(fresh), "install"),
            *("--quiet", "--no-deps", "--no-index", str(wheel)),
        ],
        check=True,
    )
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return fresh


def run(python: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MICRONETS"))
    }
    clean["PATH"] = f"{python.parent}{os.pathsep}{clean['PATH']}"
    return subprocess.run(words, cwd=folder, env=clean, capture_output=True, text=True, check=False)


def test_it_installs_one_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"micronets_gen", "micronets_gen-0.1.0.dist-info"}
    data = {name.split("/")[2] for name in names if name.startswith("micronets_gen/_data/")}
    assert data == {"templates", "boards"}
    for tracked in ("boards", "templates"):
        here = {path.relative_to(ROOT).as_posix() for path in (ROOT / tracked).rglob("*") if path.is_file()}
        here = {name for name in here if "__pycache__" not in name}
        assert {f"micronets_gen/_data/{name}" for name in here} <= set(names)
    assert "micronets_gen/py.typed" in names
    assert "micronets_gen/bundled/models/kws-s.tflite" in names
    assert not [name for name in names if name.endswith((".pyc", ".orig")) or "tests/" in name]


def test_its_metadata_can_be_published(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    info = next(name for name in archive.namelist() if name.endswith("METADATA"))
    fields = message_from_bytes(archive.read(info))
    assert fields["Name"] == "micronets-gen"
    assert fields["License-Expression"] == "Apache-2.0"
    assert fields["Description-Content-Type"] == "text/markdown"
    assert {"search", "dev"} == set(fields.get_all("Provides-Extra", []))
    assert fields["Requires-Python"] == ">=3.11"
    assert fields.get_payload().startswith("# micronets-gen")  # type: ignore[union-attr]
    scripts = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert "micronets-gen = micronets_gen.cli.main:main" in archive.read(scripts).decode()


def test_it_is_used_without_the_clone(python: Path, tmp_path: Path) -> None:
    where = run(
        python,
        tmp_path,
        "python",
        "-c",
        "import micronets_gen as m; print(m.__file__, m.inspect('digits').macs)",
    )
    assert where.stdout.split()[1:] == ["91136"], where.stderr
    assert Path(where.stdout.split()[0]).is_relative_to(python.parent.parent)
    assert "Turn a quantised .tflite model" in run(python, tmp_path, "micronets-gen", "--help").stdout
    for verb, least in (("boards", 10), ("models", 2)):
        done = run(python, tmp_path, "micronets-gen", verb, "--json")
        assert len(json.loads(done.stdout)[verb]) >= least, done.stderr
    done = run(python, tmp_path, "micronets-gen", "check", "digits", "-b", BOARD, "--json")
    assert json.loads(done.stdout)["passed"], done.stderr
    help_of_search = run(python, tmp_path, "micronets-gen", "search", "--help")
    assert help_of_search.returncode == 0, help_of_search.stderr


@pytest.mark.needs("compiler", "qemu")
def test_it_builds_and_runs_without_the_clone(python: Path, tmp_path: Path) -> None:
    words = [
        "micronets-gen",
        "build",
        "-b",
        BOARD,
        "-m",
        "digits",
        "-r",
        "aot",
        "--vector-count",
        "2",
        "-o",
        "p",
    ]
    done = run(python, tmp_path, *words)
    assert done.returncode == 0, done.stderr
    said = run(python, tmp_path, "micronets-gen", "run", "p", "--json")
    assert json.loads(said.stdout)["vectors_passed"] == 2, said.stderr


def test_no_help_nor_message_names_a_file_that_it_lacks(wheel: Path) -> None:
    """Outside comments and documentation of the code, nothing points into docs/, tests/ or the README."""
    import ast

    archive = zipfile.ZipFile(wheel)
    for name in archive.namelist():
        if not name.endswith(".py"):
            continue
        tree = ast.parse(archive.read(name))
        documentation = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in documentation
            ):
                told = node.value if "<!-- Written by" not in node.value else ""
                assert "docs/" not in told, f"{name}:{node.lineno}: {told!r}"
