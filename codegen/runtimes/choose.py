"""Which runtime a build takes, and why."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from micronets_gen.errors import UsageError
from micronets_gen.model.graph import Graph
from micronets_gen.runtimes.base import Runtime


@dataclass(frozen=True)
class Choice:
    """A runtime and the reason for it, as a sentence."""

    runtime: Runtime
    reason: str


def choose_runtime(
    wanted: str, commits: Mapping[str, str] | None = None, notify: Callable[[str], None] = lambda _step: None
) -> Choice:
    """Return the runtime for ``auto``, ``aot`` or ``tflm``; fetches the sources of ``tflm`` that are missing.

    Args:
        wanted: ``auto`` takes ``tflm`` where its sources can be had and there is a C++ library, else ``aot``.
        commits: Commits of the sources by key (``tflm``, ``cmsis_nn``, ...) where not the pinned ones.
        notify: Told what is fetched.

    Raises:
        UsageError: there is none of that name.
        SourcesError: the sources of ``tflm`` cannot be had.
    """
    from micronets_gen.runtimes.aot.runtime import AotRuntime

    if wanted == "aot":
        return Choice(AotRuntime(), "as asked for")
    if wanted == "tflm":
        return Choice(_tflm(commits, notify), "as asked for")
    if wanted == "auto":
        from micronets_gen.runtimes.tflm.sources import obtainable

        ok, reason = obtainable(commits)
        if not ok:
            return Choice(AotRuntime(), f"not tflm: {reason}")
        if lacking := lacks_cpp_library():
            return Choice(AotRuntime(), f"not tflm: {lacking}")
        return Choice(_tflm(commits, notify), reason)
    raise UsageError(f"there is no runtime '{wanted}'", where="--runtime", remedy="use auto, aot or tflm")


def choose_for_model(
    graph: Graph,
    wanted: str,
    commits: Mapping[str, str] | None = None,
    notify: Callable[[str], None] = lambda _step: None,
) -> Choice:
    """Return the runtime as :func:`choose_runtime` does; ``auto`` takes ``aot`` for what TFLM refuses.

    Raises:
        UsageError: there is no runtime of that name.
        SourcesError: the sources of ``tflm`` cannot be had.
        ToolError: they cannot be used.
    """
    choice = choose_runtime(wanted, commits, notify)
    problem = next(iter(choice.runtime.problems(graph)), None) if wanted == "auto" else None
    if problem is None or choice.runtime.name == "aot":
        return choice
    return replace(choose_runtime("aot"), reason=f"not tflm: {problem.layer}: {problem.reason}")


def _tflm(commits: Mapping[str, str] | None, notify: Callable[[str], None]) -> Runtime:
    from micronets_gen.runtimes.tflm.runtime import TflmRuntime
    from micronets_gen.runtimes.tflm.sources import fetch, telling

    return TflmRuntime(fetch(commits, telling(notify)))


def lacks_cpp_library() -> str:
    """Say why ``tflm`` cannot be compiled: no headers of the C++ library, which Debian packs apart from the compiler.

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
