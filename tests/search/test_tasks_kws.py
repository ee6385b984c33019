"""Keyword spotting on small data sets in the layout of Speech Commands v2."""

from __future__ import annotations

import json
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from micronets_gen.errors import UsageError
from micronets_gen.search.data.progress import DataWarning
from micronets_gen.search.data.speech_commands import CLASSES, KEYWORDS, list_files, read_noises
from micronets_gen.search.data.tasks import get_task
from micronets_gen.search.data.wav import WavError, fitted, read_wav, write_wav

OTHERS = ("bed", "cat", "dog")
CLIPS = {"train": 4, "validation": 2, "test": 2}


def tone(hz: float, samples: int = 16000, level: float = 8000.0) -> np.ndarray:
    return np.asarray(level * np.sin(2 * np.pi * hz * np.arange(samples) / 16000)).astype(np.int16)


def make_speech_commands(root: Path) -> Path:
    """Write a data set whose words are tones: 8 clips a word, 4 of them for training."""
    lists: dict[str, list[str]] = {part: [] for part in CLIPS}
    for number, word in enumerate((*KEYWORDS, *OTHERS)):
        (root / word).mkdir(parents=True)
        speaker = 0
        for part, count in CLIPS.items():
            for _ in range(count):
                name = f"{word}/{speaker:08x}_nohash_0.wav"
                write_wav(root / name, tone(200 + 100 * number + 5 * speaker), 16000)
                lists[part].append(name)
                speaker += 1
    (root / "validation_list.txt").write_text("\n".join(lists["validation"]) + "\n")
    (root / "testing_list.txt").write_text("\n".join(lists["test"]) + "\n")
    noise = root / "_background_noise_"
    noise.mkdir()
    rng = np.random.default_rng(0)
    write_wav(noise / "white_noise.wav", rng.integers(-2000, 2000, 12 * 16000).astype(np.int16), 16000)
    write_wav(noise / "pink_noise.wav", rng.integers(-900, 900, 16000).astype(np.int16), 16000)
    (noise / "README.md").write_text("noises")
    (root / "LICENSE").write_text("CC BY 4.0")
    return root


@pytest.fixture(scope="module")
def speech_commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_speech_commands(tmp_path_factory.mktemp("kws") / "speech_commands")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MICRONETS_CACHE", str(tmp_path / "cache"))


class TestWav:
    def test_reads_what_it_wrote(self, tmp_path: Path) -> None:
        sound = tone(440)
        write_wav(tmp_path / "a.wav", sound, 16000)
        np.testing.assert_array_equal(read_wav(tmp_path / "a.wav", 16000), sound)

    def test_takes_one_of_eight_channels(self, tmp_path: Path) -> None:
        sound = np.arange(80, dtype="<i2").reshape(10, 8)
        with wave.open(str(tmp_path / "a.wav"), "wb") as file:
            file.setparams((8, 2, 16000, 0, "NONE", ""))
            file.writeframes(sound.tobytes())
        np.testing.assert_array_equal(read_wav(tmp_path / "a.wav", 16000, channel=3), sound[:, 3])
        with pytest.raises(WavError, match="8 channels, channel 8 wanted"):
            read_wav(tmp_path / "a.wav", 16000, channel=8)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "no readable WAV"),
            (b"RIFF\x00\x00", "no readable WAV"),
            (b"\xff\xfb" + bytes(100), "no readable WAV"),
        ],
    )
    def test_refuses_what_is_no_wav(self, tmp_path: Path, content: bytes, message: str) -> None:
        (tmp_path / "a.wav").write_bytes(content)
        with pytest.raises(WavError, match=message):
            read_wav(tmp_path / "a.wav", 16000)

    def test_refuses_other_formats(self, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        with pytest.raises(WavError, match=r"^missing$"):
            read_wav(path, 16000)
        write_wav(path, tone(440), 44100)
        with pytest.raises(WavError, match="44100 Hz instead of 16000 Hz"):
            read_wav(path, 16000)
        write_wav(path, tone(440)[:0], 16000)
        with pytest.raises(WavError, match="no samples"):
            read_wav(path, 16000)
        write_wav(path, tone(440), 16000)
        path.write_bytes(path.read_bytes()[:20000])
        with pytest.raises(WavError, match="cut off: 19956 of 32000 bytes"):
            read_wav(path, 16000)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 1, 16000, 0, "NONE", ""))
            file.writeframes(bytes(100))
        with pytest.raises(WavError, match="8 bits a sample instead of 16"):
            read_wav(path, 16000)

    def test_fits_the_length(self) -> None:
        assert fitted(np.arange(3, dtype=np.int16), 5).tolist() == [0, 1, 2, 0, 0]
        assert fitted(np.arange(5, dtype=np.int16), 3).tolist() == [0, 1, 2]


