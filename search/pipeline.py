"""From a task to a run's folder: search, train, quantise, measure."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from codegen import __version__
from codegen.board import Board, load_board
from codegen.errors import UsageError
from codegen.runtimes.choose import choose_runtime
from search.architecture import Architecture, lower
from search.backbone import Space, load_backbone
from search.cost import cost_of
from search.distribution import Workers, requested, require_even, start
from search.files import write_atomically, write_json
from search.int8 import run_int8
from search.limits import Target, latency_of, ops_within, require_feasible, require_fit, require_memory
from search.native import start_tensorflow
from search.progress import Logged, Silent
from search.recipe import Recipe, load_recipe
from search.report import outline, outline_of, render_sweep, write_report
from search.run_dir import RunDir
from search.tasks import get_task, options_for
from search.tasks.base import Floats, Judgement, Task, TaskData

_VECTORS = 1000
"""Most held-out samples that travel with a model."""

_PACKAGES = ("ai-edge-litert", "keras", "numpy", "tensorflow")


@dataclass(frozen=True)
class TargetRequest:
    """Where the model is to run, how fast and in how much memory; at most one of ``fps``, ``latency_ms``, ``mops``.

    Attributes:
        fps: Inferences a second.
        latency_ms: Milliseconds an inference.
        mops: Millions of operations an inference.
        flash: Most bytes of flash, as :class:`search.limits.Target` counts them; None for what the board has.
        ram: Most bytes of RAM, likewise.
    """

    board: str
    runtime: str = "auto"
    fps: float | None = None
    latency_ms: float | None = None
    mops: float | None = None
    flash: int | None = None
    ram: int | None = None

    def resolve(self) -> Target:
        """Return the target.

        Raises:
            MicronetsError: unknown board or runtime, contradictory or impossible limits.
        """
        board = load_board(self.board)
        given = [name for name in ("fps", "latency_ms", "mops") if getattr(self, name) is not None]
        if len(given) > 1:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise UsageError("more than one limit of the same kind", where=flags, remedy="give one of them")
        if not all(0 < getattr(self, name) < float("inf") for name in given):
            raise UsageError(
                "a limit is a number above 0",
                where=f"--{given[0].replace('_', '-')} {getattr(self, given[0]):g}",
            )
        ops: int | None = None
        if self.fps is not None:
            ops = ops_within(board, 1 / self.fps)
        elif self.latency_ms is not None:
            ops = ops_within(board, self.latency_ms / 1000)
        elif self.mops is not None:
            ops = int(self.mops * 1e6)
        require_memory(board, self.flash, self.ram)
        runtime = choose_runtime(self.runtime).runtime
        return Target(board, runtime, max_ops=ops, max_flash=self.flash, max_ram=self.ram)


@dataclass(frozen=True)
class Request:
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
        strategy: Which devices take part, one of :data:`search.distribution.STRATEGIES`. A run may go on with another.
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


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run came to.

    Attributes:
        metrics: As in ``metrics.json``.
        finished: False where Ctrl-C ended the training; the folder is usable all the same.
        workers: Who took part; the folder is the chief's.
    """

    run: RunDir
    metrics: Mapping[str, Any]
    finished: bool
    workers: Workers


@dataclass(frozen=True, eq=False)
class _Session:
    request: Request
    run: RunDir
    recipe: Recipe
    task: Task
    data: TaskData
    target: Target | None
    input_range: tuple[float, float]
    progress: Any
    workers: Workers
    history: dict[str, Any] = field(default_factory=dict)

    def save_history(self) -> None:
        if self.workers.is_chief:
            write_json(self.run.history, self.history)


