"""Anomaly detection on small data sets in the layouts of DCASE 2020 task 2 and of MIMII."""

from __future__ import annotations

import itertools
import json
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from micronets_gen.errors import UsageError
from micronets_gen.search.data.features.sound import LogMelSettings, log_mel_pictures
from micronets_gen.search.data.progress import DataWarning
from micronets_gen.search.data.tasks import get_task
from micronets_gen.search.data.tasks.ad import anomaly_judge, auc, roc
from micronets_gen.search.data.tasks.ad_layouts import DEFAULT_MACHINES, find_sounds
from micronets_gen.search.data.wav import read_wav, write_wav

IDS = DEFAULT_MACHINES.split(",")
CLIP_S = 3.0  # 2 pictures


def machine_sound(machine: int, number: int, anomalous: bool, seconds: float = CLIP_S) -> np.ndarray:
    rng = np.random.default_rng([machine, number, anomalous])
    time = np.arange(int(16000 * seconds)) / 16000
    sound = 3000 * np.sin(2 * np.pi * (300 + 200 * machine) * time) + rng.normal(0, 200, len(time))
    if anomalous:
        sound += 2000 * np.sin(2 * np.pi * 3100 * time)
    return np.asarray(sound).astype(np.int16)


def make_dcase(root: Path, train: int = 12) -> Path:
    for folder in ("train", "test"):
        (root / "slider" / folder).mkdir(parents=True)
    for machine, name in enumerate(IDS):
        for folder, kind, count in (
            ("train", "normal", train),
            ("test", "normal", 3),
            ("test", "anomaly", 2),
        ):
            for number in range(count):
                path = root / "slider" / folder / f"{kind}_id_{name}_{number:08d}.wav"
                write_wav(path, machine_sound(machine, number, kind == "anomaly"), 16000)
    return root


def make_mimii(root: Path) -> Path:
    for machine, name in enumerate(IDS):
        for kind, count in (("normal", 15), ("abnormal", 3)):
            folder = root / "slider" / f"id_{name}" / kind
            folder.mkdir(parents=True)
            for number in range(count):
                sound = machine_sound(machine, number, kind == "abnormal")
                with wave.open(str(folder / f"{number:08d}.wav"), "wb") as file:
                    file.setparams((8, 2, 16000, 0, "NONE", ""))
                    file.writeframes(np.repeat(sound[:, None], 8, axis=1).astype("<i2").tobytes())
    return root


@pytest.fixture(scope="module")
def dcase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dcase(tmp_path_factory.mktemp("ad") / "dev_data_slider")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MICRONETS_CACHE", str(tmp_path / "cache"))


class TestFigures:
    def test_auc_counts_pairs(self) -> None:
        rng = np.random.default_rng(0)
        for _ in range(20):
            scores = rng.integers(0, 6, 30).astype(float)  # with ties
            positive = rng.random(30) < 0.4
            pairs = list(itertools.product(scores[positive], scores[~positive]))
            want = np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs])
            assert auc(scores, positive) == pytest.approx(want)

    def test_roc_encloses_the_auc(self) -> None:
        rng = np.random.default_rng(1)
        positive = rng.random(2000) < 0.3
        scores = np.round(rng.normal(0, 1, 2000) + positive, 2)
        points = np.asarray(roc(scores, positive))
        assert points[0].tolist() == [0, 0]
        assert points[-1].tolist() == [1, 1]
        assert (np.diff(points, axis=0) >= 0).all()
        assert len(points) <= 201
        assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(auc(scores, positive), abs=2e-3)

    def test_a_clip_s_score_is_the_mean_of_its_pictures_and_machines_count_alike(self) -> None:
        # Machine 0: clips 0 (normal), 1 (anomalous); machine 1: clips 2 (anomalous), 3 (normal); two pictures each.
        machines = np.asarray([0, 0, 0, 0, 1, 1, 1, 1])
        clips = np.asarray([0, 0, 1, 1, 2, 2, 3, 3])
        anomalous = np.asarray([False, True, True, False])
        own = np.asarray([0.9, 0.5, 0.8, 0.2, 0.9, 0.9, 0.6, 0.4], np.float32)
        outputs = np.stack([np.where(machines == 0, own, 1 - own), np.where(machines == 1, own, 1 - own)], 1)
        judgement = anomaly_judge(machines, clips, anomalous)(outputs)
        # Machine 0: 0.7 against 0.5 is right; machine 1: 0.9 against 0.5 is wrong.
        assert judgement.metric == "AUC"
        assert judgement.value == 0.5
        assert judgement.confusion is None


