"""Which function turns an operator into kernel calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.plan.plan import LayerCode

Lowering = Callable[[Graph, Operator, str], LayerCode]

_LOWERINGS: dict[str, Lowering] = {}


def lowering(*kinds: str) -> Callable[[Lowering], Lowering]:
    """Register ``lower(graph, op, simd) -> LayerCode``; ``simd`` is ``c``, ``dsp`` or ``mve``."""

    def add(function: Lowering) -> Lowering:
        for kind in kinds:
            assert kind not in _LOWERINGS, kind
            _LOWERINGS[kind] = function
        return function

    return add


@cache
def lowerings() -> dict[str, Lowering]:
    """Return every lowering by builtin name."""
    package = import_module("micronets_gen.runtimes.aot")
    for module in iter_modules(package.__path__):
        import_module(f"micronets_gen.runtimes.aot.{module.name}")
    return dict(_LOWERINGS)
