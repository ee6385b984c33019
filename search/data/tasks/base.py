"""What a task gives the search: data, features, augmentation and the judgement of outputs.

A task is found by :func:`micronets_gen.search.data.tasks.get_task`. The engine knows nothing of audio, images or
files: it sees feature maps with integer labels, in a fixed order, and asks the data to judge a model's outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

Dataset = Any
"""A ``tf.data.Dataset``; TensorFlow carries no types that a checker could use."""


@dataclass(frozen=True, eq=False)
class Split:
    """A part of the data, as it is: neither shuffled nor augmented.

    Attributes:
        dataset: Unbatched pairs of features, float32 (height, width, channels), and label, int32 scalar, in
            the same order each time that it is read.
        samples: How many pairs it yields; at least 1.
    """

    dataset: Dataset
    samples: int


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a model's outputs are worth.

    Attributes:
        metric: Name of the figure, for example ``accuracy`` or ``AUC``.
        value: The figure, 0 to 1, higher is better.
        confusion: Counts, rows true and columns predicted class; None where the metric is no classification.
        curve: Points (false positive rate, true positive rate) of an ROC; empty where there is none.
    """

    metric: str
    value: float
    confusion: npt.NDArray[np.int64] | None = None
    curve: tuple[tuple[float, float], ...] = ()


Judge = Callable[[str, Floats], Judgement]
"""Judges softmax outputs (samples, classes) of a part; see :attr:`TaskData.judge`."""


@dataclass(frozen=True, eq=False)
class TaskData:
    """A task's data, loaded.

    Attributes:
        train: Training samples without augmentation, for statistics and calibration.
        validation: Picks the epoch of a training, and compares the runs of a sweep. A search learns its decisions
            from the training samples, as it learns the weights.
        test: Touched once, by a finished model. Its order covers the classes evenly in every prefix.
        epoch: ``epoch(index)`` is one pass over the training samples, shuffled and augmented, as unbatched
            pairs like a split's. It depends on the seed and on ``index`` alone, so that training resumed
            at any epoch sees what uninterrupted training would have seen.
        judge: ``judge(part, outputs)`` judges softmax outputs (samples, classes) float32 in the order of
            the split ``part``: ``validation`` or ``test``.
        provenance: Sources, licences, counts, and what was left out and why; plain values for JSON.
    """

    train: Split
    validation: Split
    test: Split
    epoch: Callable[[int], Dataset]
    judge: Judge
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def representative(self, count: int = 256) -> Floats:
        """Return up to ``count`` training samples (count, height, width, channels) that calibrate ranges."""
        taken = self.train.dataset.take(count).as_numpy_iterator()
        return np.stack([features for features, _ in taken]).astype(np.float32)

    def input_range(self) -> tuple[float, float]:
        """Return the smallest and the largest value of the representative samples."""
        features = self.representative()
        return float(features.min()), float(features.max())


class Task(Protocol):
    """A task before its data are loaded; cheap to make, imports nothing heavy.

    Attributes:
        name: What ``--task`` takes.
        title: One line for lists and reports.
        input_shape: Height, width and channels of the features.
        classes: Names of the classes, in order of the label.
        backbone: Name of the default backbone: a file of ``search/backbones``.
        recipe: Name of the default recipe: a file of ``search/recipes``.
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def input_shape(self) -> tuple[int, int, int]: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def backbone(self) -> str: ...
    @property
    def recipe(self) -> str: ...

    def load(self, data_dir: Path | None, seed: int) -> TaskData:
        """Load, split and prepare the data; the same seed gives the same splits and epochs.

        Args:
            data_dir: Where the data lie in their published layout; None for a task that needs none.
            seed: Of splits, shuffling and augmentation.

        Raises:
            UsageError: the data are missing or unusable; the message says what to get and how to lay it out.
        """
        ...


def accuracy_judge(labels: Mapping[str, Labels], classes: int) -> Judge:
    """Return a judge of top-1 accuracy with a confusion matrix.

    Args:
        labels: True classes (samples,) of each part that is judged.
        classes: How many there are.
    """

    def judge(part: str, outputs: Floats) -> Judgement:
        truth, guess = labels[part], outputs.argmax(axis=-1)
        confusion = np.zeros((classes, classes), np.int64)
        np.add.at(confusion, (truth, guess), 1)
        return Judgement("accuracy", float(np.mean(truth == guess)), confusion)

    return judge
