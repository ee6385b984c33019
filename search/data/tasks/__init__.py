"""The tasks that a model can be searched for, by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from micronets_gen.boards.board import Board
from micronets_gen.common.suggest import did_you_mean
from micronets_gen.errors import UsageError
from micronets_gen.search.data.tasks.base import Task

# Name of the task: module of this package whose make(**options) returns it, and whose options_for(board, input_shape),
# where there is one, says which options follow the board or an architecture that is given.
_MODULES = {"ad": "ad", "digits": "digits", "kws": "kws", "kws-tts": "kws_tts", "vww": "vww"}


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks."""
    return tuple(sorted(_MODULES))


def get_task(name: str, **options: Any) -> Task:
    """Return a task by its name.

    Args:
        options: What the task lets a person choose, such as an input size: the ``[task]`` table of a recipe.

    Raises:
        UsageError: no such task or option.
    """
    task: Task = _module(name).make(**options)
    return task


def options_for(
    name: str, board: Board | None, input_shape: tuple[int, int, int] | None
) -> Mapping[str, Any]:
    """Return the options of a task that follow what its model is for, where a recipe does not set them.

    Args:
        board: Where the model is to run; None where that is open.
        input_shape: Of an architecture that is given; None where one is searched.

    Raises:
        UsageError: no such task.
    """
    module = _module(name)
    if not hasattr(module, "options_for"):
        return {}
    options: Mapping[str, Any] = module.options_for(board, input_shape)
    return options


def _module(name: str) -> Any:
    if name not in _MODULES:
        remedy = did_you_mean(name, _MODULES, f"one of {', '.join(task_names())}")
        raise UsageError("no such task", where=name, remedy=remedy)
    return import_module(f"micronets_gen.search.data.tasks.{_MODULES[name]}")
