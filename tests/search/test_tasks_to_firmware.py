"""Each task that needs data, from a small data set in its published layout to firmware and a report, in one command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.search.test_report import page
from tests.search.test_search import run_cli
from tests.search.test_tasks_ad import make_dcase
from tests.search.test_tasks_kws import make_speech_commands
from tests.search.test_tasks_vww import make_coco

pytestmark = pytest.mark.needs("tensorflow")

BACKBONE = """
multiple = 4
[[blocks]]
type = "conv"
channels = 8
stride = 2
[[blocks]]
type = "separable"
channels = 8
skip = true
[[blocks]]
type = "pool"
"""

SMALL = {
    "search.epochs": 2,
    "search.warm_up": 1,
    "search.batch": 16,
    "train.epochs": 3,
    "train.float_epochs": 1,
    "train.batch": 16,
}


@pytest.mark.needs("compiler")
@pytest.mark.parametrize(
    ("task", "make", "options", "metric", "picture"),
    [
        ("kws", make_speech_commands, {"copies": 1}, "accuracy", "Confusion matrix"),
        ("vww", make_coco, {"size": 24}, "accuracy", "Confusion matrix"),
        ("ad", make_dcase, {"clip_s": 3.0}, "AUC", "true positive rate over false positive rate"),
    ],
)
def test_from_data_to_firmware_and_report(
    task: str,
    make: Callable[[Path], Path],
    options: dict[str, int],
    metric: str,
    picture: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MICRONETS_CACHE", str(tmp_path / "cache"))
    backbone, out = tmp_path / "small.toml", tmp_path / "run"
    backbone.write_text(BACKBONE, encoding="utf-8")
    settings = SMALL | {f"task.{name}": value for name, value in options.items()}
    result = run_cli(
        *("search", "--task", task, "--data", str(make(tmp_path / "data")), "--out", str(out)),
        *("--board", "nucleo_f446re", "--runtime", "aot", "--mops", "0.5", "--backbone", str(backbone)),
        *(part for name, value in settings.items() for part in ("--set", f"{name}={value}")),
        *("--run", "--json"),
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["metric"], found["validation_metric"]) == (metric, "accuracy")
    assert found["cost"]["ops"] <= 500_000
    assert found["firmware"]["passed"]
    assert found["firmware"]["labelled"] > 0
    shown = page((out / "report.html").read_text(encoding="utf-8"))
    assert picture in shown.labels
    assert f"search --task {task} --data" in shown.text
