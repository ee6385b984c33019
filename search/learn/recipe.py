"""How a search and a training run: every number, from one TOML file a task, each of which can be overridden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from micronets_gen.common.documents import load_toml, parse_toml
from micronets_gen.common.suggest import did_you_mean
from micronets_gen.common.tables import Key, checked, schema_of
from micronets_gen.errors import UsageError

T = TypeVar("T", "SearchRecipe", "TrainRecipe")

_FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class SearchRecipe:
    """The search.

    Attributes:
        epochs: Of the whole search.
        warm_up: Epochs at the beginning in which weights learn and decisions wait.
        batch: Samples a step.
        learning_rate: Of the weights at the beginning; falls as a cosine to ``final_learning_rate``.
        weight_decay: Decoupled, on kernels.
        decision_rate: Learning rate of the decisions.
        temperature: Of Gumbel-softmax at the beginning; falls geometrically to ``final_temperature``.
        tighten: Share of the deciding epochs over which limits fall, geometrically, from what the undecided network
            costs to what they are; 0 for tight ones from the start.
        penalty: Weight of the sum over limits of the relative excess, against the cross-entropy.
        decide: Weight, in the end, of how undecided it is which blocks stay, against the cross-entropy; it grows as
            the temperature falls, with its inverse square.
        alternate: Learn decisions on batches of their own (half of them) instead of on every batch.
        optimizer: ``adamw`` or ``sgd`` (Nesterov momentum 0.9).
    """

    epochs: int = 30
    warm_up: int = 5
    batch: int = 64
    learning_rate: float = 4e-3
    final_learning_rate: float = 4e-5
    weight_decay: float = 1e-3
    decision_rate: float = 0.05
    temperature: float = 5.0
    final_temperature: float = 0.5
    tighten: float = 0.3
    penalty: float = 4.0
    decide: float = 1.0
    alternate: bool = False
    optimizer: str = "adamw"


@dataclass(frozen=True)
class TrainRecipe:
    """The training of an architecture.

    Attributes:
        epochs: Of the whole training.
        float_epochs: Epochs at the beginning without fake quantisation, after which ranges are calibrated.
        batch: Samples a step.
        learning_rate: At the beginning; falls as a cosine to ``final_learning_rate``.
        weight_decay: Decoupled, on kernels.
        mixup: Parameter of the Beta distribution of the mixing ratio; 0 for none.
        label_smoothing: Share of the label that goes to all classes alike.
        distillation: Weight of the teacher's answer against the label's; 0 for none.
        distillation_temperature: Softens both answers.
        teacher: ``largest`` (the backbone's largest network, trained first) or a run's folder.
        inherit: Start from the supernet's weights where a search came before.
        optimizer: ``adamw`` or ``sgd`` (Nesterov momentum 0.9).
    """

    epochs: int = 60
    float_epochs: int = 10
    batch: int = 64
    learning_rate: float = 4e-3
    final_learning_rate: float = 4e-5
    weight_decay: float = 1e-3
    mixup: float = 0.0
    label_smoothing: float = 0.0
    distillation: float = 0.0
    distillation_temperature: float = 4.0
    teacher: str = "largest"
    inherit: bool = False
    optimizer: str = "adamw"


@dataclass(frozen=True)
class Recipe:
    """Both, with the task's own options.

    Attributes:
        task: Options of the task: see its module.
    """

    search: SearchRecipe = SearchRecipe()
    train: TrainRecipe = TrainRecipe()
    task: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``json.dumps``."""
        return {"search": asdict(self.search), "train": asdict(self.train), "task": dict(self.task)}


def recipe_names() -> tuple[str, ...]:
    """Return the names of the recipes of the package."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_recipe(name_or_path: str | Path, settings: Sequence[str] = ()) -> Recipe:
    """Return a recipe of the package by its name, or the one in a TOML file.

    Args:
        settings: What to change, each as ``table.key=value`` with a TOML value: ``train.epochs=10``.

    Raises:
        UsageError: unknown name, unreadable file, unknown key, or a value of another kind or out of range.
    """
    text = str(name_or_path)
    names = recipe_names()
    if not text.endswith(".toml") and text not in names:
        remedy = did_you_mean(text, names, f"a .toml file, or one of {', '.join(names)}")
        raise UsageError("no such recipe", where=text, remedy=remedy)
    path = Path(text) if text.endswith(".toml") else _FOLDER / f"{text}.toml"
    recipe = _merged(Recipe(), load_toml(path), str(path))
    for setting in settings:
        recipe = _merged(recipe, _setting(setting), setting)
    return recipe


def _setting(setting: str) -> dict[str, Any]:
    key, equals, text = setting.partition("=")
    table, dot, name = key.strip().partition(".")
    if not (equals and dot):
        raise UsageError(
            "is no setting", where=setting, remedy="write table.key=value, for example train.epochs=10"
        )
    try:
        return {table: parse_toml(f"{name} = {text}", setting)}
    except UsageError:
        return {table: {name: text.strip()}}


_TABLES = {"search": Key(dict, {}), "train": Key(dict, {}), "task": Key(dict, {})}


def _merged(recipe: Recipe, value: Mapping[str, Any], where: str) -> Recipe:
    tables = checked(value, _TABLES, where)
    return Recipe(
        _table(recipe.search, tables["search"], f"{where} [search]"),
        _table(recipe.train, tables["train"], f"{where} [train]"),
        {**recipe.task, **tables["task"]},
    )


def _table(table: T, entries: Mapping[str, Any], where: str) -> T:
    schema = schema_of(type(table))
    values = checked({**asdict(table), **entries}, schema, where)
    changed = replace(table, **values)
    _validate(changed, where)
    return changed


def _validate(table: SearchRecipe | TrainRecipe, where: str) -> None:
    positive = {
        "epochs",
        "batch",
        "learning_rate",
        "temperature",
        "final_temperature",
        "distillation_temperature",
    }
    for name, value in asdict(table).items():
        if isinstance(value, bool | str):
            continue
        if value < 0 or (name in positive and value == 0):
            raise UsageError(f"{name} = {value} is too small", where=where, remedy="take a larger one")
    for name in ("label_smoothing", "distillation", "tighten"):
        if getattr(table, name, 0) > 1:
            raise UsageError(f"{name} is a share of 1", where=where, remedy="take 0 to 1")
    if table.optimizer not in {"adamw", "sgd"}:
        raise UsageError(f"unknown optimizer '{table.optimizer}'", where=where, remedy="adamw or sgd")
