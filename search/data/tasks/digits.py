"""Handwritten digits of scikit-learn: 8x8 pictures that need no download; the tutorial and the test."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from micronets_gen.errors import UsageError
from micronets_gen.search.data.digits import load_split
from micronets_gen.search.data.parts import PARTS
from micronets_gen.search.data.tasks.base import Dataset, Floats, Labels, Split, TaskData, accuracy_judge
from micronets_gen.search.data.tasks.options import parse_options
from micronets_gen.search.data.tasks.sampling import evenly


@dataclass(frozen=True)
class DigitsOptions:
    """What a recipe's ``[task]`` table may set.

    Attributes:
        shift: Largest shift of a training picture either way, in pixels; fractions are interpolated.
        rotation: Largest rotation either way, in degrees.
        zoom: Largest change of size either way, as a share.
    """

    shift: float = 0.8
    rotation: float = 10.0
    zoom: float = 0.1


@dataclass(frozen=True)
class Digits:
    """The task, as :class:`micronets_gen.search.data.tasks.base.Task` says."""

    options: DigitsOptions = DigitsOptions()
    name: str = "digits"
    title: str = "handwritten digits, 8x8 (scikit-learn's; needs no data)"
    input_shape: tuple[int, int, int] = (8, 8, 1)
    classes: tuple[str, ...] = tuple("0123456789")
    backbone: str = "digits"
    recipe: str = "digits"

    def load(self, data_dir: Path | None, seed: int) -> TaskData:
        """Load the pictures that scikit-learn carries, always split alike."""
        import tensorflow as tf

        if data_dir is not None:
            raise UsageError(
                "the pictures come with scikit-learn", where=f"--data {data_dir}", remedy="leave --data out"
            )
        split = load_split()
        samples = {"train": split.train, "validation": split.validation, "test": split.test}
        images: dict[str, Floats] = {}
        labels: dict[str, Labels] = {}
        for part in PARTS:
            order = evenly(samples[part].labels)
            images[part] = samples[part].images[order]
            labels[part] = samples[part].labels[order].astype(np.int64)

        def dataset(part: str) -> Dataset:
            pairs = images[part], labels[part].astype(np.int32)
            return tf.data.Dataset.from_tensor_slices(pairs)

        def epoch(index: int) -> Dataset:
            rng = np.random.default_rng([seed, index])
            order = rng.permutation(len(labels["train"]))
            moved = transformed(images["train"][order], rng, self.options)
            return tf.data.Dataset.from_tensor_slices((moved, labels["train"][order].astype(np.int32)))

        provenance = {
            "source": {
                "name": "sklearn.datasets.load_digits: Optical Recognition of Handwritten Digits, test part",
                "citation": "E. Alpaydin, C. Kaynak (1998), UCI Machine Learning Repository, doi:10.24432/C50P49",
                "licence": "CC BY 4.0",
            },
            "split": {part: len(labels[part]) for part in PARTS},
            "features": {"kind": "image", "range": [0.0, 1.0]},
            "options": asdict(self.options),
            "seed": seed,
        }
        return TaskData(
            train=Split(dataset("train"), len(labels["train"])),
            validation=Split(dataset("validation"), len(labels["validation"])),
            test=Split(dataset("test"), len(labels["test"])),
            epoch=epoch,
            judge=accuracy_judge({part: labels[part] for part in ("validation", "test")}, 10),
            provenance=provenance,
        )


def make(**options: Any) -> Digits:
    """Return the task with ``options`` as in :class:`DigitsOptions`."""
    return Digits(parse_options(DigitsOptions, "digits", options))


def transformed(images: Floats, rng: np.random.Generator, options: DigitsOptions) -> Floats:
    """Return each picture (count, height, width, 1) moved, turned and resized at random, bilinearly."""
    count, height, width, _ = images.shape
    angle = np.deg2rad(rng.uniform(-options.rotation, options.rotation, (count, 1, 1)))
    zoom = 1.0 + rng.uniform(-options.zoom, options.zoom, (count, 1, 1))
    move = rng.uniform(-options.shift, options.shift, (2, count, 1, 1))
    y, x = np.mgrid[0:height, 0:width]
    y, x = y - (height - 1) / 2 + move[0], x - (width - 1) / 2 + move[1]
    source_y = (np.cos(angle) * y - np.sin(angle) * x) / zoom + (height - 1) / 2
    source_x = (np.sin(angle) * y + np.cos(angle) * x) / zoom + (width - 1) / 2
    padded = np.pad(images[..., 0], ((0, 0), (1, 1), (1, 1)))
    source_y = np.clip(source_y + 1, 0, height + 1 - 1e-6)
    source_x = np.clip(source_x + 1, 0, width + 1 - 1e-6)
    top, left = source_y.astype(int), source_x.astype(int)
    down, right = source_y - top, source_x - left
    rows = np.arange(count)[:, np.newaxis, np.newaxis]
    result = (
        padded[rows, top, left] * (1 - down) * (1 - right)
        + padded[rows, top, left + 1] * (1 - down) * right
        + padded[rows, top + 1, left] * down * (1 - right)
        + padded[rows, top + 1, left + 1] * down * right
    )
    return np.asarray(result[..., np.newaxis], np.float32)
