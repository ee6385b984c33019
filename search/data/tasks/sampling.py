"""From parts of a store to ``tf.data`` pipelines: splits in a fixed order, epochs shuffled by seed and index."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from micronets_gen.common.integers import ceil_div
from micronets_gen.search.data.parts import PARTS
from micronets_gen.search.data.store import Part
from micronets_gen.search.data.tasks.base import Dataset, Split

_BATCH = 256

Indices = npt.NDArray[np.int64]
Prepare = Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]
Augment = Callable[[Any, Any], Any]


def evenly(labels: npt.NDArray[Any]) -> Indices:
    """Return an order of the rows in which every prefix covers the classes as evenly as it can."""
    rank = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        rank[mine] = np.arange(len(mine))
    return np.lexsort((labels, rank))


def held_back(names: Sequence[str]) -> frozenset[str]:
    """Return a tenth of the names, rounded up: those whose hashes come first, whatever their order."""
    by_hash = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    return frozenset(by_hash[: ceil_div(len(names), 10)])


class Labelled(Protocol):
    """A sample before it is read."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> int: ...


_Sample = TypeVar("_Sample", bound=Labelled)


def three_parts(found: Mapping[str, Sequence[_Sample]]) -> dict[str, tuple[_Sample, ...]]:
    """Return training, validation and test where people gave one or two of them.

    What is given for validation alone is the test. A part that is missing takes a tenth of the training samples of
    each class, chosen by the hashes of their names.
    """
    parts = {part: list(found.get(part, ())) for part in PARTS}
    if not parts["test"] and parts["validation"]:
        parts["test"], parts["validation"] = parts["validation"], []
    for part in ("test", "validation"):
        if not parts[part]:
            train = parts["train"]
            by_label: dict[int, list[str]] = {}
            for sample in train:
                by_label.setdefault(sample.label, []).append(sample.name)
            kept = {(label, name) for label, names in by_label.items() for name in held_back(names)}
            parts[part] = [sample for sample in train if (sample.label, sample.name) in kept]
            parts["train"] = [sample for sample in train if (sample.label, sample.name) not in kept]
    return {part: tuple(samples) for part, samples in parts.items()}


def usable(part: Part, rows: Indices | None = None) -> Indices:
    """Return those of ``rows`` (default: all) that could be computed."""
    rows = np.arange(len(part.labels)) if rows is None else rows
    return rows[part.labels[rows] >= 0]


def read_rows(part: Part, rows: Indices, prepare: Prepare, augment: Augment | None = None) -> Dataset:
    """Return the pairs of features and label of ``rows``, in that order, read in batches from the memory map.

    Args:
        prepare: Turns stored rows into features float32.
        augment: Changes a batch of features; its second argument is the number of the batch.
    """
    import tensorflow as tf

    shape = prepare(part.rows[:1]).shape[1:]

    def gather(indices: Indices) -> npt.NDArray[np.float32]:
        return prepare(part.rows[indices])

    def load(number: Any, indices: Any) -> tuple[Any, Any]:
        features = tf.numpy_function(gather, [indices], tf.float32, stateful=False)
        features.set_shape([None, *shape])
        if augment is not None:
            features = augment(features, number)
        return features, tf.gather(part.labels, indices)

    batches = tf.data.Dataset.from_tensor_slices(rows.astype(np.int64)).batch(_BATCH).enumerate()
    loaded = batches.map(load, num_parallel_calls=2, deterministic=True).prefetch(2)
    return loaded.unbatch().apply(tf.data.experimental.assert_cardinality(len(rows)))


def split_of(part: Part, rows: Indices, prepare: Prepare) -> Split:
    """Return ``rows`` as a split."""
    return Split(read_rows(part, rows, prepare), len(rows))


def shuffled_epoch(
    part: Part,
    rows: Indices,
    prepare: Prepare,
    augment: Augment | None,
    seed: int,
    index: int,
    samples: int,
) -> Dataset:
    """Return one pass over ``rows`` in an order that depends on ``seed`` and ``index`` alone.

    Args:
        augment: Changes a batch of features; its second argument are two integers that seed it.
        samples: How many pairs the pass has: some of the rows where there are more, some twice where fewer.
    """
    import tensorflow as tf

    order = np.resize(np.random.default_rng([seed, index]).permutation(rows), samples)
    base = int(np.random.default_rng([seed, index, 1]).integers(2**62))

    def seeded(features: Any, number: Any) -> Any:
        assert augment is not None
        return augment(features, tf.stack([tf.constant(base, tf.int64), number]))

    return read_rows(part, order, prepare, None if augment is None else seeded)


def limited(rows: Indices, samples: int) -> Indices:
    """Return the first ``samples`` of ``rows``; 0 for all."""
    return rows[:samples] if samples else rows
