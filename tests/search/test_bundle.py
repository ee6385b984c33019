"""A run becomes a bundled model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from micronets_gen.bundled.catalogue import bundled_models
from micronets_gen.search.study.bundle import bundle


def _run(folder: Path) -> Path:
    """Write what a finished run holds, with a real model: the bundled digits classifier's."""
    digits = next(model for model in bundled_models() if model.name == "digits")
    (folder / "model_int8.tflite").write_bytes(digits.path.read_bytes())
    np.savez(folder / "vectors.npz", **np.load(digits.vectors))
    metrics = {
        "samples": {"validation": 360, "test": 360},
        "test": 358 / 360,
        "test_float": 359 / 360,
        "validation": 356 / 360,
        "classes": [str(digit) for digit in range(10)],
        "architecture": "Conv 3x3 c16 s1",
        "cost": {"ops": 182_272},
        "data": {"source": "scikit-learn"},
    }
    record = {
        "command": "micronets-gen train --task digits",
        "task": "digits",
        "architecture": None,
        "seed": 7,
        "recipe": {"train": {}},
        "versions": {},
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def test_the_record_tells_the_whole_test_and_the_samples_that_travel(tmp_path: Path) -> None:
    out = tmp_path / "models"
    out.mkdir()
    about = bundle(_run(tmp_path), out, name="mine", title="Mine", task="digits", note="", samples=50)
    assert json.loads((out / "mine.json").read_text()) == about
    assert about["test"] == {"correct": 358, "samples": 360, "accuracy": 0.9944}
    vectors = np.load(out / "mine.npz")
    assert {key: len(values) for key, values in vectors.items()} == dict.fromkeys(vectors.files, 50)
    right = np.count_nonzero(vectors["output_0"].argmax(axis=1) == vectors["labels"])
    assert (about["vectors"], about["vectors_correct"]) == (50, right)
    assert (out / "mine.tflite").read_bytes() == (tmp_path / "model_int8.tflite").read_bytes()
