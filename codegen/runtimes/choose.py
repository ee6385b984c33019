"""Which runtime a build takes, and why."""

from __future__ import annotations

from dataclasses import dataclass

from codegen.errors import UsageError
from codegen.runtimes.base import Runtime


@dataclass(frozen=True)
class Choice:
    """A runtime and the reason for it, as a sentence."""

    runtime: Runtime
    reason: str


def choose_runtime(wanted: str) -> Choice:
    """Return the runtime for ``auto``, ``aot`` or ``tflm``.

    Raises:
        UsageError: there is none of that name.
        SourcesError: the sources of ``tflm`` cannot be had.
    """
    from codegen.runtimes.aot.runtime import AotRuntime

    if wanted == "aot":
        return Choice(AotRuntime(), "as asked for")
    if wanted == "auto":
        return Choice(AotRuntime(), "the default: C generated for the model, nothing to download")
    if wanted == "tflm":
        from codegen.runtimes.tflm.runtime import TflmRuntime
        from codegen.sources import locate

        return Choice(TflmRuntime(locate()), "as asked for")
    raise UsageError(f"there is no runtime '{wanted}'", where="--runtime", remedy="use auto, aot or tflm")
