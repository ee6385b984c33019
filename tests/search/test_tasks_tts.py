"""Speech by espeak-ng: the voices, the acoustics, and a small corpus made for real."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from micronets_gen.errors import ToolError, UsageError
from micronets_gen.search.data.speech_commands import list_files
from micronets_gen.search.data.synth import acoustics, espeak
from micronets_gen.search.data.synth.corpus import CorpusSettings, ensure_corpus, sentences
from micronets_gen.search.data.synth.voices import ACCENTS, FAMILIES, speakers, variants
from micronets_gen.search.data.synth.words import HELD_OUT, KEYWORDS, OTHER, PUBLISHED
from micronets_gen.search.data.tasks import get_task
from micronets_gen.search.data.wav import read_wav

pytestmark = pytest.mark.needs("tensorflow")

needs_espeak = pytest.mark.needs("espeak")

SMALL = CorpusSettings(seed=3, accents=1, voices=2, takes=2)


class TestPlan:
    def test_no_voice_is_in_two_parts(self) -> None:
        for one, other in combinations(FAMILIES, 2):
            assert not set(variants(one)) & set(variants(other))
        everything = [variant for part in FAMILIES for variant in variants(part)]
        assert len(everything) == len(set(everything)) == 84

    def test_no_word_is_two_kinds(self) -> None:
        for one, other in combinations((KEYWORDS, PUBLISHED, OTHER, HELD_OUT), 2):
            assert not set(one) & set(other)
        assert (len(KEYWORDS), len(PUBLISHED)) == (10, 25)

    def test_speakers_are_reproducible_and_differ(self) -> None:
        train = speakers("train", 1)
        assert train == speakers("train", 1)
        assert len(train) == len(variants("train")) * len(ACCENTS)
        assert len({speaker.name for speaker in train}) == len(train)
        assert len({speaker.tract for speaker in train}) == len(train)
        assert speakers("train", 2)[0].tract != train[0].tract
        assert [s.tract for s in speakers("train", 1, voices=2)] == [s.tract for s in train[:16]]

    def test_held_out_words_are_in_the_test_alone(self) -> None:
        for part in FAMILIES:
            said = {word for speaker in speakers(part, 1) for word, _, _ in sentences(speaker, 5)}
            assert set(KEYWORDS) <= said
            assert set(PUBLISHED) <= said
            assert bool(said & set(HELD_OUT)) == (part == "test")
            assert bool(said & set(OTHER)) == (part != "test")


class TestAcoustics:
    @pytest.mark.parametrize("ratio", [16000 / 22050, 0.5, 1.0, 1.3])
    def test_resampling_keeps_a_tone(self, ratio: float) -> None:
        hz = 440.0
        sound = np.sin(2 * np.pi * hz * np.arange(2205) / 22050)
        result = acoustics.resampled(sound, ratio)
        assert len(result) == round(2205 * ratio)
        want = np.sin(2 * np.pi * hz * np.arange(len(result)) / (22050 * len(result) / 2205))
        np.testing.assert_allclose(result, want, atol=0.02)

    def test_trimming_leaves_the_margin(self) -> None:
        sound = np.zeros(5000)
        sound[2000:3000] = 0.5
        assert len(acoustics.trimmed(sound, margin=100)) == 1200 - 1
        assert len(acoustics.trimmed(np.zeros(100))) == 0

    def test_a_recording_holds_the_word_at_its_level(self) -> None:
        word = np.sin(2 * np.pi * 500 * np.arange(8000) / 16000)
        peaks = []
        for seed in range(20):
            clip = acoustics.recorded(np.random.default_rng(seed), word, 16000, 16000)
            assert clip.shape == (16000,)
            assert clip.dtype == np.int16
            spectrum = np.abs(np.fft.rfft(clip))
            assert abs(int(spectrum[100:].argmax()) + 100 - 500) <= 2
            peaks.append(20 * np.log10(np.abs(clip).max() / 32768))
        assert -26.1 < min(peaks) < -15
        assert -10 < max(peaks) < -1.9

    @pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
    def test_noise_has_its_colour(self, slope: float) -> None:
        noise = acoustics.coloured(np.random.default_rng(1), 1 << 16, slope)
        assert np.sqrt(np.mean(noise**2)) == pytest.approx(1)
        power = np.abs(np.fft.rfft(noise)) ** 2
        octaves = [np.log2(power[1 << i : 2 << i].mean()) for i in range(6, 15)]
        assert np.polyfit(np.arange(6, 15), octaves, 1)[0] == pytest.approx(-slope, abs=0.1)

    @pytest.mark.parametrize("make", [acoustics.hum, acoustics.fan, acoustics.clatter])
    def test_other_noises_are_loud_throughout(self, make) -> None:  # type: ignore[no-untyped-def]
        noise = make(np.random.default_rng(1), 32000, 16000)
        assert np.sqrt(np.mean(noise**2)) == pytest.approx(1)
        assert np.abs(noise[:16000]).max() > 0.1


def test_without_the_library_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espeak, "_LIBRARY", "libespeak-ng-nowhere.so.1")
    with pytest.raises(ToolError, match="espeak-ng is not installed") as error:
        espeak.Espeak()
    assert error.value.remedy == "sudo apt-get install espeak-ng"


def test_another_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match=r"not empty, and without synthesis\.json"):
        ensure_corpus(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tts") / "corpus"
    ensure_corpus(root, SMALL)
    return root


@needs_espeak
class TestCorpus:
    def test_it_is_laid_out_as_speech_commands(self, corpus: Path) -> None:
        listing = list_files(corpus)
        index = json.loads((corpus / "synthesis.json").read_text())
        assert index["settings"]["seed"] == 3
        assert index["espeak_ng"].startswith("1.")
        assert index["voices"]["test"] == list(variants("test")[:2])
        for part, takes in (("train", 2), ("validation", 2), ("test", 2)):
            assert len(listing.keywords[part]) == 2 * 10 * takes
            assert index["clips"][part] == len(listing.keywords[part]) + len(listing.unknown[part])
            voices = {name.split("/")[1].split("-")[0] for name, _ in listing.keywords[part]}
            assert voices == set(variants(part)[:2])
        assert len(listing.noises) == 7
        for noise in listing.noises:
            assert len(read_wav(corpus / noise, 16000)) == 60 * 16000

    def test_words_sound_and_differ(self, corpus: Path) -> None:
        listing = list_files(corpus)
        clips = [read_wav(corpus / name, 16000) for name, _ in listing.keywords["train"]]
        assert {len(clip) for clip in clips} == {16000}
        assert len({clip.tobytes() for clip in clips}) == len(clips)
        assert all(np.abs(clip.astype(int)).max() > 1000 for clip in clips)
        loud = [np.abs(clip[4000:12000].astype(int)).mean() for clip in clips]
        quiet = [np.abs(clip[:500].astype(int)).mean() for clip in clips]
        assert np.mean(np.asarray(loud) > 2 * np.asarray(quiet)) > 0.8

    def test_it_is_made_once_and_alike(self, corpus: Path, tmp_path: Path) -> None:
        before = (corpus / "synthesis.json").stat().st_mtime_ns
        ensure_corpus(corpus, SMALL)
        assert (corpus / "synthesis.json").stat().st_mtime_ns == before
        ensure_corpus(tmp_path / "again", SMALL)
        for path in sorted(corpus.rglob("*")):
            again = tmp_path / "again" / path.relative_to(corpus)
            if path.is_file() and path.name != "synthesis.json":
                assert path.read_bytes() == again.read_bytes(), path.name

    def test_other_settings_need_another_folder(self, corpus: Path) -> None:
        with pytest.raises(UsageError, match="other settings: seed, takes"):
            ensure_corpus(corpus, CorpusSettings(seed=4, accents=1, voices=2, takes=3))

    @pytest.mark.needs("tensorflow")
    def test_the_task_loads_it(self, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MICRONETS_CACHE", str(tmp_path / "cache"))
        task = get_task("kws-tts", corpus_seed=3, accents=1, voices=2, takes=2, copies=1)
        data = task.load(corpus, 1)
        assert (data.train.samples, data.test.samples) == (48, 48)
        assert data.provenance["source"]["speakers"] == {"train": 2, "validation": 2, "test": 2}
        assert sum(1 for _ in data.epoch(0)) == 48
