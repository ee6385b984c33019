"""Recipes: the package's own, overrides, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from micronets_gen.errors import UsageError
from micronets_gen.search.data.tasks import get_task, task_names
from micronets_gen.search.learn.recipe import load_recipe, recipe_names


@pytest.mark.parametrize("task", task_names())
def test_every_task_has_a_recipe_whose_options_it_takes(task: str) -> None:
    recipe = load_recipe(get_task(task).recipe)
    assert get_task(task, **recipe.task).recipe in recipe_names()


def test_the_papers_numbers_are_the_defaults() -> None:
    kws, vww, ad = (load_recipe(name) for name in ("kws", "vww", "ad"))
    assert (kws.search.epochs, kws.search.batch, kws.search.learning_rate) == (100, 512, 0.01)
    assert (kws.train.batch, kws.train.learning_rate, kws.train.weight_decay) == (256, 0.02, 2e-3)
    assert (vww.train.epochs, vww.train.batch, vww.train.learning_rate) == (200, 768, 0.36)
    assert (vww.train.distillation, vww.train.distillation_temperature) == (0.5, 4.0)
    assert (ad.search.epochs, ad.train.mixup) == (50, 0.3)


def test_every_number_can_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[train]\nepochs = 3\n[task]\nshift = 2.0\n", encoding="utf-8")
    recipe = load_recipe(path, ["train.learning_rate=1", "search.alternate=true", "train.teacher=runs/a"])
    assert recipe.train.epochs == 3
    assert recipe.train.learning_rate == 1.0
    assert recipe.search.alternate
    assert recipe.train.teacher == "runs/a"
    assert recipe.task == {"shift": 2.0}


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("train.epoch=3", "did you mean epochs"),
        ("train.epochs=0", "too small"),
        ("train.epochs=1.5", "must be an integer"),
        ("train.mixup=-1", "too small"),
        ("train.distillation=2", "share of 1"),
        ("train.optimizer=lion", "unknown optimizer"),
        ("training.epochs=3", r"unknown key 'training'(.|\n)*did you mean train"),
        ("epochs=3", "no setting"),
        ("train.inherit=1", "true or false"),
        ("train.learning_rate=nan", "must be finite"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(setting: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load_recipe("digits", [setting])


def test_a_misspelt_recipe_is_guessed() -> None:
    with pytest.raises(UsageError, match="did you mean digits"):
        load_recipe("digit")
