"""What a person asks of the search, resolved: the target, the task, its recipe, an architecture that is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from micronets_gen.boards.board import Board
from micronets_gen.boards.load import load_board
from micronets_gen.errors import UsageError
from micronets_gen.jobs.estimate import TimeLimit, regression_on, require_one_limit
from micronets_gen.runtimes.choose import choose_runtime
from micronets_gen.search.data.tasks import get_task, options_for
from micronets_gen.search.data.tasks.base import Task
from micronets_gen.search.learn.recipe import Recipe, load_recipe
from micronets_gen.search.space.architecture import Architecture
from micronets_gen.search.space.backbone import Space, load_backbone
from micronets_gen.search.space.limits import Target, cycles_within, require_memory


@dataclass(frozen=True)
class TargetRequest:
    """Where the model is to run, how fast and in how much memory.

    Attributes:
        fps: Inferences a second; at most one of this, ``latency_ms``, ``energy_uj`` and ``mops``.
        latency_ms: Milliseconds an inference.
        mops: Millions of operations an inference.
        flash: Most bytes of flash, as :class:`Target` counts them; None for what the board has.
        ram: Most bytes of RAM, likewise.
        energy_uj: Microjoules an inference, which are a time at the board's power.
    """

    board: str
    runtime: str = "auto"
    fps: float | None = None
    latency_ms: float | None = None
    mops: float | None = None
    flash: int | None = None
    ram: int | None = None
    energy_uj: float | None = None

    def resolve(self) -> Target:
        """Return the target.

        Raises:
            MicronetsError: unknown board or runtime, contradictory or impossible limits.
        """
        board = load_board(self.board)
        limits = ("fps", "latency_ms", "energy_uj", "mops")
        require_one_limit({name: getattr(self, name) for name in limits})
        require_memory(board, self.flash, self.ram)
        runtime = choose_runtime(self.runtime).runtime
        regression, seconds = regression_on(board, runtime.name), self.time_limit.seconds(board)
        return Target(
            board,
            runtime,
            max_ops=None if self.mops is None else int(self.mops * 1e6),
            max_flash=self.flash,
            max_ram=self.ram,
            max_cycles=None if seconds is None else cycles_within(board, runtime.name, regression, seconds),
            regression=regression,
        )

    @property
    def time_limit(self) -> TimeLimit:
        """How fast the model has to be."""
        return TimeLimit(self.fps, self.latency_ms, self.energy_uj)


@dataclass(frozen=True)
class SearchRequest:
    """What a person asks of ``search`` or ``train``.

    Attributes:
        task: Name of the task.
        out: The run's folder.
        target: None to train without a limit.
        data: Where the task's data lie.
        backbone: Name or file; None for the task's.
        architecture: Name of a published architecture, or an ``architecture.json``; None to search.
        recipe: Name or file; None for the task's.
        settings: Changes of the recipe: ``train.epochs=10``.
        strategy: Which devices take part, one of :data:`STRATEGIES`. A run may go on with another.
        command: What was typed, for the record.
    """

    task: str
    out: Path
    target: TargetRequest | None = None
    data: Path | None = None
    backbone: str | None = None
    architecture: str | None = None
    recipe: str | None = None
    settings: Sequence[str] = ()
    seed: int = 0
    strategy: str = "auto"
    command: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain values that tell two requests apart."""
        return {
            "task": self.task,
            "target": asdict(self.target) if self.target else None,
            "data": str(self.data) if self.data else None,
            "backbone": self.backbone,
            "architecture": self.architecture,
            "seed": self.seed,
        }


def task_and_recipe(
    name: str, recipe: str | None, settings: Sequence[str], board: Board | None, given: Architecture | None
) -> tuple[Task, Recipe]:
    """Return a task and its recipe, which holds what follows the board or the architecture, too.

    Args:
        recipe: Name or file; None for the task's.
        settings: Changes of the recipe.
        board: Where the model is to run.
        given: The architecture, where none is searched.

    Raises:
        UsageError: unknown task, recipe or option.
    """
    loaded = load_recipe(recipe or get_task(name).recipe, settings)
    follows = options_for(name, board, given.input_shape if given else None)
    loaded = replace(loaded, task={**follows, **loaded.task})
    return get_task(name, **loaded.task), loaded


def space_of(request: SearchRequest, task: Task) -> Space:
    """Return all architectures that a search for a task chooses from.

    Raises:
        UsageError: there is no such backbone, or it describes none.
    """
    backbone = load_backbone(request.backbone or task.backbone)
    return Space(backbone, task.input_shape, len(task.classes)).validate()


def searched_space(request: SearchRequest, board: Board) -> Space:
    """Return the same for a board, which features of a task may follow.

    Raises:
        MicronetsError: the task, the recipe or the backbone cannot be read.
    """
    task, _ = task_and_recipe(request.task, request.recipe, request.settings, board, None)
    return space_of(request, task)


def given_architecture(name: str) -> Architecture:
    """Return a published architecture by its name, or that of an ``architecture.json``.

    Raises:
        UsageError: there is none of that name, or the file describes none.
    """
    from micronets_gen.search.space.zoo import published

    return Architecture.load(Path(name)) if name.endswith(".json") else published(name).architecture


def require_made_for(task: Task, architecture: Architecture) -> None:
    """Raise where an architecture takes other features than a task's, or tells other classes apart.

    Raises:
        UsageError: it does.
    """
    wanted = (task.input_shape, len(task.classes))
    if (architecture.input_shape, architecture.classes) != wanted:
        raise UsageError(
            f"{architecture.name} is for features {architecture.input_shape} and {architecture.classes} classes",
            where=task.name,
            why=f"the task has {wanted[0]} and {wanted[1]}",
            remedy="take an architecture that was made for the task",
        )