class TestLayout:
    def test_lists_decide_the_parts(self, speech_commands: Path) -> None:
        listing = list_files(speech_commands)
        assert {part: len(rows) for part, rows in listing.keywords.items()} == {
            part: 10 * count for part, count in CLIPS.items()
        }
        assert {part: len(rows) for part, rows in listing.unknown.items()} == {
            part: 3 * count for part, count in CLIPS.items()
        }
        assert listing.keywords["test"][0] == ("down/00000006_nohash_0.wav", CLASSES.index("down"))
        assert listing.noises == ("_background_noise_/pink_noise.wav", "_background_noise_/white_noise.wav")

    def test_says_what_to_get(self, tmp_path: Path) -> None:
        for folder in (None, tmp_path / "nowhere", tmp_path):
            with pytest.raises(UsageError) as error:
                list_files(folder)
            assert "speech_commands_v0.02.tar.gz" in error.value.remedy
            assert "_background_noise_/, validation_list.txt and testing_list.txt" in error.value.remedy
        assert "without yes/, no/, up/" in str(error.value)

    def test_names_what_is_missing(self, speech_commands: Path, tmp_path: Path) -> None:
        root = shutil.copytree(speech_commands, tmp_path / "copy")
        shutil.rmtree(root / "stop")
        (root / "testing_list.txt").unlink()
        with pytest.raises(UsageError, match=r"without stop/, testing_list\.txt"):
            list_files(root)

    def test_noises_of_the_parts_do_not_overlap(self, speech_commands: Path) -> None:
        noises = read_noises(list_files(speech_commands), 16000)
        white = read_wav(speech_commands / "_background_noise_" / "white_noise.wav", 16000)
        np.testing.assert_array_equal(noises["train"][1], white[: int(0.8 * len(white))])
        np.testing.assert_array_equal(noises["validation"][1], white[int(0.8 * len(white)) :][:19200])
        np.testing.assert_array_equal(noises["test"][1], white[int(0.9 * len(white)) :])
        assert all(len(noise) >= 16000 for part in noises.values() for noise in part)

    def test_a_broken_noise_is_an_error(self, speech_commands: Path, tmp_path: Path) -> None:
        root = shutil.copytree(speech_commands, tmp_path / "copy")
        (root / "_background_noise_" / "white_noise.wav").write_bytes(b"RIFF")
        with pytest.raises(UsageError, match=r"white_noise\.wav: no readable WAV"):
            read_noises(list_files(root), 16000)


