"""Golden vectors: inputs with the outputs that the firmware must give, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from micronets_gen.common.escape import one_line
from micronets_gen.common.numbers import percent
from micronets_gen.common.tables import shown
from micronets_gen.errors import ModelError, UsageError
from micronets_gen.model.graph import Array, DType, Graph, Tensor
from micronets_gen.operators.quantize import quantize
from micronets_gen.project.vector_file import SampleFile, open_samples, require_known

_MOST_CLASSES = 1 << 15  # labels are int16_t in the image
_LONGEST_CLASS = 64


@dataclass(frozen=True, eq=False)
class Vectors:
    """Golden vectors.

    Attributes:
        inputs: Per vector, one array per graph input, in the tensor's shape and dtype.
        expected: Per vector, one array per graph output, likewise.
        labels: The class of each vector, -1 where unknown; None where there are none.
        source: Where they come from, for comments, the report and ``micronets.lock``.
        classes: Names of the classes from 0; empty where they are not known.
        note: A sentence for a person on what was done to the samples; empty where they were taken as they are.
    """

    inputs: tuple[tuple[Array, ...], ...]
    expected: tuple[tuple[Array, ...], ...]
    labels: tuple[int, ...] | None = None
    source: str = ""
    classes: tuple[str, ...] = ()
    note: str = ""

    @property
    def count(self) -> int:
        return len(self.inputs)


def vectors_for(
    graph: Graph, samples: Path | None = None, seed: int = 0, count: int = 4, classes: Sequence[str] = ()
) -> Vectors:
    """Return golden vectors; what is expected is what :mod:`micronets_gen.plan.reference` computes.

    Args:
        graph: The model.
        samples: A ``.npz`` or ``.npy`` file as docs/vectors.md says. None: random inputs over the dtype's range.
        seed: Of the random inputs, together with the model's hash.
        count: Number of random vectors, or the most to take of the file.
        classes: Names of the classes, where the file has none.

    Raises:
        UsageError: the file is missing, damaged, or does not fit the model.
    """
    from micronets_gen.plan.reference import evaluate

    if count < 1:
        raise UsageError(f"{count} golden vectors prove nothing", remedy="ask for at least one")
    if samples is None:
        given = _Given(_random(graph, seed, count), None, (), f"random, seed {seed}", "")
    else:
        with open_samples(samples) as file:
            given = _given(graph, file, one_line(samples.name), count)
    expected = tuple(tuple(evaluate(graph, list(vector))) for vector in given.inputs)
    return Vectors(
        given.inputs, expected, given.labels, given.source, given.classes or tuple(classes), given.note
    )


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


@dataclass(frozen=True, eq=False)
class _Given:
    """What a file gives."""

    inputs: tuple[tuple[Array, ...], ...]
    labels: tuple[int, ...] | None
    classes: tuple[str, ...]
    source: str
    note: str


def _given(graph: Graph, file: SampleFile, name: str, count: int) -> _Given:
    wanted = tuple(f"input_{position}" for position in range(len(graph.inputs)))
    require_known(file, (*wanted, "labels", "classes"))
    tensors = [graph.tensor(index) for index in graph.inputs]
    lengths = [_length(file, key, tensor) for key, tensor in zip(wanted, tensors, strict=True)]
    if len(set(lengths)) != 1 or not lengths[0]:
        raise UsageError(
            f"its inputs hold {', '.join(map(str, lengths))} samples",
            where=file.where,
            remedy="give every input the same number, one at least",
        )
    columns, notes = [], []
    for key, tensor in zip(wanted, tensors, strict=True):
        column, note = _column(file, key, tensor, count)
        columns.append(column)
        notes.append(note)
    note = "; ".join(filter(None, notes))
    return _Given(
        tuple(tuple(vector) for vector in zip(*columns, strict=True)),
        _labels(graph, file, lengths[0], count),
        _classes(graph, file),
        f"{name}, quantised from real numbers" if note else name,
        note and f"{name}: {note}",
    )


def _length(file: SampleFile, name: str, tensor: Tensor) -> int:
    """Return the number of samples of an input, whose shape and type fit the tensor."""
    shape = ", ".join(map(str, tensor.shape))
    wanted = f"shape (samples, {shape}) and type {tensor.dtype.value}"
    if tensor.quantization is not None and tensor.dtype is not DType.FLOAT32:
        wanted += " or float32"
    if name not in file.names:
        raise UsageError(
            f"lacks '{name}'",
            where=file.where,
            why=f"it has {shown(', '.join(sorted(file.names)) or 'nothing')}",
            remedy=f"add {wanted}",
        )
    header = file.header(name)
    real = header.dtype.kind == "f" and (tensor.dtype is DType.FLOAT32 or tensor.quantization is not None)
    sample = _squeezed(header.shape[1:])
    fits = header.shape and sample in (_squeezed(tensor.shape), _squeezed((tensor.elements,)))
    if not fits or not (real or header.dtype == np.dtype(tensor.dtype.value)):
        raise UsageError(
            f"'{name}' has shape {shown(header.shape)} and type {header.dtype}",
            where=file.where,
            why=f"the model's input '{tensor.name}' needs {wanted}",
            remedy="one sample a row, also a single one; real numbers are quantised by the input's scale",
        )
    return header.shape[0]


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _column(file: SampleFile, name: str, tensor: Tensor, count: int) -> tuple[Array, str]:
    """Return the first samples of an input as the tensor has them, and what was done to them."""
    array = file.read(name, count)
    array = array.reshape(len(array), *tensor.shape)
    if array.dtype.kind != "f":
        return array, ""
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if not finite.all():
        raise UsageError(
            f"sample {int(np.argmin(finite))} of '{name}' holds a value that is not a finite number",
            where=file.where,
            remedy="leave it out",
        )
    with np.errstate(over="ignore"):
        real = array.astype(np.float32)
    if tensor.dtype is DType.FLOAT32:
        return real, ""
    low, high = (tensor.scale * (limit - tensor.zero_point) for limit in tensor.dtype.limits)
    beyond = int(np.count_nonzero((real < low - tensor.scale / 2) | (real > high + tensor.scale / 2)))
    note = (
        f"{name} is quantised from {array.dtype} by scale {tensor.scale:.6g}, zero point {tensor.zero_point}"
    )
    if beyond:
        cut = percent(beyond, array.size)
        note += f"; {cut} of its values lie beyond {low:.4g} to {high:.4g} and are cut to that"
    return quantize(real, tensor), note


def _labels(graph: Graph, file: SampleFile, samples: int, count: int) -> tuple[int, ...] | None:
    if "labels" not in file.names:
        return None
    header = file.header("labels")
    if header.shape not in ((samples,), (samples, 1)) or header.dtype.kind not in "iu":
        raise UsageError(
            f"'labels' must be {samples} integers, not {header.dtype} of shape {shown(header.shape)}",
            where=file.where,
            remedy="give one class number a sample, or -1 where it is not known; of one-hot rows the argmax",
        )
    labels = tuple(int(label) for label in file.read("labels", count).reshape(-1))
    classes = min(graph.tensor(graph.outputs[0]).elements, _MOST_CLASSES)
    for sample, label in enumerate(labels):
        if not -1 <= label < classes:
            raise UsageError(
                f"the label of sample {sample} is {label}; the model has the classes 0 to {classes - 1}",
                where=file.where,
                remedy="give class numbers that the first output has, or -1 where the class is not known",
            )
    return labels


def _classes(graph: Graph, file: SampleFile) -> tuple[str, ...]:
    if "classes" not in file.names:
        return ()
    header = file.header("classes")
    wanted = graph.tensor(graph.outputs[0]).elements
    if header.dtype.kind not in "US" or header.shape != (wanted,):
        raise UsageError(
            f"'classes' must be {wanted} texts, not {header.dtype} of shape {shown(header.shape)}",
            where=file.where,
            remedy="give the name of each class of the first output: numpy.array(names, dtype=str)",
        )
    names = [
        name.decode("utf-8", "replace") if isinstance(name, bytes) else name
        for name in file.read("classes").tolist()
    ]
    for name in names:
        if not name.isprintable() or not 0 < len(name) <= _LONGEST_CLASS:
            raise UsageError(
                f"'{shown(name)}' cannot be the name of a class",
                where=file.where,
                remedy=f"use 1 to {_LONGEST_CLASS} printable characters",
            )
    return tuple(names)


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
