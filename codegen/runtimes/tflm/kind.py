"""What the ``tflm`` runtime is, before it is opened."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING

from micronets_gen.runtimes.kind import Notify, RuntimeKind

if TYPE_CHECKING:
    from micronets_gen.runtimes.base import Runtime


def _available(commits: Mapping[str, str] | None) -> tuple[bool, str]:
    from micronets_gen.runtimes.tflm.sources import obtainable

    return obtainable(commits)


def _at_hand(commits: Mapping[str, str] | None) -> bool:
    from micronets_gen.runtimes.tflm.sources import SourcesMissing, locate

    try:
        locate(commits)
    except SourcesMissing:
        return False
    return True


def lacks_cpp_library() -> str:
    """Say why C++ cannot be compiled: no headers of its library, which Debian packs apart from the compiler.

    Returns:
        A clause; empty where the compiler finds them.
    """
    command = ["arm-none-eabi-g++", "-x", "c++", "-fsyntax-only", "-"]
    try:
        done = subprocess.run(command, input=b"#include <cstdint>\n", capture_output=True, check=False)
    except OSError:
        return "there is no arm-none-eabi-g++"
    if done.returncode:
        return "arm-none-eabi-g++ has no C++ library (libstdc++-arm-none-eabi-newlib)"
    return ""


def _open(commits: Mapping[str, str] | None, notify: Notify) -> Runtime:
    from micronets_gen.runtimes.tflm.runtime import TflmRuntime
    from micronets_gen.runtimes.tflm.sources import fetch, telling

    return TflmRuntime(fetch(commits, telling(notify)))


KIND = RuntimeKind(
    name="tflm",
    title="TensorFlow Lite Micro",
    summary="TensorFlow Lite Micro",
    preference=0,
    instructions_per_mac=8,
    available=_available,
    at_hand=_at_hand,
    lacking=lacks_cpp_library,
    open=_open,
)
