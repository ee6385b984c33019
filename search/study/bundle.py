"""Makes a bundled model of a finished run: ``python -m micronets_gen.search.study.bundle runs/kws-s --name kws-s ...``.

Writes ``<name>.tflite``, ``<name>.npz`` (the first held-out samples: ``input_0``, ``output_0``, ``labels``) and
``<name>.json`` (where all of it comes from and how accurate it is on the whole test split).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from micronets_gen.common.files import write_if_changed
from micronets_gen.search.run_dir import RunDir


def bundle(
    run: Path, out: Path, *, name: str, title: str, task: str, note: str, samples: int
) -> dict[str, Any]:
    """Write a bundled model's three files and return its record.

    Args:
        run: What ``micronets-gen train`` or ``search`` left.
        out: The folder of bundled models.
        note: What the accuracy does not say, in a sentence; empty if there is nothing.
        samples: How many held-out samples travel along.

    Raises:
        FileNotFoundError: the run is not finished.
    """
    files = RunDir(run)
    model = files.tflite.read_bytes()
    metrics = json.loads(files.metrics.read_text(encoding="utf-8"))
    record = json.loads(files.run.read_text(encoding="utf-8"))
    vectors = {key: values[:samples] for key, values in np.load(files.vectors).items()}
    right = int(np.count_nonzero(vectors["output_0"].argmax(axis=1) == vectors["labels"]))
    total = metrics["samples"]["test"]
    about = {
        "name": name,
        "title": title,
        "task": task,
        "note": note,
        "metric": "top-1 accuracy of the int8 model on the test split, LiteRT reference kernels",
        "test": {
            "correct": round(metrics["test"] * total),
            "samples": total,
            "accuracy": round(metrics["test"], 4),
        },
        "validation": {
            "samples": metrics["samples"]["validation"],
            "accuracy": round(metrics["validation"], 4),
        },
        "test_float": {"samples": total, "accuracy": round(metrics["test_float"], 4)},
        "classes": metrics["classes"],
        "architecture": metrics["architecture"],
        "cost": metrics["cost"],
        "data": metrics["data"],
        "training": {
            "command": record["command"],
            "task": record["task"],
            "architecture": record["architecture"],
            "seed": record["seed"],
            "recipe": record["recipe"]["train"],
            "versions": record["versions"],
        },
        "licence": "Apache-2.0",
        "vectors": samples,
        "vectors_correct": right,
        "sha256": hashlib.sha256(model).hexdigest(),
    }
    write_if_changed(out / f"{name}.tflite", model)
    np.savez_compressed(out / f"{name}.npz", **vectors)
    write_if_changed(out / f"{name}.json", (json.dumps(about, indent=2) + "\n").encode())
    return about


def main(words: Sequence[str] | None = None) -> None:
    """Parse the command line and write the files."""
    parser = argparse.ArgumentParser(prog="python -m micronets_gen.search.study.bundle", description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--title", required=True)
    parser.add_argument("--task", required=True, help="what it is for, in a few words")
    parser.add_argument("--note", default="", help="what the accuracy does not say, in a sentence")
    parser.add_argument("--samples", type=int, default=120)
    parser.add_argument("--out", type=Path, default=Path("codegen/bundled/models"))
    given = parser.parse_args(words)
    about = bundle(
        given.run,
        given.out,
        name=given.name,
        title=given.title,
        task=given.task,
        note=given.note,
        samples=given.samples,
    )
    print(f"{about['name']}: {about['test']['accuracy']:.2%} of {about['test']['samples']:,} test samples")


if __name__ == "__main__":
    main()
