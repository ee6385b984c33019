"""What each operator is, independent of any runtime: one record, an :class:`OperatorSpec`.

A module a family; each calls :func:`register` once for each of its builtin operators. Runtimes add how they execute
it, by name: ``codegen/runtimes/aot/registry.py`` (kernel calls) and ``codegen/runtimes/tflm/arena/kernels.py`` (what it
takes of the arena). What an operator lacks of all that is said there in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from micronets_gen.common.registry import Registry
from micronets_gen.errors import ModelError
from micronets_gen.model.graph import Array, Graph, Operator
from micronets_gen.model.schema import OperatorSchema
from micronets_gen.operators.rows import RowsOf, never


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
class NoReference:
    """Stands for the reference of an operator that has none, and says why, as a clause."""

    because: str

    def __call__(self, graph: Graph, op: Operator, _inputs: Sequence[Array | None]) -> Sequence[Array]:
        """Refuse.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            f"there is no reference for {op.kind}", where=f"{graph.name}: {layer_title(op)}", why=self.because
        )


@dataclass(frozen=True)
class OperatorSpec:
    """One builtin operator.

    Attributes:
        kind: The schema's name.
        schema: Its inputs and options in a file.
        check: Why a use of it cannot be executed exactly (types, shapes, options), as data.
        evaluate: The reference in numpy, byte-exact with TensorFlow Lite Micro: from one array an input (None where
            it is omitted) to one an output, of the graph's shapes and types.
        macs: Multiply-accumulates of a use, by the field's convention.
        in_place: Inputs, by name, whose bytes the first output may take where it has as many: what is computed of
            them depends on no part that is overwritten before.
        rows: Which rows of the inputs a row of the output is made of; None where all of an input is needed at once.
        view: Whether the first output is always the first input's bytes under another shape.
    """

    kind: str
    schema: OperatorSchema
    check: Callable[[Graph, Operator], Iterable[Problem]]
    evaluate: Callable[[Graph, Operator, Sequence[Array | None]], Sequence[Array]]
    macs: Callable[[Graph, Operator], int] = no_macs
    in_place: tuple[str, ...] = ()
    rows: RowsOf = never
    view: bool = False

    def may_overwrite(self, graph: Graph, op: Operator) -> tuple[tuple[int, int], ...]:
        """Return ``(input position, output position)`` pairs of a use that may share their bytes."""
        size = graph.tensor(op.outputs[0]).nbytes
        positions = sorted(self.schema.inputs.index(name) for name in self.in_place)
        return tuple((i, 0) for i in positions if graph.tensor(op.inputs[i]).nbytes == size)


OPERATORS: Registry[OperatorSpec] = Registry("record", "micronets_gen.operators")
"""Every operator by builtin name."""


def register(spec: OperatorSpec) -> None:
    """Add one operator; called at import of the family's module."""
    OPERATORS.add(spec.kind, spec)


def operator_specs() -> Mapping[str, OperatorSpec]:
    """Return every operator by builtin name, sorted."""
    return OPERATORS.entries()


def layer_title(op: Operator) -> str:
    """Return how messages name an operator of a model."""
    return f"{op.name} ({op.kind})"
