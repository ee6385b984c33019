"""``lib/selftest`` of a project: golden vectors as C and the code that checks them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isinf, isnan

import numpy as np

from micronets_gen.common.templates import render, template_text
from micronets_gen.errors import UsageError
from micronets_gen.model.graph import Array, DType, Tensor
from micronets_gen.plan.plan import Plan
from micronets_gen.project.vectors import Vectors, check_vectors

_WIDTH = 112


def selftest_files(plan: Plan, vectors: Vectors) -> dict[str, str]:
    """Return the files of ``lib/selftest`` by name.

    Raises:
        ModelError: the vectors are not those of the plan's model.
        UsageError: labels without a numeric first output.
    """
    graph = plan.graph
    check_vectors(graph, vectors)
    outputs = [graph.tensor(index) for index in graph.outputs]
    labelled = vectors.labels is not None
    if labelled and outputs[0].dtype is DType.BOOL:
        raise UsageError("labels need a numeric first output", where=graph.name, remedy="leave 'labels' out")
    values = {
        "source": vectors.source,
        "count": vectors.count,
        "labelled": labelled,
        "labels": _rows(str(label) for label in vectors.labels or ()),
        "inputs": [
            _tensor("input", i, graph.tensor(index), [row[i] for row in vectors.inputs])
            for i, index in enumerate(graph.inputs)
        ],
        "outputs": [
            _tensor("output", i, tensor, [row[i] for row in vectors.expected])
            for i, tensor in enumerate(outputs)
        ],
    }
    names = {**identity(plan, vectors), "labelled": labelled}
    return {
        "selftest.h": template_text("selftest/selftest.h"),
        "selftest.c": render("selftest/selftest.c.j2", **names),
        "vectors.h": render("selftest/vectors.h.j2", **values),
        "vectors.c": render("selftest/vectors.c.j2", **values),
    }


def identity(plan: Plan, vectors: Vectors) -> dict[str, str | int]:
    """Return what the self-test says of itself: the fields of :class:`micronets_gen.emulate.result.Identity`."""
    return {
        "board": protocol_field(plan.board.name),
        "model": protocol_field(plan.model_name),
        "runtime": protocol_field(plan.runtime),
        "vectors": vectors.count,
    }


def protocol_field(text: str) -> str:
    """Return ``text`` fit for a field of the protocol in a C string: printable ASCII, no comma or quote."""
    return "".join("_" if c in ',"\\?' or not c.isprintable() or not c.isascii() else c for c in text)


def _tensor(role: str, position: int, tensor: Tensor, arrays: Sequence[Array]) -> dict[str, object]:
    shape = "x".join(map(str, tensor.shape)) or "scalar"
    return {
        "comment": f"{role.capitalize()} {position}: {shape} {tensor.dtype.value}.",
        "ctype": tensor.dtype.c,
        "elements": tensor.elements,
        "array": f"vectors_{role}_{position}",
        "accessor": f"model_{role}_{position}",
        "vectors": [_rows(literals(array)) for array in arrays],
    }


def literals(array: Array) -> list[str]:
    """Return the elements of ``array`` in storage order as C literals of exactly their values."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat.dtype == np.float32:
        return [_float(float(value)) for value in flat]
    if flat.dtype == np.bool_:
        return [str(int(value)) for value in flat]
    lowest = {"int32": "INT32_MIN", "int64": "INT64_MIN"}.get(flat.dtype.name)
    suffix = "LL" if flat.dtype == np.int64 else ""
    minimum = np.iinfo(flat.dtype).min
    return [lowest if lowest and value == minimum else f"{value}{suffix}" for value in flat.tolist()]


def _float(value: float) -> str:
    if isnan(value):
        return '__builtin_nanf("")'
    if isinf(value):
        return f"{'-' if value < 0 else ''}__builtin_inff()"
    return f"{value.hex()}f"


def _rows(items: Iterable[str]) -> list[str]:
    """Join literals with commas into lines of bounded width."""
    rows: list[str] = []
    row = ""
    for item in items:
        if row and len(row) + 2 + len(item) > _WIDTH - 9:
            rows.append(row)
            row = item
        else:
            row = f"{row}, {item}" if row else item
    return [*rows, row] if row else rows
