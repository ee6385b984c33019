"""Standard error is the person's: TensorFlow writes there what went wrong, or what it was asked to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.search.test_search import environment
from tests.search.test_tasks_vww import make_folders

pytestmark = pytest.mark.needs("tensorflow")

LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def stderr_of(*words: str, **variables: str) -> str:
    """Run Python without the variables that quieten TensorFlow, but for those that are given."""
    hidden = (LEVEL, "CUDA_VISIBLE_DEVICES")
    kept = {name: value for name, value in environment().items() if name not in hidden}
    result = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env={**kept, **variables}, check=False
    )
    return result.stderr


def test_a_search_says_nothing_but_its_own(tmp_path: Path) -> None:
    """With --json it has nothing to say, from the data's pipeline to the last measurement."""
    data = make_folders(tmp_path / "data", ("train", "val", "test"), count=8)
    backbone = tmp_path / "tiny.toml"
    backbone.write_text(
        'multiple = 4\n[[blocks]]\ntype = "conv"\nchannels = 8\nstride = 4\n[[blocks]]\ntype = "pool"\n'
    )
    words = ["search", "--task", "vww", "--data", str(data), "--board", "nucleo_f446re", "--runtime", "aot"]
    words += ["--backbone", str(backbone), "--out", str(tmp_path / "run"), "--json"]
    for setting in (
        "search.epochs=2",
        "search.warm_up=1",
        "search.batch=8",
        "train.epochs=2",
        "train.batch=8",
    ):
        words += ["--set", setting]
    words += ["--set", "train.float_epochs=1", "--set", "train.distillation=0"]
    told = stderr_of(
        "-c",
        "from micronets_gen.cli.main import main; main()",
        *words,
        MICRONETS_CACHE=str(tmp_path / "cache"),
    )
    assert told == ""
    assert (tmp_path / "run" / "report.html").is_file()


def test_who_asks_for_the_log_gets_it() -> None:
    start = "from micronets_gen.search.learn.native import start_tensorflow; start_tensorflow()"
    assert stderr_of("-c", start) == ""
    assert stderr_of("-c", start, **{LEVEL: "0"}) != ""


def test_what_was_held_back_comes_out_with_an_error() -> None:
    fails = """
import os, sys, types
class Broken(types.ModuleType):
    def __getattr__(self, name):
        os.write(2, b"said by C++\\n")
        raise ImportError("no such library")
sys.modules["tensorflow"] = Broken("tensorflow")
from micronets_gen.search.learn.native import start_tensorflow
start_tensorflow()
"""
    told = stderr_of("-c", fails)
    assert "said by C++" in told
    assert "ImportError: no such library" in told
