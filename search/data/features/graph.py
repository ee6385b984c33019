"""The features of :mod:`micronets_gen.search.data.features.sound` as TensorFlow functions, for batches of clips."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from micronets_gen.search.data.features.sound import (
    FULL_SCALE,
    LogMelSettings,
    MfccSettings,
    dct_matrix,
    hann,
    mel_bands,
)


def _magnitudes(clips: Any, window: int, hop: int, fft: int) -> Any:
    import tensorflow as tf

    scaled = tf.cast(clips, tf.float32) / FULL_SCALE
    frames = tf.signal.frame(scaled, window, hop, axis=-1) * hann(window)
    return tf.abs(tf.signal.rfft(frames, [fft]))


def mfcc_function(settings: MfccSettings | None = None) -> Callable[[Any], Any]:
    """Return a function from int16 clips (batch, samples) to float32 (batch, frames, coefficients, 1)."""
    import tensorflow as tf

    s = settings or MfccSettings()
    bands = mel_bands(s.bands, s.fft, s.rate, s.low_hz, s.high_hz)
    dct = dct_matrix(s.bands, s.coefficients)

    def features(clips: Any) -> Any:
        spectra = _magnitudes(clips, s.window, s.hop, s.fft)
        logs = tf.math.log(tf.maximum(tf.tensordot(spectra, bands, 1), s.floor))
        return tf.tensordot(logs, dct, 1)[..., tf.newaxis]

    return features


def log_mel_function(settings: LogMelSettings | None = None) -> Callable[[Any], Any]:
    """Return a function from int16 clips (batch, samples) to float32 (batch, pictures, size, size, 1) in dB."""
    import tensorflow as tf

    s = settings or LogMelSettings()
    bands = mel_bands(s.bands, s.window, s.rate, s.low_hz, s.high_hz)
    decibel = 10.0 / 2.302585092994046

    def features(clips: Any) -> Any:
        powers = tf.square(_magnitudes(clips, s.window, s.hop, s.window))
        decibels = decibel * tf.math.log(tf.maximum(tf.tensordot(powers, bands, 1), s.floor))
        pictures = tf.signal.frame(decibels, s.stack, s.step, axis=1)
        flat = tf.reshape(pictures, [-1, s.stack, s.bands, 1])
        small = tf.image.resize(flat, [s.size, s.size], method="bilinear", antialias=False)
        return tf.reshape(small, [tf.shape(pictures)[0], -1, s.size, s.size, 1])

    return features
