"""The digits: always the same split, augmented by seed and index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from micronets_gen.errors import UsageError
from micronets_gen.search.data.tasks import get_task

pytestmark = pytest.mark.needs("tensorflow")


def test_the_split_is_the_bundled_model_s() -> None:
    from micronets_gen.search.data.digits import load_split

    data = get_task("digits").load(None, 3)
    assert (data.train.samples, data.validation.samples, data.test.samples) == (1077, 360, 360)
    pairs = list(data.test.dataset.as_numpy_iterator())
    test = load_split().test
    assert sorted(x.tobytes() for x, _ in pairs) == sorted(x.tobytes() for x in test.images)
    assert [int(label) for _, label in pairs[:10]] == list(range(10))
    x, label = pairs[0]
    assert (x.shape, x.dtype, label.dtype) == ((8, 8, 1), np.float32, np.int32)
    assert 0 <= min(x.min() for x, _ in pairs) <= max(x.max() for x, _ in pairs) <= 1


def test_data_of_one_s_own_are_not_ignored() -> None:
    with pytest.raises(UsageError, match="leave --data out"):
        get_task("digits").load(Path("mine"), 0)


def test_epochs_depend_on_seed_and_index_alone() -> None:
    task = get_task("digits")

    def epoch(seed: int, index: int) -> list[bytes]:
        return [x.tobytes() for x, _ in task.load(None, seed).epoch(index).as_numpy_iterator()]

    first = epoch(1, 2)
    assert len(first) == 1077
    assert first == epoch(1, 2)
    assert len(set(first) & set(epoch(1, 3))) < 5
    assert len(set(first) & set(epoch(2, 2))) < 5


def test_without_augmentation_pictures_stay() -> None:
    task = get_task("digits", shift=0, rotation=0, zoom=0)
    data = task.load(None, 1)
    train = np.sort([x.sum() for x, _ in data.train.dataset.as_numpy_iterator()])
    epoch = np.sort([x.sum() for x, _ in data.epoch(0).as_numpy_iterator()])
    np.testing.assert_allclose(epoch, train, rtol=1e-5)


def test_a_shift_moves_the_picture() -> None:
    from micronets_gen.search.data.tasks.digits import DigitsOptions, transformed

    picture = np.zeros((1, 8, 8, 1), np.float32)
    picture[0, 3:5, 3:5] = 1
    moved = np.concatenate(
        [
            transformed(picture, np.random.default_rng(seed), DigitsOptions(shift=2, rotation=0, zoom=0))
            for seed in range(50)
        ]
    )[..., 0]
    np.testing.assert_allclose(moved.sum(axis=(1, 2)), 4, atol=1e-4)  # nothing left the picture
    centres = (moved * np.arange(8)).sum(axis=(1, 2)) / 4
    assert centres.min() < 2
    assert centres.max() > 5
