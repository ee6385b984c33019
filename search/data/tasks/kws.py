"""Keyword spotting on Speech Commands v2: one second of sound, MFCC, ten words, silence and unknown words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from micronets_gen.search.data.features.augment import (
    NoiseAndShift,
    SpecAugment,
    noise_segment,
    noisy,
    spec_augment,
)
from micronets_gen.search.data.features.graph import mfcc_function
from micronets_gen.search.data.features.sound import FULL_SCALE, MfccSettings, Pcm
from micronets_gen.search.data.parts import PARTS
from micronets_gen.search.data.speech_commands import CLASSES, RATE, Listing, list_files, read_noises
from micronets_gen.search.data.store import Part, Plan, RowError, Rows, Store, fingerprint, open_store
from micronets_gen.search.data.tasks.base import Floats, TaskData
from micronets_gen.search.data.tasks.options import parse_options
from micronets_gen.search.data.tasks.sampling import usable
from micronets_gen.search.data.tasks.stored import (
    AUGMENTED,
    About,
    epochs_of_copies,
    judge_of,
    select,
    task_data,
)
from micronets_gen.search.data.wav import WavError, fitted, read_wav

_SILENCE, _UNKNOWN = CLASSES.index("silence"), CLASSES.index("unknown")
_NOT_STORED = {"time_masks", "time_width", "band_masks", "band_width", "epoch_samples"}
# Of what is stored: which unknown words and silences, which shifts and noises. The same for all seeds of a training,
# so that their figures are of the same test clips and the features are computed once.
_STORE_SEED = 1


@dataclass(frozen=True)
class KwsOptions:
    """What a recipe's ``[task]`` table may set.

    Attributes:
        copies: How many times each training clip is augmented with another shift and noise before features are
            computed; epoch ``i`` uses copy ``i mod copies``. Each has other unknown words and silences.
        shift_ms: Largest shift either way.
        noise_probability: Of background noise under a training clip.
        noise_volume: Largest gain of that noise.
        silence_percent: Clips of silence for a hundred clips of keywords, in each split.
        unknown_percent: Clips of unknown words for a hundred clips of keywords, in each split.
        time_masks: SpecAugment: stripes of frames.
        time_width: SpecAugment: widest stripe of frames.
        band_masks: SpecAugment: stripes of coefficients.
        band_width: SpecAugment: widest stripe of coefficients.
        high_hz: Upper edge of the mel bands.
        epoch_samples: An epoch is at most so many of the training samples, others each time; 0 for all.
    """

    copies: int = 8
    shift_ms: float = 100.0
    noise_probability: float = 0.8
    noise_volume: float = 0.1
    silence_percent: float = 10.0
    unknown_percent: float = 10.0
    time_masks: int = 1
    time_width: int = 10
    band_masks: int = 1
    band_width: int = 2
    high_hz: float = 7600.0
    epoch_samples: int = 0

    @property
    def mfcc(self) -> MfccSettings:
        return MfccSettings(high_hz=self.high_hz)

    @property
    def noise_and_shift(self) -> NoiseAndShift:
        return NoiseAndShift(int(self.shift_ms * RATE / 1000), self.noise_probability, self.noise_volume)

    @property
    def spec_augment(self) -> SpecAugment:
        return SpecAugment(self.time_masks, self.time_width, self.band_masks, self.band_width)


@dataclass(frozen=True)
class Kws:
    """The task, as :class:`micronets_gen.search.data.tasks.base.Task` says."""

    options: KwsOptions = KwsOptions()
    name: str = "kws"
    title: str = "keyword spotting: ten words of Speech Commands, silence, unknown"
    classes: tuple[str, ...] = CLASSES
    backbone: str = "kws"
    recipe: str = "kws"

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.options.mfcc.shape

    def load(self, data_dir: Path | None, seed: int) -> TaskData:
        """Load Speech Commands from the folder that holds its words."""
        source = {
            "name": "Speech Commands v0.02",
            "citation": "P. Warden (2018), Speech Commands, arXiv:1804.03209",
            "licence": "CC BY 4.0",
        }
        return load_keywords(self.name, list_files(data_dir), self.options, seed, source)


def make(**options: Any) -> Kws:
    """Return the task with ``options`` as in :class:`KwsOptions`."""
    return Kws(parse_options(KwsOptions, "kws", options))


@dataclass(frozen=True, eq=False)
class _Clips:
    """The rows of one part: a file, or "" for silence, with its label."""

    files: tuple[str, ...]
    labels: npt.NDArray[np.int32]


def _clips(listing: Listing, part: str, copy: int, options: KwsOptions) -> _Clips:
    """Return the rows of ``part``; another ``copy`` has other unknown words."""
    words = listing.keywords[part]
    others = listing.unknown[part]
    silences = ceil(len(words) * options.silence_percent / 100)
    wanted = ceil(len(words) * options.unknown_percent / 100)
    order = np.random.default_rng([_STORE_SEED, PARTS.index(part)]).permutation(len(others))
    if part != "train":
        wanted = min(wanted, len(others))
    chosen = np.take(order, np.arange(copy * wanted, (copy + 1) * wanted), mode="wrap")
    files = (*(name for name, _ in words), *(others[index] for index in chosen), *[""] * silences)
    labels = [*(label for _, label in words), *[_UNKNOWN] * wanted, *[_SILENCE] * silences]
    return _Clips(files, np.asarray(labels, np.int32))


@dataclass(frozen=True, eq=False)
class _Reader:
    """Reads the clip of a row, augmented or not."""

    listing: Listing
    clips: _Clips
    noises: list[Pcm]
    samples: int
    augment: NoiseAndShift | None
    seed: tuple[int, ...]

    def __call__(self, row: int) -> Rows:
        rng = np.random.default_rng([*self.seed, row])
        name = self.clips.files[row]
        if not name:
            sound = rng.uniform() * noise_segment(rng, self.noises, self.samples)
            return np.asarray(np.clip(np.rint(sound), -FULL_SCALE, FULL_SCALE - 1), np.int16)
        try:
            clip = fitted(read_wav(self.listing.root / name, RATE), self.samples)
        except WavError as error:
            raise RowError(name, str(error)) from None
        return clip if self.augment is None else noisy(rng, clip, self.noises, self.augment)


def _plans(listing: Listing, options: KwsOptions) -> Mapping[str, Plan]:
    settings = options.mfcc
    noises = read_noises(listing, settings.samples)
    features = mfcc_function(settings)

    def plan(clips: _Clips, part: str, augment: NoiseAndShift | None, number: int) -> Plan:
        reader = _Reader(listing, clips, noises[part], settings.samples, augment, (_STORE_SEED, number))
        return Plan(clips.labels, reader, features, settings.shape)

    plans = {part: plan(_clips(listing, part, 0, options), part, None, PARTS.index(part)) for part in PARTS}
    copies = [_clips(listing, "train", copy, options) for copy in range(options.copies)]
    every = _Clips(
        tuple(name for clips in copies for name in clips.files),
        np.concatenate([clips.labels for clips in copies]),
    )
    return {**plans, AUGMENTED: plan(every, "train", options.noise_and_shift, len(PARTS))}


def normalisation(parts: Mapping[str, Part]) -> dict[str, list[float]]:
    """Return mean and standard deviation of each coefficient over the training rows."""
    part = parts["train"]
    rows = part.rows[usable(part)]
    return {
        "mean": [round(float(value), 4) for value in rows.mean(axis=(0, 1, 3), dtype=np.float64)],
        "std": [round(float(value), 4) for value in rows.std(axis=(0, 1, 3), dtype=np.float64)],
    }


def load_keywords(
    task: str, listing: Listing, options: KwsOptions, seed: int, source: Mapping[str, Any]
) -> TaskData:
    """Return the data of a keyword spotting task.

    Args:
        task: Its name, for the cache and messages.
        source: What the provenance says of where the clips come from.
    """
    if options.copies < 1:
        options = parse_options(KwsOptions, task, {**asdict(options), "copies": 1})
    store = _store(task, listing, options)
    mean = np.asarray(store.extra["mean"], np.float32)[:, np.newaxis]
    inverse = 1.0 / np.asarray(store.extra["std"], np.float32)[:, np.newaxis]

    def prepare(rows: npt.NDArray[Any]) -> Floats:
        return np.asarray((rows - mean) * inverse, np.float32)

    chosen = select(store.parts, options.epoch_samples)
    masks = options.spec_augment
    epochs = epochs_of_copies(
        store.parts[AUGMENTED], options.copies, (lambda x, s: spec_augment(x, masks, s)) if masks else None
    )
    about = About(
        source=source,
        counts={"per_class": chosen.per_class(CLASSES)},
        features={
            "kind": "mfcc",
            **asdict(options.mfcc),
            "normalisation": {"mean": store.extra["mean"], "std": store.extra["std"]},
        },
        options=options,
    )
    return task_data(store, chosen, prepare, epochs, judge_of(chosen, len(CLASSES)), about, seed)


def _store(task: str, listing: Listing, options: KwsOptions) -> Store:
    files = listing.files()
    key = {
        "files": fingerprint(listing.root, files),
        "options": {name: value for name, value in asdict(options).items() if name not in _NOT_STORED},
        "mfcc": asdict(options.mfcc),
    }
    return open_store(task, listing.root, len(files), key, lambda: _plans(listing, options), normalisation)
