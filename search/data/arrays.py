"""Samples in ``.npz`` files: an array ``x``, samples first, and ``y`` with the classes where a folder does not say."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from micronets_gen.common.arrays import DAMAGED
from micronets_gen.errors import UsageError

_REMEDY = (
    "write it with numpy.savez(path, x=samples), samples first; beside class folders with y=classes, too"
)
_MOST_CLASSES = 1000


class ArrayError(Exception):
    """The samples of a file cannot be read; the message says why."""


@dataclass(frozen=True, eq=False)
class ArrayFile:
    """What a file holds.

    Attributes:
        shape: Of a sample as a feature map: height, width, channels; missing ones are 1.
        rows: How many samples there are.
        labels: Class of each, where the file says it: ``y``, whole numbers from 0.
        names: Of the classes, where the file says them: ``classes``.
    """

    shape: tuple[int, int, int]
    rows: int
    labels: npt.NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()


def inspect_arrays(path: Path) -> ArrayFile:
    """Return what a file holds, without its samples.

    Raises:
        UsageError: it cannot be read, or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            key = _key(archive.files, path)
            shape, kind = _header(path, key)
            labels = np.asarray(archive["y"]) if "y" in archive.files else None
            names = tuple(map(str, archive["classes"].reshape(-1))) if "classes" in archive.files else ()
    except DAMAGED as error:
        raise UsageError("cannot be read as .npz", where=str(path), why=str(error), remedy=_REMEDY) from None
    if kind not in "fiub" or not 2 <= len(shape) <= 4 or 0 in shape:
        what = f"'{key}' has shape {shape} and type {np.dtype(kind).name if kind in 'fiub' else kind!r}"
        raise UsageError(
            what,
            where=str(path),
            why="numbers of 2 to 4 dimensions are needed: samples, then height, width, channels",
            remedy=_REMEDY,
        )
    if labels is not None:
        labels = _labels(labels, shape[0], path)
    height, width, channels = (*shape[1:], 1, 1)[:3]
    return ArrayFile((height, width, channels), shape[0], labels, names)


def _key(names: list[str], path: Path) -> str:
    others = [name for name in names if name not in {"y", "classes"}]
    if "x" in names or len(others) == 1:
        return "x" if "x" in names else others[0]
    held = ", ".join(names) or "nothing"
    raise UsageError("which array holds the samples?", where=str(path), why=f"it has {held}", remedy=_REMEDY)


def _header(path: Path, key: str) -> tuple[tuple[int, ...], str]:
    """Return shape and kind of an array of a file without reading the array."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as file:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(file)
        held = archive.getinfo(f"{key}.npy").file_size - file.tell()
    if held != prod(shape) * dtype.itemsize and not dtype.hasobject:
        raise ValueError(f"'{key}' is of shape {shape} and holds {held:,} bytes")
    return shape, dtype.kind


def _labels(labels: npt.NDArray[Any], rows: int, path: Path) -> npt.NDArray[np.int64]:
    good = labels.dtype.kind in "iu" and labels.shape in {(rows,), (rows, 1)}
    if not good or labels.min() < 0 or labels.max() >= _MOST_CLASSES:
        raise UsageError(
            f"'y' has shape {labels.shape} and type {labels.dtype}",
            where=str(path),
            why=f"{rows} whole numbers from 0 to {_MOST_CLASSES - 1} are needed, the class of each sample",
            remedy=_REMEDY,
        )
    return labels.reshape(-1).astype(np.int64)


@lru_cache(maxsize=4)
def read_arrays(path: Path, changed: int) -> npt.NDArray[np.float32]:
    """Return all samples of a file that :func:`inspect_arrays` knows: (rows, ...) as they lie there.

    Args:
        changed: When the file was changed last; what is kept of it is of that time.

    Raises:
        ArrayError: it cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive[_key(archive.files, path)], np.float32)
    except DAMAGED as error:
        raise ArrayError(str(error) or type(error).__name__) from None
