"""Audio features: the numpy references by first principles, TensorFlow against them, augmentation by its seeds."""

from __future__ import annotations

import numpy as np
import pytest

from micronets_gen.search.data.features import sound
from micronets_gen.search.data.features.augment import (
    NoiseAndShift,
    SpecAugment,
    noisy,
    shifted,
    spec_augment,
)
from micronets_gen.search.data.features.sound import LogMelSettings, MfccSettings, Pcm


def speechlike(seed: int, samples: int = 16000, level: float = 3000.0) -> Pcm:
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / 16000
    voice = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 20))
    envelope = np.clip(np.sin(2 * np.pi * 2.5 * time), 0, 1)
    return np.asarray(level * envelope * voice + rng.normal(0, 20, samples)).astype(np.int16)


def mfcc_by_definition(clip: Pcm, s: MfccSettings) -> np.ndarray:
    """Written from docs/tasks.md, with sums instead of matrices."""
    result = np.zeros((s.frames, s.coefficients))
    for frame in range(s.frames):
        x = clip[frame * s.hop : frame * s.hop + s.window].astype(float) / 32768
        x = x * [0.5 - 0.5 * np.cos(2 * np.pi * n / s.window) for n in range(s.window)]
        n = np.arange(s.window)
        bins = np.arange(s.fft // 2 + 1)
        magnitude = np.abs(np.exp(-2j * np.pi * np.outer(bins, n) / s.fft) @ x)
        mel = np.linspace(
            2595 * np.log10(1 + s.low_hz / 700), 2595 * np.log10(1 + s.high_hz / 700), s.bands + 2
        )
        hz = 700 * (10 ** (mel / 2595) - 1)
        logs = []
        for band in range(s.bands):
            low, peak, high = hz[band : band + 3]
            total = 0.0
            for k in bins:
                f = k * s.rate / s.fft
                if low < f <= peak:
                    total += magnitude[k] * (f - low) / (peak - low)
                elif peak < f < high:
                    total += magnitude[k] * (high - f) / (high - peak)
            logs.append(np.log(max(total, s.floor)))
        for c in range(s.coefficients):
            scale = np.sqrt((1 if c == 0 else 2) / s.bands)
            result[frame, c] = scale * sum(
                logs[b] * np.cos(np.pi * c * (b + 0.5) / s.bands) for b in range(s.bands)
            )
    return result


def test_mfcc_is_what_the_documentation_says() -> None:
    settings = MfccSettings(samples=1280)
    clip = speechlike(1)[2000:3280]
    np.testing.assert_allclose(
        sound.mfcc(clip, settings)[..., 0], mfcc_by_definition(clip, settings), atol=2e-4
    )


def test_shapes_are_the_paper_s() -> None:
    assert MfccSettings().shape == (49, 10, 1)
    assert sound.mfcc(np.zeros((3, 16000), np.int16)).shape == (3, 49, 10, 1)
    assert LogMelSettings().shape == (32, 32, 1)
    assert LogMelSettings().pictures(160000) == 13
    assert sound.log_mel_pictures(np.zeros(160000, np.int16)).shape == (13, 32, 32, 1)


def test_silence_is_the_floor() -> None:
    features = sound.mfcc(np.zeros(16000, np.int16))
    np.testing.assert_allclose(features[:, 0], np.log(1e-3) * np.sqrt(40), rtol=1e-5)
    np.testing.assert_allclose(features[:, 1:], 0, atol=1e-5)
    np.testing.assert_allclose(sound.log_mel_pictures(np.zeros(160000, np.int16)), -80, rtol=1e-6)


@pytest.mark.parametrize(("bands", "fft", "low", "high"), [(40, 1024, 20.0, 7600.0), (64, 1024, 0.0, 8000.0)])
def test_every_band_hears_something(bands: int, fft: int, low: float, high: float) -> None:
    matrix = sound.mel_bands(bands, fft, 16000, low, high)
    assert matrix.shape == (fft // 2 + 1, bands)
    assert (matrix.max(axis=0) > 0.3).all()
    assert matrix.max() <= 1.0


def test_a_tone_lands_in_its_band() -> None:
    time = np.arange(160000) / 16000
    tone = (10000 * np.sin(2 * np.pi * 2000 * time)).astype(np.int16)
    picture = sound.log_mel_pictures(tone)[0, 0, :, 0]
    mel = np.linspace(0, sound.hz_to_mel(8000), 66)[1:-1]
    expected = int(np.argmin(np.abs(mel - sound.hz_to_mel(2000)))) // 2
    assert int(picture.argmax()) == expected


def test_pictures_overlap_by_44_frames() -> None:
    clip = speechlike(2, 160000)
    pictures = sound.log_mel_pictures(clip)
    np.testing.assert_array_equal(pictures[0, 10:], pictures[1, :22])


def test_dct_rows_are_orthonormal() -> None:
    matrix = sound.dct_matrix(40, 40).astype(np.float64)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(40), atol=1e-6)


def test_odd_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="halved"):
        LogMelSettings(size=20)


