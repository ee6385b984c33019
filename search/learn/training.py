"""The loop that both the search and the training run: epochs, schedules, checkpoints, exact resumption."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from micronets_gen.common.files import write_atomically
from micronets_gen.errors import UsageError
from micronets_gen.search.data.tasks.base import Floats, Split, TaskData
from micronets_gen.search.learn.distribution import Step, current, replicated, share_of
from micronets_gen.search.learn.network import Network
from micronets_gen.search.learn.progress import Progress, Silent
from micronets_gen.search.learn.recipe import TrainRecipe

Record = dict[str, Any]


class Checkpoint:
    """The variables of a phase and what is known of its epochs, in one file that is always whole; the chief's.

    Args:
        path: The ``.npz`` file.
        variables: By name.
    """

    def __init__(self, path: Path, variables: Mapping[str, Any]) -> None:
        self._path = path
        self._variables = variables

    def save(self, state: Mapping[str, Any], extra: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write everything; a kill at any moment leaves the old file or the new one.

        Args:
            state: Plain values.
            extra: Arrays beside the variables.
        """
        if not current().is_chief:
            return
        arrays = {f"variable/{name}": variable.numpy() for name, variable in self._variables.items()}
        arrays |= {f"extra/{name}": array for name, array in extra.items()}
        arrays["state"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
        write_atomically(self._path, lambda file: np.savez(file, **arrays))

    def load(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]] | None:
        """Set the variables; return state and extra arrays, or None where there is no file."""
        arrays = current().from_chief(self._read)
        if arrays is None:
            return None
        for name, variable in self._variables.items():
            variable.assign(arrays[f"variable/{name}"])
        extra = {
            name.removeprefix("extra/"): array for name, array in arrays.items() if name.startswith("extra/")
        }
        return json.loads(bytes(arrays["state"])), extra

    def _read(self) -> dict[str, npt.NDArray[Any]] | None:
        if not self._path.exists():
            return None
        try:
            with np.load(self._path) as file:
                arrays = dict(file)
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise self._unusable(str(error)) from error
        wanted = {"state", *(f"variable/{name}" for name in self._variables)}
        if missing := sorted(wanted - arrays.keys()):
            raise self._unusable(f"it lacks {missing[0]}")
        return arrays

    def _unusable(self, why: str) -> UsageError:
        return UsageError(
            "the checkpoint cannot be used",
            where=str(self._path),
            why=why,
            remedy="delete it: its phase then begins anew",
        )


@dataclass
class Phase:
    """One run of the loop.

    Attributes:
        name: ``search``, ``teacher`` or ``train``.
        epochs: How many.
        batch: Samples a step.
        seed: Of mixing ratios.
        mixup: See :class:`micronets_gen.search.learn.recipe.TrainRecipe`.
        step: See :data:`micronets_gen.search.learn.distribution.Step`.
        finish_epoch: Called with the number of the epoch; returns figures for the record.
        score: Name of the figure of the record that picks the best epoch; empty: the last one counts.
        best_of: Variables that the best epoch is kept of.
        start_epoch: Called before an epoch with its number, also where the loop is resumed.
        eligible: Whether an epoch, by its number, may be the best.
    """

    name: str
    epochs: int
    batch: int
    seed: int
    step: Step
    finish_epoch: Callable[[int], Record]
    checkpoint: Checkpoint
    mixup: float = 0.0
    score: str = ""
    best_of: Mapping[str, Any] = field(default_factory=dict)
    start_epoch: Callable[[int], None] = lambda _epoch: None
    eligible: Callable[[int], bool] = lambda _epoch: True


