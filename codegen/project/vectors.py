"""Golden vectors: inputs with the outputs that the firmware must give, byte for byte."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from micronets_gen.errors import ModelError, UsageError
from micronets_gen.model.graph import Array, DType, Graph, Tensor


@dataclass(frozen=True, eq=False)
class Vectors:
    """Golden vectors.

    Attributes:
        inputs: Per vector, one array per graph input, in the tensor's shape and dtype.
        expected: Per vector, one array per graph output, likewise.
        labels: The class of each vector, -1 where unknown; None where there are none.
        source: Where they come from, for comments and ``micronets.lock``.
    """

    inputs: tuple[tuple[Array, ...], ...]
    expected: tuple[tuple[Array, ...], ...]
    labels: tuple[int, ...] | None = None
    source: str = ""

    @property
    def count(self) -> int:
        return len(self.inputs)


def vectors_for(graph: Graph, npz: Path | None = None, seed: int = 0, count: int = 4) -> Vectors:
    """Return golden vectors; what is expected is what :mod:`micronets_gen.plan.reference` computes.

    Args:
        graph: The model.
        npz: A file with ``input_0``, ``input_1``, ... in the tensor's dtype and of shape ``(vectors, *tensor
            shape)``, where dimensions of 1 may be missing, and optionally ``labels`` (class numbers, -1 where
            unknown). None: random inputs over the dtype's range.
        seed: Of the random inputs, together with the model's hash.
        count: Number of random vectors, or the most to take of the file.

    Raises:
        UsageError: the file is missing or does not fit the model.
    """
    from micronets_gen.plan.reference import evaluate

    if count < 1:
        raise UsageError(f"{count} golden vectors prove nothing", remedy="ask for at least one")
    if npz is None:
        inputs, labels, source = _random(graph, seed, count), None, f"random, seed {seed}"
    else:
        inputs, labels = _load(graph, npz, count)
        source = npz.name
    expected = tuple(tuple(evaluate(graph, list(vector))) for vector in inputs)
    return Vectors(inputs, expected, labels, source)


def _random(graph: Graph, seed: int, count: int) -> tuple[tuple[Array, ...], ...]:
    key = int(graph.sha256 or "0", 16)
    generator = np.random.default_rng([seed, *key.to_bytes(32, "big")])
    tensors = [graph.tensor(index) for index in graph.inputs]
    return tuple(tuple(_random_tensor(generator, tensor) for tensor in tensors) for _ in range(count))


def _random_tensor(generator: np.random.Generator, tensor: Tensor) -> Array:
    if tensor.dtype is DType.FLOAT32:
        return generator.uniform(-1, 1, tensor.shape).astype(np.float32)
    if tensor.dtype is DType.BOOL:
        return generator.integers(0, 2, tensor.shape).astype(np.bool_)
    limits = np.iinfo(tensor.dtype.value)
    return generator.integers(limits.min, limits.max, tensor.shape, dtype=tensor.dtype.value, endpoint=True)


def _load(
    graph: Graph, path: Path, count: int
) -> tuple[tuple[tuple[Array, ...], ...], tuple[int, ...] | None]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(
            "cannot be read as golden vectors",
            where=str(path),
            why=str(error),
            remedy="write it with numpy.savez(path, input_0=..., labels=...)",
        ) from error

    columns = []
    for position, index in enumerate(graph.inputs):
        tensor = graph.tensor(index)
        columns.append(_column(path, arrays, f"input_{position}", tensor)[:count])
    lengths = {len(column) for column in columns}
    if len(lengths) != 1 or 0 in lengths:
        raise UsageError(
            f"its inputs hold {sorted(lengths)} vectors",
            where=str(path),
            remedy="give every input the same number",
        )
    inputs = tuple(tuple(vector) for vector in zip(*columns, strict=True))
    if "labels" not in arrays:
        return inputs, None
    labels = arrays["labels"].reshape(-1)[:count]
    if len(labels) != len(inputs) or not np.issubdtype(labels.dtype, np.integer):
        raise UsageError(
            f"'labels' must be {len(inputs)} integers",
            where=str(path),
            remedy="one class number a vector, or -1",
        )
    return inputs, tuple(int(label) for label in labels)


def _column(path: Path, arrays: dict[str, Array], name: str, tensor: Tensor) -> Array:
    wanted = f"shape (vectors, {', '.join(map(str, tensor.shape))}) and type {tensor.dtype.value}"
    if name not in arrays:
        raise UsageError(
            f"lacks '{name}'",
            where=str(path),
            why=f"it has {', '.join(sorted(arrays)) or 'nothing'}",
            remedy=f"add {wanted}",
        )
    array = arrays[name]
    fits = array.ndim > 0 and array.dtype == np.dtype(tensor.dtype.value)
    fits = fits and array.size == len(array) * tensor.elements
    if not fits:
        raise UsageError(
            f"'{name}' has shape {array.shape} and type {array.dtype}",
            where=str(path),
            why=f"the model's input '{tensor.name}' needs {wanted}",
            remedy="quantise the vectors as the model's input tensor says",
        )
    return array.reshape(len(array), *tensor.shape)


def check_vectors(graph: Graph, vectors: Vectors) -> None:
    """Check that vectors belong to ``graph``.

    Raises:
        ModelError: a number, shape or dtype differs.
    """
    for what, indices, rows in (
        ("input", graph.inputs, vectors.inputs),
        ("output", graph.outputs, vectors.expected),
    ):
        for row in rows:
            shapes = [(array.shape, array.dtype.name) for array in row]
            wanted = [(graph.tensor(i).shape, graph.tensor(i).dtype.value) for i in indices]
            if shapes != wanted:
                raise ModelError(f"golden {what}s are {shapes}, the model's are {wanted}", where=graph.name)
