"""The C++ of the model's library: the ``.tflite`` file, the resolver and the interpreter behind ``model.h``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from micronets_gen.common.templates import render, template_text
from micronets_gen.model.graph import Graph
from micronets_gen.plan.plan import Plan
from micronets_gen.runtimes.interface import model_header, ports
from micronets_gen.runtimes.tflm.operators import OperatorUse
from micronets_gen.runtimes.tflm.vendor import INTERPRETER, RESOLVER, Kernel

_SCHEMA = "tensorflow/lite/schema/schema_generated.h"
_BYTES_PER_LINE = 32
_LAYERS_PER_LINE = 20


@dataclass(frozen=True)
class _Entry:
    kind: str
    method: str
    argument: str


@dataclass(frozen=True)
class ModelSources:
    """Files by name.

    Attributes:
        model: Those of ``lib/model``.
        interpreter: Those that are the same in every environment.
    """

    model: dict[str, str]
    interpreter: dict[str, str]


def model_sources(
    plan: Plan, uses: Sequence[OperatorUse], kernels: Sequence[Kernel], mark: str
) -> ModelSources:
    """Return what stands between the application and TFLM.

    Args:
        plan: What is built.
        uses: Operators of the file.
        kernels: How each kind of them is executed.
        mark: A sentence that the header repeats, or empty.
    """
    graph = plan.graph
    entries = [
        _Entry(
            k.entry.kind, k.entry.method, f"tflite::{k.entry.registration}()" if k.entry.specialised else ""
        )
        for k in kernels
    ]
    owners = layer_of_operators(graph, uses)
    values = {
        "model": plan.model_name,
        "sha256": graph.sha256,
        "layers": plan.layers,
        "arena_bytes": plan.memory.size,
        "inputs": ports(graph, graph.inputs),
        "outputs": ports(graph, graph.outputs),
        "headers": sorted({k.header for k in kernels if k.header} | {INTERPRETER, RESOLVER, _SCHEMA}),
        "entries": entries,
        "layer_lines": _lines(owners, _LAYERS_PER_LINE),
        "bytes": len(graph.file),
        "lines": _lines(graph.file, _BYTES_PER_LINE),
    }
    return ModelSources(
        model={
            "model.h": model_header(graph, plan.layers, plan.memory, plan.model_name, mark, plan.classes),
            "model.cc": render("tflm/model.cc.j2", **values),
            "model_arena.h": template_text("tflm/model_arena.h"),
            "model_arena.cc": template_text("tflm/model_arena.cc"),
            "model_log.c": template_text("tflm/model_log.c"),
            "model_data.h": render("tflm/model_data.h.j2", **values),
            "model_data.c": render("tflm/model_data.c.j2", **values),
        },
        interpreter={
            "model_interpreter.h": render("tflm/model_interpreter.h.j2", **values),
            "model_interpreter.cc": render("tflm/model_interpreter.cc.j2", **values),
        },
    )


def layer_of_operators(graph: Graph, uses: Sequence[OperatorUse]) -> tuple[int, ...]:
    """Return, for each operator of the file, the layer that it counts for.

    What the graph left out (arithmetic of shapes, unused results) counts for the next layer, or the last one.
    """
    by_result = {op.outputs[0]: op.index for op in graph.operators}
    owners: list[int] = []
    following = len(graph.operators) - 1
    for use in reversed(uses):
        following = by_result.get(use.result, following)
        owners.append(following)
    return tuple(reversed(owners))


def _lines(values: Sequence[int], per_line: int) -> list[str]:
    return [
        ",".join(map(str, values[first : first + per_line])) + ","
        for first in range(0, len(values), per_line)
    ]
