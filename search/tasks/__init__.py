"""The tasks that a model can be searched for, by name."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import Any

from codegen.errors import UsageError
from search.tasks.base import Task

# Name of the task: module of this package whose make(**options) returns it.
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
    if name not in _MODULES:
        near = get_close_matches(name, _MODULES, n=1)
        raise UsageError(
            "no such task",
            where=name,
            remedy=f"did you mean {near[0]}?" if near else f"one of {', '.join(task_names())}",
        )
    task: Task = import_module(f"search.tasks.{_MODULES[name]}").make(**options)
    return task
