"""From a task to a run's folder: search, train, quantise, measure."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from micronets_gen.common.files import write_json
from micronets_gen.common.version import VERSION
from micronets_gen.errors import UsageError
from micronets_gen.search.data.tasks import load_data
from micronets_gen.search.data.tasks.base import Task, TaskData
from micronets_gen.search.learn.distribution import Workers, requested, require_even, start
from micronets_gen.search.learn.native import start_tensorflow
from micronets_gen.search.learn.progress import Progress, Silent, TensorBoardLog
from micronets_gen.search.learn.recipe import Recipe
from micronets_gen.search.report import outline, outline_of
from micronets_gen.search.run.request import (
    SearchRequest,
    given_architecture,
    require_made_for,
    space_of,
    task_and_recipe,
)
from micronets_gen.search.run_dir import RunDir
from micronets_gen.search.space.architecture import Architecture, lower
from micronets_gen.search.space.backbone import Space
from micronets_gen.search.space.limits import Target, require_feasible, require_fit

_PACKAGES = ("ai-edge-litert", "keras", "numpy", "tensorflow")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run came to.

    Attributes:
        request: What was asked.
        metrics: As in ``metrics.json``.
        finished: False where Ctrl-C ended the training; the folder is usable all the same.
        workers: Who took part; the folder is the chief's.
    """

    request: SearchRequest
    run: RunDir
    metrics: Mapping[str, Any]
    finished: bool
    workers: Workers


@dataclass(frozen=True, eq=False)
class _Session:
    request: SearchRequest
    run: RunDir
    recipe: Recipe
    task: Task
    data: TaskData
    target: Target | None
    given: Architecture | None
    input_range: tuple[float, float]
    progress: Progress
    workers: Workers
    history: dict[str, Any] = field(default_factory=dict)

    def save_history(self) -> None:
        if self.workers.is_chief:
            write_json(self.run.history, self.history)


def execute(request: SearchRequest, progress: Progress | None = None) -> Outcome:
    """Run a request, or go on with it where its folder holds an unfinished run of the same request.

    Raises:
        MicronetsError: what is wrong with the request, the data, the limits or the folder.
    """
    run = RunDir(request.out)
    cluster = requested(request.strategy)
    target = request.target.resolve() if request.target else None
    given = given_architecture(request.architecture) if request.architecture else None
    task, recipe = task_and_recipe(
        request.task, request.recipe, request.settings, target.board if target else None, given
    )
    space = space_of(request, task)
    _check(given, task, space, target)
    wanted = {**request.to_json(), "recipe": recipe.to_json()}
    progress = progress or Silent()
    progress.stage("loading TensorFlow")
    start_tensorflow()
    from micronets_gen.search.run.hand_over import hand_over

    if cluster is not None:
        progress.stage(f"meeting {', '.join(cluster.others)}")
    workers = start(request.strategy)
    _check_batches(request, recipe, workers)
    _require_alike(workers, {**wanted, "data": None}, "the same command")
    workers.from_chief(lambda: run.require_own(wanted))
    _prepare_tensorflow(request.seed)
    progress.stage("loading the data")
    data = workers.together(lambda: load_data(request.task, task, request.data, request.seed))
    samples = {part: getattr(data, part).samples for part in ("train", "validation", "test")}
    _require_alike(workers, samples, "the same data")
    workers.from_chief(lambda: run.begin(wanted, request.command, _versions()))
    session = _Session(
        request,
        run,
        recipe,
        task,
        data,
        target,
        given,
        workers.from_chief(data.input_range),
        TensorBoardLog(progress, run.path / "tensorboard") if workers.is_chief else Silent(),
        workers,
    )
    with workers.scope():
        network, architecture, finished = _train(session, space)
    metrics = workers.from_chief(
        lambda: hand_over(run, task, data, target, network, architecture, finished, session.progress)
    )
    return Outcome(request, run, metrics, finished, workers)


def _check(given: Architecture | None, task: Task, space: Space, target: Target | None) -> None:
    """Raise for what can be known before any training, and before there is a folder."""
    if given is not None:
        require_made_for(task, given)
        if target is not None:
            require_fit(given, target)
    elif target is None:
        raise UsageError(
            "a search needs a board", where="--board", remedy="name one: see micronets-gen boards"
        )
    else:
        require_feasible(space, target)


