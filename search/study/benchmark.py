"""Figures of the search itself, as Markdown tables.

``python -m micronets_gen.search.study.benchmark step``: what a step of a supernet takes against one of its largest
child.

``... baseline --task digits --board nucleo_f446re --mops 0.06``: the search against random search with the
same number of training steps, over several seeds; ``--methods dnas free-logits`` against a logit a choice;
``--latency-ms 2 --methods dnas operations`` a search that counts cycles against one that counts operations.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from micronets_gen.search.learn.native import start_tensorflow

_STEPS: Mapping[str, tuple[tuple[int, int, int], int, int]] = {
    "digits": ((8, 8, 1), 10, 64),
    "kws-small": ((49, 10, 1), 12, 64),
    "kws-strided": ((49, 10, 1), 12, 64),
    "kws": ((49, 10, 1), 12, 16),
    "ad": ((32, 32, 1), 4, 8),
    "vww": ((50, 50, 1), 2, 16),
}
"""Input, classes and batch by backbone."""


def step_seconds(backbone: str, repeat: int = 5) -> tuple[float, float]:
    """Return the seconds of a step of the supernet and of its largest child, the best of several."""
    import tensorflow as tf

    from micronets_gen.search.learn.dnas import Learner
    from micronets_gen.search.learn.network import Network
    from micronets_gen.search.learn.recipe import SearchRecipe
    from micronets_gen.search.learn.supernet import Supernet
    from micronets_gen.search.learn.training import cross_entropy, optimizer_of
    from micronets_gen.search.space.backbone import Space, load_backbone
    from micronets_gen.search.space.cost import ExpectedCost

    shape, classes, batch = _STEPS[backbone]
    space = Space(load_backbone(backbone), shape, classes)
    limits = {name: tf.Variable(1e5, dtype=tf.float64) for name in ("model_bytes", "working_memory", "ops")}
    learner = Learner(Supernet(space, 0, (-1.0, 1.0)), SearchRecipe(batch=batch), 10)
    step = learner.step(ExpectedCost(space), limits)
    network = Network(space.layers)
    variables = list(network.trainable_variables)
    optimizer = optimizer_of("adamw", 1e-3, 1e-3, variables, [])

    @tf.function  # type: ignore[untyped-decorator]
    def child(features: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = cross_entropy(labels, network(features, training=True))
        gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    features = tf.random.stateless_normal((batch, *shape), [0, 1])
    labels = tf.one_hot(np.arange(batch) % classes, classes)

    def supernet_step() -> None:
        step(features, labels, tf.constant(1, tf.int64))["loss"].numpy()

    def child_step() -> None:
        child(features, labels).numpy()

    best = [float("inf"), float("inf")]
    for attempt in range(repeat + 1):
        for index, run in enumerate((supernet_step, child_step)):
            began = time.perf_counter()
            run()
            if attempt:
                best[index] = min(best[index], time.perf_counter() - began)
    return best[0], best[1]


def _print_steps() -> None:
    print("| backbone | batch | supernet, ms | largest child, ms | ratio |\n|---|---|---|---|---|")
    for backbone, (_, _, batch) in _STEPS.items():
        supernet, child = step_seconds(backbone)
        print(
            f"| {backbone} | {batch} | {1e3 * supernet:.1f} | {1e3 * child:.1f} | {supernet / child:.2f} |",
            flush=True,
        )


MOPS, MS = "MOps", "ms"


@dataclass(frozen=True)
class Trial:
    """A method's result at a limit and a seed.

    Attributes:
        limit: In ``unit``.
        validation: The metric of the best epoch of the training.
        test: The metric of the fake-quantised network.
        milliseconds: Predicted; None where the board's time is not known.
        unit: :data:`MOPS`, millions of operations, or :data:`MS`, milliseconds.
    """

    limit: float
    seed: int
    method: str
    ops: int
    validation: float
    test: float
    architecture: str
    milliseconds: float | None = None
    unit: str = MOPS

    @property
    def used(self) -> float:
        """Share of the limit; a search that counts something else than what is limited may be above 1."""
        return (self.ops / 1e6 if self.unit == MOPS else self.milliseconds or 0.0) / self.limit


def trials(arguments: argparse.Namespace) -> Iterator[Trial]:
    """Yield each method at each limit and seed; what it found is trained by the recipe."""
    import tensorflow as tf

    from micronets_gen.boards.load import load_board
    from micronets_gen.common.tables import bytes_of
    from micronets_gen.search.learn.network import Network
    from micronets_gen.search.learn.training import outputs_of, train_network
    from micronets_gen.search.run.request import TargetRequest, task_and_recipe
    from micronets_gen.search.space.architecture import lower
    from micronets_gen.search.space.backbone import Space, load_backbone

    board = load_board(arguments.board)
    task, recipe = task_and_recipe(arguments.task, arguments.recipe, arguments.set, board, None)
    backbone = load_backbone(arguments.backbone or task.backbone)
    space = Space(backbone, task.input_shape, len(task.classes)).validate()
    tf.config.experimental.enable_op_determinism()
    ram = bytes_of(arguments.ram, "--ram") if arguments.ram else None
    unit, limits = limits_of(arguments)
    for limit, seed, method in product(limits, range(arguments.seeds), arguments.methods):
        target = TargetRequest(
            arguments.board,
            arguments.runtime,
            mops=limit if unit == MOPS else None,
            latency_ms=limit if unit == MS else None,
            ram=ram,
        ).resolve()
        data = task.load(arguments.data, seed)
        extent = data.input_range()
        tf.keras.utils.set_random_seed(seed)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            architecture, network = METHODS[method](
                Setting(space, data, target, recipe, arguments.candidates, folder, seed, extent)
            )
            if not recipe.train.inherit:
                network = Network(lower(architecture), seed, extent)
            history = train_network(network, data, space.classes, recipe.train, folder / "train.npz", seed)
        cost = target.cost(architecture)
        time = target.estimate(cost)
        yield Trial(
            limit,
            seed,
            method,
            cost.ops,
            max(r["validation"] for r in history if r["eligible"]),
            data.judge("test", outputs_of(network, data.test)).value,
            architecture.summary(),
            time.milliseconds if time else None,
            unit,
        )


def limits_of(arguments: argparse.Namespace) -> tuple[str, list[float]]:
    """Return the unit of the limits, and the limits."""
    return (MOPS, arguments.mops) if arguments.mops else (MS, arguments.latency_ms)


@dataclass(frozen=True)
class Setting:
    """What a method searches, under what, and where its checkpoints go."""

    space: Any
    data: Any
    target: Any
    recipe: Any
    candidates: int
    folder: Path
    seed: int
    input_range: tuple[float, float]


def _dnas(setting: Setting, supernet_of: Any = None) -> tuple[Any, Any]:
    from micronets_gen.search.learn.dnas import search
    from micronets_gen.search.learn.supernet import Supernet

    found = search(
        setting.space,
        setting.data,
        setting.target,
        setting.recipe.search,
        setting.folder / "search.npz",
        setting.seed,
        setting.input_range,
        supernet_of=supernet_of or Supernet,
    )
    return found.architecture, found.supernet.child(found.choice, setting.seed)


def _free(setting: Setting) -> tuple[Any, Any]:
    from micronets_gen.search.study.free_logits import FreeSupernet

    return _dnas(setting, FreeSupernet)


def _random(setting: Setting) -> tuple[Any, Any]:
    from micronets_gen.search.study.random_search import random_search

    return random_search(
        setting.space,
        setting.data,
        setting.target,
        setting.recipe.search,
        setting.recipe.train,
        setting.candidates,
        setting.folder,
        setting.seed,
        setting.input_range,
    )


def _operations(setting: Setting) -> tuple[Any, Any]:
    from micronets_gen.search.study.random_search import operations_at

    operations = operations_at(setting.space, setting.target, setting.seed)
    return _dnas(replace(setting, target=replace(setting.target, max_cycles=None, max_ops=operations)))


METHODS: Mapping[str, Callable[[Setting], tuple[Any, Any]]] = {
    "dnas": _dnas,
    "free-logits": _free,
    "operations": _operations,
    "random": _random,
}
"""Return architecture and network, trained so far.