def steps_per_epoch(data: TaskData, batch: int) -> int:
    """Return how many whole batches an epoch has, at least 1."""
    known = int(data.epoch(0).cardinality())
    return max(1, (known if known >= 0 else data.train.samples) // batch)


def run_phase(
    phase: Phase, data: TaskData, classes: int, progress: Progress, record: list[Record] | None = None
) -> list[Record]:
    """Run or resume a phase; at its end the variables of ``best_of`` are those of the best epoch.

    An epoch that a kill cut short begins anew from the checkpoint before it, and comes out the same. Where
    Ctrl-C ends the phase, they are those of the best epoch so far.

    Args:
        record: Filled with the records as they come; empty.

    Returns:
        One record an epoch, those before a resumption included.
    """
    history: list[Record] = [] if record is None else record
    best: dict[str, npt.NDArray[Any]] = {}
    loaded = phase.checkpoint.load()
    if loaded is not None:
        history.extend(loaded[0]["history"])
        best = loaded[1]
    try:
        with current().interruptible() as stop_if_asked:
            _run_epochs(phase, data, classes, progress, history, best, stop_if_asked)
    finally:
        restore(phase.best_of, best)
    return history


def _run_epochs(
    phase: Phase,
    data: TaskData,
    classes: int,
    progress: Progress,
    history: list[Record],
    best: dict[str, npt.NDArray[Any]],
    stop_if_asked: Callable[[], None],
) -> None:
    steps = steps_per_epoch(data, phase.batch)
    top = (
        max((r[phase.score] for r in history if r.get("eligible")), default=-np.inf)
        if phase.score
        else -np.inf
    )
    for epoch in range(len(history), phase.epochs):
        phase.start_epoch(epoch)
        began = time.monotonic()
        sums: dict[str, Any] = {}
        for index, (features, labels) in enumerate(_batches(data.epoch(epoch), phase.batch, steps)):
            number = epoch * steps + index
            mixed = _mix(features, tf.one_hot(labels, classes), phase, number)
            for name, value in phase.step(*mixed, tf.constant(number, tf.int64)).items():
                sums[name] = sums.get(name, 0.0) + value
            progress.step(phase.name, epoch, phase.epochs, index, steps)
        record: Record = {"epoch": epoch, **{name: float(value) / steps for name, value in sums.items()}}
        record |= phase.finish_epoch(epoch)
        record["eligible"] = phase.eligible(epoch)
        record["seconds"] = round(time.monotonic() - began, 3)
        history.append(record)
        if phase.score and record["eligible"] and record[phase.score] >= top:
            top = record[phase.score]
            best.update({name: variable.numpy() for name, variable in phase.best_of.items()})
        phase.checkpoint.save({"history": history}, best)
        progress.epoch(phase.name, record)
        stop_if_asked()


def restore(variables: Mapping[str, Any], values: Mapping[str, npt.NDArray[Any]]) -> None:
    """Set variables by name; what has no value stays."""
    for name, value in values.items():
        variables[name].assign(value)


def restore_whole(network: Network, values: Mapping[str, npt.NDArray[Any]], where: str) -> None:
    """Set every variable of a network.

    Raises:
        UsageError: the values are not those of such a network: another version's, for example.
    """
    variables = network.named_variables()
    if different := sorted(variables.keys() ^ values.keys()):
        raise UsageError(
            "has other weights than its architecture",
            where=where,
            why=f"{different[0]} is on one side only",
            remedy="train it anew with this version",
        )
    restore(variables, values)


def _batches(dataset: Any, batch: int, steps: int) -> Iterator[tuple[Any, Any]]:
    batches: Iterable[tuple[Any, Any]] = dataset.batch(batch).take(steps).prefetch(2)
    yield from batches


def _mix(features: Any, labels: Any, phase: Phase, number: int) -> tuple[Any, Any]:
    if phase.mixup == 0:
        return features, labels
    ratio = np.random.default_rng([phase.seed, number]).beta(phase.mixup, phase.mixup)
    share = tf.constant(max(ratio, 1 - ratio), tf.float32)
    return tuple(share * x + (1 - share) * tf.reverse(x, [0]) for x in (features, labels))


def optimizer_of(
    kind: str, learning_rate: Any, weight_decay: float, variables: list[Any], undecayed: list[Any]
) -> Any:
    """Return a Keras optimizer built for ``variables``, decay left out for ``undecayed``."""
    from tensorflow import keras

    if kind == "sgd":
        optimizer = keras.optimizers.SGD(
            learning_rate, momentum=0.9, nesterov=True, weight_decay=weight_decay or None
        )
    else:
        optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay)
    if weight_decay:
        optimizer.exclude_from_weight_decay(var_list=undecayed)
    optimizer.build(variables)
    return optimizer


def cosine(first: float, last: float, steps: int) -> Any:
    """Return a Keras schedule that falls as a cosine over so many steps."""
    from tensorflow import keras

    return keras.optimizers.schedules.CosineDecay(first, steps, alpha=last / first)


def optimizer_variables(optimizer: Any) -> dict[str, Any]:
    """Return an optimizer's state by names that do not change from run to run."""
    return {f"optimizer/{index}": variable for index, variable in enumerate(optimizer.variables)}


def outputs_of(network: Network, split: Split, quantise: bool = True, batch: int = 256) -> Floats:
    """Return the softmax outputs (samples, classes) of a split, in its order."""
    parts = [
        tf.nn.softmax(_forward(network, features, tf.constant(quantise))).numpy()
        for features, _ in split.dataset.batch(batch)
    ]
    return np.concatenate(parts).astype(np.float32)


def _forward(network: Network, features: Any, quantise: Any) -> Any:
    key = "_evaluate_quantised" if bool(quantise) else "_evaluate_float"
    function = getattr(network, key, None)
    if function is None:
        flag = bool(quantise)
        shape = tf.TensorSpec([None, *features.shape[1:]], features.dtype)
        function = tf.function(lambda x: network(x, quantise=flag), input_signature=[shape])
        setattr(network, key, function)
    return function(features)


def cross_entropy(labels: Any, logits: Any, smoothing: float = 0.0) -> Any:
    """Return the mean cross-entropy of one-hot or mixed labels."""
    if smoothing:
        labels = labels * (1 - smoothing) + smoothing / labels.shape[-1]
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, logits))


