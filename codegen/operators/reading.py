"""Reads a model of the operators that there are; see :mod:`micronets_gen.model.reader`."""

from __future__ import annotations

from pathlib import Path

from micronets_gen.model.graph import Graph
from micronets_gen.model.reader import read_graph, read_graph_file
from micronets_gen.operators import operator_specs


def read_model(path: Path) -> Graph:
    """Read a ``.tflite`` file.

    Raises:
        UsageError: there is no such file, or it cannot be read.
        ModelError: the file cannot be used; the message says why and what to do.
    """
    return read_graph_file(path, {kind: spec.schema for kind, spec in operator_specs().items()})


def read_model_bytes(data: bytes, name: str) -> Graph:
    """Read the contents of a ``.tflite`` file.

    Args:
        data: The file's bytes.
        name: The file's name, for messages and for the model's name.

    Raises:
        ModelError: the file cannot be used; the message says why and what to do.
    """
    return read_graph(data, name, {kind: spec.schema for kind, spec in operator_specs().items()})