def _check_batches(request: SearchRequest, recipe: Recipe, workers: Workers) -> None:
    if request.architecture is None:
        require_even(recipe.search.batch, workers.replicas, "search.batch")
    require_even(recipe.train.batch, workers.replicas, "train.batch")


def _require_alike(workers: Workers, values: Mapping[str, Any], what: str) -> None:
    """Raise on all workers where one has other values than the chief."""
    chief = workers.from_chief(lambda: values)
    different = sorted(key for key, value in values.items() if value != chief[key])

    def check() -> None:
        if different:
            raise UsageError(
                f"not {what} as on the chief",
                why=f"{', '.join(different)} differ",
                remedy=f"give every worker {what}",
            )

    workers.together(check)


def _versions() -> dict[str, str]:
    found = {"micronets-gen": VERSION, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _prepare_tensorflow(seed: int) -> None:
    import tensorflow as tf

    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def _train(session: _Session, space: Space) -> tuple[Any, Architecture, bool]:
    from micronets_gen.search.learn.network import Network
    from micronets_gen.search.learn.training import train_network

    request, recipe = session.request, session.recipe
    architecture, supernet, choice = _architecture(session, space)
    if session.workers.is_chief:
        architecture.save(session.run.architecture)
    network = Network(lower(architecture), request.seed, session.input_range)
    if supernet is not None and choice is not None and recipe.train.inherit:
        network = supernet.child(choice, request.seed)
    teacher = _teacher(session, space) if recipe.train.distillation else None
    finished = True
    session.progress.stage("compiling the training")
    try:
        train_network(
            network,
            session.data,
            len(session.task.classes),
            recipe.train,
            session.run.checkpoint("train"),
            request.seed,
            teacher=teacher,
            progress=session.progress,
            record=session.history.setdefault("train", []),
        )
    except KeyboardInterrupt:
        if not any(record["eligible"] for record in session.history["train"]):
            session.save_history()
            raise
        finished = False
    session.save_history()
    return network, architecture, finished


def _architecture(session: _Session, space: Space) -> tuple[Architecture, Any, Any]:
    """Return the architecture that was asked for, or search it."""
    request, given = session.request, session.given
    if given is not None:
        session.history["blocks"] = outline_of(given)
        return given, None, None
    assert session.target is not None
    from micronets_gen.search.learn.dnas import search

    session.progress.stage("compiling the search")
    found = search(
        space,
        session.data,
        session.target,
        session.recipe.search,
        session.run.checkpoint("search"),
        request.seed,
        session.input_range,
        session.progress,
    )
    session.history["search"] = found.history
    session.history["blocks"] = outline(space, found.choice)
    session.save_history()
    return replace(found.architecture, name=session.task.name), found.supernet, found.choice


def _teacher(session: _Session, space: Space) -> Any:
    """Return the network to distil from: another run's, or the backbone's largest, trained now."""
    from micronets_gen.search.learn.network import Network
    from micronets_gen.search.learn.training import restore_whole, train_network

    recipe = session.recipe.train
    if recipe.teacher != "largest":
        architecture, weights = session.workers.from_chief(lambda: _trained(RunDir(Path(recipe.teacher))))
        teacher = Network(lower(architecture), session.request.seed, session.input_range)
        restore_whole(teacher, weights, recipe.teacher)
        return teacher
    teacher = Network(space.layers, session.request.seed, session.input_range)
    session.history["teacher"] = train_network(
        teacher,
        session.data,
        len(session.task.classes),
        replace(recipe, distillation=0.0),
        session.run.checkpoint("teacher"),
        session.request.seed,
        phase="teacher",
        progress=session.progress,
    )
    return teacher


def _trained(run: RunDir) -> tuple[Architecture, dict[str, npt.NDArray[Any]]]:
    architecture = Architecture.load(run.architecture)
    if not run.weights.exists():
        raise UsageError("has no weights to distil from", where=str(run.path), remedy="let that run finish")
    with np.load(run.weights) as file:
        return architecture, dict(file)
