"""Anomaly detection in machine sounds: which of the machines is it? A sound that no machine claims is abnormal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from micronets_gen.search.data.features.augment import SpecAugment, spec_augment
from micronets_gen.search.data.features.graph import log_mel_function
from micronets_gen.search.data.features.sound import LogMelSettings
from micronets_gen.search.data.parts import PARTS
from micronets_gen.search.data.store import Part, Plan, RowError, Rows, Store, fingerprint, open_store
from micronets_gen.search.data.tasks.ad_layouts import DEFAULT_MACHINES, Clip, Sounds, find_sounds
from micronets_gen.search.data.tasks.base import Floats, Judge, Judgement, Labels, TaskData
from micronets_gen.search.data.tasks.options import parse_options
from micronets_gen.search.data.tasks.sampling import Indices, evenly, usable
from micronets_gen.search.data.tasks.stored import (
    About,
    Selection,
    epochs_of_pool,
    judge_of,
    select,
    task_data,
)
from micronets_gen.search.data.wav import WavError, read_wav

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AdOptions:
    """What a recipe's ``[task]`` table may set.

    Attributes:
        machines: Their ids as in the files' names, separated by commas.
        time_masks: SpecAugment: stripes along time.
        time_width: SpecAugment: widest such stripe.
        band_masks: SpecAugment: stripes along mel bands.
        band_width: SpecAugment: widest such stripe.
        clip_s: Seconds of a clip; what is longer is cut, what is shorter is left out.
        epoch_samples: An epoch is at most so many of the training samples, others each time; 0 for all.
    """

    machines: str = DEFAULT_MACHINES
    time_masks: int = 0
    time_width: int = 0
    band_masks: int = 0
    band_width: int = 0
    clip_s: float = 10.0
    epoch_samples: int = 0

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.machines.split(","))

    @property
    def spec_augment(self) -> SpecAugment:
        return SpecAugment(self.time_masks, self.time_width, self.band_masks, self.band_width)


@dataclass(frozen=True)
class Ad:
    """The task, as :class:`micronets_gen.search.data.tasks.base.Task` says."""

    options: AdOptions = AdOptions()
    name: str = "ad"
    title: str = "anomaly detection: slide rails of MIMII, machine id, AUC"
    backbone: str = "ad"
    recipe: str = "ad"

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return LogMelSettings().shape

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(f"id_{machine}" for machine in self.options.ids)

    def load(self, data_dir: Path | None, seed: int) -> TaskData:
        """Load DCASE 2020 task 2's or MIMII's slide rails."""
        return _load(find_sounds(data_dir, self.options.ids), self.options, seed)


def make(**options: Any) -> Ad:
    """Return the task with ``options`` as in :class:`AdOptions`."""
    return Ad(parse_options(AdOptions, "ad", options))


def auc(scores: Scores, positive: npt.NDArray[np.bool_]) -> float:
    """Return the area under the ROC: how often a positive scores above a negative, ties counting half.

    Args:
        scores: (samples,).
        positive: (samples,); both kinds occur.
    """
    order, inverse = np.unique(scores, return_inverse=True)
    counts = np.bincount(inverse, minlength=len(order))
    ranks = np.cumsum(counts) - (counts - 1) / 2
    above = float(np.sum(ranks[inverse[positive]]))
    yes, no = int(positive.sum()), int((~positive).sum())
    return (above - yes * (yes + 1) / 2) / (yes * no)


def roc(
    scores: Scores, positive: npt.NDArray[np.bool_], points: int = 200
) -> tuple[tuple[float, float], ...]:
    """Return points (false positive rate, true positive rate) of the ROC, at most ``points`` of them."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true = np.cumsum(positive[order])[last] / positive.sum()
    false = np.cumsum(~positive[order])[last] / (~positive).sum()
    chosen = np.unique(np.linspace(0, len(last) - 1, min(points, len(last))).round().astype(int))
    return ((0.0, 0.0), *((float(false[i]), float(true[i])) for i in chosen))


def _load(sounds: Sounds, options: AdOptions, seed: int) -> TaskData:
    settings = LogMelSettings()
    length = int(options.clip_s * settings.rate)
    each = settings.pictures(length)
    store = _store(sounds, settings, length)
    mean, inverse = np.float32(store.extra["mean"]), np.float32(1.0 / store.extra["std"])

    def prepare(rows: npt.NDArray[Any]) -> Floats:
        pictures = rows.reshape(-1, *settings.shape)
        return np.asarray((pictures - mean) * inverse, np.float32)

    chosen = select({part: _by_picture(store.parts[part], each) for part in PARTS}, options.epoch_samples)
    spread = _spread(chosen.rows["test"], each, sounds.parts["test"], len(options.ids))
    chosen = chosen.ordered("test", spread)
    masks = options.spec_augment
    epochs = epochs_of_pool(chosen, (lambda x, s: spec_augment(x, masks, s)) if masks else None)
    about = _about(sounds, chosen, each, settings, store, options)
    return task_data(store, chosen, prepare, epochs, _judge(sounds, chosen, each, options), about, seed)