class TestLayout:
    def test_dcase(self, dcase: Path) -> None:
        for folder in (dcase, dcase / "slider", dcase.parent):
            sounds = find_sounds(folder, tuple(IDS))
            assert sounds.layout == "DCASE 2020 task 2"
            assert len(sounds.parts["train"]) + len(sounds.parts["validation"]) == 48
            assert len(sounds.parts["validation"]) == 8
            assert sum(clip.anomalous for clip in sounds.parts["test"]) == 8
            assert not any(clip.anomalous for clip in sounds.parts["train"])
            assert {clip.machine for clip in sounds.parts["test"]} == {0, 1, 2, 3}

    def test_mimii(self, tmp_path: Path) -> None:
        sounds = find_sounds(make_mimii(tmp_path), tuple(IDS))
        assert sounds.layout == "MIMII"
        tests = [clip for clip in sounds.parts["test"] if clip.machine == 1]
        assert [clip.anomalous for clip in tests].count(True) == 3
        assert [clip.anomalous for clip in tests].count(False) == 5
        used = [clip.file for clips in sounds.parts.values() for clip in clips]
        assert len(used) == len(set(used)) == 4 * 18

    def test_says_what_to_get(self, tmp_path: Path) -> None:
        for folder in (None, tmp_path / "nowhere", tmp_path):
            with pytest.raises(UsageError) as error:
                find_sounds(folder, tuple(IDS))
            assert "dev_data_slider.zip" in error.value.remedy
            assert "slider/train/normal_id_00_00000000.wav" in error.value.remedy

    def test_names_a_missing_machine(self, dcase: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no recording of machine id_08 for train"):
            find_sounds(dcase, ("00", "08"))
        root = shutil.copytree(dcase, tmp_path / "copy")
        for clip in (root / "slider" / "test").glob("anomaly_id_02*"):
            clip.unlink()
        with pytest.raises(UsageError, match="test of machine id_02 needs normal and anomalous"):
            find_sounds(root, tuple(IDS))


@pytest.mark.needs("tensorflow")
class TestLoading:
    def test_pictures_labels_and_judgement(self, dcase: Path) -> None:
        task = get_task("ad", clip_s=CLIP_S)
        data = task.load(dcase, 1)
        each = LogMelSettings().pictures(int(16000 * CLIP_S))
        assert each == 2
        assert data.train.samples + data.validation.samples == 48 * each
        assert data.test.samples == 20 * each
        pairs = list(data.test.dataset.as_numpy_iterator())
        assert pairs[0][0].shape == task.input_shape == (32, 32, 1)
        labels = np.asarray([label for _, label in pairs])
        assert sorted(np.bincount(labels).tolist()) == [5 * each] * 4
        assert labels[:8].tolist() == [0, 1, 2, 3] * 2  # normal, then anomalous; all first pictures
        normalisation = data.provenance["features"]["normalisation"]
        clip = read_wav(dcase / "slider" / "test" / "normal_id_00_00000000.wav", 16000)
        want = (log_mel_pictures(clip) - normalisation["mean"]) / normalisation["std"]
        assert any(np.allclose(x, want[1], atol=1e-2) for x, _ in pairs)
        assert json.loads(json.dumps(data.provenance))["clips"]["test"] == 20
        assert data.provenance["anomalous_test_clips"] == 8
        # A judge that knows: a 3.1 kHz tone lowers the own machine's output.
        loud = np.asarray([x[:, 20:23].max() for x, _ in pairs])
        own = 1 / (1 + np.exp(loud - loud.mean()))
        outputs = np.full((len(pairs), 4), 0.1, np.float32)
        outputs[np.arange(len(pairs)), labels] = own
        judgement = data.judge("test", outputs)
        assert judgement.metric == "AUC"
        assert judgement.value > 0.9
        assert judgement.curve[-1] == (1.0, 1.0)
        of_validation = data.judge("validation", np.full((data.validation.samples, 4), 0.25, np.float32))
        assert of_validation.metric == "accuracy"

    def test_epochs_shuffle_all_training_pictures(self, dcase: Path) -> None:
        data = get_task("ad", clip_s=CLIP_S).load(dcase, 1)
        train = sorted(x.tobytes() for x, _ in data.train.dataset.as_numpy_iterator())
        epochs = [[x.tobytes() for x, _ in data.epoch(i).as_numpy_iterator()] for i in (0, 1)]
        assert sorted(epochs[0]) == sorted(epochs[1]) == train
        assert epochs[0] != epochs[1]

    def test_short_and_broken_clips_are_left_out(self, tmp_path: Path) -> None:
        root = make_dcase(tmp_path / "data", train=15)
        train = root / "slider" / "train"
        write_wav(train / "normal_id_00_00000003.wav", machine_sound(0, 3, False, 2.0), 16000)
        (train / "normal_id_02_00000004.wav").write_bytes(b"RIFF0000WAVE")
        with pytest.warns(DataWarning) as caught:
            data = get_task("ad", clip_s=CLIP_S).load(root, 1)
        message = str(caught[0].message)
        assert "normal_id_00_00000003.wav: 2.00 s, shorter than the others" in message
        assert "normal_id_02_00000004.wav: no readable WAV" in message
        assert data.train.samples + data.validation.samples == (60 - 2) * 2
