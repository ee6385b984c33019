"""Several devices and hosts: they learn what one device learns, and stop, fail and go on together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from micronets_gen.errors import RunError, ToolError, UsageError
from micronets_gen.search.learn.distribution import Cluster, requested, require_even, start
from micronets_gen.search.learn.rendezvous import meet

pytestmark = pytest.mark.needs("tensorflow")

ROOT = Path(__file__).resolve().parents[2]
CLI = "from micronets_gen.cli.main import main; main()"
HOSTS = ["a:1", "b:2", "c:3"]
BACKBONE = """
multiple = 4
[[blocks]]
type = "conv"
channels = 16
kernel = [3, 3]
stride = [2, 2]
[[blocks]]
type = "separable"
channels = 16
skip = true
[[blocks]]
type = "pool"
"""


def tf_config(index: int, hosts: Sequence[str], kind: str = "worker") -> str:
    return json.dumps({"cluster": {"worker": list(hosts)}, "task": {"type": kind, "index": index}})


def test_a_cluster_is_what_tf_config_names() -> None:
    environment = {"TF_CONFIG": tf_config(1, HOSTS)}
    for kind in ("auto", "multi-worker"):
        assert requested(kind, environment) == Cluster(1, ("a:1", "b:2", "c:3"))
    for kind in ("single", "mirrored"):
        assert requested(kind, environment) is None
    assert requested("auto", {}) is None
    assert requested("auto", {"TF_CONFIG": "{}"}) is None
    with_chief = {
        "cluster": {"worker": HOSTS[:2], "chief": HOSTS[2:]},
        "task": {"type": "worker", "index": 0},
    }
    assert requested("auto", {"TF_CONFIG": json.dumps(with_chief)}) == Cluster(1, ("c:3", "a:1", "b:2"))


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("mirored", "", "--strategy mirored: no such strategy.*did you mean mirrored?"),
        ("x", "", "one of auto, single, mirrored, multi-worker"),
        ("multi-worker", "", "TF_CONFIG names no workers.*its own index: TF_CONFIG="),
        ("auto", "{", "TF_CONFIG: is no description of a cluster"),
        ("auto", tf_config(3, HOSTS), "its task, worker 3, is not in its cluster"),
        ("auto", tf_config(0, HOSTS, "ps"), "its task, ps 0, is not in its cluster"),
        ("auto", '{"cluster": {"ps": ["a:1"]}}', "only chief and worker take part, not ps"),
        ("auto", '{"cluster": {"worker": ["a:1"]}}', "'task' is missing"),
    ],
)
def test_what_is_wrong_with_a_strategy_is_said(kind: str, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"(?s){message}"):
        requested(kind, {"TF_CONFIG": text})


def test_a_batch_is_shared_evenly() -> None:
    require_even(64, 4, "search.batch")
    with pytest.raises(
        UsageError, match=r"search.batch: 3 devices .* batch of 64 samples(?s:.*)multiple of 3"
    ):
        require_even(64, 3, "search.batch")


def free_addresses(count: int) -> list[str]:
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    addresses = [f"localhost:{s.getsockname()[1]}" for s in sockets]
    for one in sockets:
        one.close()
    return addresses


def test_workers_meet_or_say_who_is_missing() -> None:
    addresses = free_addresses(3)
    with pytest.raises(RunError, match=rf"did not come: {addresses[1]}, {addresses[2]}\n"):
        meet(0, addresses, patience_s=0.1)
    with pytest.raises(RunError, match=f"did not call all workers together: {addresses[0]}"):
        meet(1, addresses, patience_s=0.1)
    with pytest.raises(UsageError, match="write host:port"):
        meet(1, ["here", addresses[0]])
    met: list[int] = []

    def come(index: int) -> None:
        meet(index, addresses, patience_s=30)
        met.append(index)

    threads = [threading.Thread(target=come, args=(index,)) for index in (2, 0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(met) == [0, 1, 2]


def environment(**more: str) -> dict[str, str]:
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    return {**os.environ, "PYTHONPATH": str(ROOT), **quiet, **more}


@contextmanager
def workers(arguments: Sequence[str], other: Sequence[str] = ()) -> Iterator[list[subprocess.Popen[str]]]:
    """Yield two processes of a cluster, the second with ``other`` arguments too; none outlives the context."""
    addresses = free_addresses(2)
    processes = [
        subprocess.Popen(
            [sys.executable, *arguments, *(other if index else ())],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment(TF_CONFIG=tf_config(index, addresses)),
        )
        for index in range(2)
    ]  # fmt: skip
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def finish(arguments: Sequence[str], other: Sequence[str] = ()) -> list[tuple[int, str, str]]:
    """Return exit code, standard output and standard error of two workers that run to their end."""
    with workers(arguments, other) as processes:
        results = [process.communicate(timeout=240) for process in processes]
        return [(process.returncode, *texts) for process, texts in zip(processes, results, strict=True)]


@pytest.mark.needs("tensorflow")
def test_two_replicas_learn_what_one_device_learns(tmp_path: Path) -> None:
    """Without quantisation up to rounding; with it, values at the edge of a step of 1/255 round either way."""
    (tmp_path / "small.toml").write_text(BACKBONE, encoding="utf-8")
    script = [sys.executable, "-m", "tests.search.replicas", str(tmp_path), str(tmp_path / "small.toml")]
    done = subprocess.run(script, env=environment(), capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "two.npz") as two:
        assert (one["replicas"], two["replicas"]) == (1, 2)
        for name in one.files:
            if name.startswith("float/"):
                np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=2e-5, err_msg=name)
            elif name.startswith("quantised/figure/loss"):
                np.testing.assert_allclose(two[name], one[name], rtol=2e-3, err_msg=name)
            elif name.startswith(("quantised/width", "quantised/kept", "quantised/network")):
                np.testing.assert_allclose(two[name], one[name], rtol=1e-2, atol=2e-3, err_msg=name)
        moved = np.abs(one["float/network/block00/kernel"] - one["quantised/network/block00/kernel"]).max()
        assert moved > 1e-3, "the phases differ by more than what is tolerated"


@pytest.mark.needs("tensorflow")
def test_workers_talk() -> None:
    for code, stdout, stderr in finish(["-m", "tests.search.replicas", "talk"]):
        assert (code, stdout) == (0, "stopped\n"), stderr


def command(folder: Path, out: Path, *more: str) -> list[str]:
    """Return a search with every phase; SGD, whose steps are as small as what rounding changes of gradients."""
    backbone = folder / "small.toml"
    backbone.write_text(BACKBONE, encoding="utf-8")
    settings = {
        "search.epochs": 3, "search.warm_up": 1, "search.optimizer": "sgd", "search.learning_rate": 0.1,
        "train.epochs": 3, "train.float_epochs": 2, "train.optimizer": "sgd", "train.learning_rate": 0.1,
        "train.mixup": 0.2, "train.distillation": 0.5,
    }  # fmt: skip
    changes = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    limits = ["--board", "nucleo_f446re", "--runtime", "aot", "--mops", "0.008"]
    what = ["--task", "digits", "--backbone", str(backbone), *limits, "--seed", "5", "--out", str(out)]
    return ["-c", CLI, "search", *what, "--json", *changes, *more]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of one request, run by one process and by two workers."""
    folder = tmp_path_factory.mktemp("runs")
    one, two = folder / "one" / "digits", folder / "two" / "digits"
    with workers(command(folder, two, "--strategy", "multi-worker")) as processes:
        alone = subprocess.run(
            [sys.executable, *command(folder, one)],
            env=environment(), capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        texts = [process.communicate(timeout=240) for process in processes]
        assert [process.returncode for process in processes] == [0, 0], texts
    assert alone.returncode == 0, alone.stderr
    assert json.loads(texts[0][0])["out"] == str(two)
    assert texts[1][0] == "", "only the chief prints"
    return one, two


def test_two_workers_find_and_train_what_one_process_does(both: tuple[Path, Path]) -> None:
    one, two = both
    names = [
        sorted(str(p.relative_to(run)) for p in run.rglob("*") if "tfevents" not in p.name) for run in both
    ]
    assert names[0] == names[1]
    assert (two / "architecture.json").read_bytes() == (one / "architecture.json").read_bytes()
    alone, shared = (history(run) for run in both)
    floats = {"search": 1, "teacher": 2, "train": 0}
    for phase, records in alone.items():
        for a, b in zip(records, shared[phase], strict=True):
            rounding = 1e-5 if b["epoch"] < floats[phase] else 2e-3
            assert b["loss"] == pytest.approx(a["loss"], rel=rounding), (phase, b["epoch"])
            assert b["accuracy"] == pytest.approx(a["accuracy"], abs=1e-9 if rounding < 1e-4 else 0.01)
    with np.load(one / "weights.npz") as a, np.load(two / "weights.npz") as b:
        assert a.files == b.files
        for name in a.files:
            np.testing.assert_allclose(b[name], a[name], atol=0.06, err_msg=name)


def history(run: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the records of each phase without the seconds that they took."""
    phases = json.loads((run / "history.json").read_text(encoding="utf-8"))
    return {
        phase: [{key: value for key, value in record.items() if key != "seconds"} for record in phases[phase]]
        for phase in ("search", "teacher", "train")
    }


def test_workers_end_with_a_lost_one_and_go_on_exactly(both: tuple[Path, Path], tmp_path: Path) -> None:
    _, straight = both
    out = tmp_path / "digits"
    arguments = command(straight.parents[1], out)
    with workers(arguments) as (chief, other):
        wait_for(out / "checkpoints" / "teacher.npz", chief)
        chief.send_signal(signal.SIGKILL)
        stdout, stderr = other.communicate(timeout=120)
        assert other.returncode == RunError.exit_code, stderr
        error = json.loads(stdout)["error"]
        assert (error["where"], error["what"]) == ("--strategy multi-worker", "another worker was lost")
        assert "Traceback" not in stderr
    assert not (out / "metrics.json").exists(), "killed too late to prove anything"
    for code, _, stderr in finish(arguments):
        assert code == 0, stderr
    for name in ("architecture.json", "model_int8.tflite", "metrics.json"):
        assert (out / name).read_bytes() == (straight / name).read_bytes(), name
    assert history(out) == history(straight)


@pytest.mark.needs("tensorflow")
def test_another_command_on_one_worker_ends_all_before_there_is_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "digits"
    for code, stdout, stderr in finish(command(tmp_path, out), ["--seed", "6"]):
        assert code == UsageError.exit_code, stderr
        error = json.loads(stdout)["error"]
        assert (error["where"], error["what"]) == ("worker 1", "not the same command as on the chief")
        assert error["why"].startswith("seed differ")
    assert not out.exists()


@pytest.mark.needs("tensorflow")
def test_without_a_gpu_there_is_nothing_to_mirror() -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    with pytest.raises(ToolError, match="--strategy mirrored: TensorFlow sees no GPU"):
        start("mirrored")


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 200
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists()
