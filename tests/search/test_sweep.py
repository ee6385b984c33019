"""Several searches under limits that differ, compared; and folders that cannot be gone on with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from micronets_gen.bundled.catalogue import resolve_model
from micronets_gen.errors import UsageError
from micronets_gen.search.learn.progress import Silent
from micronets_gen.search.run.pipeline import execute
from micronets_gen.search.run.request import SearchRequest, TargetRequest
from micronets_gen.search.run.sweep import sweep
from tests.search.test_report import Page
from tests.search.test_tasks_to_firmware import BACKBONE

pytestmark = pytest.mark.needs("tensorflow")

SETTINGS = (
    "search.epochs=2",
    "search.warm_up=1",
    "train.epochs=2",
    "train.float_epochs=1",
    "train.inherit=false",
)


class Watcher(Silent):
    """Notes the epochs that were run."""

    def __init__(self) -> None:
        self.epochs: list[str] = []

    def epoch(self, phase: str, record: dict[str, Any]) -> None:
        self.epochs.append(phase)


def request_of(folder: Path, out: str, **changes: Any) -> SearchRequest:
    backbone = folder / "small.toml"
    backbone.write_text(BACKBONE, encoding="utf-8")
    target = TargetRequest("nucleo_f446re", "aot", mops=changes.pop("mops", None))
    values = {"task": "digits", "out": folder / out, "target": target, "backbone": str(backbone)}
    return SearchRequest(**{**values, "settings": SETTINGS, **changes})


def test_a_sweep_compares_its_runs_and_goes_on_where_it_was(tmp_path: Path) -> None:
    request, first, second = request_of(tmp_path, "sweep"), Watcher(), Watcher()
    points = sweep(request, [0.03, 0.01], progress=first)
    assert first.epochs == 2 * ["search", "search", "train", "train"]
    assert [point["limit_mops"] for point in points] == [0.01, 0.03]
    assert all(point["cost"]["ops"] <= 1e6 * point["limit_mops"] for point in points)
    assert json.loads((request.out / "sweep.json").read_text(encoding="utf-8")) == points
    other = (request.out / "0.01").rename(tmp_path / "by-hand")
    shutil.copytree(other, request.out / "0.01")
    assert sweep(request, [0.03, 0.01], [other], second) == points
    assert second.epochs == []
    shown = Page((request.out / "report.html").read_text(encoding="utf-8"))
    assert shown.addresses == ["0.01/report.html", "0.03/report.html", "../by-hand/report.html"]
    assert all((request.out / address).is_file() for address in shown.addresses)


@pytest.mark.parametrize("limits", [[0.01, float("nan")], [0.01, -1.0], [0.01, 0.01]])
def test_a_sweep_without_sense_begins_nothing(tmp_path: Path, limits: list[float]) -> None:
    request = request_of(tmp_path, "sweep")
    with pytest.raises(UsageError):
        sweep(request, limits)
    assert not request.out.exists()


def test_only_finished_runs_of_the_task_are_compared(tmp_path: Path) -> None:
    request = request_of(tmp_path, "sweep")
    with pytest.raises(UsageError, match="no folder of a run"):
        sweep(request, [0.01, 0.03], [tmp_path])
    (tmp_path / "metrics.json").write_text('{"task": "kws"}', encoding="utf-8")
    with pytest.raises(UsageError, match="is a run of task kws, not digits"):
        sweep(request, [0.01, 0.03], [tmp_path])
    assert not request.out.exists()


def test_an_unfinished_run_is_no_model_yet(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="the run is not finished"):
        resolve_model(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off"])
def test_a_broken_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    from micronets_gen.search.learn.training import Checkpoint

    path = tmp_path / "train.npz"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="the checkpoint cannot be used") as caught:
        Checkpoint(path, {}).load()
    assert caught.value.where == str(path)
    Checkpoint(path, {}).save({"history": []}, {})
    assert Checkpoint(path, {}).load() == ({"history": []}, {})
    with pytest.raises(UsageError, match="it lacks variable/kernel"):
        Checkpoint(path, {"kernel": None}).load()


def test_missing_data_leave_no_folder(tmp_path: Path) -> None:
    request = request_of(tmp_path, "run", task="kws", mops=0.5, data=tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no such folder"):
        execute(request)
    assert not request.out.exists()
