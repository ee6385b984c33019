"""Handwritten digits: the 1,797 images (8x8, 17 grey levels) that scikit-learn carries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SEED = 7


GREY_MAX = 16.0


Floats = npt.NDArray[np.float32]


Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Samples:
    """Images (N, 8, 8, 1) float32 in 0..1 with their digits (N,) uint8."""

    images: Floats
    labels: Labels


@dataclass(frozen=True, eq=False)
class Split:
    """The three disjoint parts of the data."""

    train: Samples
    validation: Samples
    test: Samples


def load_split(seed: int = SEED) -> Split:
    """Return scikit-learn's digits, split 60:20:20 and stratified by digit."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = (digits.images[..., np.newaxis] / GREY_MAX).astype(np.float32)
    labels = digits.target.astype(np.uint8)
    indices = np.arange(len(labels))
    rest, test = train_test_split(indices, test_size=0.2, random_state=seed, stratify=labels)
    train, validation = train_test_split(rest, test_size=0.25, random_state=seed, stratify=labels[rest])
    test = _interleave(test, labels[test])
    return Split(*(Samples(images[part], labels[part]) for part in (train, validation, test)))


def _interleave(indices: npt.NDArray[np.int64], labels: Labels) -> npt.NDArray[np.int64]:
    """Reorder ``indices`` so that any prefix holds the digits as evenly as can be."""
    rank = np.empty(len(labels), dtype=np.int64)
    for digit in range(10):
        mine = np.flatnonzero(labels == digit)
        rank[mine] = np.arange(len(mine))
    return indices[np.lexsort((labels, rank))]
