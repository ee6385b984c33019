"""The command line's help and lists, and what it says of a disk in trouble."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import Cli

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(cli: Cli) -> Call:
    """Return a function that runs a command line and returns exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        done = cli(*arguments)
        return done.status, done.out, done.err

    return run


def test_help_of_build_tells_every_default(call: Call) -> None:
    text = " ".join(call("build", "--help")[1].replace("│", " ").split())
    for default in (
        "the bundled keyword spotter, kws-s",
        "auto",
        "build/<board>-<model>",
        "32 samples or 8 random",
    ):
        assert default in text.replace("- ", "-")


@pytest.mark.parametrize("verb", ["boards", "models"])
def test_list_is_the_default_subcommand(call: Call, verb: str) -> None:
    assert call(verb) == call(verb, "list")
    code, out, err = call(verb, "--json")
    assert (code, err) == (0, "")
    assert call(verb, "list", "--json")[1] == out
    assert json.loads(out)[verb]
    assert call(verb, "--json", "list")[0] == 2


def test_device_is_no_model(call: Call) -> None:
    code, out, err = call("inspect", "/dev/null")
    assert (code, out) == (2, "")
    assert err.startswith("error: /dev/null: is no regular file\n")


def test_printed_commands_can_be_pasted(call: Call, tmp_path: Path) -> None:
    project = tmp_path / ("a long name " * 15).strip()
    _, out, _ = call(
        "build", "-b", "nucleo_f446re", "-m", "digits", "-r", "aot", "--no-compile", "-o", project
    )
    assert f"cd '{project}' && pio run\n" in out


def test_trouble_with_the_disk_is_one_message(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = ("build", "-b", "nucleo_f446re", "-m", "digits", "-r", "aot", "--no-compile")
    code, out, err = call(*words, "-o", tmp_path / "file" / "p")
    assert (code, out) == (2, "")
    assert "cannot be written" in err
    assert "Traceback" not in err


def test_trouble_with_any_file_is_one_message(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_value: object) -> None:
        raise OSError(28, "No space left on device", "report.html")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_poor_encoding_loses_signs_and_nothing_else(encoding: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", "from micronets_gen.cli.main import main; main()", "inspect", "digits"],
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, b"")
    assert b"91,136 MACs" in run.stdout


def test_help_of_search_names_every_task_and_default(call: Call) -> None:
    from micronets_gen.search.data.tasks import task_names

    names = task_names()
    code, out, _ = call("search", "--help")
    words = " ".join(out.replace("│", " ").split())
    assert code == 0
    assert f"{', '.join(names[:-1])} or {names[-1]}; a .py file; or folder:DIR" in words
    assert "runs/<task or model>" in words
    assert words.count("[default: (the board's)]") == 2


@pytest.mark.parametrize(
    ("option", "typed", "offered"),
    [
        ("--task", "kws", ["kws", "kws-tts"]),
        ("--board", "nucleo_f7", ["nucleo_f746zg", "nucleo_f767zi"]),
        ("--boards", "nucleo_f746zg,nucleo_f7", ["nucleo_f746zg,nucleo_f767zi"]),
        ("--backbone", "kws-", ["kws-small", "kws-strided"]),
        ("--recipe", "v", ["vww"]),
    ],
)
def test_a_shell_completes_what_a_search_takes(option: str, typed: str, offered: list[str]) -> None:
    words = f"micronets-gen search {option} {typed}"
    result = subprocess.run(
        [sys.executable, "-c", "from micronets_gen.cli.main import app; app(prog_name='micronets-gen')"],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "_MICRONETS_GEN_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": "3",
        },
        check=False,
    )
    assert result.stdout.split() == offered
