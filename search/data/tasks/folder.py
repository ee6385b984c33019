"""A task of a folder of samples, without code: classification of pictures, of sounds of one length, or of arrays."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from micronets_gen.boards.board import Board
from micronets_gen.errors import UsageError
from micronets_gen.search.data.arrays import ArrayError, read_arrays
from micronets_gen.search.data.features.augment import (
    NoiseAndShift,
    PictureAugment,
    SpecAugment,
    augmented_pictures,
    noisy,
    spec_augment,
)
from micronets_gen.search.data.features.graph import mfcc_function
from micronets_gen.search.data.features.sound import MfccSettings
from micronets_gen.search.data.parts import PARTS
from micronets_gen.search.data.pictures import PictureError, centred, read_picture, shape_of
from micronets_gen.search.data.store import Part, Plan, RowError, Rows, Store, fingerprint, open_store
from micronets_gen.search.data.tasks.base import TaskData
from micronets_gen.search.data.tasks.folder_files import Sample, Samples, find_samples
from micronets_gen.search.data.tasks.kws import normalisation
from micronets_gen.search.data.tasks.options import parse_options
from micronets_gen.search.data.tasks.sampling import Augment, Prepare, usable
from micronets_gen.search.data.tasks.stored import (
    AUGMENTED,
    About,
    epochs_of_copies,
    judge_of,
    select,
    task_data,
)
from micronets_gen.search.data.wav import WavError, fitted, read_wav

_LARGEST = 64
_SMALL = 24
_STORE_SEED = 1
_RESAMPLE = "convert them to 16 bits at 16 kHz: sox in.wav -b 16 -r 16000 out.wav"


@dataclass(frozen=True)
class PictureOptions:
    """What a recipe's ``[task]`` table may set for a folder of pictures.

    Attributes:
        height: Of the input; 0 for the first training picture's, scaled down to 64 at most.
        width: Likewise.
        channels: 1 for grey, 3 for colour, 0 for what the first training picture is.
        flip: Mirror half of the training pictures.
        zoom: Training pictures are cut to at least ``1 - zoom`` of their sides, at random places.
        brightness: Largest change of brightness either way; 1 is from black to white.
        contrast: Largest change of contrast either way, as a share.
        epoch_samples: An epoch is at most so many of the training samples, others each time; 0 for all.
    """

    height: int = 0
    width: int = 0
    channels: int = 0
    flip: bool = False
    zoom: float = 0.1
    brightness: float = 0.1
    contrast: float = 0.1
    epoch_samples: int = 0


@dataclass(frozen=True)
class SoundOptions:
    """What a recipe's ``[task]`` table may set for a folder of WAV files.

    Attributes:
        clip_s: Seconds of a clip; what is longer is cut, silence follows what is shorter.
        high_hz: Upper edge of the mel bands.
        copies: How many times each training clip is shifted before features are computed; epoch ``i`` uses copy
            ``i mod copies``.
        shift_ms: Largest shift either way.
        time_masks: SpecAugment: stripes of frames.
        time_width: SpecAugment: widest stripe of frames.
        band_masks: SpecAugment: stripes of coefficients.
        band_width: SpecAugment: widest stripe of coefficients.
        epoch_samples: An epoch is at most so many of the training samples, others each time; 0 for all.
    """

    clip_s: float = 1.0
    high_hz: float = 7600.0
    copies: int = 4
    shift_ms: float = 100.0
    time_masks: int = 1
    time_width: int = 10
    band_masks: int = 1
    band_width: int = 2
    epoch_samples: int = 0


@dataclass(frozen=True)
class ArrayOptions:
    """What a recipe's ``[task]`` table may set for a folder of ``.npz`` files.

    Attributes:
        epoch_samples: An epoch is at most so many of the training samples, others each time; 0 for all.
    """

    epoch_samples: int = 0


Options = PictureOptions | SoundOptions | ArrayOptions
_OPTIONS: Mapping[str, type[Options]] = {
    "pictures": PictureOptions,
    "sounds": SoundOptions,
    "arrays": ArrayOptions,
}


@dataclass(frozen=True, eq=False)
class Features:
    """How samples of a kind become features.

    Attributes:
        shape: Of the features, and of a stored row.
        dtype: Of a stored row.
        stored: Plain values that stored rows depend on.
        about: Plain values for the provenance.
        read: Returns the source of a sample; with a generator, one changed for training. Raises
            :class:`RowError`.
        compute: Returns a TensorFlow function from a batch of sources to a batch of rows.
        statistics: Returns plain values measured over the training rows.
        prepare: Returns, for these, what turns stored rows into features.
        augment: Changes a batch of features in training; None for nothing.
        copies: How many changed copies of the training rows are stored; 0 where they are not changed.
    """

    shape: tuple[int, int, int]
    dtype: str
    stored: Mapping[str, Any]
    about: Mapping[str, Any]
    read: Callable[[Sample, np.random.Generator | None], Rows]
    compute: Callable[[], Callable[[Any], Any]]
    statistics: Callable[[Mapping[str, Part]], Mapping[str, Any]]
    prepare: Callable[[Mapping[str, Any]], Prepare]
    augment: Augment | None = None
    copies: int = 0


@dataclass(frozen=True, eq=False)
class FolderTask:
    """The task, as :class:`micronets_gen.search.data.tasks.base.Task` says."""

    samples: Samples
    options: Options
    features: Features
    recipe: str = "folder"

    @property
    def name(self) -> str:
        """The folder's name, as far as a model can be called so."""
        return re.sub(r"[^A-Za-z0-9]+", "-", self.samples.root.resolve().name).strip("-") or "folder"

    @property
    def title(self) -> str:
        return f"{len(self.classes)} classes of {self.samples.kind} in {self.samples.root}"

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.features.shape

    @property
    def classes(self) -> tuple[str, ...]:
        return self.samples.classes

    @property
    def backbone(self) -> str:
        """One whose strides leave something of the input."""
        if self.samples.kind == "sounds":
            return "kws-small"
        return "digits" if min(self.input_shape[:2]) < _SMALL else "pictures"

    def load(self, data_dir: Path | None, seed: int) -> TaskData:
        """Load the folder's samples."""
        if data_dir is not None:
            raise UsageError(
                "the task names its folder itself", where=f"--data {data_dir}", remedy="leave --data out"
            )
        return _load(self.samples, self.options, self.features, seed)


