"""What every test starts from: an environment of its own, and what it needs of the machine or a reason to skip."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Cli, command_line
from tests.support.isolation import isolate
from tests.support.needs import PROGRAMS, lacking

_WHOLE_FILE = re.compile(r"^pytestmark = (?:\[\s*)?pytest\.mark\.needs\(", re.MULTILINE)
_LONGEST_FIRST = ("c++", "qemu", "compiler", "tensorflow", "time")
_HEAVY = frozenset({*PROGRAMS.values(), "g++", "cc", "clang", "pio"})


class _Watch:
    """Which programs the current test has started."""

    def __init__(self) -> None:
        self.started: set[str] = set()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            program, words = arguments[0], arguments[1]
            command = [str(program or words[0]), *map(str, words[1:] if not isinstance(words, str) else ())]
            self.started |= {Path(word).name for word in command[:1]}
            if command[1:3] == ["-m", "platformio"]:
                self.started.add("pio")


_WATCH = _Watch()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "needs(*names): skip where the machine lacks one: tests/support/needs.py"
    )
    config.addinivalue_line("markers", "quick: needs nothing but Python (set by itself)")
    sys.addaudithook(_WATCH)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Of files that need something as a whole nothing is quick: their imports, such as TensorFlow, take longest."""
    if config.option.markexpr == "quick" and collection_path.suffix == ".py":
        return True if _WHOLE_FILE.search(collection_path.read_text(encoding="utf-8")) else None
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        needs = [name for mark in item.iter_markers("needs") for name in mark.args]
        if not needs:
            item.add_marker(pytest.mark.quick)
        reasons = [reason for name in needs if (reason := lacking(name))]
        if reasons:
            item.add_marker(pytest.mark.skip(reason="; ".join(reasons)))
    turns: dict[Path, int] = {}
    for item in items:
        turns[item.path] = min(_turn(item), turns.get(item.path, len(_LONGEST_FIRST)))
    # Workers take whole files: what takes longest comes first, so that none has it to itself in the end.
    items.sort(key=lambda item: turns[item.path])


def _turn(item: pytest.Item) -> int:
    needs = {name for mark in item.iter_markers("needs") for name in mark.args}
    return next((i for i, name in enumerate(_LONGEST_FIRST) if name in needs), len(_LONGEST_FIRST))


@pytest.fixture(scope="session", autouse=True)
def _isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    base = tmp_path_factory.getbasetemp()
    # The workers of one run share what PlatformIO and the caches keep.
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "home"
    home.mkdir(exist_ok=True)
    # A shell lets what it starts in the background ignore Ctrl-C, and so would the processes that tests interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, home)
        yield


@pytest.fixture(autouse=True)
def _quick_is_quick(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that starts a compiler or loads TensorFlow says that it needs it."""
    _WATCH.started.clear()
    learning = "tensorflow" in sys.modules
    yield
    if request.node.get_closest_marker("quick"):
        heavy = sorted(_WATCH.started & _HEAVY)
        assert not heavy, f"starts {', '.join(heavy)}: mark it with needs()"
        assert learning or "tensorflow" not in sys.modules, (
            "loads TensorFlow: mark it with needs('tensorflow')"
        )


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs the installed entry point in this process."""
    return command_line(monkeypatch, capfd)


@pytest.fixture
def no_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No sources of the tflm runtime in the cache, and no server that could be asked."""
    monkeypatch.setenv("MICRONETS_CACHE", str(tmp_path / "empty-cache"))