@pytest.mark.needs("tensorflow")
class TestLoading:
    def test_splits_labels_and_features(self, speech_commands: Path) -> None:
        from micronets_gen.search.data.features.sound import mfcc

        task = get_task("kws", copies=2)
        data = task.load(speech_commands, 3)
        assert (data.train.samples, data.validation.samples, data.test.samples) == (48, 24, 24)
        pairs = list(data.test.dataset.as_numpy_iterator())
        assert len(pairs) == 24
        assert {label.dtype.name for _, label in pairs} == {"int32"}
        assert [int(label) for _, label in pairs[:12]] == list(range(12))  # evenly in every prefix
        for features, _ in pairs:
            assert features.shape == task.input_shape == (49, 10, 1)
            assert features.dtype == np.float32
        normalisation = data.provenance["features"]["normalisation"]
        clip = read_wav(speech_commands / "yes" / "00000006_nohash_0.wav", 16000)
        want = (mfcc(clip)[..., 0] - normalisation["mean"]) / normalisation["std"]
        np.testing.assert_allclose(pairs[CLASSES.index("yes")][0][..., 0], want, atol=2e-2)
        train = np.stack([features for features, _ in data.train.dataset.as_numpy_iterator()])
        np.testing.assert_allclose(train.mean(axis=(0, 1, 3)), 0, atol=1e-3)
        np.testing.assert_allclose(train.std(axis=(0, 1, 3)), 1, atol=1e-3)
        provenance = json.loads(json.dumps(data.provenance))
        assert provenance["per_class"]["train"] == dict.fromkeys(CLASSES, 4)

    def test_epochs_depend_on_seed_and_index_alone(self, speech_commands: Path) -> None:
        task = get_task("kws", copies=2)

        def epoch(seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
            pairs = list(task.load(speech_commands, seed).epoch(index).as_numpy_iterator())
            return np.stack([x for x, _ in pairs]), np.asarray([y for _, y in pairs])

        features, labels = epoch(1, 5)
        for again, same in ((epoch(1, 5), True), (epoch(1, 4), False), (epoch(2, 5), False)):
            assert np.array_equal(again[0], features) == same
            assert np.array_equal(np.sort(again[1]), np.sort(labels))
        assert len(labels) == 48
        assert not np.array_equal(labels, np.sort(labels))

    def test_copies_are_augmented_differently(self, speech_commands: Path) -> None:
        task = get_task("kws", copies=2, time_masks=0, band_masks=0)
        data = task.load(speech_commands, 1)

        def rows(dataset: object) -> set[bytes]:
            return {features.tobytes() for features, _ in dataset.as_numpy_iterator()}  # type: ignore[attr-defined]

        clean, first, second, third = (
            rows(dataset) for dataset in (data.train.dataset, *(data.epoch(i) for i in range(3)))
        )
        assert len(clean) == len(first) == len(second) == 48
        assert not clean & first
        assert not first & second
        assert first == third

    def test_epoch_samples_limits_an_epoch(self, speech_commands: Path) -> None:
        data = get_task("kws", copies=1, epoch_samples=10).load(speech_commands, 1)
        assert sum(1 for _ in data.epoch(0)) == int(data.epoch(0).cardinality()) == 10

    def test_the_judge_counts(self, speech_commands: Path) -> None:
        data = get_task("kws", copies=1).load(speech_commands, 1)
        labels = np.asarray([label for _, label in data.test.dataset.as_numpy_iterator()])
        outputs = np.eye(12, dtype=np.float32)[labels]
        outputs[:6] = np.roll(outputs[:6], 1, axis=1)
        judgement = data.judge("test", outputs)
        assert judgement.metric == "accuracy"
        assert judgement.value == pytest.approx(18 / 24)
        assert judgement.confusion is not None
        assert judgement.confusion.sum() == 24
        assert judgement.confusion[0, 1] == 1

    def test_the_cache_is_used_and_follows_the_data(
        self, speech_commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = shutil.copytree(speech_commands, tmp_path / "copy")
        task = get_task("kws", copies=1)

        def stores() -> set[str]:
            return {path.name for path in (tmp_path / "cache" / "features").iterdir()}

        task.load(root, 1)
        before = stores()
        assert len(before) == 1
        with monkeypatch.context() as patch:
            patch.setattr(
                "micronets_gen.search.data.tasks.kws.read_wav",
                lambda *_: pytest.fail("a clip was read again"),
            )
            task.load(root, 2)
            get_task("kws", copies=1, time_masks=2).load(root, 1)
        assert stores() == before
        write_wav(root / "yes" / "00000000_nohash_0.wav", tone(3000), 16000)
        task.load(root, 1)
        assert len(stores()) == 2
        get_task("kws", copies=1, noise_volume=0.2).load(root, 1)
        assert len(stores()) == 3

    def test_a_damaged_store_is_made_again(self, speech_commands: Path, tmp_path: Path) -> None:
        task = get_task("kws", copies=1)
        want = [x.tobytes() for x, _ in task.load(speech_commands, 1).test.dataset.as_numpy_iterator()]
        (store,) = (tmp_path / "cache" / "features").iterdir()
        for damage in (
            lambda: (store / "test.npy").write_bytes((store / "test.npy").read_bytes()[:-8]),
            lambda: (store / "store.json").write_text("{"),
            (store / "train_labels.npy").unlink,
        ):
            damage()
            got = [x.tobytes() for x, _ in task.load(speech_commands, 1).test.dataset.as_numpy_iterator()]
            assert got == want

    def test_an_interrupted_store_leaves_nothing(
        self, speech_commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        features = tmp_path / "cache" / "features"
        dead = features / "kws-0123456789abcdef.999999999.part"

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("micronets_gen.search.data.store._publish", interrupted)
            with pytest.raises(KeyboardInterrupt):
                get_task("kws", copies=1).load(speech_commands, 1)
        assert list(features.iterdir()) == []
        get_task("kws", copies=1).load(speech_commands, 1)
        (store,) = features.iterdir()
        dead = features / f"{store.name}.999999999.part"
        dead.mkdir()
        shutil.rmtree(store)
        get_task("kws", copies=1).load(speech_commands, 1)
        assert list(features.iterdir()) == [store]

    def test_few_broken_files_are_left_out_with_a_warning(
        self, speech_commands: Path, tmp_path: Path
    ) -> None:
        root = shutil.copytree(speech_commands, tmp_path / "copy")
        (root / "yes" / "00000000_nohash_0.wav").write_bytes(b"not a wav")
        (root / "no" / "00000006_nohash_0.wav").unlink()
        with pytest.warns(DataWarning) as caught:
            data = get_task("kws", copies=2).load(root, 1)
        message = str(caught[0].message)
        assert "left out 2 of 108 files" in message
        assert "no/00000006_nohash_0.wav: missing" in message
        assert "yes/00000000_nohash_0.wav: no readable WAV" in message
        assert (data.train.samples, data.test.samples) == (47, 23)
        assert sum(1 for _ in data.epoch(0)) == sum(1 for _ in data.epoch(1)) == 47
        assert data.provenance["per_class"]["train"]["yes"] == 3
        assert data.provenance["left_out"]["no/00000006_nohash_0.wav"] == "missing"
        with pytest.warns(DataWarning, match="left out 2"):
            get_task("kws", copies=2).load(root, 1)  # from the cache, too

    def test_many_broken_files_are_an_error(self, speech_commands: Path, tmp_path: Path) -> None:
        root = shutil.copytree(speech_commands, tmp_path / "copy")
        for word in ("yes", "no"):
            for clip in (root / word).iterdir():
                write_wav(clip, tone(440), 8000)
        with pytest.raises(UsageError) as error:
            get_task("kws", copies=1).load(root, 1)
        assert "16 of 108 files cannot be used" in str(error.value)
        assert "8000 Hz instead of 16000 Hz; and 11 more" in error.value.why
        assert not list((tmp_path / "cache" / "features").iterdir())


def test_options_are_checked() -> None:
    with pytest.raises(UsageError, match=r"unknown key 'copy'\n  what to do: did you mean copies\?"):
        get_task("kws", copy=3)
    with pytest.raises(UsageError, match="'copies' must be an integer, not a number"):
        get_task("kws", copies=2.5)
    task = get_task("kws", shift_ms=50)
    assert json.loads(json.dumps(task.classes)) == list(CLASSES)
