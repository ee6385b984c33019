"""What test_distribution.py runs in processes of their own: TensorFlow takes its devices and its cluster once."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from micronets_gen.errors import FitError, UsageError


def compare(out: Path, backbone: str) -> None:
    """Let one device and two learn the same, and write what each has learnt."""
    import tensorflow as tf

    from micronets_gen.search.learn.distribution import Workers, start

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    tf.config.experimental.enable_op_determinism()
    for name, workers in (("one", Workers()), ("two", start("mirrored"))):
        with workers.scope():
            np.savez(out / f"{name}.npz", replicas=workers.replicas, **_learnt(backbone))


def _learnt(backbone: str) -> dict[str, Any]:
    import tensorflow as tf

    from micronets_gen.search.learn.dnas import Learner
    from micronets_gen.search.learn.recipe import SearchRecipe
    from micronets_gen.search.learn.supernet import Supernet
    from micronets_gen.search.space.backbone import Space, load_backbone
    from micronets_gen.search.space.cost import ExpectedCost

    batch, steps = 32, 4
    space = Space(load_backbone(backbone), (8, 8, 1), 10)
    recipe = SearchRecipe(batch=batch, optimizer="sgd", learning_rate=0.02, alternate=True)
    features = tf.random.stateless_uniform((steps, batch, 8, 8, 1), [1, 2])
    labels = tf.one_hot(tf.random.stateless_uniform((steps, batch), [3, 4], 0, 10, tf.int32), 10)
    limits = {"ops": tf.Variable(1e5, dtype=tf.float64), "model_bytes": tf.Variable(9e3, dtype=tf.float64)}
    learnt: dict[str, Any] = {}
    for name, costs in (("float", None), ("quantised", ExpectedCost(space))):
        supernet = Supernet(space, 0, (0.0, 1.0))
        learner = Learner(supernet, recipe, steps)
        step = learner.step(costs, limits)
        for number in range(steps):
            figures = step(features[number], labels[number], tf.constant(number, tf.int64))
            learnt |= {f"{name}/figure/{key}{number}": value.numpy() for key, value in figures.items()}
        variables = supernet.named_variables() | learner.named_variables()
        learnt |= {f"{name}/{key}": variable.numpy() for key, variable in variables.items()}
    return learnt


def talk() -> None:
    """Exchange values, errors and Ctrl-C with the other worker."""
    from micronets_gen.search.learn.distribution import start

    workers = start("auto")
    index = workers.cluster.index
    assert workers.gather({"index": index, "text": "x" * index}) == [
        {"index": 0, "text": ""},
        {"index": 1, "text": "x"},
    ]
    assert workers.from_chief(lambda: (index, np.arange(3)))[0] == 0
    with pytest.raises(FitError, match=r"^chief: too large$"):
        workers.from_chief(lambda: refuse(FitError("too large", where="chief")))
    with pytest.raises(UsageError, match=r"^worker 1: DIR: no data\n  what to do: get them$"):
        workers.together(lambda: index and refuse(UsageError("no data", where="DIR", remedy="get them")))
    assert workers.together(lambda: index) == index
    with workers.interruptible() as stop_if_asked:
        stop_if_asked()
        if index == 1:
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            stop_if_asked()
    print("stopped")


def refuse(error: Exception) -> None:
    raise error


if __name__ == "__main__":
    if sys.argv[1] == "talk":
        talk()
    else:
        compare(Path(sys.argv[1]), sys.argv[2])