The search; the same without one peak a width; the same under as many operations as random architectures at the limit
do, and no limit in time; random search.
"""


def _print_baseline(arguments: argparse.Namespace) -> None:
    unit, limits = limits_of(arguments)
    timed = unit == MS
    print(
        f"| {unit} limit | seed | method | {'ms | ' if timed else ''}ops | validation | test | architecture |"
    )
    print("|---" * (8 if timed else 7) + "|")
    done = []
    for trial in trials(arguments):
        done.append(trial)
        milliseconds = f"{trial.milliseconds:.4g} | " if timed else ""
        print(
            f"| {trial.limit} | {trial.seed} | {trial.method} | {milliseconds}{trial.ops:,} | {trial.validation:.4f} "
            f"| {trial.test:.4f} | {trial.architecture} |",
            flush=True,
        )
    print_means(done, limits, arguments.methods)
    print_differences(done, limits, arguments.methods)


def print_means(done: Sequence[Trial], limits: Sequence[float], methods: Sequence[str]) -> None:
    """Print a row a limit and method."""
    print("\nMeans over the seeds, with their standard errors:\n")
    print(f"| {done[0].unit} limit | method | limit used | validation | test |\n|---|---|---|---|---|")
    for limit, method in product(limits, methods):
        group = [trial for trial in done if (trial.limit, trial.method) == (limit, method)]
        used = np.mean([trial.used for trial in group])
        validation, test = (mean_of([getattr(trial, name) for trial in group]) for name in _SPLITS)
        print(f"| {limit} | {method} | {used:.1%} | {validation} | {test} |")


def print_differences(done: Sequence[Trial], limits: Sequence[float], methods: Sequence[str]) -> None:
    """Print a row a limit and method: the first method less this one."""
    first, *others = methods
    if not others:
        return
    print(f"\n{first} less each other method at the same seed, with standard errors:\n")
    print(f"| {done[0].unit} limit | less | validation | test |\n|---|---|---|---|")
    for limit, method in product(limits, others):
        pairs = [
            (a, b)
            for a, b in product(done, done)
            if (a.limit, a.method, b.limit, b.method, a.seed) == (limit, first, limit, method, b.seed)
        ]
        validation, test = (
            mean_of([getattr(a, name) - getattr(b, name) for a, b in pairs], sign="+") for name in _SPLITS
        )
        print(f"| {limit} | {method} | {validation} | {test} |")


_SPLITS = ("validation", "test")


def mean_of(values: Sequence[float], sign: str = "") -> str:
    """Return a mean, with its standard error where there are several values: ``0.9500 ± 0.0100``."""
    mean = format(np.round(np.mean(values), 4) + 0.0, f"{sign}.4f")
    if len(values) == 1:
        return mean
    return f"{mean} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.4f}"


def main() -> None:
    """Entry point of ``python -m micronets_gen.search.study.benchmark``."""
    parser = argparse.ArgumentParser(
        prog="python -m micronets_gen.search.study.benchmark", description="Figures of the search."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("step", help="a step of each supernet against one of its largest child")
    baseline = verbs.add_parser("baseline", help="the search against random search with as many steps")
    baseline.add_argument("--task", required=True)
    baseline.add_argument("--board", required=True)
    limits = baseline.add_mutually_exclusive_group(required=True)
    limits.add_argument("--mops", type=float, nargs="+")
    limits.add_argument("--latency-ms", type=float, nargs="+")
    baseline.add_argument("--runtime", default="aot")
    baseline.add_argument("--ram", help="most bytes of RAM, for example 64K")
    baseline.add_argument("--data", type=Path)
    baseline.add_argument("--backbone")
    baseline.add_argument("--recipe")
    baseline.add_argument("--set", action="append", default=[], help="change a number of the recipe")
    baseline.add_argument("--seeds", type=int, default=5)
    baseline.add_argument("--methods", nargs="+", choices=METHODS, default=["dnas", "random"])
    baseline.add_argument("--candidates", type=int, default=8, help="of random search")
    arguments = parser.parse_args()
    start_tensorflow()
    if arguments.verb == "step":
        _print_steps()
    else:
        _print_baseline(arguments)


if __name__ == "__main__":
    main()
