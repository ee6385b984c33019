"""Finding tasks: every own one is complete, and a file, an installed package or a folder brings others."""

from __future__ import annotations

import json
import re
import runpy
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from micronets_gen.errors import UsageError
from micronets_gen.search.data import tasks
from micronets_gen.search.data.tasks import get_task, load_data, options_for, task_names
from micronets_gen.search.learn.recipe import load_recipe
from micronets_gen.search.space.backbone import Space, load_backbone
from tests.search.test_search import run_cli

ROOT = Path(__file__).resolve().parents[2]
OWN = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"][
    tasks.GROUP
]
PAGE = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")


def test_every_module_that_makes_a_task_is_registered() -> None:
    folder = ROOT / "search" / "data" / "tasks"
    makers = {path.stem for path in folder.glob("*.py") if "\ndef make(" in path.read_text(encoding="utf-8")}
    assert {module.removeprefix(f"{tasks.__name__}.") for module in OWN.values()} == makers


@pytest.mark.parametrize("name", sorted(OWN))
def test_an_own_task_has_every_facet(name: str) -> None:
    assert name in task_names(), "pip install -e . --no-deps, so that the entry point is found"
    recipe = load_recipe(get_task(name).recipe)
    task = get_task(name, **recipe.task)
    assert (task.name, task.recipe) == (name, name)
    assert task.title
    assert Space(load_backbone(task.backbone), task.input_shape, len(task.classes)).validate()
    assert set(options_for(name, None, task.input_shape)) <= {"size"}
    assert f"\n| `{name}` |" in PAGE, "a row in docs/tasks.md"
    assert re.search(rf"^## `{name}`", PAGE, re.MULTILINE), "a section in docs/tasks.md"
    tests = {"kws-tts": "tts"}.get(name, name)
    assert (ROOT / "tests" / "search" / f"test_tasks_{tests}.py").is_file()


def toy(folder: Path, text: str | None = None) -> Path:
    """Write the task that docs/tasks.md shows, or another."""
    if text is None:
        text = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[-1]
    path = folder / "coins.py"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.needs("tensorflow")
def test_the_task_of_the_page_is_found_in_a_file(tmp_path: Path) -> None:
    task = get_task(str(toy(tmp_path)), noise=0.5)
    assert (task.name, task.classes) == ("coins", ("penny", "pound"))
    data = task.load(None, 3)
    assert (data.train.samples, data.validation.samples, data.test.samples) == (64, 32, 32)
    settings = ["search.epochs=1", "search.warm_up=0", "train.epochs=2", "train.float_epochs=1"]
    result = run_cli(
        *("search", "--task", "coins.py", "--board", "nucleo_f446re", "--runtime", "aot", "--mops", "0.1"),
        *("--json", *(part for setting in settings for part in ("--set", setting))),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["task"], found["classes"], found["out"]) == ("coins", ["penny", "pound"], "runs/coins")
    assert found["data"] == {"noise": 0.3}


def test_an_installed_package_brings_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy(tmp_path)
    info = tmp_path / "coins-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: coins\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[{tasks.GROUP}]\ncoins = coins\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert "coins" in task_names()
        assert get_task("coins").title == "two coins by radius and weight"
    finally:
        sys.modules.pop("coins", None)


def test_a_name_that_two_packages_take_is_nobody_s(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("coins", module, tasks.GROUP) for module in ("one", "other")]
    monkeypatch.setattr(tasks, "entry_points", lambda group: points)
    with pytest.raises(UsageError, match="more than one installed package") as caught:
        get_task("coins")
    assert caught.value.why == "one, other"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\n", "holds no task"),
        ("def make(:\n", r"coins\.py, line 1: SyntaxError"),
        (
            "import no_such_module\n",
            r"coins\.py, line 1: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("\ndef make():\n    return 1 / 0\n", r"coins\.py, line 3: ZeroDivisionError"),
        ("def make():\n    return 1\n", "its task lacks name, title, input_shape"),
        ("import sys\nsys.exit(3)\n", r"coins\.py, line 2: SystemExit: 3"),
    ],
)
def test_a_file_without_a_task_is_told_with_its_line(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        get_task(str(toy(tmp_path, text)))
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("= (4, 2, 1)", "= (4, 2)", "input_shape is"),
        ('("penny", "pound")', '("penny", "penny")', "classes are"),
        ('("penny", "pound")', "2", "TypeError"),
    ],
)
def test_a_task_that_cannot_be_is_refused(old: str, new: str, says: str, tmp_path: Path) -> None:
    path = toy(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError, match=says):
        get_task(str(path))


def test_what_is_no_task_is_told_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gestures").mkdir()
    for name, remedy in (
        ("kwss", "did you mean kws?"),
        ("gestures", "did you mean folder:gestures?"),
        ("12345", "one of ad, digits, kws, kws-tts, vww, a .py file, or folder:DIR"),
        ("none.py", "give the Python file that holds the task"),
    ):
        with pytest.raises(UsageError) as caught:
            get_task(name)
        assert caught.value.remedy == remedy


@pytest.mark.parametrize(
    ("body", "why"), [("return 1 / 0", r"coins\.py, line 3: ZeroDivisionError"), ("return []", "")]
)
def test_data_that_cannot_be_loaded_is_the_task_s(body: str, why: str, tmp_path: Path) -> None:
    text = f"class Coins:\n    def load(self, data_dir, seed):\n        {body}\n"
    task = runpy.run_path(str(toy(tmp_path, text)))["Coins"]()
    with pytest.raises(UsageError) as caught:
        load_data("coins.py", task, None, 0)
    assert re.search(why, caught.value.why)
    assert caught.value.where == "coins.py"
