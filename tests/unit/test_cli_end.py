"""How the command line ends: mistakes with ``--json``, Ctrl-C, readers that go away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from micronets_gen import errors

COMMAND = [sys.executable, "-c", "from micronets_gen.cli.main import main; main()"]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("boards", "--foo"), 2, "No such option: --foo"),
        (("nix",), 2, "No such command 'nix'."),
        (("build",), 2, "Missing option '--board' / '-b'."),
        (("boards", "show", "nucleo"), 4, "there is no board 'nucleo'"),
        (("check", "digits.tflite"), 2, "no such model file"),
        (("run", "nowhere"), 2, "this is no project that micronets-gen built"),
        (("sources", "import", "nowhere"), 6, "there is no such folder"),
    ],
)
def test_a_mistake_is_an_object_on_stdout(words: tuple[str, ...], code: int, what: str) -> None:
    done = run(*words, "--json")
    error = json.loads(done.stdout)["error"]
    assert set(error) == {"what", "where", "why", "remedy", "exit_code"}
    assert (done.returncode, error["exit_code"], done.stderr) == (code, code, "")
    assert error["what"] == what
    told = run(*words)
    assert (told.returncode, told.stdout) == (code, "")
    assert "Traceback" not in told.stderr


def test_every_error_has_the_same_keys() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    codes = {}
    for kind in kinds:
        error = kind() if kind is errors.InterruptError else kind("w", where="x", why="y", remedy="r")
        value = error.to_json()["error"]
        assert list(value) == ["what", "where", "why", "remedy", "exit_code"]
        codes[kind.__name__] = value["exit_code"]
    assert len(set(codes.values())) == len(codes) == 8


def test_ctrl_c_is_told_and_is_130(tmp_path: Path) -> None:
    program = (
        "import os, signal\n"
        "from micronets_gen.cli import listing, main\n"
        "listing._list_boards = lambda _json: os.kill(os.getpid(), signal.SIGINT)\n"
        "main.main()\n"
    )
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for more, out, err in (((), "", "interrupted\n"), (("--json",), "interrupted", "")):
        command = [sys.executable, "-c", program, "boards", *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        what = json.loads(done.stdout)["error"]["what"] if more else done.stdout
        assert (done.returncode, what, done.stderr) == (130, out, err)


@pytest.mark.parametrize("words", [("boards",), ("models", "--json"), ("build", "--help"), ("--version",)])
def test_a_closed_pipe_is_no_error(words: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*COMMAND, *words], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_full_disk_is_one_message() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "boards"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (2, "error: input/output: No space left on device\n")
