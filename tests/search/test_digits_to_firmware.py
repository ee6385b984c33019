"""The tutorial: from handwritten digits to firmware that proves its accuracy in the emulator, in one command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.search.test_search import run_cli

pytestmark = pytest.mark.needs("tensorflow")


@pytest.mark.needs("compiler")
def test_one_command_searches_builds_and_runs(tmp_path: Path) -> None:
    out = tmp_path / "digits"
    limits = ["--board", "nucleo_l4r5zi", "--runtime", "aot", "--latency-ms", "8"]
    result = run_cli("search", "--task", "digits", *limits, "--out", str(out), "--run", "--json")
    assert result.returncode == 0, result.stderr
    metrics = json.loads(result.stdout)
    target, firmware = metrics["target"], metrics["firmware"]
    assert target["fits"]
    assert all(metrics["cost"][name] <= limit for name, limit in target["limits"].items())
    assert metrics["test"] >= 0.97
    assert abs(metrics["test"] - metrics["test_fake_quantised"]) <= 0.01
    with np.load(out / "vectors.npz") as vectors:
        right = vectors["output_0"].argmax(-1) == vectors["labels"]
    time = target["time"]
    assert time["limit_ms"] == 8
    assert time["milliseconds"] == pytest.approx(firmware["milliseconds"], rel=0.1), "predicted and modelled"
    assert firmware["milliseconds"] <= 8
    assert firmware["passed"], "an output differs from the host's"
    assert (firmware["correct"], firmware["labelled"]) == (np.count_nonzero(right), 360)
