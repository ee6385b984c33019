"""What each operator means, independent of any runtime.

One module a family. Each calls :func:`register` once per builtin operator with

- ``check``: why this use of the operator cannot be executed exactly (types, shapes, options), as data;
- ``macs``: multiply-accumulates, by the field's convention (0 for operators without products);
- ``evaluate``: the reference semantics in numpy, byte-exact with TensorFlow Lite Micro.

Runtimes add how they execute it (``codegen/runtimes``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from micronets_gen.model.graph import Array, Graph, Operator


@dataclass(frozen=True)
class Problem:
    """One reason why a model cannot be executed, and the way out."""

    layer: str
    reason: str
    remedy: str


def no_macs(_graph: Graph, _op: Operator) -> int:
    """Count for operators without products."""
    return 0


@dataclass(frozen=True)
class OperatorSpec:
    """The meaning of one builtin operator; see the module's docstring."""

    kind: str
    check: Callable[[Graph, Operator], Iterable[Problem]]
    evaluate: Callable[[Graph, Operator, Sequence[Array | None]], Sequence[Array]]
    macs: Callable[[Graph, Operator], int] = no_macs


_SPECS: dict[str, OperatorSpec] = {}


def register(spec: OperatorSpec) -> None:
    """Add one operator; called at import of the family's module."""
    assert spec.kind not in _SPECS, spec.kind
    _SPECS[spec.kind] = spec


@cache
def operator_specs() -> dict[str, OperatorSpec]:
    """Return every operator by builtin name, sorted."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return dict(sorted(_SPECS.items()))
