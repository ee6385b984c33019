"""Features on disk: computed once for a data set and its settings, then read at random through memory maps.

A store is a folder ``<cache>/features/<task>-<key>`` with ``<part>.npy`` (rows, height, width, channels),
``<part>_labels.npy`` (rows,) int32, -1 for a row that could not be computed, and ``store.json``. The key is a hash
of everything that the features depend on. A store is prepared beside its place and renamed: it is whole or absent,
and two processes that prepare the same one do not disturb each other.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from micronets_gen.common.caches import cache_root
from micronets_gen.common.integers import ceil_div
from micronets_gen.search.data.drafts import draft_of
from micronets_gen.search.data.progress import progress, report_unusable

FORMAT = 1
_INDEX = "store.json"
_BATCH = 128

Rows = npt.NDArray[Any]
RowLabels = npt.NDArray[np.int32]


class RowError(Exception):
    """A row's source cannot be used.

    Args:
        source: The file, relative to the data set.
        why: What is wrong with it.
    """

    def __init__(self, source: str, why: str) -> None:
        super().__init__(source, why)
        self.source = source
        self.why = why


@dataclass(frozen=True, eq=False)
class Plan:
    """How one part of a store is computed.

    Attributes:
        labels: Class of every row (rows,).
        read: Returns the source of a row, all of one shape and dtype, or raises :class:`RowError`; called
            from several threads.
        features: TensorFlow function from a batch of sources to a batch of rows.
        shape: Shape of a row.
        dtype: Of the rows as stored.
    """

    labels: RowLabels
    read: Callable[[int], Rows]
    features: Callable[[Any], Any]
    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a store that could be computed.

    Attributes:
        rows: Memory map (all rows, ...).
        labels: Class of every row, -1 for one that could not be computed.
    """

    rows: Rows
    labels: RowLabels


@dataclass(frozen=True, eq=False)
class Store:
    """An opened store.

    Attributes:
        folder: Where it is.
        parts: Its parts by name.
        unusable: File to what was wrong with it.
        extra: Plain values that its makers added.
    """

    folder: Path
    parts: Mapping[str, Part]
    unusable: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


def fingerprint(root: Path, files: Sequence[str]) -> str:
    """Return a hash of the names, sizes and times of ``files``, relative to ``root``; a missing one counts."""
    digest = hashlib.sha256()
    for name in sorted(files):
        try:
            state = (root / name).stat()
            digest.update(f"{name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(f"{name}\0missing\n".encode())
    return digest.hexdigest()


def store_folder(task: str, key: Mapping[str, Any]) -> Path:
    """Return the folder of the store of a task's ``key``: plain values that the features depend on."""
    text = json.dumps({"format": FORMAT, **key}, sort_keys=True)
    return cache_root() / "features" / f"{task}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def open_store(
    task: str,
    root: Path,
    files: int,
    key: Mapping[str, Any],
    make: Callable[[], Mapping[str, Plan]],
    extra: Callable[[Mapping[str, Part]], Mapping[str, Any]] = lambda _parts: {},
) -> Store:
    """Return the store of a data set, computing it where the cache lacks it.

    Args:
        task: Name of the task.
        root: The data set, for messages.
        files: How many files it has, for messages.
        key: Plain values that the features depend on.
        make: Returns the parts' plans; called only when the store must be computed.
        extra: Returns plain values to keep with the computed parts.

    Raises:
        UsageError: too many of the data set's files are unusable.
    """
    folder = store_folder(task, key)
    store = _read(folder)
    if store is None:
        with draft_of(folder) as draft:
            _compute(draft, task, root, files, make(), extra)
            _publish(draft, folder)
        store = _read(folder)
        assert store is not None
    elif store.unusable:
        report_unusable(root, store.unusable, files)
    return store


def _publish(draft: Path, folder: Path) -> None:
    if _read(folder) is None:
        shutil.rmtree(folder, ignore_errors=True)  # of another format, or damaged
    try:
        draft.rename(folder)
    except OSError:
        if _read(folder) is None:  # not because another process was first
            raise


def _read(folder: Path) -> Store | None:
    """Return the store in ``folder``, or None where it is absent or damaged."""
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        parts = {}
        for name, (rows, labels) in index["bytes"].items():
            paths = folder / f"{name}.npy", folder / f"{name}_labels.npy"
            if (paths[0].stat().st_size, paths[1].stat().st_size) != (rows, labels):
                return None
            parts[name] = Part(np.load(paths[0], mmap_mode="r"), np.load(paths[1]))
    except (OSError, ValueError, KeyError):
        return None
    return Store(folder, parts, index["unusable"], index["extra"])


def _compute(
    folder: Path,
    task: str,
    root: Path,
    files: int,
    plans: Mapping[str, Plan],
    extra: Callable[[Mapping[str, Part]], Mapping[str, Any]],
) -> None:
    unusable: dict[str, str] = {}
    sizes: dict[str, tuple[int, int]] = {}
    parts: dict[str, Part] = {}
    for name, plan in plans.items():
        paths = folder / f"{name}.npy", folder / f"{name}_labels.npy"
        labels = plan.labels.astype(np.int32).copy()
        rows = np.lib.format.open_memmap(paths[0], "w+", plan.dtype, (len(labels), *plan.shape))
        batches = _batches(plan, unusable, labels)
        steps = ceil_div(len(labels), _BATCH)
        for start, values in progress(batches, steps, f"{task}: features of {name}"):
            rows[start : start + len(values)] = values
        rows.flush()
        np.save(paths[1], labels)
        parts[name] = Part(rows, labels)
        sizes[name] = paths[0].stat().st_size, paths[1].stat().st_size
    report_unusable(root, unusable, files)
    index = {"bytes": sizes, "unusable": unusable, "extra": dict(extra(parts))}
    (folder / _INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def _batches(plan: Plan, unusable: dict[str, str], labels: RowLabels) -> Iterator[tuple[int, Rows]]:
    """Yield batches of rows in order with the index of their first, by a tf.data pipeline on two threads.

    Enters unusable sources in ``unusable`` and -1 in ``labels``, as a side effect of the reading.
    """
    import tensorflow as tf

    count = len(labels)
    if not count:
        return
    blank = _first_source(plan, count)
    if blank is None:
        for row in range(count):
            _try_read(plan, row, unusable, labels)
        return

    def read(start: Any) -> Rows:
        sources = [_try_read(plan, row, unusable, labels) for row in range(start, min(start + _BATCH, count))]
        return np.stack([blank if source is None else source for source in sources])

    def compute(start: Any) -> tuple[Any, Any]:
        sources = tf.numpy_function(read, [start], tf.as_dtype(blank.dtype), stateful=False)
        sources.set_shape([None, *blank.shape])
        return start, tf.cast(plan.features(sources), plan.dtype)

    dataset = tf.data.Dataset.range(0, count, _BATCH).map(compute, num_parallel_calls=2).prefetch(2)
    for start, values in dataset.as_numpy_iterator():
        yield int(start), values


def _try_read(plan: Plan, row: int, unusable: dict[str, str], labels: RowLabels) -> Rows | None:
    try:
        return plan.read(row)
    except RowError as error:
        unusable[error.source] = error.why
        labels[row] = -1
        return None


def _first_source(plan: Plan, count: int) -> Rows | None:
    """Return zeros like the first source that can be read."""
    for row in range(count):
        try:
            return np.zeros_like(plan.read(row))
        except RowError:
            continue
    return None
