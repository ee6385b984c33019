"""Imports go one way: a package imports only what stands below it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

LAYERS: tuple[str | tuple[str, ...], ...] = (
    "errors",
    "common",
    "emulate",
    "timing",
    "model",
    "operators",
    "simplify",
    "boards",
    "plan",
    "image",
    "runtimes.base",
    "runtimes.interface",
    "runtimes.kind",
    ("runtimes.aot", "runtimes.tflm"),
    "runtimes.registry",
    "runtimes.choose",
    "project",
    "bundled",
    "report",
    "jobs",
    "search.run_dir",
    "search.space",
    "search.data",
    "search.learn",
    "search.report",
    "search.run",
    "search.characterise",
    "search.study",
    "api",
    "cli",
)
"""From the ground up; what shares a floor imports nothing of each other."""


def modules() -> Iterator[tuple[str, Path]]:
    for top, prefix in (("codegen", ()), ("search", ("search",))):
        for path in sorted((REPOSITORY / top).rglob("*.py")):
            parts = (*prefix, *path.relative_to(REPOSITORY / top).with_suffix("").parts)
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


NAMES = frozenset(name for name, _ in modules())


def layer(name: str) -> int:
    """Return the floor of a module; the package's face and what only marks a folder are above all."""
    return next((index for index, tops in enumerate(LAYERS) if room(name, tops)), len(LAYERS))


def room(name: str, tops: str | tuple[str, ...]) -> str:
    """Return which of the packages of a floor a module is in; empty for one of another floor."""
    tops = (tops,) if isinstance(tops, str) else tops
    return next((top for top in tops if name == top or name.startswith(f"{top}.")), "")


def stands_below(inside: str, name: str) -> bool:
    """Whether a module may import another."""
    floor = layer(name)
    if floor == len(LAYERS) or layer(inside) != floor:
        return layer(inside) <= floor
    return room(inside, LAYERS[floor]) == room(name, LAYERS[floor])


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inside = node.module.removeprefix("micronets_gen").removeprefix(".")
            for alias in node.names:
                module = f"{inside}.{alias.name}".removeprefix(".")
                yield f"micronets_gen.{module}" if module in NAMES else node.module


@pytest.mark.parametrize(
    ("name", "path"), list(modules()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_module_imports_only_what_stands_below_it(name: str, path: Path) -> None:
    wrong = []
    for target in imported(path):
        assert target.split(".")[0] not in {"codegen", "search", "tests", "benchmarks"}, f"{name}: {target}"
        assert target != "micronets_gen", f"{name}: the face is above all"
        inside = target.removeprefix("micronets_gen.")
        if target.startswith("micronets_gen.") and inside in NAMES and not stands_below(inside, name):
            wrong.append(target)
    assert not wrong


def test_every_module_has_a_layer() -> None:
    faces = {"", "runtimes", "search"}
    assert {name for name in NAMES if layer(name) == len(LAYERS)} == faces
    rooms = [top for tops in LAYERS for top in ((tops,) if isinstance(tops, str) else tops)]
    assert all(any(room(name, top) for name in NAMES) for top in rooms)


def test_benchmarks_and_tools_need_no_tests() -> None:
    for path in [*(REPOSITORY / "benchmarks").rglob("*.py"), *(REPOSITORY / "tools").rglob("*.py")]:
        assert not [name for name in imported(path) if name.split(".")[0] == "tests"], path