class FolderProvider:
    """Makes the task of a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def samples(self) -> Samples:
        return find_samples(self._root)

    def make(self, **options: Any) -> FolderTask:
        """Return the task with options as its kind has them.

        Raises:
            UsageError: the folder holds no samples that can be used, or there is no such option.
        """
        kind = self.samples.kind
        parsed = parse_options(_OPTIONS[kind], f"folder of {kind}", options)
        if isinstance(parsed, PictureOptions):
            parsed = _sized(self.samples, parsed)
            features = _pictures(self.samples.root, parsed)
        elif isinstance(parsed, SoundOptions):
            features = _sounds(self.samples, parsed)
        else:
            features = _arrays(self.samples)
        return FolderTask(self.samples, parsed, features)

    def options_for(
        self, _board: Board | None, input_shape: tuple[int, int, int] | None
    ) -> Mapping[str, Any]:
        """Return the size of pictures of an architecture that is given."""
        if input_shape is None or self.samples.kind != "pictures":
            return {}
        return dict(zip(("height", "width", "channels"), input_shape, strict=True))


def _sized(samples: Samples, options: PictureOptions) -> PictureOptions:
    """Return the options with the size that the first picture has, where none is given."""
    if min(options.height, options.width) < 0 or options.channels not in {0, 1, 3}:
        raise UsageError(
            f"height {options.height}, width {options.width}, channels {options.channels}",
            where="task.height, task.width, task.channels",
            remedy="sizes are at least 1, channels 1 or 3; 0 is what the first picture has",
        )
    first = samples.root / samples.parts["train"][0].file
    try:
        height, width, channels = shape_of(first)
    except PictureError as error:
        raise UsageError(str(error), where=str(first), remedy="make it again, or take it away") from None
    scale = min(1.0, _LARGEST / max(height, width))
    return PictureOptions(
        **{
            **asdict(options),
            "height": options.height or max(1, round(height * scale)),
            "width": options.width or max(1, round(width * scale)),
            "channels": options.channels or channels,
        }
    )


def _pictures(root: Path, options: PictureOptions) -> Features:
    size, changes = (
        (options.height, options.width),
        PictureAugment(options.flip, options.zoom, options.brightness, options.contrast),
    )

    def read(sample: Sample, _rng: np.random.Generator | None) -> Rows:
        try:
            return read_picture((root / sample.file).read_bytes(), size, options.channels)
        except (OSError, PictureError) as error:
            raise RowError(sample.file, str(error)) from None

    shape = (*size, options.channels)
    return Features(
        shape=shape,
        dtype="uint8",
        stored={"shape": shape},
        about={"kind": "picture", "resize": "area", "range": [-1.0, 1.0]},
        read=read,
        compute=lambda: _unchanged,
        statistics=lambda _parts: {},
        prepare=lambda _extra: centred,
        augment=lambda pictures, seed: augmented_pictures(pictures, changes, seed),
    )


def _sounds(samples: Samples, options: SoundOptions) -> Features:
    rate = MfccSettings().rate
    settings = MfccSettings(samples=int(options.clip_s * rate), high_hz=options.high_hz)
    if settings.samples < settings.window:
        raise UsageError(
            f"a clip of {options.clip_s:g} s is shorter than a frame",
            where="task.clip_s",
            remedy="take 0.1 or more",
        )
    first = samples.root / samples.parts["train"][0].file
    try:
        read_wav(first, rate)
    except WavError as error:
        raise UsageError(str(error), where=str(first), remedy=_RESAMPLE) from None
    shift = NoiseAndShift(int(options.shift_ms * rate / 1000), 0.0, 0.0)
    masks = SpecAugment(options.time_masks, options.time_width, options.band_masks, options.band_width)

    def read(sample: Sample, rng: np.random.Generator | None) -> Rows:
        try:
            clip = fitted(read_wav(samples.root / sample.file, rate), settings.samples)
        except WavError as error:
            raise RowError(sample.file, str(error)) from None
        return clip if rng is None else noisy(rng, clip, [], shift)

    def prepare(extra: Mapping[str, Any]) -> Prepare:
        mean = np.asarray(extra["mean"], np.float32)[:, np.newaxis]
        inverse = 1.0 / np.maximum(np.asarray(extra["std"], np.float32), 1e-4)[:, np.newaxis]
        return lambda rows: np.asarray((rows - mean) * inverse, np.float32)

    return Features(
        shape=settings.shape,
        dtype="float32",
        stored={"mfcc": asdict(settings), "copies": options.copies, "shift_ms": options.shift_ms},
        about={"kind": "mfcc", **asdict(settings)},
        read=read,
        compute=lambda: mfcc_function(settings),
        statistics=normalisation,
        prepare=prepare,
        augment=(lambda x, seed: spec_augment(x, masks, seed)) if masks else None,
        copies=max(0, options.copies) if shift.shift else 0,
    )


def _arrays(samples: Samples) -> Features:
    shape = samples.shape
    assert shape is not None

    def read(sample: Sample, _rng: np.random.Generator | None) -> Rows:
        path = samples.root / sample.file
        try:
            row: Rows = read_arrays(path, path.stat().st_mtime_ns)[sample.row].reshape(shape)
        except (OSError, ArrayError) as error:
            raise RowError(sample.file, str(error)) from None
        if not np.isfinite(row).all():
            raise RowError(sample.name, "a value is not finite")
        return row

    def statistics(parts: Mapping[str, Part]) -> dict[str, float]:
        rows = [parts["train"].rows[row].astype(np.float64) for row in usable(parts["train"])]
        mean = float(np.mean([row.mean() for row in rows]))
        variance = float(np.mean([np.square(row - mean).mean() for row in rows]))
        if variance == 0.0:
            raise UsageError(
                f"every value is {mean:g}", where=str(samples.root), remedy="give samples that differ"
            )
        return {"mean": mean, "std": variance**0.5}

    def prepare(extra: Mapping[str, Any]) -> Prepare:
        mean, inverse = np.float32(extra["mean"]), np.float32(1.0 / extra["std"])
        return lambda rows: np.asarray((rows - mean) * inverse, np.float32)

    return Features(
        shape=shape,
        dtype="float32",
        stored={"shape": shape},
        about={"kind": "array"},
        read=read,
        compute=lambda: _unchanged,
        statistics=statistics,
        prepare=prepare,
    )


def _unchanged(batch: Any) -> Any:
    return batch


def _plans(samples: Samples, features: Features) -> Mapping[str, Plan]:
    function = features.compute()

    def plan(chosen: tuple[Sample, ...], changed: bool) -> Plan:
        def read(row: int) -> Rows:
            return features.read(chosen[row], np.random.default_rng([_STORE_SEED, row]) if changed else None)

        labels = np.asarray([sample.label for sample in chosen], np.int32)
        return Plan(labels, read, function, features.shape, features.dtype)

    plans = {part: plan(samples.parts[part], False) for part in PARTS}
    if features.copies:
        plans[AUGMENTED] = plan(samples.parts["train"] * features.copies, True)
    return plans


def _load(samples: Samples, options: Options, features: Features, seed: int) -> TaskData:
    store = _store(samples, features)
    chosen = select(store.parts, options.epoch_samples)
    changed = store.parts[AUGMENTED if features.copies else "train"]
    about = About(
        source={"name": f"{samples.kind} in {samples.root}", "licence": "of the samples that were given"},
        counts={"per_class": chosen.per_class(samples.classes)},
        features={**features.about, "normalisation": dict(store.extra)},
        options=options,
    )
    epochs = epochs_of_copies(changed, features.copies or 1, features.augment)
    judge = judge_of(chosen, len(samples.classes))
    return task_data(store, chosen, features.prepare(store.extra), epochs, judge, about, seed)


def _store(samples: Samples, features: Features) -> Store:
    listing = [[s.file, s.row, s.label] for part in PARTS for s in samples.parts[part]]
    key = {
        "files": fingerprint(samples.root, samples.files),
        "samples": listing,
        "parts": [len(samples.parts[part]) for part in PARTS],
        "kind": samples.kind,
        **features.stored,
    }

    def make_plans() -> Mapping[str, Plan]:
        return _plans(samples, features)

    store = open_store("folder", samples.root, len(listing), key, make_plans, features.statistics)
    read_arrays.cache_clear()
    return store
