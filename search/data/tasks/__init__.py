"""Finds a task: by the name of an entry point, in a Python file, or in a folder of samples.

What is found is a provider, a module or an object with ``make(**options)``, which returns a
:class:`micronets_gen.search.data.tasks.base.Task`, and, where options follow the board or an architecture that is
given, ``options_for(board, input_shape)``, which returns them.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from micronets_gen.boards.board import Board
from micronets_gen.common.suggest import did_you_mean
from micronets_gen.errors import MicronetsError, UsageError
from micronets_gen.search.data.tasks.base import Task, TaskData

GROUP = "micronets_gen.tasks"
"""Entry points of installed packages: the name of a task, and the module that provides it."""

FOLDER = "folder:"
_FACETS = ("name", "title", "input_shape", "classes", "backbone", "recipe", "load")


def task_names() -> tuple[str, ...]:
    """Return the names of the tasks of this and of other installed packages."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def get_task(which: str, **options: Any) -> Task:
    """Return a task.

    Args:
        which: A name of :func:`task_names`, the path of a ``.py`` file, or ``folder:`` and the path of a folder.
        options: What the task lets a person choose, such as an input size: the ``[task]`` table of a recipe.

    Raises:
        UsageError: no such task or option, or what was found is none.
    """
    provider = _provider(which)
    with _of_the_task(which):
        task: Task = provider.make(**options)
        _check(which, task)
    return task


def load_data(which: str, task: Task, folder: Path | None, seed: int) -> TaskData:
    """Return the data of a task.

    Args:
        which: What :func:`get_task` was given, for messages.
        folder: Where the data is or goes; None for the task's own choice.
        seed: As :meth:`Task.load` takes it.

    Raises:
        MicronetsError: the data is not there or not whole, or the task's own code failed.
        OSError: a file cannot be read or written.
    """
    with _of_the_task(which):
        data = task.load(folder, seed)
    if not isinstance(data, TaskData):
        raise UsageError(f"load() returned a {type(data).__name__}", where=which, remedy="return a TaskData")
    return data


def options_for(
    which: str, board: Board | None, input_shape: tuple[int, int, int] | None
) -> Mapping[str, Any]:
    """Return the options of a task that follow what its model is for, where a recipe does not set them.

    Args:
        which: As for :func:`get_task`.
        board: Where the model is to run; None where that is open.
        input_shape: Of an architecture that is given; None where one is searched.

    Raises:
        UsageError: no such task.
    """
    provider = _provider(which)
    if not hasattr(provider, "options_for"):
        return {}
    with _of_the_task(which):
        options: Mapping[str, Any] = provider.options_for(board, input_shape)
    return options


def _provider(which: str) -> Any:
    if which.startswith(FOLDER):
        from micronets_gen.search.data.tasks.folder import FolderProvider

        if which == FOLDER:
            raise UsageError(
                f"'{which}' names no folder",
                where="--task",
                remedy=f"write {FOLDER}DIR, such as {FOLDER}photos",
            )
        return FolderProvider(Path(which.removeprefix(FOLDER)))
    if which.endswith(".py"):
        path = Path(which)
        if not path.is_file():
            raise UsageError("no such file", where=which, remedy="give the Python file that holds the task")
        provider = _module_of(path, path.stat().st_mtime_ns)
    else:
        provider = _entry_point(which)
    if not callable(getattr(provider, "make", None)):
        raise UsageError("holds no task", where=which, remedy="define make(**options) that returns a Task")
    return provider


def _entry_point(name: str) -> Any:
    points = [point for point in entry_points(group=GROUP) if point.name == name]
    if not points:
        remedy = did_you_mean(
            name, task_names(), f"one of {', '.join(task_names())}, a .py file, or {FOLDER}DIR"
        )
        if Path(name).is_dir():
            remedy = f"did you mean {FOLDER}{name}?"
        raise UsageError("no such task", where=name, remedy=remedy)
    if len({point.value for point in points}) > 1:
        raise UsageError(
            "more than one installed package has a task of this name",
            where=name,
            why=", ".join(sorted(map(_origin, points))),
            remedy="uninstall all but one of them",
        )
    with _of_the_task(f"{name} ({_origin(points[0])})"):
        return points[0].load()


def _origin(point: EntryPoint) -> str:
    return f"{point.value} of {point.dist.name}" if point.dist else point.value


@cache
def _module_of(path: Path, _changed: int) -> Any:
    name = f"micronets_gen_task_{path.stem}"
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)  # where dataclasses look for their module
    with _of_the_task(str(path)):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _of_the_task(where: str) -> Iterator[None]:
    """Turn what another's code raises into one message that names its line."""
    try:
        yield
    except (MicronetsError, OSError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # sys.exit() as well, which would end this program without a word
        *_, last = traceback.extract_tb(error.__traceback__)
        if isinstance(error, SyntaxError) and error.filename:
            at = f"{error.filename}, line {error.lineno}"
        else:
            at = f"{last.filename}, line {last.lineno}"
        raise UsageError(
            "the task cannot be used",
            where=where,
            why=f"{at}: {type(error).__name__}: {error}",
            remedy="mend its code; a bundled task shows how: micronets_gen.search.data.tasks.digits",
        ) from error


def _check(which: str, task: Any) -> None:
    missing = [name for name in _FACETS if not hasattr(task, name)]
    if missing:
        raise UsageError(
            f"its task lacks {', '.join(missing)}", where=which, remedy=f"a task has {', '.join(_FACETS)}"
        )
    shape, classes = task.input_shape, task.classes
    wrong = ""
    if len(shape) != 3 or not all(isinstance(side, int) and side > 0 for side in shape):
        wrong = f"input_shape is {shape!r}, not height, width and channels, each at least 1"
    elif not all(isinstance(name, str) for name in classes) or not 2 <= len(set(classes)) == len(classes):
        wrong = f"classes are {classes!r}, not two or more different names"
    if wrong:
        raise UsageError(wrong, where=which, remedy="mend its task")
