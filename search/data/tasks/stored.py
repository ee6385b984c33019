"""What the tasks with a store share: rows in order, splits, epochs and the record of where they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from micronets_gen.search.data.parts import PARTS
from micronets_gen.search.data.store import Part, Store
from micronets_gen.search.data.tasks.base import (
    Dataset,
    Judge,
    Labels,
    Split,
    TaskData,
    accuracy_judge,
)
from micronets_gen.search.data.tasks.sampling import (
    Augment,
    Indices,
    Prepare,
    evenly,
    limited,
    shuffled_epoch,
    split_of,
    usable,
)

AUGMENTED = "augmented"
"""The part of a store with changed copies of the training rows, all rows of one copy after those of another."""


@dataclass(frozen=True, eq=False)
class Selection:
    """The samples of a data set, as rows of its store.

    Attributes:
        parts: Training, validation and test by name, a row a sample.
        rows: Which rows of each are samples, in their order.
        pool: All training rows, where ``rows`` may have fewer.
    """

    parts: Mapping[str, Part]
    rows: Mapping[str, Indices]
    pool: Indices

    def labels(self, part: str) -> Labels:
        """Return the label of each sample of a part."""
        return self.parts[part].labels[self.rows[part]].astype(np.int64)

    def per_class(self, classes: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return how many samples of each class each part has."""
        counts = {part: np.bincount(self.labels(part), minlength=len(classes)).tolist() for part in PARTS}
        return {part: dict(zip(classes, counts[part], strict=True)) for part in PARTS}

    def ordered(self, part: str, order: Indices) -> Selection:
        """Return the selection with the rows of a part in another order: indices of its samples."""
        return replace(self, rows={**self.rows, part: self.rows[part][order]})


def select(parts: Mapping[str, Part], epoch_samples: int) -> Selection:
    """Return the rows that could be computed, each prefix with as even a share of the classes as can be.

    Args:
        parts: Training, validation and test by name; others are left alone.
        epoch_samples: At most so many training samples; 0 for all.
    """
    rows = {part: usable(parts[part]) for part in PARTS}
    rows = {part: rows[part][evenly(parts[part].labels[rows[part]])] for part in PARTS}
    return Selection(parts, {**rows, "train": limited(rows["train"], epoch_samples)}, rows["train"])


@dataclass(frozen=True, eq=False)
class Epochs:
    """What epochs are drawn from.

    Attributes:
        part: A part of a store.
        rows: Returns which of its rows an epoch shuffles.
        augment: Changes a batch of features; None for nothing.
    """

    part: Part
    rows: Callable[[int], Indices]
    augment: Augment | None = None


def epochs_of_pool(chosen: Selection, augment: Augment | None) -> Epochs:
    """Return epochs of all training rows as they are stored."""
    return Epochs(chosen.parts["train"], lambda _index: chosen.pool, augment)


def epochs_of_copies(part: Part, copies: int, augment: Augment | None) -> Epochs:
    """Return epochs of which each takes the next of the copies that a part holds."""
    length = len(part.labels) // copies

    def rows(index: int) -> Indices:
        first = index % copies * length
        return usable(part, np.arange(first, first + length))

    return Epochs(part, rows, augment)


@dataclass(frozen=True, eq=False)
class About:
    """What the provenance says besides counts of samples; plain values.

    Attributes:
        source: Name and licence, and what else is known of where the samples come from.
        counts: Counts of the task's own.
        features: How features were computed.
        options: The task's options, a dataclass.
    """

    source: Mapping[str, Any]
    counts: Mapping[str, Any]
    features: Mapping[str, Any]
    options: Any


def task_data(
    store: Store,
    chosen: Selection,
    prepare: Prepare,
    epochs: Epochs,
    judge: Judge,
    about: About,
    seed: int,
) -> TaskData:
    """Return the data of a task whose features lie in a store."""
    splits: dict[str, Split] = {
        part: split_of(chosen.parts[part], chosen.rows[part], prepare) for part in PARTS
    }

    def epoch(index: int) -> Dataset:
        rows, samples = epochs.rows(index), splits["train"].samples
        return shuffled_epoch(epochs.part, rows, prepare, epochs.augment, seed, index, samples)

    provenance = {
        "source": dict(about.source),
        "split": {part: splits[part].samples for part in PARTS},
        **about.counts,
        "left_out": dict(store.unusable),
        "features": dict(about.features),
        "options": asdict(about.options),
        "seed": seed,
    }
    return TaskData(**splits, epoch=epoch, judge=judge, provenance=provenance)


def judge_of(chosen: Selection, classes: int) -> Judge:
    """Return a judge of validation and test by accuracy."""
    return accuracy_judge({part: chosen.labels(part) for part in ("validation", "test")}, classes)
