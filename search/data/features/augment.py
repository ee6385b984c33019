"""Augmentation: noise and shifts on clips (numpy); masks on features, changes of pictures (TensorFlow, seeded)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from micronets_gen.search.data.features.sound import FULL_SCALE, Floats, Pcm


@dataclass(frozen=True)
class NoiseAndShift:
    """What happens to a clip of speech in training.

    Attributes:
        shift: Largest shift either way, in samples; what moves in is silence.
        probability: Of a background noise.
        volume: Largest gain of that noise.
    """

    shift: int = 1600
    probability: float = 0.8
    volume: float = 0.1


@dataclass(frozen=True)
class SpecAugment:
    """Masks over features whose mean is 0 (Park et al. 2019, without the warping in time).

    Attributes:
        time_masks: How many stripes along time.
        time_width: Widest such stripe, in frames; widths are drawn from 0 to this.
        band_masks: How many stripes along coefficients or bands.
        band_width: Widest such stripe.
    """

    time_masks: int = 1
    time_width: int = 10
    band_masks: int = 1
    band_width: int = 2

    def __bool__(self) -> bool:
        return bool(self.time_masks * self.time_width or self.band_masks * self.band_width)


@dataclass(frozen=True)
class PictureAugment:
    """What happens to a picture in training.

    Attributes:
        flip: Mirror half of them.
        zoom: Cut to at least ``1 - zoom`` of the sides, at random places.
        brightness: Largest change of brightness either way; 1 is from black to white.
        contrast: Largest change of contrast either way, as a share.
    """

    flip: bool = False
    zoom: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0


def shifted(clip: Pcm, by: int) -> Pcm:
    """Return the clip moved ``by`` samples later (earlier where negative), silence moving in."""
    result = np.zeros_like(clip)
    if by >= 0:
        result[by:] = clip[: len(clip) - by]
    else:
        result[:by] = clip[-by:]
    return result


def noise_segment(rng: np.random.Generator, noises: Sequence[Pcm], samples: int) -> Floats:
    """Return a random piece (samples,) float32 of a random noise, each at least as long as that."""
    noise = noises[int(rng.integers(len(noises)))]
    start = int(rng.integers(len(noise) - samples + 1))
    return noise[start : start + samples].astype(np.float32)


def noisy(rng: np.random.Generator, clip: Pcm, noises: Sequence[Pcm], settings: NoiseAndShift) -> Pcm:
    """Return the clip (samples,) int16 shifted and with background noise, as the settings say."""
    result = shifted(clip, int(rng.integers(-settings.shift, settings.shift + 1))).astype(np.float32)
    if noises and rng.random() < settings.probability:
        volume = float(rng.uniform(0.0, settings.volume))
        result += volume * noise_segment(rng, noises, len(clip))
    return np.clip(np.rint(result), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def _stripes(batch: Any, length: int, masks: int, width: int, seed: Any) -> Any:
    """Return float32 (batch, length): 0 inside of the stripes, 1 elsewhere."""
    import tensorflow as tf

    draws = tf.random.stateless_uniform([2, batch, masks, 1], seed)
    widths = tf.floor(draws[0] * (width + 1.0))
    starts = tf.floor(draws[1] * (length - widths + 1.0))
    at = tf.range(length, dtype=tf.float32)
    inside = (at >= starts) & (at < starts + widths)
    return 1.0 - tf.cast(tf.reduce_any(inside, axis=1), tf.float32)


def spec_augment(features: Any, settings: SpecAugment, seed: Any) -> Any:
    """Return features (batch, time, bands, channels) with stripes of zeros.

    Args:
        seed: Two integers; the same seed masks the same stripes.
    """
    import tensorflow as tf

    batch, (_, time, bands, _) = tf.shape(features)[0], features.shape
    seeds = tf.random.experimental.stateless_split(seed, 2)
    if settings.time_masks and settings.time_width:
        keep = _stripes(batch, time, settings.time_masks, min(settings.time_width, time), seeds[0])
        features = features * keep[:, :, tf.newaxis, tf.newaxis]
    if settings.band_masks and settings.band_width:
        keep = _stripes(batch, bands, settings.band_masks, min(settings.band_width, bands), seeds[1])
        features = features * keep[:, tf.newaxis, :, tf.newaxis]
    return features


def augmented_pictures(pictures: Any, options: PictureAugment, seed: Any) -> Any:
    """Return a batch (batch, height, width, channels) in -1..1 cut, mirrored, and with another light.

    Args:
        seed: Two integers; the same seed changes alike.
    """
    import tensorflow as tf

    batch = tf.shape(pictures)[0]
    draws = tf.random.stateless_uniform([6, batch], seed)
    side = 1.0 - options.zoom * draws[0]
    top, left = draws[1] * (1.0 - side), draws[2] * (1.0 - side)
    boxes = tf.stack([top, left, top + side, left + side], axis=1)
    if options.flip:
        mirrored = tf.stack([boxes[:, 0], boxes[:, 3], boxes[:, 2], boxes[:, 1]], axis=1)
        boxes = tf.where((draws[3] < 0.5)[:, tf.newaxis], mirrored, boxes)
    cut = tf.image.crop_and_resize(pictures, boxes, tf.range(batch), pictures.shape[1:3])
    contrast = 1.0 + options.contrast * (2.0 * draws[4] - 1.0)
    brightness = 2.0 * options.brightness * (2.0 * draws[5] - 1.0)
    lit = cut * contrast[:, tf.newaxis, tf.newaxis, tf.newaxis]
    return tf.clip_by_value(lit + brightness[:, tf.newaxis, tf.newaxis, tf.newaxis], -1.0, 1.0)
