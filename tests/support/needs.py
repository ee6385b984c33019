"""What a test may need of the machine, and what of that is here.

``@pytest.mark.needs("compiler", "qemu")`` skips a test where something is missing and says what. A test that needs
nothing is quick: ``make quick`` runs those alone.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec

from benchmarks.timing import published
from micronets_gen.errors import MicronetsError
from micronets_gen.runtimes.tflm.kind import lacks_cpp_library
from micronets_gen.runtimes.tflm.sources import locate

PROGRAMS = {
    "compiler": "arm-none-eabi-gcc",
    "gcc": "gcc",
    "qemu": "qemu-system-arm",
    "espeak": "espeak-ng",
    "openocd": "openocd",
    "cppcheck": "cppcheck",
}


def _program(name: str) -> Callable[[], str]:
    return lambda: "" if shutil.which(name) else f"{name} is not installed"


def _module(name: str) -> Callable[[], str]:
    return lambda: "" if find_spec(name) else f"{name} is not installed"


def _sources() -> str:
    try:
        locate()
    except MicronetsError as error:
        return error.what
    return ""


_LACKS: Mapping[str, Callable[[], str]] = {
    **{name: _program(program) for name, program in PROGRAMS.items()},
    "sources": _sources,
    "published": published.lacking,
    "c++": lacks_cpp_library,
    "tensorflow": _module("tensorflow"),
    "unix": lambda: "pseudo-terminals and signals are things of Unix" if sys.platform == "win32" else "",
    "time": lambda: "",
}
"""By name, what says why a machine lacks it; ``time`` is what a test takes long for without needing anything."""


@cache
def lacking(name: str) -> str:
    """Return why the machine lacks something, or nothing where it has it."""
    return _LACKS[name]()