@pytest.mark.needs("tensorflow")
class TestTensorFlow:
    @pytest.mark.parametrize("high_hz", [4000.0, 7600.0])
    def test_mfcc_equals_the_reference(self, high_hz: float) -> None:
        from micronets_gen.search.data.features.graph import mfcc_function

        settings = MfccSettings(high_hz=high_hz)
        clips = np.stack([speechlike(seed, level=level) for seed, level in enumerate((30.0, 3000.0, 9000.0))])
        got = mfcc_function(settings)(clips).numpy()
        np.testing.assert_allclose(got, sound.mfcc(clips, settings), atol=1e-3)

    def test_log_mel_equals_the_reference(self) -> None:
        from micronets_gen.search.data.features.graph import log_mel_function

        clips = np.stack([speechlike(seed, 160000) for seed in range(2)])
        got = log_mel_function()(clips).numpy()
        want = np.stack([sound.log_mel_pictures(clip) for clip in clips])
        assert got.shape == want.shape == (2, 13, 32, 32, 1)
        np.testing.assert_allclose(got, want, atol=1e-3)

    def test_spec_augment_masks_stripes_and_repeats_by_seed(self) -> None:
        settings = SpecAugment(time_masks=2, time_width=8, band_masks=1, band_width=3)
        features = np.ones((64, 49, 10, 1), np.float32)
        one = spec_augment(features, settings, [3, 4]).numpy()[..., 0]
        np.testing.assert_array_equal(one, spec_augment(features, settings, [3, 4]).numpy()[..., 0])
        assert (one != spec_augment(features, settings, [3, 5]).numpy()[..., 0]).any()
        masked_frames = (one == 0).all(axis=2).sum(axis=1)
        masked_bands = (one == 0).all(axis=1).sum(axis=1)
        assert 8 < masked_frames.max() <= 16
        assert masked_bands.max() == 3
        outside = ~(one == 0).all(axis=2)[:, :, None] & ~(one == 0).all(axis=1)[:, None, :]
        assert (one[outside] == 1).all()
        assert len({tuple(row) for row in (one == 0).all(axis=2).tolist()}) > 30


def test_shifts_move_silence_in() -> None:
    clip = np.arange(1, 6, dtype=np.int16)
    assert shifted(clip, 2).tolist() == [0, 0, 1, 2, 3]
    assert shifted(clip, -2).tolist() == [3, 4, 5, 0, 0]
    assert shifted(clip, 0).tolist() == clip.tolist()


def test_noise_is_added_within_its_volume_and_probability() -> None:
    clip = np.zeros(1000, np.int16)
    noises = [np.full(2000, 10000, np.int16)]
    settings = NoiseAndShift(shift=10, probability=0.5, volume=0.2)
    levels = [int(noisy(np.random.default_rng(seed), clip, noises, settings).max()) for seed in range(300)]
    assert max(levels) <= 2000
    assert max(levels) > 1800
    assert 100 < sum(level == 0 for level in levels) < 200


def test_loud_noise_saturates() -> None:
    clip = np.full(100, 32000, np.int16)
    result = noisy(np.random.default_rng(1), clip, [clip], NoiseAndShift(0, 1.0, 1.0))
    assert result.min() > 0
    assert result.max() == 32767
