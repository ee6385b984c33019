"""The package from Python: what it offers, what it costs to import, and that the documentation's examples run."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
import typer.main

import micronets_gen
from micronets_gen import api
from micronets_gen.cli.main import app
from micronets_gen.report.values import BenchResult, Calibration, FirmwareBuild, FirmwareRun
from micronets_gen.search.characterise.result import Characterisation

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"
RENAMED = {"set": "settings", "json": ""}
EXAMPLES = re.findall(r"(?<!minutes -->\n)```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_importing_it_imports_nothing_else() -> None:
    program = (
        "import sys, time; before = set(sys.modules); start = time.perf_counter(); import micronets_gen\n"
        "print(time.perf_counter() - start, *sorted(n for n in set(sys.modules) - before if '.' not in n))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, *modules = done.stdout.split()
    assert set(modules) - set(sys.stdlib_module_names) == {"micronets_gen"}
    assert len(modules) < 5
    assert float(seconds) < 0.5, "a few milliseconds on a machine with nothing else to do"


def test_everything_that_it_offers_is_there() -> None:
    assert set(micronets_gen.__all__) <= set(dir(micronets_gen))
    for name in micronets_gen.__all__:
        assert callable(getattr(micronets_gen, name))
    with pytest.raises(AttributeError, match="has no attribute 'nix'"):
        _ = micronets_gen.nix  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "verb", ["build", "run", "calibrate", "check", "inspect", "bench", "characterise", "search", "train"]
)
def test_keywords_are_the_options_of_the_command_line(verb: str) -> None:
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    options = {
        max(parameter.opts, key=len).removeprefix("--").replace("-", "_") for parameter in command.params
    }
    options = {RENAMED.get(name, name) for name in options} - {"", "help"}
    if verb == "search":
        options -= {"sweep", "compare"}  # a function of their own
    keywords = set(inspect.signature(getattr(api, verb)).parameters)
    assert keywords - {"notify", "tell", "on_line", "progress", "command"} == options


def test_search_is_called_whatever_was_imported_before() -> None:
    program = (
        "import micronets_gen\n{}\n"
        "try: micronets_gen.search(task='nix', board='nucleo_f446re')\n"
        "except micronets_gen.MicronetsError as error: print(error.what)"
    )
    for more in ("", "import micronets_gen.search.space.zoo", "from micronets_gen import search"):
        command = [sys.executable, "-c", program.format(more)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == "no such task\n"


@pytest.mark.parametrize(
    "kind", [FirmwareBuild, FirmwareRun, Calibration, BenchResult, Characterisation, api.SearchResult]
)
def test_every_attribute_of_a_result_is_told(kind: type) -> None:
    assert is_dataclass(kind)
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    text = kind.__doc__ or ""
    for field in fields(kind):
        assert re.search(rf"\b{field.name}\b", text), field.name


def marked(example: str) -> tuple[pytest.MarkDecorator, ...]:
    return (pytest.mark.needs("compiler"),) if "micronets_gen.run(" in example else ()


@pytest.mark.parametrize(
    "example", [pytest.param(text, marks=marked(text), id=f"{i}") for i, text in enumerate(EXAMPLES)]
)
def test_an_example_of_the_documentation_runs(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(example, str(PAGE), "exec"), {})


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 3