def execute(request: Request, progress: Any = None) -> Outcome:
    """Run a request, or go on with it where its folder holds an unfinished run of the same request.

    Raises:
        MicronetsError: what is wrong with the request, the data, the limits or the folder.
    """
    run = RunDir(request.out)
    cluster = requested(request.strategy)
    backbone = load_backbone(request.backbone) if request.backbone else None
    target = request.target.resolve() if request.target else None
    given = _given(request.architecture) if request.architecture else None
    task, recipe = task_and_recipe(
        request.task, request.recipe, request.settings, target.board if target else None, given
    )
    space = Space(backbone or load_backbone(task.backbone), task.input_shape, len(task.classes)).validate()
    _check(request, task, space, target)
    wanted = {**request.to_json(), "recipe": recipe.to_json()}
    progress = progress or Silent()
    progress.stage("starting TensorFlow")
    start_tensorflow()
    if cluster is not None:
        progress.stage(f"meeting {', '.join(cluster.others)}")
    workers = start(request.strategy)
    _check_batches(request, recipe, workers)
    _require_alike(workers, {**wanted, "data": None}, "the same command")
    workers.from_chief(lambda: run.require_own(wanted))
    _prepare_tensorflow(request.seed)
    progress.stage("loading the data")
    data = workers.together(lambda: task.load(request.data, request.seed))
    samples = {part: getattr(data, part).samples for part in ("train", "validation", "test")}
    _require_alike(workers, samples, "the same data")
    workers.from_chief(lambda: run.begin(wanted, request.command, _versions()))
    features = data.representative()
    session = _Session(
        request,
        run,
        recipe,
        task,
        data,
        target,
        workers.from_chief(lambda: (float(features.min()), float(features.max()))),
        Logged(progress, run.path / "tensorboard") if workers.is_chief else Silent(),
        workers,
    )
    with workers.scope():
        network, architecture, finished = _train(session, space)
    metrics = workers.from_chief(lambda: _hand_over(session, network, architecture, finished))
    return Outcome(run, metrics, finished, workers)


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


def sweep(
    request: Request, mops: Sequence[float], compare: Sequence[Path] = (), progress: Any = None
) -> list[dict[str, Any]]:
    """Run a search for each limit of operations, each in a folder of its own under ``out``.

    Args:
        compare: Folders of finished runs of the task that the report draws beside them.

    Returns:
        The metrics of each run with ``limit_mops`` and ``path``, as in ``sweep.json``; ``report.html`` shows
        what no other one beats.

    Raises:
        MicronetsError: as :func:`execute`; what is done stays and is not done again.
    """
    if request.target is None or len(set(mops)) < 2:
        raise UsageError("a sweep needs a board and at least two limits", where="--sweep")
    targets = {limit: replace(request.target, mops=limit) for limit in mops}
    for target in targets.values():
        target.resolve()
    baselines = [_baseline(RunDir(path), request) for path in compare]
    points: list[dict[str, Any]] = []
    for limit in sorted(targets):
        folder = f"{limit:g}"
        outcome = execute(replace(request, target=targets[limit], out=request.out / folder), progress)
        points.append({"limit_mops": limit, "path": folder, **outcome.metrics})
        if not outcome.finished:
            raise KeyboardInterrupt
    if outcome.workers.is_chief:
        write_json(request.out / "sweep.json", points)
        text = render_sweep(request.task, points, baselines)
        write_atomically(request.out / "report.html", lambda file: file.write(text.encode("utf-8")))
    return points


def _baseline(run: RunDir, request: Request) -> dict[str, Any]:
    """Return the metrics of a run to compare with, with its ``name`` and its ``path`` from the sweep's folder."""
    metrics = run.read(run.metrics)
    if metrics.get("task") != request.task:
        raise UsageError(
            f"is a run of task {metrics.get('task')}, not {request.task}", where=f"--compare {run.path}"
        )
    path = os.path.relpath(run.path, request.out)
    return {**metrics, "name": run.path.resolve().name, "path": Path(path).as_posix()}


def _check(request: Request, task: Task, space: Space, target: Target | None) -> None:
    """Raise for what can be known before any training, and before there is a folder."""
    if request.architecture is not None:
        architecture = _named(request.architecture, task)
        if target is not None:
            require_fit(architecture, target)
    elif target is None:
        raise UsageError(
            "a search needs a board", where="--board", remedy="name one: see micronets-gen boards"
        )
    else:
        require_feasible(space, target)


def _check_batches(request: Request, recipe: Recipe, workers: Workers) -> None:
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
    found = {"micronets-gen": __version__, "python": platform.python_version()}
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
    from search.network import Network
    from search.training import train_network

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
    request = session.request
    if request.architecture is not None:
        given = _named(request.architecture, session.task)
        session.history["blocks"] = outline_of(given)
        return given, None, None
    assert session.target is not None
    from search.dnas import search

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
    return replace(found.architecture, name=request.task), found.supernet, found.choice


def _given(name: str) -> Architecture:
    from search.zoo import published

    return Architecture.load(Path(name)) if name.endswith(".json") else published(name).architecture


