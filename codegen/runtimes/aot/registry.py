"""Which function turns an operator into kernel calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps

from micronets_gen.common.registry import Registry
from micronets_gen.model.graph import Graph, Operator
from micronets_gen.operators import operator_specs
from micronets_gen.plan.plan import LayerCode

Lowering = Callable[[Graph, Operator, str], LayerCode]

LOWERINGS: Registry[Lowering] = Registry("lowering", "micronets_gen.runtimes.aot")
"""Every lowering by builtin name, or why there is none: as a clause, ``LOWERINGS.lacks("CALL", because="...")``."""


def lowering(*kinds: str) -> Callable[[Lowering], Lowering]:
    """Register ``lower(graph, op, simd) -> LayerCode``; ``simd`` is ``c``, ``dsp`` or ``mve``.

    What the layer may compute in place comes from the operator's record.
    """

    def add(function: Lowering) -> Lowering:
        @wraps(function)
        def lower(graph: Graph, op: Operator, simd: str) -> LayerCode:
            code = function(graph, op, simd)
            if not code.calls:
                return code
            return replace(code, may_overwrite=operator_specs()[op.kind].may_overwrite(graph, op))

        for kind in kinds:
            LOWERINGS.add(kind, lower)
        return function

    return add


def lowerings() -> Mapping[str, Lowering]:
    """Return every lowering by builtin name."""
    return LOWERINGS.entries()
