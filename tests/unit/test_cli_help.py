"""The command line's help and lists, and what it says of a disk in trouble."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from codegen import cli

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Return a function that runs a command line and returns exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["micronets-gen", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_help_of_build_tells_every_default(call: Call) -> None:
    text = " ".join(call("build", "--help")[1].replace("│", " ").split())
    for default in (
        "the bundled digits classifier",
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


def test_trouble_with_the_disk_is_one_message(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, out, err = call(
        "build", "-b", "nucleo_f446re", "-r", "aot", "--no-compile", "-o", tmp_path / "file" / "p"
    )
    assert (code, out) == (2, "")
    assert "cannot be written" in err
    assert "Traceback" not in err


def test_trouble_with_any_file_is_one_message(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_value: object) -> None:
        raise OSError(28, "No space left on device", "report.html")

    monkeypatch.setattr(cli, "_print_json", full)
    assert call("boards", "--json") == (2, "", "error: report.html: No space left on device\n")
