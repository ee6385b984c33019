"""Visual wake words on small pictures in the three published layouts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from micronets_gen.boards.load import load_board
from micronets_gen.errors import UsageError
from micronets_gen.search.data.progress import DataWarning
from micronets_gen.search.data.tasks import get_task
from micronets_gen.search.data.tasks.vww_layouts import coco_pictures, find_pictures
from micronets_gen.search.run.request import task_and_recipe
from micronets_gen.search.space.architecture import Architecture
from tests.search.test_search import run_cli

pytestmark = pytest.mark.needs("tensorflow")

HALF_A_PERCENT = 0.005


def jpeg(bright: bool, seed: int, size: tuple[int, int] = (48, 64), channels: int = 3) -> bytes:
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    low, high = (150, 250) if bright else (0, 100)
    picture = rng.integers(low, high, (*size, channels)).astype(np.uint8)
    return bytes(tf.io.encode_jpeg(picture, quality=95).numpy())


def make_folders(root: Path, parts: tuple[str, ...] = (".",), count: int = 40, no: str = "no_person") -> Path:
    for part in parts:
        for folder in ("person", no):
            (root / part / folder).mkdir(parents=True)
            for number in range(count):
                data = jpeg(folder == "person", number, channels=1 + 2 * (number % 2))
                (root / part / folder / f"{number:06d}.jpg").write_bytes(data)
    return root


def make_records(root: Path, count: int = 30) -> Path:
    import tensorflow as tf

    root.mkdir(parents=True)
    for part in ("train", "val"):
        for shard in range(2):
            with tf.io.TFRecordWriter(str(root / f"{part}.record-{shard:05d}-of-00002")) as writer:
                for number in range(shard, count, 2):
                    label = number % 4 // 2
                    features = {
                        "image/encoded": tf.train.Feature(
                            bytes_list=tf.train.BytesList(value=[jpeg(bool(label), number)])
                        ),
                        "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                    }
                    example = tf.train.Example(features=tf.train.Features(feature=features))
                    writer.write(example.SerializeToString())
    return root


def coco(count: int) -> dict[str, Any]:
    """Every fourth picture holds a large person, every fourth a small one, every fourth a large dog."""
    images = [{"id": 100 + i, "file_name": f"{i:012d}.jpg", "width": 64, "height": 48} for i in range(count)]
    threshold = HALF_A_PERCENT * 64 * 48
    notes = []
    for i in range(count):
        if i % 4 == 0:
            notes.append({"image_id": 100 + i, "category_id": 1, "area": threshold + 0.1})
        elif i % 4 == 1:
            notes.append({"image_id": 100 + i, "category_id": 1, "area": threshold - 0.1})
        elif i % 4 == 2:
            notes.append({"image_id": 100 + i, "category_id": 18, "area": 1000.0})
    return {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "person"}]}


def make_coco(root: Path) -> Path:
    (root / "annotations").mkdir(parents=True)
    for part, count in (("train2017", 80), ("val2017", 12)):
        (root / "annotations" / f"instances_{part}.json").write_text(json.dumps(coco(count)))
        (root / part).mkdir()
        for number in range(count):
            (root / part / f"{number:012d}.jpg").write_bytes(jpeg(number % 4 == 0, number))
    return root


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MICRONETS_CACHE", str(tmp_path / "cache"))


def labelled_by_light(data: Any) -> None:
    """Person pictures were made bright: labels and pictures belong together in every part."""
    for split in (data.train, data.validation, data.test):
        pairs = list(split.dataset.as_numpy_iterator())
        assert len(pairs) == split.samples
        assert [bool(x.mean() > 0) for x, _ in pairs] == [bool(label) for _, label in pairs]


class TestCoco:
    def test_the_area_rule(self, tmp_path: Path) -> None:
        file = tmp_path / "instances_train2017.json"
        file.write_text(json.dumps(coco(8)))
        pictures = coco_pictures(file, "train2017", HALF_A_PERCENT)
        assert [picture.label for picture in pictures] == [1, 0, 0, 0, 1, 0, 0, 0]
        assert pictures[4].file == "train2017/000000000004.jpg"
        assert [p.label for p in coco_pictures(file, "train2017", 0.004)] == [1, 1, 0, 0, 1, 1, 0, 0]

    @pytest.mark.parametrize("content", ["{", "[]", '{"images": []}', '{"images": [{}], "annotations": []}'])
    def test_other_files_are_refused(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "annotations").mkdir()
        (tmp_path / "train2017").mkdir()
        (tmp_path / "annotations" / "instances_train2017.json").write_text(content)
        with pytest.raises(UsageError, match=r"instances_train2017\.json: not an annotation file of COCO"):
            find_pictures(tmp_path, HALF_A_PERCENT)

    def test_missing_pictures_are_named(self, tmp_path: Path) -> None:
        root = make_coco(tmp_path / "coco")
        shutil.rmtree(root / "val2017")
        with pytest.raises(UsageError, match="val2017/ is missing"):
            find_pictures(root, HALF_A_PERCENT)

    def test_loads(self, tmp_path: Path) -> None:
        root = make_coco(tmp_path / "coco")
        data = get_task("vww", size=16).load(root, 1)
        assert data.test.samples == 12
        assert data.train.samples + data.validation.samples == 80
        provenance = json.loads(json.dumps(data.provenance))
        assert provenance["per_class"]["test"] == {"no person": 9, "person": 3}
        labelled_by_light(data)


class TestFolders:
    @pytest.mark.parametrize("no", ["no_person", "non_person"])
    def test_without_parts(self, tmp_path: Path, no: str) -> None:
        root = make_folders(tmp_path / "data", no=no)
        _, layout, found = find_pictures(root, HALF_A_PERCENT)
        assert layout == "folders"
        sizes = {part: len(pictures) for part, pictures in found.items()}
        assert sum(sizes.values()) == 80
        assert (sizes["test"], sizes["validation"]) == (8, 8)
        files = [picture.file for pictures in found.values() for picture in pictures]
        assert len(set(files)) == 80
        again = find_pictures(root, HALF_A_PERCENT)[2]
        assert again == found

    def test_with_parts(self, tmp_path: Path) -> None:
        data = get_task("vww", size=16).load(make_folders(tmp_path / "d", ("train", "val")), 1)
        assert data.test.samples == 80  # what is published for validation is the test
        assert data.train.samples + data.validation.samples == 80
        labelled_by_light(data)

    def test_epochs_are_augmented_and_seeded(self, tmp_path: Path) -> None:
        root = make_folders(tmp_path / "d", ("train", "val", "test"), count=10)
        task = get_task("vww", size=16)
        assert task.input_shape == (16, 16, 1)
        data = task.load(root, 1)

        def epoch(index: int, seed: int = 1) -> list[bytes]:
            dataset = task.load(root, seed).epoch(index)
            return [x.tobytes() for x, _ in dataset.as_numpy_iterator()]

        first = epoch(0)
        assert len(first) == data.train.samples == 20
        assert first == epoch(0)
        assert not set(first) & set(epoch(1))
        assert not set(first) & set(epoch(0, seed=2))
        for x, label in data.epoch(3).as_numpy_iterator():
            assert x.shape == (16, 16, 1)
            assert -1 <= x.min() <= x.max() <= 1
            assert bool(x.mean() > 0) == bool(label)

    @pytest.mark.needs("tensorflow")
    def test_pictures_are_luma_by_areas(self, tmp_path: Path) -> None:
        import tensorflow as tf

        from micronets_gen.search.data.pictures import read_picture

        picture = np.zeros((40, 60, 3), np.uint8)
        picture[:20, :, 0] = 200  # red above, blue below
        picture[20:, :, 2] = 100
        grey = read_picture(bytes(tf.io.encode_png(picture).numpy()), (4, 4), 1)
        assert grey.shape == (4, 4, 1)
        assert grey[:2].flatten().tolist() == [60] * 8  # 0.299 * 200
        assert grey[2:].flatten().tolist() == [11] * 8  # 0.114 * 100

    def test_few_broken_pictures_are_left_out(self, tmp_path: Path) -> None:
        root = make_folders(tmp_path / "d", ("train", "val"), count=30)
        (root / "val" / "person" / "000000.jpg").write_bytes(b"no picture")
        broken = root / "val" / "person" / "000001.jpg"
        broken.write_bytes(broken.read_bytes()[:200])
        with pytest.warns(DataWarning, match=r"left out 2 of 120 files: val/person/000000\.jpg: "):
            data = get_task("vww", size=16).load(root, 1)
        assert data.test.samples == 58
        labelled_by_light(data)

    def test_many_broken_pictures_are_an_error(self, tmp_path: Path) -> None:
        root = make_folders(tmp_path / "d", ("train", "val"), count=10)
        for file in (root / "val" / "person").iterdir():
            file.write_bytes(b"")
        with pytest.raises(UsageError, match="10 of 40 files cannot be used"):
            get_task("vww", size=16).load(root, 1)

    def test_both_classes_are_needed(self, tmp_path: Path) -> None:
        root = make_folders(tmp_path / "d", ("train", "val"), count=30)
        shutil.rmtree(root / "val" / "person")
        with pytest.raises(UsageError, match="no picture with person for test"):
            get_task("vww").load(root, 1)


class TestRecords:
    def test_loads(self, tmp_path: Path) -> None:
        data = get_task("vww", size=16).load(make_records(tmp_path / "d", 60), 1)
        assert data.test.samples == 60
        assert data.train.samples + data.validation.samples == 60
        labelled_by_light(data)

    @pytest.mark.needs("tensorflow")
    def test_cut_off_and_foreign_records(self, tmp_path: Path) -> None:
        import tensorflow as tf

        root = make_records(tmp_path / "d")
        file = root / "train.record-00000-of-00002"
        file.write_bytes(file.read_bytes()[:-10])
        with pytest.raises(UsageError, match="00000-of-00002: cut off"):
            find_pictures(root, HALF_A_PERCENT)
        for content, message in (
            (b"\xff\xff\xff", "no tf.train.Example"),
            (tf.train.Example().SerializeToString(), "no image/class/label"),
        ):
            with tf.io.TFRecordWriter(str(file)) as writer:
                writer.write(content)
            with pytest.raises(UsageError, match=f"record at byte 12: {message}"):
                find_pictures(root, HALF_A_PERCENT)


class TestInputSize:
    @pytest.mark.parametrize(
        ("board", "size"),
        [("nucleo_f446re", 50), ("nucleo_f746zg", 160), ("nucleo_f767zi", 160), (None, 50)],
    )
    def test_follows_the_board(self, board: str | None, size: int) -> None:
        target = load_board(board) if board else None
        task, recipe = task_and_recipe("vww", None, (), target, None)
        assert task.input_shape == (size, size, 1)
        assert task.input_shape[0] == recipe.task.get("size", 50)
        task, _ = task_and_recipe("vww", None, ["task.size=96"], target, None)
        assert task.input_shape == (96, 96, 1)

    def test_an_architecture_brings_its_own(self) -> None:
        given = Architecture("given", (64, 64, 1), 2, ())
        task, _ = task_and_recipe("vww", None, (), load_board("nucleo_f746zg"), given)
        assert task.input_shape == (64, 64, 1)

    def test_other_tasks_have_nothing_that_follows(self) -> None:
        _, recipe = task_and_recipe("kws", None, (), load_board("nucleo_f746zg"), None)
        assert recipe.task == {}

    @pytest.mark.needs("tensorflow")
    def test_from_search_to_training(self, tmp_path: Path) -> None:
        data = make_folders(tmp_path / "data", ("train", "val", "test"), count=8)
        backbone = tmp_path / "tiny.toml"
        backbone.write_text(
            'multiple = 4\n[[blocks]]\ntype = "conv"\nchannels = 8\nstride = 4\n[[blocks]]\ntype = "pool"\n'
        )
        common = [
            "--task",
            "vww",
            "--data",
            str(data),
            "--set",
            "train.epochs=2",
            "--set",
            "train.float_epochs=1",
        ]
        common += ["--set", "train.batch=8", "--set", "train.distillation=0", "--json"]
        target = ["--board", "nucleo_f746zg", "--runtime", "aot", "--backbone", str(backbone)]
        searching = ["--set", "search.epochs=2", "--set", "search.warm_up=1", "--set", "search.batch=8"]
        found, trained = tmp_path / "found", tmp_path / "trained"
        result = run_cli("search", *common, *target, *searching, "--out", str(found))
        assert result.returncode == 0, result.stderr
        model = str(found / "architecture.json")
        result = run_cli("train", *common, "--model", model, "--out", str(trained))
        assert result.returncode == 0, result.stderr
        for run in (found, trained):
            assert json.loads((run / "run.json").read_text())["recipe"]["task"]["size"] == 160
            with np.load(run / "vectors.npz") as vectors:
                assert vectors["input_0"].shape == (16, 160, 160, 1)


def test_says_what_to_get(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "nowhere", tmp_path):
        with pytest.raises(UsageError) as error:
            find_pictures(folder, HALF_A_PERCENT)
        for word in ("person/", "train.record-*", "instances_train2017.json", "cocodataset.org"):
            assert word in error.value.remedy
