"""Which registrations a model needs, by the names that the sources at hand give them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from micronets_gen.errors import ModelError
from micronets_gen.runtimes.tflm.cpp import Source
from micronets_gen.runtimes.tflm.operators import OperatorUse

_METHOD = re.compile(
    r"\bTfLiteStatus\s+(?P<method>Add\w+)\s*\("
    r"(?:[^(){}]*=\s*(?:\w+::)*(?P<registration>Register_\w+)\(\s*\))?\s*\)\s*\{(?P<body>[^{}]*)\}"
)
_BUILTIN = re.compile(
    r"\bAddBuiltin\s*\(\s*(?:\w+::)*BuiltinOperator_(?P<kind>\w+)\s*,"
    r"\s*(?:(?:\w+::)*(?P<own>Register_\w+)\s*\()?"
)


@dataclass(frozen=True)
class Method:
    """A method of ``MicroMutableOpResolver`` that adds a builtin operator.

    Attributes:
        registration: Function that it takes where the caller gives none.
        replaceable: Whether a caller can give another.
    """

    name: str
    kind: str
    registration: str
    replaceable: bool


@dataclass(frozen=True)
class Entry:
    """One operator of the resolver.

    Attributes:
        registration: Function whose kernel executes it, for example ``Register_CONV_2D_INT8``.
        specialised: Whether it is not the method's own.
    """

    kind: str
    method: str
    registration: str
    specialised: bool


def parse_methods(header: Source) -> dict[str, Method]:
    """Read ``micro_mutable_op_resolver.h``; return its methods by the operator that they add."""
    methods: dict[str, Method] = {}
    for match in _METHOD.finditer(header.code):
        builtin = _BUILTIN.search(match["body"])
        if builtin is None:
            # A custom operator.
            continue
        registration = match["registration"] or builtin["own"]
        if registration:
            kind = builtin["kind"]
            methods[kind] = Method(match["method"], kind, registration, bool(match["registration"]))
    return methods


def choose_entries(
    uses: Iterable[OperatorUse], methods: Mapping[str, Method], defined: Iterable[str], where: str
) -> tuple[Entry, ...]:
    """Choose one registration for each kind of operator, in order of name.

    The one for the types that all operators of the kind share, where the sources define one: it leaves the
    kernels of other types out of the image. Otherwise the general one.

    Args:
        uses: Operators of the model.
        methods: What the resolver can add.
        defined: Names of the functions ``Register_...`` that the kernels at hand define.
        where: The model, for messages.

    Raises:
        ModelError: TFLM at this commit has no kernel for an operator.
    """
    by_kind: dict[str, list[OperatorUse]] = {}
    for use in uses:
        by_kind.setdefault(use.kind, []).append(use)
    known = frozenset(defined)
    missing = sorted(
        kind for kind in by_kind if kind not in methods or methods[kind].registration not in known
    )
    if missing:
        raise ModelError(
            f"TensorFlow Lite Micro has no kernel for {', '.join(missing)}",
            where=where,
            why="its operator resolver cannot add it at the commit in use",
            remedy="use --runtime aot if it has the operator, or replace the layer",
        )
    return tuple(_entry(methods[kind], by_kind[kind], known) for kind in sorted(by_kind))


def _entry(method: Method, uses: Iterable[OperatorUse], defined: frozenset[str]) -> Entry:
    suffixes = {_suffix(use) for use in uses}
    if method.replaceable and len(suffixes) == 1:
        special = f"{method.registration}_{suffixes.pop()}"
        if special in defined:
            return Entry(method.kind, method.name, special, True)
    return Entry(method.kind, method.name, method.registration, False)


def _suffix(use: OperatorUse) -> str:
    """Return how TFLM's names tell types apart: the input's, and the weights' or output's where they differ."""
    if use.weights == "INT4":
        return "INT4"
    if use.input == "INT8" and use.output == "INT16":
        return "INT8_INT16"
    return use.input