def _named(name: str, task: Task) -> Architecture:
    architecture = _given(name)
    wanted = (task.input_shape, len(task.classes))
    if (architecture.input_shape, architecture.classes) != wanted:
        raise UsageError(
            f"{architecture.name} is for features {architecture.input_shape} and {architecture.classes} classes",
            where=task.name,
            why=f"the task has {wanted[0]} and {wanted[1]}",
            remedy="take an architecture that was made for the task",
        )
    return architecture


def _teacher(session: _Session, space: Space) -> Any:
    """Return the network to distil from: another run's, or the backbone's largest, trained now."""
    from search.network import Network
    from search.training import restore, train_network

    recipe = session.recipe.train
    if recipe.teacher != "largest":
        architecture, weights = session.workers.from_chief(lambda: _trained(RunDir(Path(recipe.teacher))))
        teacher = Network(lower(architecture), session.request.seed, session.input_range)
        restore(teacher.named_variables(), weights)
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


def _hand_over(session: _Session, network: Any, architecture: Architecture, finished: bool) -> dict[str, Any]:
    """Measure, then write weights, models, vectors and metrics.

    The model for the board comes last: a folder without it is none for ``build``, so that a kill between two
    files never leaves a model beside another one's samples.
    """
    from search.export import write_tflite
    from search.network import keras_model
    from search.training import outputs_of

    session.progress.stage("quantising and measuring")
    run, data = session.run, session.data
    flatbuffer = write_tflite(network.quantised(architecture))

    def watch(part: str) -> Callable[[int, int], None]:
        return lambda chunk, chunks: session.progress.step(f"int8 {part}", 0, 1, chunk, chunks)

    results: dict[str, Judgement] = {}
    agreement = 0.0
    for part, split in (("validation", data.validation), ("test", data.test)):
        outputs = outputs_of(network, split)
        inputs, quantised, labels = run_int8(flatbuffer, split, watch(part))
        probabilities: Floats = ((quantised.astype(np.float32) + 128) / 256).astype(np.float32)
        results[part] = data.judge(part, probabilities)
        results[f"{part}_fake_quantised"] = data.judge(part, outputs)
        results[f"{part}_float"] = data.judge(part, outputs_of(network, split, quantise=False))
        agreement = float(np.mean(probabilities.argmax(-1) == outputs.argmax(-1)))
    metrics = _metrics(session, architecture, results, finished) | {"agreement": agreement}
    run.tflite.unlink(missing_ok=True)
    weights = {name: variable.numpy() for name, variable in network.named_variables().items()}
    write_atomically(run.weights, lambda file: np.savez_compressed(file, **weights))
    half = run.path / f".{run.keras.name}"  # Keras wants a path
    keras_model(network, architecture.input_shape).save(half)
    half.replace(run.keras)
    kept = slice(_VECTORS)
    write_atomically(
        run.vectors,
        lambda file: np.savez_compressed(
            file, input_0=inputs[kept], output_0=quantised[kept], labels=labels[kept]
        ),
    )
    write_json(run.metrics, metrics)
    write_report(run)
    write_atomically(run.tflite, lambda file: file.write(flatbuffer))
    return metrics


def _metrics(
    session: _Session, architecture: Architecture, results: Mapping[str, Judgement], finished: bool
) -> dict[str, Any]:
    cost = cost_of(architecture)
    metrics: dict[str, Any] = {
        "task": session.task.name,
        "finished": finished,
        "metric": results["test"].metric,
        "validation_metric": results["validation"].metric,
        **{name: judgement.value for name, judgement in results.items()},
        "samples": {"validation": session.data.validation.samples, "test": session.data.test.samples},
        "classes": list(session.task.classes),
        "architecture": architecture.summary(),
        "cost": asdict(cost),
        "data": dict(session.data.provenance),
    }
    confusion = results["test"].confusion
    if confusion is not None:
        metrics["confusion"] = confusion.tolist()
    if results["test"].curve:
        metrics["curve"] = [list(point) for point in results["test"].curve]
    if session.target is not None:
        verdict = session.target.verdict(architecture)
        metrics["target"] = {
            "board": session.target.board.name,
            "runtime": session.target.runtime.name,
            "memory": {"flash": session.target.flash, "ram": session.target.ram},
            "limits": session.target.limits(architecture),
            "demand": asdict(verdict.demand),
            "fits": verdict.fits,
            "latency_s": latency_of(session.target.board, cost.ops),
        }
    return metrics
