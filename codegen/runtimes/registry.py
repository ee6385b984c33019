"""The runtimes that there are: one a package beside this module."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from pathlib import Path

from micronets_gen.errors import UsageError
from micronets_gen.runtimes.kind import RuntimeKind

AUTO = "auto"
"""Stands for the first runtime whose needs are met and that executes the model."""


@cache
def runtime_kinds() -> tuple[RuntimeKind, ...]:
    """Return every runtime, preferred ones first."""
    beside = pkgutil.iter_modules([str(Path(__file__).parent)])
    kinds = (import_module(f"{__package__}.{found.name}.kind").KIND for found in beside if found.ispkg)
    return tuple(sorted(kinds, key=lambda kind: kind.preference))


def runtime_names() -> tuple[str, ...]:
    """Return the names of every runtime, preferred ones first."""
    return tuple(kind.name for kind in runtime_kinds())


def runtime_kind(name: str) -> RuntimeKind:
    """Return the runtime of a name.

    Raises:
        UsageError: there is none.
    """
    for kind in runtime_kinds():
        if kind.name == name:
            return kind
    *names, last = (AUTO, *runtime_names())
    raise UsageError(
        f"there is no runtime '{name}'", where="--runtime", remedy=f"use {', '.join(names)} or {last}"
    )


def runtime_help() -> str:
    """Return what each runtime is, for the help of an option."""
    return "; ".join(f"{kind.name}: {kind.summary}" for kind in runtime_kinds()) + "."
