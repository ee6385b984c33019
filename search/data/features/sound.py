"""What the audio features are: settings, the constants that follow from them, and references in numpy.

Every step is what a microcontroller does in single precision: window, real FFT, magnitudes, mel bands, logarithm,
and for MFCC a DCT. ``docs/tasks.md`` writes the same as formulas. The fast version is
:mod:`micronets_gen.search.data.features.graph`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Pcm = npt.NDArray[np.int16]

FULL_SCALE = 32768.0
"""What a 16-bit sample is divided by."""


@dataclass(frozen=True)
class MfccSettings:
    """Mel-frequency cepstral coefficients of one clip; no pre-emphasis, frames lie inside the clip.

    Attributes:
        rate: Samples a second.
        samples: Length of a clip.
        window: Samples of a frame, under a periodic Hann window.
        hop: Samples from one frame to the next.
        fft: Length of the FFT; a frame is padded with zeros at its end.
        bands: Triangular mel bands (HTK scale, peak 1) over magnitudes.
        low_hz: Lower edge of the first band.
        high_hz: Upper edge of the last band.
        floor: Smallest band before the natural logarithm: about what rounding to 16 bits leaves.
        coefficients: The first so many of the orthonormal DCT-II over the bands.
    """

    rate: int = 16000
    samples: int = 16000
    window: int = 640
    hop: int = 320
    fft: int = 1024
    bands: int = 40
    low_hz: float = 20.0
    high_hz: float = 7600.0
    floor: float = 1e-3
    coefficients: int = 10

    @property
    def frames(self) -> int:
        return 1 + (self.samples - self.window) // self.hop

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a clip's features: frames, coefficients, 1."""
        return self.frames, self.coefficients, 1


@dataclass(frozen=True)
class LogMelSettings:
    """Pictures of stacked log-mel frames, halved in both directions; no pre-emphasis.

    Attributes:
        rate: Samples a second.
        window: Samples of a frame, under a periodic Hann window; also the length of the FFT.
        hop: Samples from one frame to the next.
        bands: Triangular mel bands (HTK scale, peak 1) over powers.
        low_hz: Lower edge of the first band.
        high_hz: Upper edge of the last band.
        floor: Smallest band before ``10 * log10``.
        stack: Frames of a picture.
        step: Frames from one picture to the next.
        size: Height and width of a picture after the bilinear resize: half of ``stack`` and of ``bands``.
    """

    rate: int = 16000
    window: int = 1024
    hop: int = 512
    bands: int = 64
    low_hz: float = 0.0
    high_hz: float = 8000.0
    floor: float = 1e-8
    stack: int = 64
    step: int = 20
    size: int = 32

    def __post_init__(self) -> None:
        if (self.stack, self.bands) != (2 * self.size, 2 * self.size):
            raise ValueError("the pictures are halved in both directions: stack and bands are twice the size")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one picture: time, band, 1."""
        return self.size, self.size, 1

    def pictures(self, samples: int) -> int:
        """Return how many pictures a clip of so many samples yields; 0 where it is too short."""
        frames = 1 + (samples - self.window) // self.hop
        return max(0, 1 + (frames - self.stack) // self.step)


def hann(length: int) -> Floats:
    """Return the periodic Hann window (length,)."""
    phase = 2.0 * np.pi * np.arange(length) / length
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


def hz_to_mel(hz: npt.ArrayLike) -> Doubles:
    """Return frequencies on the HTK mel scale."""
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(hz, np.float64) / 700.0))


def mel_to_hz(mel: npt.ArrayLike) -> Doubles:
    """Return mels as frequencies."""
    return np.asarray(700.0 * (10.0 ** (np.asarray(mel, np.float64) / 2595.0) - 1.0))


def mel_bands(bands: int, fft: int, rate: int, low_hz: float, high_hz: float) -> Floats:
    """Return the triangles (fft // 2 + 1, bands): edges evenly spaced in mel, sides straight in Hz, peak 1."""
    edges = mel_to_hz(np.linspace(hz_to_mel(low_hz), hz_to_mel(high_hz), bands + 2))
    bins = np.arange(fft // 2 + 1)[:, np.newaxis] * (rate / fft)
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins - low) / (peak - low)
    falling = (high - bins) / (high - peak)
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)), np.float32)


def dct_matrix(inputs: int, outputs: int) -> Floats:
    """Return the first ``outputs`` rows of the orthonormal DCT-II, transposed: (inputs, outputs)."""
    n = np.arange(inputs)[:, np.newaxis]
    k = np.arange(outputs)
    matrix = np.cos(np.pi * k * (2 * n + 1) / (2 * inputs)) * np.sqrt(2.0 / inputs)
    matrix[:, 0] /= np.sqrt(2.0)
    return np.asarray(matrix, np.float32)


def _magnitudes(clips: Pcm, window: int, hop: int, fft: int) -> Doubles:
    """Return spectra (..., frames, fft // 2 + 1) of clips (..., samples)."""
    scaled = np.asarray(clips, np.float64) / FULL_SCALE
    frames = np.lib.stride_tricks.sliding_window_view(scaled, window, axis=-1)[..., ::hop, :]
    return np.asarray(np.abs(np.fft.rfft(frames * hann(window), n=fft, axis=-1)))


def mfcc(clips: Pcm, settings: MfccSettings | None = None) -> Floats:
    """Return the reference MFCC of clips.

    Args:
        clips: int16 (..., samples).

    Returns:
        float32 (..., frames, coefficients, 1).
    """
    s = settings or MfccSettings()
    spectra = _magnitudes(clips, s.window, s.hop, s.fft)
    bands = spectra @ mel_bands(s.bands, s.fft, s.rate, s.low_hz, s.high_hz).astype(np.float64)
    logs = np.log(np.maximum(bands, s.floor))
    cepstrum = logs @ dct_matrix(s.bands, s.coefficients).astype(np.float64)
    return np.asarray(cepstrum[..., np.newaxis], np.float32)


def log_mel_pictures(clip: Pcm, settings: LogMelSettings | None = None) -> Floats:
    """Return the reference pictures of one clip.

    Args:
        clip: int16 (samples,).

    Returns:
        float32 (pictures, size, size, 1) in dB: time downwards, bands to the right. The bilinear resize to half
        the size with centres aligned to pixels is the mean of 2x2 values.
    """
    s = settings or LogMelSettings()
    powers = _magnitudes(clip, s.window, s.hop, s.window) ** 2
    bands = powers @ mel_bands(s.bands, s.window, s.rate, s.low_hz, s.high_hz).astype(np.float64)
    decibels = 10.0 * np.log10(np.maximum(bands, s.floor))
    stacked = np.lib.stride_tricks.sliding_window_view(decibels, s.stack, axis=0)[:: s.step]
    pictures = np.swapaxes(stacked, -1, -2)
    halved = pictures.reshape(-1, s.size, 2, s.size, 2).mean(axis=(2, 4))
    return np.asarray(halved[..., np.newaxis], np.float32)
