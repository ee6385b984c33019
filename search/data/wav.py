"""Reading and writing 16-bit PCM WAV files."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np

from micronets_gen.search.data.features.sound import Pcm


class WavError(Exception):
    """A file is no WAV that can be used; the message says why, without the file's name."""


def read_wav(path: Path, rate: int, channel: int = 0) -> Pcm:
    """Return one channel of a WAV file as int16 (samples,).

    Raises:
        WavError: the file is missing, empty, cut off, not 16-bit PCM or of another rate.
    """
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, actual, frames, *_ = file.getparams()
            data = file.readframes(frames)
    except FileNotFoundError:
        raise WavError("missing") from None
    except (wave.Error, EOFError, OSError, struct.error) as error:
        raise WavError(f"no readable WAV ({str(error) or 'empty or cut off'})") from None
    if width != 2:
        raise WavError(f"{8 * width} bits a sample instead of 16")
    if actual != rate:
        raise WavError(f"{actual} Hz instead of {rate} Hz")
    if channel >= channels:
        raise WavError(f"{channels} channels, channel {channel} wanted")
    if frames == 0:
        raise WavError("no samples")
    if len(data) < frames * channels * width:
        raise WavError(f"cut off: {len(data)} of {frames * channels * width} bytes")
    samples = np.frombuffer(data, "<i2").astype(np.int16)
    return np.ascontiguousarray(samples.reshape(-1, channels)[:, channel])


def write_wav(path: Path, samples: Pcm, rate: int) -> None:
    """Write one channel of int16 (samples,)."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


def fitted(samples: Pcm, length: int) -> Pcm:
    """Return the first ``length`` samples, silence appended where there are fewer."""
    if len(samples) >= length:
        return samples[:length]
    return np.pad(samples, (0, length - len(samples)))