def _store(sounds: Sounds, settings: LogMelSettings, length: int) -> Store:
    clips = [(clip, part) for part in PARTS for clip in sounds.parts[part]]
    key = {
        "files": fingerprint(sounds.root, [clip.file for clip, _ in clips]),
        "clips": [[clip.file, clip.machine, part] for clip, part in clips],
        "features": asdict(settings),
        "samples": length,
    }

    def make_plans() -> Mapping[str, Plan]:
        return {part: _plan(sounds, part, settings, length) for part in PARTS}

    return open_store("ad", sounds.root, len(clips), key, make_plans, _normalisation)


def _about(
    sounds: Sounds, chosen: Selection, each: int, settings: LogMelSettings, store: Store, options: AdOptions
) -> About:
    clips = {part: np.unique(chosen.rows[part] // each) for part in PARTS}
    return About(
        source={
            "name": f"MIMII slide rail, read as {sounds.layout}",
            "citation": "H. Purohit et al. (2019), MIMII Dataset, arXiv:1909.09347; Y. Koizumi et al. (2020), "
            "DCASE 2020 challenge task 2, arXiv:2006.05822",
            "licence": "CC BY-SA 4.0 (MIMII), CC BY-NC-SA 4.0 (DCASE 2020 task 2)",
        },
        counts={
            "clips": {part: len(clips[part]) for part in PARTS},
            "anomalous_test_clips": sum(sounds.parts["test"][clip].anomalous for clip in clips["test"]),
        },
        features={
            "kind": "log-mel pictures",
            **asdict(settings),
            "normalisation": {"mean": store.extra["mean"], "std": store.extra["std"]},
        },
        options=options,
    )


def _judge(sounds: Sounds, chosen: Selection, each: int, options: AdOptions) -> Judge:
    """Return a judge of the machine on validation, of the anomaly on test."""
    of_validation = judge_of(chosen, len(options.ids))
    anomalous = np.asarray([clip.anomalous for clip in sounds.parts["test"]])
    of_test = anomaly_judge(chosen.labels("test"), chosen.rows["test"] // each, anomalous)
    return lambda part, outputs: of_test(outputs) if part == "test" else of_validation(part, outputs)


def anomaly_judge(machines: Labels, clips: npt.NDArray[np.int64], anomalous: npt.NDArray[np.bool_]) -> Any:
    """Return a judge of a test's softmax outputs (pictures, machines).

    A picture's score is minus the output of its own machine, a clip's the mean over its pictures. The figure is the
    mean over machines of the AUC among the machine's clips; the curve is of all clips together.

    Args:
        machines: Label of each picture.
        clips: Number of the clip of each picture, an index of ``anomalous``.
        anomalous: Of every clip.
    """
    known, first, inverse = np.unique(clips, return_index=True, return_inverse=True)
    positive, machine = anomalous[known], machines[first]

    def judge(outputs: Floats) -> Judgement:
        own = -outputs[np.arange(len(machines)), machines].astype(np.float64)
        scores = np.bincount(inverse, own) / np.bincount(inverse)
        areas = []
        for number in np.unique(machine):
            mine = machine == number
            if positive[mine].any() and not positive[mine].all():
                areas.append(auc(scores[mine], positive[mine]))
        return Judgement("AUC", float(np.mean(areas)), None, roc(scores, positive))

    return judge


def _plan(sounds: Sounds, part: str, settings: LogMelSettings, length: int) -> Plan:
    clips = sounds.parts[part]

    def read(row: int) -> Rows:
        clip = clips[row]
        try:
            sound = read_wav(sounds.root / clip.file, settings.rate)
        except WavError as error:
            raise RowError(clip.file, str(error)) from None
        if len(sound) < length:
            raise RowError(clip.file, f"{len(sound) / settings.rate:.2f} s, shorter than the others")
        return sound[:length]

    each = settings.pictures(length)
    labels = np.asarray([clip.machine for clip in clips], np.int32)
    return Plan(labels, read, log_mel_function(settings), (each, *settings.shape))


def _by_picture(part: Part, each: int) -> Part:
    """Return the part with a row for each picture instead of each clip."""
    return Part(part.rows.reshape(-1, *part.rows.shape[2:]), np.repeat(part.labels, each))


def _spread(rows: Indices, each: int, listing: tuple[Clip, ...], machines: int) -> Indices:
    """Return an order of pictures: one of every clip, then the next; machines and anomalies mixed evenly."""
    clips, number = np.divmod(rows, each)
    known, inverse = np.unique(clips, return_inverse=True)
    kinds = np.asarray([listing[clip].machine + machines * listing[clip].anomalous for clip in known])
    position = np.empty(len(known), np.int64)
    position[evenly(kinds)] = np.arange(len(known))
    return np.lexsort((position[inverse], number))


def _normalisation(parts: Mapping[str, Part]) -> dict[str, float]:
    """Return mean and standard deviation over all values of the training rows."""
    part = parts["train"]
    rows = [part.rows[row].astype(np.float64) for row in usable(part)]
    mean = float(np.mean([row.mean() for row in rows]))
    variance = float(np.mean([np.square(row - mean).mean() for row in rows]))
    return {"mean": round(mean, 4), "std": round(variance**0.5, 4)}
