"""The bundled models are what their records say, and ``--model`` finds them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from micronets_gen.bundled.catalogue import DEFAULT_MODEL, BundledModel, bundled_models, resolve_model
from micronets_gen.common.resources import package_dir
from micronets_gen.errors import UsageError

FOLDER = package_dir("bundled") / "models"
MODELS = pytest.mark.parametrize("model", bundled_models(), ids=lambda model: model.name)


def test_the_default_is_listed_first() -> None:
    assert bundled_models()[0].name == DEFAULT_MODEL


def test_every_file_belongs_to_a_model() -> None:
    expected = {f"{m.name}.{suffix}" for m in bundled_models() for suffix in ("tflite", "npz", "json")}
    assert {path.name for path in FOLDER.iterdir()} == expected


@MODELS
def test_the_file_is_the_recorded_one(model: BundledModel) -> None:
    assert hashlib.sha256(model.path.read_bytes()).hexdigest() == model.provenance["sha256"]


@MODELS
def test_the_files_are_small(model: BundledModel) -> None:
    assert model.path.stat().st_size + model.vectors.stat().st_size < 150_000


@MODELS
def test_vectors_give_the_recorded_accuracy(model: BundledModel) -> None:
    vectors = np.load(model.vectors)
    correct = int(np.count_nonzero(vectors["output_0"].argmax(axis=1) == vectors["labels"]))
    record = model.provenance
    assert len(vectors["labels"]) == record["vectors"] <= model.samples
    assert correct == record["vectors_correct"]
    assert round(record["test"]["correct"] / model.samples, 4) == model.accuracy
    if record["vectors"] == model.samples:
        assert correct == record["test"]["correct"]


@MODELS
def test_tflm_gives_the_expected_outputs(model: BundledModel) -> None:
    runtime = pytest.importorskip("tflite_micro", reason="needs the dev extra").runtime
    interpreter = runtime.Interpreter.from_file(str(model.path))
    vectors = np.load(model.vectors)
    for sample, expected in zip(vectors["input_0"], vectors["output_0"], strict=True):
        interpreter.set_input(sample[np.newaxis], 0)
        interpreter.invoke()
        np.testing.assert_array_equal(interpreter.get_output(0)[0], expected)


def test_digits_vectors_are_the_held_out_split() -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn, of the search extra")
    from micronets_gen.search.data.digits import load_split

    split = load_split()
    vectors = np.load(resolve_model("digits").path.with_suffix(".npz"))
    np.testing.assert_array_equal(vectors["labels"], split.test.labels)
    correlation = np.corrcoef(vectors["input_0"].ravel(), split.test.images.ravel())[0, 1]
    assert correlation > 0.9999
    seen = {image.tobytes() for image in split.train.images}
    assert not any(image.tobytes() in seen for image in split.test.images)


@pytest.mark.parametrize(("name", "accuracy", "classes"), [("digits", 0.98, 10), ("kws-s", 0.9, 12)])
def test_accuracy_and_the_first_sample_of_each_class(name: str, accuracy: float, classes: int) -> None:
    model = resolve_model(name).bundled
    assert model is not None
    assert model.accuracy >= accuracy
    assert sorted(np.load(model.vectors)["labels"][:classes]) == list(range(classes))


def test_the_keyword_spotter_says_what_it_was_made_of() -> None:
    model = resolve_model("kws-s").bundled
    assert model is not None
    assert "synthesised with espeak-ng" in model.about
    assert "not tried on recorded speech" in model.about
    assert model.provenance["training"]["command"].startswith("micronets-gen train --task kws-tts ")
    voices = [
        set(model.provenance["data"]["source"]["voices"][split]) for split in ("train", "validation", "test")
    ]
    assert sum(map(len, voices)) == len(set.union(*voices))


def test_resolve_takes_the_default_a_name_or_a_file(tmp_path: Path) -> None:
    assert resolve_model().path == FOLDER / "kws-s.tflite"
    assert resolve_model("digits").vectors == FOLDER / "digits.npz"
    file = tmp_path / "mine.tflite"
    file.write_bytes(b"x")
    source = resolve_model(str(file))
    assert (source.path, source.bundled, source.vectors) == (file, None, None)


def test_resolve_suggests_a_near_name() -> None:
    with pytest.raises(UsageError) as error:
        resolve_model("digit")
    assert str(error.value) == (
        "digit: neither a model file nor a bundled model\n  what to do: did you mean digits?"
    )


def test_resolve_suggests_a_near_file(tmp_path: Path) -> None:
    (tmp_path / "keyword.tflite").write_bytes(b"x")
    with pytest.raises(UsageError) as error:
        resolve_model(str(tmp_path / "keywords.tflite"))
    assert str(error.value) == (
        f"{tmp_path}/keywords.tflite: no such model file\n"
        f"  what to do: did you mean {tmp_path}/keyword.tflite?"
    )


def test_resolve_names_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder") as error:
        resolve_model(str(tmp_path))
    assert "one of the bundled models (kws-s, digits)" in error.value.remedy
