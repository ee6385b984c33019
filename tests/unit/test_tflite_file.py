"""The one view of a .tflite file that reader, resolver and arena share."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from micronets_gen.bundled.catalogue import bundled_models
from micronets_gen.model.tflite_file import OMITTED, TfliteFile, load
from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.runtimes.tflm.arena.model import read_model as read_allocations
from micronets_gen.runtimes.tflm.operators import scan_operators, scan_signatures

PACKAGE = Path(__file__).resolve().parents[2] / "codegen"
MODELS = [model.path for model in bundled_models()]


def view(path: Path) -> TfliteFile:
    return load(path.read_bytes(), path.name)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_all_see_the_same_operators(path: Path) -> None:
    data, main = path.read_bytes(), view(path).main
    kinds = [operator.kind for operator in main.operators]
    assert [use.kind for use in scan_operators(data, path.name)] == kinds
    assert [use.kind for use in scan_signatures(data, path.name)] == kinds
    allocations = read_allocations(data, path.name)
    assert [node.kind for node in allocations.nodes] == kinds
    assert [t.constant for t in allocations.tensors] == [t.is_stored for t in main.tensors]
    graph = read_model_bytes(data, path.name)
    assert {operator.kind for operator in graph.operators} <= set(kinds)
    for tensor in graph.tensors:
        if tensor.data is not None and main.tensors[tensor.index].is_stored:
            assert tensor.data.tobytes() == main.tensors[tensor.index].content.tobytes()


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_what_is_referred_to_is_there(path: Path) -> None:
    for graph in view(path).subgraphs:
        there = range(len(graph.tensors))
        for operator in graph.operators:
            assert all(t in there or t == OMITTED for t in operator.inputs)
            assert operator.outputs
            assert all(t in there for t in operator.outputs)
        assert all(t in there for t in (*graph.inputs, *graph.outputs))


def test_a_view_cannot_be_changed() -> None:
    content = view(MODELS[0])
    tensor = next(t for t in content.main.tensors if t.is_stored)
    with pytest.raises(FrozenInstanceError):
        tensor.shape = ()  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        tensor.content[0] = 1


def test_nothing_else_parses_the_flatbuffer() -> None:
    parsing = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "GetRootAs" in path.read_text(encoding="utf-8")
    ]
    assert parsing == ["model/tflite_file.py"]
