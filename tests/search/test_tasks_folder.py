"""``--task folder:DIR``: pictures, sounds and arrays become a task without code, and what cannot is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from micronets_gen.errors import UsageError
from micronets_gen.search.data.progress import DataWarning
from micronets_gen.search.data.tasks import get_task, options_for
from micronets_gen.search.data.wav import write_wav
from tests.search.test_search import run_cli

pytest.importorskip("tensorflow")
pytest.importorskip("PIL")

COUNT = 12


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MICRONETS_CACHE", str(tmp_path / "cache"))


def folder_of(root: Path) -> str:
    return f"folder:{root}"


def make_pictures(root: Path, classes: tuple[str, ...] = ("dark", "light"), suffix: str = "png") -> Path:
    from PIL import Image

    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(COUNT):
            rng = np.random.default_rng([label, number])
            values = rng.integers(0, 100, (20, 30, 3)) + 150 * label
            Image.fromarray(values.astype(np.uint8)).save(root / name / f"{number}.{suffix}")
    return root


def make_sounds(root: Path, rate: int = 16000) -> Path:
    for label, name in enumerate(("high", "low")):
        (root / name).mkdir(parents=True)
        for number in range(COUNT):
            time = np.arange(8000 + 100 * number) / rate
            tone = 8000 * np.sin(2 * np.pi * (2000, 300)[label] * time)
            write_wav(root / name / f"{number}.wav", tone.astype(np.int16), rate)
    return root


def make_arrays(root: Path) -> Path:
    for label, name in enumerate(("left", "right")):
        (root / name).mkdir(parents=True)
        for number in range(3):
            rng = np.random.default_rng([label, number])
            np.savez(root / name / f"{number}.npz", x=rng.normal(5.0 + label, 0.2, (6, 32, 3)))
    return root


def make_labelled(root: Path) -> Path:
    root.mkdir(parents=True)
    for name, count in (("train", 40), ("test", 20)):
        labels = np.arange(count) % 3
        values = np.random.default_rng(count).normal(0, 0.1, (count, 16)) + labels[:, np.newaxis]
        np.savez(root / f"{name}.npz", x=values.astype(np.float32), y=labels, classes=["a", "b", "c"])
    return root


@pytest.mark.parametrize(
    ("make", "shape", "classes", "backbone", "samples"),
    [
        (make_pictures, (20, 30, 3), ("dark", "light"), "digits", 24),
        (make_sounds, (49, 10, 1), ("high", "low"), "kws-small", 24),
        (make_arrays, (32, 3, 1), ("left", "right"), "digits", 36),
        (make_labelled, (16, 1, 1), ("a", "b", "c"), "digits", 60),
    ],
)
def test_each_kind_becomes_a_task(
    make: Callable[[Path], Path],
    shape: tuple[int, int, int],
    classes: tuple[str, ...],
    backbone: str,
    samples: int,
    tmp_path: Path,
) -> None:
    task = get_task(folder_of(make(tmp_path / "my samples")))
    assert (task.name, task.input_shape, task.classes) == ("my-samples", shape, classes)
    assert (task.backbone, task.recipe) == (backbone, "folder")
    data = task.load(None, 1)
    splits = [data.train, data.validation, data.test]
    assert sum(split.samples for split in splits) == samples
    pairs = [list(split.dataset.as_numpy_iterator()) for split in splits]
    assert [len(part) for part in pairs] == [split.samples for split in splits]
    for part in pairs:
        assert {int(label) for _, label in part} == set(range(len(classes)))
        assert all(x.shape == shape and x.dtype == np.float32 for x, _ in part)
    assert [int(label) for _, label in pairs[2][: len(classes)]] == list(range(len(classes)))
    first, again, other = ([x.tobytes() for x, _ in data.epoch(i).as_numpy_iterator()] for i in (0, 0, 1))
    assert first == again != other
    assert len(first) == data.train.samples
    json.dumps(dict(data.provenance))


def test_classes_can_be_told_apart_by_what_is_loaded(tmp_path: Path) -> None:
    data = get_task(folder_of(make_pictures(tmp_path / "d"))).load(None, 1)
    for x, label in data.train.dataset.as_numpy_iterator():
        assert -1 <= x.min() <= x.max() <= 1
        assert bool(x.mean() > 0) == bool(label)
    data = get_task(folder_of(make_arrays(tmp_path / "a"))).load(None, 1)
    values = np.stack([x for x, _ in data.train.dataset.as_numpy_iterator()])
    assert abs(values.mean()) < 1e-3
    assert values.std() == pytest.approx(1, abs=1e-3)


def test_folders_of_train_and_test_are_the_parts(tmp_path: Path) -> None:
    make_pictures(tmp_path / "d" / "train")
    make_pictures(tmp_path / "d" / "test")
    data = get_task(folder_of(tmp_path / "d")).load(None, 1)
    assert (data.train.samples, data.validation.samples, data.test.samples) == (20, 4, 24)
    make_pictures(tmp_path / "vehicles", ("bus", "train"))
    assert get_task(folder_of(tmp_path / "vehicles")).classes == ("bus", "train")


def test_pictures_take_the_size_that_is_asked_for(tmp_path: Path) -> None:
    root = make_pictures(tmp_path / "d", suffix="jpg")
    assert get_task(folder_of(root), height=32, width=32, channels=1).input_shape == (32, 32, 1)
    assert get_task(folder_of(root), height=32, width=32, channels=1).backbone == "pictures"
    assert options_for(folder_of(root), None, (24, 24, 1)) == {"height": 24, "width": 24, "channels": 1}
    assert options_for(folder_of(root), None, None) == {}
    with pytest.raises(UsageError, match="channels 2"):
        get_task(folder_of(root), channels=2)
    with pytest.raises(UsageError, match="clip_s"):
        get_task(folder_of(root), clip_s=2.0)


def test_pictures_of_every_depth_are_read(tmp_path: Path) -> None:
    from PIL import Image

    from micronets_gen.search.data.pictures import PictureError, read_picture, shape_of

    ramp = np.linspace(0, 255, 64).reshape(8, 8)
    for name, values in (
        ("grey.png", ramp.astype(np.uint8)),
        ("deep.png", (ramp * 257).astype(np.uint16)),
        ("colour.png", np.repeat(ramp.astype(np.uint8)[..., np.newaxis], 3, axis=-1)),
    ):
        path = tmp_path / name
        Image.fromarray(values).save(path)
        read = read_picture(path.read_bytes(), (8, 8), 1)
        np.testing.assert_allclose(read[..., 0], ramp, atol=1.5)
        assert read_picture(path.read_bytes(), (8, 8), 3).shape == (8, 8, 3)
        assert shape_of(path) == (8, 8, 3 if name == "colour.png" else 1)
    turned = Image.fromarray(ramp.astype(np.uint8)[:4])
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert shape_of(tmp_path / "turned.jpg") == (8, 4, 1)
    with pytest.raises(PictureError, match="no readable picture"):
        read_picture(b"no", (8, 8), 1)


def absurd(path: Path, shape: str = "(1000000000000, 8)") -> None:
    """Write an array whose header promises more than there is, or is no header."""
    import zipfile

    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "x.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64)
        )


def broken(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 no")


WRONG: list[tuple[str, Callable[[Path], Any], str]] = [
    ("missing", lambda root: None, "no such folder"),
    ("empty", lambda root: root.mkdir(), "no samples in it"),
    ("an empty class", lambda root: (make_pictures(root) / "none").mkdir(), "none: no samples in it"),
    (
        "mixed kinds",
        lambda root: make_sounds(make_pictures(root) / "both"),
        "sounds and pictures in one folder",
    ),
    ("one class", lambda root: make_pictures(root, ("dark",)), "one class only: dark"),
    ("the folder above", lambda root: make_pictures(root / "data").parent, "one class only: data"),
    (
        "loose files",
        lambda root: shutil.copy(make_pictures(root) / "dark" / "0.png", root),
        "0.png lies in no class",
    ),
    (
        "too few",
        lambda root: [f.unlink() for f in (make_pictures(root) / "dark").glob("[0-8].png")],
        "3 samples of class dark",
    ),
    ("test alone", lambda root: make_pictures(root / "test"), "test without train"),
    (
        "parts and classes",
        lambda root: [make_pictures(root / "train"), make_pictures(root)],
        "dark, light beside train",
    ),
    (
        "a class of the test alone",
        lambda root: [make_pictures(root / "train"), make_pictures(root / "test", ("dark", "dim"))],
        "class dim of test is none of train's",
    ),
    (
        "a class missing in the test",
        lambda root: [make_pictures(root / "train"), make_pictures(root / "test", ("dark",))],
        "no samples of class light for test",
    ),
    (
        "an unreadable picture",
        lambda root: broken(make_pictures(root) / "dark" / "0.png"),
        r"0\.png: no readable picture",
    ),
    ("another rate", lambda root: make_sounds(root, 8000), "8000 Hz instead of 16000 Hz"),
    (
        "a broken npz",
        lambda root: broken(make_arrays(root) / "left" / "0.npz"),
        r"0\.npz: cannot be read as \.npz",
    ),
    ("an absurd npz", lambda root: absurd(make_arrays(root) / "left" / "0.npz"), "holds 64 bytes"),
    (
        "an open header",
        lambda root: absurd(make_arrays(root) / "left" / "0.npz", "(" * 3000),
        r"0\.npz: cannot be read as \.npz",
    ),
    (
        "other shapes",
        lambda root: np.savez(make_arrays(root) / "right" / "0.npz", x=np.zeros((9, 8, 3))),
        "its samples are 8x3x1, those of 0.npz 32x3x1",
    ),
    (
        "texts",
        lambda root: np.savez(make_arrays(root) / "left" / "0.npz", x=np.asarray([["a", "b"]])),
        "'x' has shape",
    ),
    (
        "objects",
        lambda root: np.savez(make_arrays(root) / "left" / "0.npz", x=np.asarray([{}, {}])),
        "'x' has shape",
    ),
    (
        "which array",
        lambda root: np.savez(make_arrays(root) / "left" / "0.npz", a=np.zeros(3), b=np.zeros(3)),
        "which array holds the samples",
    ),
    ("no labels", lambda root: np.savez(make_labelled(root) / "train.npz", x=np.zeros((40, 16))), "lacks y"),
    (
        "other labels",
        lambda root: np.savez(make_labelled(root) / "train.npz", x=np.zeros((40, 16)), y=np.zeros(39, int)),
        "'y' has shape",
    ),
]


@pytest.mark.parametrize(("make", "says"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_with_a_folder_is_said(make: Callable[[Path], Any], says: str, tmp_path: Path) -> None:
    make(tmp_path / "d")
    with pytest.raises(UsageError, match=says) as caught:
        get_task(folder_of(tmp_path / "d"))
    assert caught.value.remedy
    assert str(tmp_path / "d") in caught.value.where


def test_a_folder_must_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_pictures(tmp_path / "d"))
    with pytest.raises(UsageError) as caught:
        get_task("folder:")
    assert str(caught.value) == (
        "--task: 'folder:' names no folder\n  what to do: write folder:DIR, such as folder:photos"
    )


def test_files_that_turn_out_unreadable_are_left_out_or_refused(tmp_path: Path) -> None:
    root = make_pictures(tmp_path / "d")
    (root / "light" / "7.png").write_bytes((root / "light" / "7.png").read_bytes()[:60])
    with pytest.warns(DataWarning, match=r"left out 1 of 24 files: light/7\.png"):
        data = get_task(folder_of(root)).load(None, 1)
    assert list(data.provenance["left_out"]) == ["light/7.png"]
    for number in range(6, 9):
        (root / "light" / f"{number}.png").write_bytes(b"no")
    with pytest.raises(UsageError, match="3 of 24 files cannot be used"):
        get_task(folder_of(root)).load(None, 1)


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    root = make_arrays(tmp_path / "d")
    np.savez(root / "left" / "0.npz", x=np.full((6, 32, 3), np.nan))
    with pytest.raises(UsageError, match="files cannot be used") as caught:
        get_task(folder_of(root)).load(None, 1)
    assert "left/0.npz, sample 0: a value is not finite" in caught.value.why
    same = tmp_path / "same"
    for name in ("a", "b"):
        (same / name).mkdir(parents=True)
        np.savez(same / name / "all.npz", np.ones((12, 4)))
    with pytest.raises(UsageError, match="every value is 1"):
        get_task(folder_of(same)).load(None, 1)


def test_data_beside_the_folder_are_not_ignored(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave --data out"):
        get_task(folder_of(make_pictures(tmp_path / "d"))).load(tmp_path, 1)


@pytest.mark.needs("compiler")
def test_from_a_folder_to_firmware(tmp_path: Path) -> None:
    root = make_pictures(tmp_path / "light or dark")
    settings = ["search.epochs=2", "search.warm_up=1", "train.epochs=4", "train.float_epochs=2"]
    result = run_cli(
        *(
            "search",
            "--task",
            folder_of(root),
            "--board",
            "nucleo_f446re",
            "--runtime",
            "aot",
            "--run",
            "--json",
        ),
        *(part for setting in settings for part in ("--set", setting)),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["task"], found["out"]) == ("light-or-dark", "runs/light or dark")
    assert found["classes"] == ["dark", "light"]
    assert found["firmware"]["passed"]
    assert found["firmware"]["labelled"] == 4
