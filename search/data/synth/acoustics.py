"""From dry speech to a recording: another vocal tract, a room, a microphone, noise; and background noises."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from micronets_gen.search.data.features.sound import FULL_SCALE, Pcm

Doubles = npt.NDArray[np.float64]


def resampled(sound: Doubles, ratio: float) -> Doubles:
    """Return ``sound`` (samples,) with ``ratio`` times as many samples, band-limited by its spectrum."""
    length = max(1, round(len(sound) * ratio))
    spectrum = np.fft.rfft(sound)
    bins = length // 2 + 1
    kept = np.zeros(bins, complex)
    kept[: min(bins, len(spectrum))] = spectrum[:bins]
    return np.asarray(np.fft.irfft(kept, length) * (length / len(sound)))


def trimmed(sound: Doubles, threshold: float = 0.01, margin: int = 320) -> Doubles:
    """Return ``sound`` without what is quieter than ``threshold`` of its peak at both ends, but for a margin."""
    loud = np.flatnonzero(np.abs(sound) > threshold * np.abs(sound).max(initial=0.0))
    if not len(loud):
        return sound[:0]
    return sound[max(0, loud[0] - margin) : loud[-1] + margin]


def room(rng: np.random.Generator, rate: int) -> Doubles:
    """Return a random room's response: the direct sound and an exponential tail (0.08 s to 0.45 s RT60)."""
    decay_s = rng.uniform(0.08, 0.45)
    ratio_db = rng.uniform(2.0, 20.0)
    time = np.arange(int(decay_s * rate)) / rate
    tail = rng.standard_normal(len(time)) * 10 ** (-3.0 * time / decay_s)
    tail[: rate // 500] = 0.0
    tail *= 10 ** (-ratio_db / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail


def microphone(rng: np.random.Generator, frequencies: Doubles) -> Doubles:
    """Return a random microphone's gain at ``frequencies`` (Hz): a wavy curve, a high-pass, a low-pass."""
    anchors = np.log([60.0, 250.0, 1000.0, 2500.0, 5000.0, 8000.0])
    at = np.log(np.maximum(frequencies, 30.0))
    gain = 10 ** (np.interp(at, anchors, rng.normal(0.0, 3.0, len(anchors))) / 20)
    low, high = rng.uniform(50.0, 250.0), rng.uniform(4500.0, 12000.0)
    highpass = 1.0 / np.sqrt(1.0 + (low / np.maximum(frequencies, 1.0)) ** 4)
    lowpass = 1.0 / np.sqrt(1.0 + (frequencies / high) ** 6)
    return np.asarray(gain * highpass * lowpass)


def coloured(rng: np.random.Generator, samples: int, slope: float) -> Doubles:
    """Return noise whose power falls with frequency to the power of ``slope``, at RMS 1."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1.0) ** (-slope / 2)
    spectrum[0] = 0.0
    noise = np.fft.irfft(spectrum, samples)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def recorded(rng: np.random.Generator, dry: Doubles, samples: int, rate: int) -> Pcm:
    """Return a recording int16 (samples,) of a dry word, somewhere around its middle.

    Args:
        dry: The word (at most ``samples``,), any level.
    """
    free = samples - len(dry)
    start = int(np.clip(round(rng.normal(free / 2, free / 6)), 0, free))
    sound = np.zeros(samples)
    sound[start : start + len(dry)] = dry
    size = 2 * samples
    spectrum = np.fft.rfft(sound, size) * np.fft.rfft(room(rng, rate), size)
    frequencies = np.fft.rfftfreq(size, 1 / rate).astype(np.float64)
    wet = np.fft.irfft(spectrum * microphone(rng, frequencies), size)[:samples]
    loudness = np.sqrt(np.mean(wet[start : start + len(dry)] ** 2))
    noise = coloured(rng, samples, rng.uniform(0.0, 2.0))
    mixture = wet + noise * loudness * 10 ** (-rng.uniform(5.0, 40.0) / 20)
    level = 10 ** (rng.uniform(-26.0, -2.0) / 20) / max(float(np.abs(mixture).max()), 1e-9)
    return as_pcm(mixture * level)


def as_pcm(sound: Doubles) -> Pcm:
    """Return sound of -1..1 as int16."""
    return np.clip(np.rint(sound * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def hum(rng: np.random.Generator, samples: int, rate: int) -> Doubles:
    """Return a mains hum with harmonics over faint noise, at RMS 1."""
    time = np.arange(samples) / rate
    sound = 0.1 * coloured(rng, samples, 1.0)
    for harmonic in range(1, 16):
        strength = rng.uniform(0.2, 1.0) / harmonic
        sound += strength * np.sin(2 * np.pi * 50.0 * harmonic * time + rng.uniform(0, 2 * np.pi))
    return np.asarray(sound / np.sqrt(np.mean(sound**2)))


def fan(rng: np.random.Generator, samples: int, rate: int) -> Doubles:
    """Return air that blades modulate, whose speed drifts, at RMS 1."""
    blades = 40.0 + 25.0 * np.cumsum(coloured(rng, samples, 2.0)) / samples
    phase = 2 * np.pi * np.cumsum(blades) / rate
    sound = coloured(rng, samples, 1.3) * (1.0 + 0.6 * np.sin(phase)) + 0.2 * np.sin(3 * phase)
    return np.asarray(sound / np.sqrt(np.mean(sound**2)))


def clatter(rng: np.random.Generator, samples: int, rate: int) -> Doubles:
    """Return knocks on resonant things, about three a second, at RMS 1."""
    sound = 0.01 * coloured(rng, samples, 1.0)
    length = rate // 3
    time = np.arange(length) / rate
    for start in np.sort(rng.integers(0, samples - length, samples * 3 // rate)):
        knock = np.zeros(length)
        for _ in range(4):
            pitch, decay = rng.uniform(300.0, 6000.0), rng.uniform(20.0, 120.0)
            knock += rng.uniform(0.2, 1.0) * np.sin(2 * np.pi * pitch * time) * np.exp(-decay * time)
        sound[start : start + length] += rng.uniform(0.1, 1.0) * knock
    return np.asarray(sound / np.sqrt(np.mean(sound**2)))
