"""Reports: well-formed, with what the run found."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from search.progress import Logged, line, scalars
from search.report import pareto, render, render_sweep

METRICS = {
    "task": "digits",
    "finished": True,
    "metric": "accuracy",
    "validation": 0.97,
    "test": 0.96,
    "test_float": 0.965,
    "samples": {"validation": 10, "test": 12},
    "classes": ["<a>", "b"],
    "architecture": "Conv 3x3 c8 s1; FC 2",
    "cost": {"parameters": 10, "model_bytes": 2000, "working_memory": 300, "ops": 40_000},
    "confusion": [[5, 1], [0, 6]],
    "target": {
        "board": "nucleo_f446re",
        "runtime": "aot",
        "limits": {"ops": 50_000.0, "model_bytes": 4000.0, "working_memory": 1000.0},
        "latency_s": 0.0625,
    },
}
RECORD = {
    "epoch": 0,
    "loss": 1.5,
    "penalty": 0.25,
    "accuracy": 0.5,
    "temperature": 5.0,
    "expected": {"ops": 60_000.0, "model_bytes": 3000.0, "working_memory": 200.0, "parameters": 10.0},
    "limits": {"ops": 50_000.0, "model_bytes": 4000.0, "working_memory": 1000.0},
    "widths": {"0": [0.25, 0.75]},
    "kept": {"1": 0.9},
    "eligible": True,
    "seconds": 1.0,
}
TRAIN = {"epoch": 0, "loss": 0.5, "accuracy": 0.9, "validation": 0.8, "metric": "accuracy", "seconds": 1.0}
RUN = {"command": "micronets-gen search --task 'digits' <now>"}


def pictures(html: str) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]


def test_a_report_shows_search_training_and_confusion() -> None:
    html = render(RUN, METRICS, {"search": [RECORD, {**RECORD, "epoch": 1}], "train": [TRAIN, TRAIN]})
    labels = [picture.get("aria-label") for picture in pictures(html)]
    assert labels == [
        "model, bytes, working memory, bytes, operations",
        "loss, penalty, temperature",
        "width 0",
        "block 1: left out, kept",
        "training accuracy, validation accuracy",
        "confusion matrix",
    ]
    assert "80% of the limit of 50,000" in html
    assert "62.5 ms" in html
    assert "&lt;now&gt;" in html
    assert "&lt;a&gt;" in html


def test_a_curve_takes_the_place_of_a_confusion_matrix() -> None:
    metrics = {key: value for key, value in METRICS.items() if key != "confusion"}
    html = render(
        RUN, {**metrics, "finished": False, "curve": [[0, 0], [0.1, 0.8], [1, 1]]}, {"train": [TRAIN]}
    )
    assert "Interrupted" in html
    assert [picture.get("aria-label") for picture in pictures(html)][-1] == (
        "true positive rate over false positive rate"
    )


def test_a_sweep_joins_what_no_other_one_beats() -> None:
    points = [
        {**METRICS, "limit_mops": m, "path": f"{m:g}", "test": t, "cost": {**METRICS["cost"], "ops": int(o)}}
        for m, t, o in ((0.1, 0.9, 9e4), (0.2, 0.89, 2e5), (0.3, 0.95, 3e5))
    ]
    html = render_sweep("digits", points)
    (picture,) = pictures(html)
    assert len([e for e in picture if e.tag == "circle"]) == 3 + 2
    assert html.count("report.html") == 3


def test_pareto() -> None:
    assert pareto([(3, 0.9), (1, 0.5), (2, 0.5), (2, 0.7), (4, 0.9)]) == [(1, 0.5), (2, 0.7), (3, 0.9)]


def test_a_line_and_scalars_of_an_epoch() -> None:
    assert "ops 60,000 of 50,000" in line("search", RECORD)
    assert "validation accuracy 0.8000" in line("train", TRAIN)
    assert scalars(RECORD)["expected/ops"] == pytest.approx(60_000)
    assert "widths/0" not in scalars(RECORD)
    assert "epoch" not in scalars(RECORD)


def test_tensorboard_finds_every_scalar(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    from search.training import Silent

    logged = Logged(Silent(), tmp_path)
    for epoch in range(2):
        logged.epoch("search", {**RECORD, "epoch": epoch})
    (file,) = (tmp_path / "search").iterdir()
    found: dict[str, list[int]] = {}
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            found.setdefault(value.tag, []).append(event.step)
    assert found == {name: [0, 1] for name in scalars(RECORD)}