def distillation_loss(teacher: Any, student: Any, temperature: float) -> Any:
    """Return the cross-entropy of softened answers, scaled so that gradients keep their size."""
    target = tf.nn.softmax(teacher / temperature)
    loss = tf.nn.softmax_cross_entropy_with_logits(target, student / temperature)
    return temperature**2 * tf.reduce_mean(loss)


def accuracy(labels: Any, logits: Any) -> Any:
    """Return the share of samples whose largest logit is that of the largest label."""
    return tf.reduce_mean(tf.cast(tf.argmax(labels, -1) == tf.argmax(logits, -1), tf.float32))


class _Training:
    """A network's optimizer and steps, and what happens between epochs.

    Args:
        network: Learns.
        data: Of the task.
        recipe: Of the training.
        teacher: Distilled from where the recipe says so; None for nobody.
    """

    def __init__(
        self, network: Network, data: TaskData, recipe: TrainRecipe, teacher: Network | None
    ) -> None:
        self._network, self._data, self._recipe, self._teacher = network, data, recipe, teacher
        self._steps = steps_per_epoch(data, recipe.batch)
        self._schedule = cosine(recipe.learning_rate, recipe.final_learning_rate, recipe.epochs * self._steps)
        self._variables = list(network.trainable_variables)
        decayed = {id(v) for v in network.decayed}
        undecayed = [v for v in self._variables if id(v) not in decayed]
        self._optimizer = optimizer_of(
            recipe.optimizer, self._schedule, recipe.weight_decay, self._variables, undecayed
        )
        self._quantise_from = min(recipe.float_epochs, recipe.epochs - 1)
        self._quantised = False
        self._float_step, self._quantised_step = self._step(False), self._step(True)

    def named_variables(self) -> dict[str, Any]:
        return {**self._network.named_variables(), **optimizer_variables(self._optimizer)}

    def _step(self, quantise: bool) -> Step:
        network, recipe, teacher, variables = self._network, self._recipe, self._teacher, self._variables

        def step(features: Any, labels: Any, number: Any) -> Mapping[str, Any]:
            # Outside the tape, which would follow it, and a GPU has no deterministic gradient of a fixed normalisation.
            answers = teacher(features) if teacher is not None and recipe.distillation else None
            with tf.GradientTape() as tape:
                logits = network(features, training=True, quantise=quantise)
                loss = cross_entropy(labels, logits, recipe.label_smoothing)
                if answers is not None:
                    soft = distillation_loss(answers, logits, recipe.distillation_temperature)
                    loss = (1 - recipe.distillation) * loss + recipe.distillation * soft
                share = share_of(loss)
            gradients = tape.gradient(share, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            self._optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return {"loss": loss, "accuracy": accuracy(labels, logits)}

        return replicated(step)

    def step(self, features: Any, labels: Any, number: Any) -> Mapping[str, Any]:
        return (self._quantised_step if self._quantised else self._float_step)(features, labels, number)

    def eligible(self, epoch: int) -> bool:
        return epoch >= self._quantise_from

    def start_epoch(self, epoch: int) -> None:
        self._quantised = self.eligible(epoch)
        if epoch == self._quantise_from:
            self._network.calibrate(self._data.representative(self._recipe.batch * 4))

    def finish_epoch(self, epoch: int) -> Record:
        data, quantise = self._data, self.eligible(epoch)
        judged = current().from_chief(
            lambda: data.judge("validation", outputs_of(self._network, data.validation, quantise))
        )
        rate = float(self._schedule((epoch + 1) * self._steps))
        return {"validation": judged.value, "metric": judged.metric, "learning_rate": rate}


def train_network(
    network: Network,
    data: TaskData,
    classes: int,
    recipe: TrainRecipe,
    checkpoint: Path,
    seed: int,
    *,
    teacher: Network | None = None,
    phase: str = "train",
    progress: Progress | None = None,
    record: list[Record] | None = None,
) -> list[Record]:
    """Train a network with fake quantisation; it ends with the weights of its best validated epoch.

    Args:
        checkpoint: Where the state is kept; training goes on from it.
        teacher: Distilled from where the recipe says so.
        record: Filled with the records as they come; empty.

    Returns:
        One record an epoch: loss, accuracy, validation figure, learning rate, seconds.
    """
    training = _Training(network, data, recipe, teacher)
    return run_phase(
        Phase(
            phase,
            recipe.epochs,
            recipe.batch,
            seed,
            training.step,
            training.finish_epoch,
            Checkpoint(checkpoint, training.named_variables()),
            mixup=recipe.mixup,
            score="validation",
            best_of=network.named_variables(),
            start_epoch=training.start_epoch,
            eligible=training.eligible,
        ),
        data,
        classes,
        progress or Silent(),
        record,
    )
