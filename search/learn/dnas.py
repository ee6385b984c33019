"""The search: weights and decisions learn together, costs above their limits are penalised, temperature falls.

The limits tighten first, from what the undecided network costs: a penalty that began at many times the loss would
leave out every block that can be left out, before the weights have anything to say.

It ends in a discrete architecture that meets every limit. What the learnt choices miss or leave of the limits,
:func:`settle` corrects in the smallest steps, those first that the probabilities regret least.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from micronets_gen.search.data.tasks.base import TaskData
from micronets_gen.search.learn.distribution import Step, current, replicated, share_of
from micronets_gen.search.learn.progress import Progress, Silent
from micronets_gen.search.learn.recipe import SearchRecipe
from micronets_gen.search.learn.supernet import Supernet
from micronets_gen.search.learn.training import (
    Checkpoint,
    Phase,
    Record,
    accuracy,
    cosine,
    cross_entropy,
    optimizer_of,
    optimizer_variables,
    run_phase,
    steps_per_epoch,
)
from micronets_gen.search.space.architecture import Architecture
from micronets_gen.search.space.backbone import Choice, Space
from micronets_gen.search.space.cost import Decisions, ExpectedCost
from micronets_gen.search.space.limits import Target, Verdict, excess, require_feasible

_WORTH = 2.0
"""Growth into what the limits leave is taken where its odds are at least exp(-_WORTH)."""

Preferences = tuple[Mapping[str, Any], Mapping[int, Any]]
"""See :meth:`micronets_gen.search.learn.supernet.Supernet.preferences`."""

Over = Callable[[Choice], float]
"""How far a choice is above the limits: see :func:`excess`."""


@dataclass(frozen=True, eq=False)
class Found:
    """The end of a search.

    Attributes:
        verdict: Of the final architecture; it fits.
        history: One record an epoch.
    """

    architecture: Architecture
    choice: Choice
    verdict: Verdict
    history: list[Record]
    supernet: Supernet


def search(
    space: Space,
    data: TaskData,
    target: Target,
    recipe: SearchRecipe,
    checkpoint: Path,
    seed: int,
    input_range: tuple[float, float],
    progress: Progress | None = None,
    supernet_of: Callable[[Space, int, tuple[float, float]], Supernet] = Supernet,
) -> Found:
    """Search a space, or go on from the checkpoint.

    Args:
        supernet_of: Makes the supernet of a space, a seed and an input range; experiments have others.

    Raises:
        FitError: nothing in the space meets the limits.
    """
    require_feasible(space, target)
    supernet = supernet_of(space, seed, input_range)
    run = _Run(supernet, data, target, recipe)
    history = run_phase(
        Phase(
            "search",
            recipe.epochs,
            recipe.batch,
            seed,
            run.step,
            run.finish_epoch,
            Checkpoint(checkpoint, run.named_variables()),
            start_epoch=run.start_epoch,
        ),
        data,
        space.classes,
        progress or Silent(),
    )
    choice, verdict = current().from_chief(lambda: settle(space, supernet, target, recipe.final_temperature))
    return Found(space.architecture(choice), choice, verdict, history, supernet)


class _Run:
    """The steps of a search, and what happens between its epochs.

    The limits are variables because the steps read them; the bounds are what they are eased to.
    """

    def __init__(self, supernet: Supernet, data: TaskData, target: Target, recipe: SearchRecipe) -> None:
        self._supernet, self._data, self._target, self._recipe = supernet, data, target, recipe
        self._learner = Learner(supernet, recipe, steps_per_epoch(data, recipe.batch))
        limits = _limits(supernet, target)
        self._limits = {name: tf.Variable(value, dtype=tf.float64) for name, value in limits.items()}
        self._bounds = {
            name: tf.Variable(limit.numpy(), trainable=False) for name, limit in self._limits.items()
        }
        self._warm_up = min(recipe.warm_up, recipe.epochs - 1)
        self._expected = ExpectedCost(supernet.space, target.regression)
        costs = self._expected(supernet.decisions(recipe.temperature))
        self._undecided = {name: float(cost) for name, cost in costs.items()}
        self._warm_step = self._learner.step(None, {})
        self._full_step = self._learner.step(self._expected, self._bounds)
        self._deciding = False

    def named_variables(self) -> dict[str, Any]:
        variables = self._supernet.named_variables() | self._learner.named_variables()
        return variables | {f"limit/{name}": value for name, value in self._limits.items()}

    def start_epoch(self, epoch: int) -> None:
        learner, recipe = self._learner, self._recipe
        self._deciding = epoch >= self._warm_up
        learner.temperature.assign(_temperature(recipe, epoch, self._warm_up))
        ease = _ease(recipe, epoch, self._warm_up)
        for name, bound in self._bounds.items():
            limit = float(self._limits[name].numpy())
            bound.assign(limit * max(1.0, self._undecided[name] / limit) ** ease if limit > 0 else limit)
        if epoch == self._warm_up:
            gates = self._supernet.sample(tf.constant(0, tf.int64), learner.temperature)
            self._supernet.network.calibrate(self._data.representative(recipe.batch * 4), gates)

    def step(self, features: Any, labels: Any, number: Any) -> Mapping[str, Any]:
        return (self._full_step if self._deciding else self._warm_step)(features, labels, number)

    def finish_epoch(self, _epoch: int) -> Record:
        supernet, temperature = self._supernet, self._learner.temperature
        for name, value in current().from_chief(lambda: _limits(supernet, self._target)).items():
            self._limits[name].assign(value)
        decisions = supernet.decisions(temperature)
        costs = self._expected(decisions)
        return {
            "temperature": float(temperature.numpy()),
            "expected": {name: float(value) for name, value in costs.items()},
            "central": asdict(self._target.cost(supernet.space.architecture(supernet.central()))),
            "limits": {name: float(value.numpy()) for name, value in self._limits.items()},
            "widths": {
                key: [round(float(p), 4) for p in decisions.widths[key]] for key in supernet.width_parameters
            },
            "kept": {str(block): round(float(p), 4) for block, p in decisions.kept.items()},
        }


class Learner:
    """The optimizers of weights and decisions, and their steps."""

    def __init__(self, supernet: Supernet, recipe: SearchRecipe, steps: int) -> None:
        network = supernet.network
        self._supernet, self._recipe = supernet, recipe
        self._weights = list(network.trainable_variables)
        decayed = {id(v) for v in network.decayed}
        self._optimizer = optimizer_of(
            recipe.optimizer,
            cosine(recipe.learning_rate, recipe.final_learning_rate, recipe.epochs * steps),
            recipe.weight_decay,
            self._weights,
            [v for v in self._weights if id(v) not in decayed],
        )
        self._decisions = supernet.decision_variables
        self._decider = optimizer_of("adamw", recipe.decision_rate, 0.0, self._decisions, [])
        self.temperature = tf.Variable(recipe.temperature, dtype=tf.float32, trainable=False)

    def named_variables(self) -> dict[str, Any]:
        named = {f"weights/{name}": v for name, v in optimizer_variables(self._optimizer).items()}
        return named | {f"decisions/{name}": v for name, v in optimizer_variables(self._decider).items()}

    def step(self, expected: ExpectedCost | None, limits: Mapping[str, Any]) -> Step:
        """Return a step; without costs only the weights learn, without quantisation."""
        if expected is None or not self._decisions:
            return self._step(expected, limits, True, False)
        if not self._recipe.alternate:
            return self._step(expected, limits, True, True)
        turns = self._step(expected, limits, True, False), self._step(expected, limits, False, True)
        return lambda features, labels, number: turns[int(number) % 2](features, labels, number)

    def _step(
        self, expected: ExpectedCost | None, limits: Mapping[str, Any], learn: bool, decide: bool
    ) -> Step:
        recipe, supernet = self._recipe, self._supernet

        def step(features: Any, labels: Any, number: Any) -> Mapping[str, Any]:
            with tf.GradientTape() as tape:
                gates = supernet.sample(number, self.temperature)
                logits = supernet.network(features, training=True, quantise=expected is not None, gates=gates)
                loss = cross_entropy(labels, logits)
                penalty = tf.constant(0.0, tf.float64)
                undecided = tf.constant(0.0, tf.float64)
                if expected is not None:
                    decisions = supernet.decisions(self.temperature)
                    costs = expected(decisions)
                    excess = [tf.nn.relu(costs[name] / limit - 1.0) for name, limit in limits.items()]
                    penalty = recipe.penalty * tf.add_n(excess)
                    undecided = self._undecided(decisions)
                total = share_of(loss + tf.cast(penalty + undecided, tf.float32))
            both = [*self._weights, *self._decisions]
            gradients = tape.gradient(total, both, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            weights, decisions = gradients[: len(self._weights)], gradients[len(self._weights) :]
            if learn:
                self._optimizer.apply_gradients(zip(weights, self._weights, strict=True))
            if decide:
                self._decider.apply_gradients(zip(decisions, self._decisions, strict=True))
            return {"loss": loss, "penalty": penalty, "accuracy": accuracy(labels, logits)}

        return replicated(step)

    def _undecided(self, decisions: Decisions) -> Any:
        """Return the penalty of blocks that neither stay nor go: little while it is warm, in the end ``decide`` each.

        Widths need none: what is left of their distribution is a width and its neighbours. But a block at 50 % costs
        half of what it would, does half of its work, and is worth that to the loss, however cold it is.
        """
        recipe = self._recipe
        coldness = (recipe.final_temperature / self.temperature) ** 2
        doubts = [4 * kept * (1 - kept) for kept in decisions.kept.values()]
        return (
            recipe.decide * tf.cast(coldness, tf.float64) * tf.add_n([tf.constant(0.0, tf.float64), *doubts])
        )


def _temperature(recipe: SearchRecipe, epoch: int, warm_up: int) -> float:
    done = max(0, epoch - warm_up) / max(1, recipe.epochs - 1 - warm_up)
    return float(recipe.temperature * (recipe.final_temperature / recipe.temperature) ** done)


def _ease(recipe: SearchRecipe, epoch: int, warm_up: int) -> float:
    """Return how far the limits still are from tight: 1 before the decisions learn, in the end 0."""
    done = max(0, epoch - warm_up + 1) / (recipe.epochs - warm_up)
    return max(0.0, 1.0 - done / recipe.tighten) if recipe.tighten else 0.0


def _limits(supernet: Supernet, target: Target) -> dict[str, float]:
    return target.limits(supernet.space.architecture(supernet.central()))


def settle(space: Space, supernet: Supernet, target: Target, temperature: float) -> tuple[Choice, Verdict]:
    """Return the choice in the middle of what was learnt, corrected until it fits and uses what it has good odds for.

    Args:
        temperature: The search's last.

    Raises:
        FitError: nothing in the space meets the limits.
    """
    choice, preferences = supernet.central(), supernet.preferences(temperature)
    margin = 1.0
    while True:
        limits = {k: v * margin for k, v in target.limits(space.architecture(choice)).items()}
        over = _over(space, target, limits)
        choice = _settled(space, choice, preferences, over)
        verdict = target.verdict(space.architecture(choice))
        if verdict.fits:
            return choice, verdict
        if choice == space.smallest() or over(choice) > 0:  # it can shrink no more
            require_feasible(space, target)
            choice = space.smallest()
        # The limits hold for architectures like the one they were taken from; a shrunk one has its own.
        margin *= 0.98


def _over(space: Space, target: Target, limits: Mapping[str, float]) -> Over:
    return lambda choice: excess(target.cost(space.architecture(choice)), limits)


def _settled(space: Space, choice: Choice, preferences: Preferences, over: Over) -> Choice:
    """Return the choice in the middle of what was learnt, corrected by :func:`_shrunk`, :func:`_grown` and exchanges.

    Each decision is rounded for itself, and what the limits leave goes to the one whose steps still fit, however far
    that is from what was learnt. A step up elsewhere, with what must shrink for it, is taken where that is likelier.
    """
    best = _grown(space, _shrunk(space, choice, preferences, over), preferences, over)
    while True:
        others = [best]
        for key, larger in space.neighbours(best, 1):
            other = _shrunk(space, larger, _insisting(space, larger, preferences, key), over)
            if over(other) == 0:
                others.append(_grown(space, other, preferences, over))
        likeliest = max(others, key=lambda other: _likelihood(space, other, preferences))
        if likeliest == best:
            return best
        best = likeliest


def _insisting(space: Space, choice: Choice, preferences: Preferences, key: str | int) -> Preferences:
    """Return preferences to which one decision must not be smaller than it is."""
    widths, kept = preferences
    if isinstance(key, int):
        return widths, {**kept, key: np.array([-np.inf, 0.0])}
    at = space.widths[key].index(choice.widths[key])
    return {**widths, key: np.where(np.arange(len(widths[key])) < at, -np.inf, widths[key])}, kept


def _likelihood(space: Space, choice: Choice, preferences: Preferences) -> float:
    """Return the logarithm of how likely a choice is, up to a constant."""
    widths, kept = preferences
    likely = sum(float(p[space.widths[key].index(choice.widths[key])]) for key, p in widths.items())
    return likely + sum(float(p[int(choice.kept[block])]) for block, p in kept.items())


def _shrunk(space: Space, choice: Choice, preferences: Preferences, over: Over) -> Choice:
    """Return the choice made smaller, step by step, until it is within the limits or can shrink no more."""
    now = over(choice)
    while now > 0:
        best: tuple[float, float, Choice] | None = None
        for smaller, regret in _steps(space, choice, preferences, -1):
            then = over(smaller)
            value = (now - then if then < now else 0.0) / (1 + max(0.0, regret))
            if best is None or value > best[0]:
                best = value, then, smaller
        if best is None:
            return choice
        if best[0] == 0:  # the largest of several equal maxima shrinks only where all of them do
            smaller = _all_smaller(space, choice)
            if smaller == choice:
                return choice
            choice, now = smaller, over(smaller)
        else:
            _, now, choice = best
    return choice


def _grown(space: Space, choice: Choice, preferences: Preferences, over: Over) -> Choice:
    """Return the choice made larger, likeliest step first, as long as it stays within the limits."""
    while True:
        fitting = [
            (regret, larger)
            for larger, regret in _steps(space, choice, preferences, 1)
            if regret <= _WORTH and over(larger) == 0
        ]
        if not fitting:
            return choice
        choice = min(fitting, key=lambda pair: pair[0])[1]


def _steps(
    space: Space, choice: Choice, preferences: Preferences, direction: int
) -> Iterator[tuple[Choice, float]]:
    """Yield every choice one step away, with the logarithm of the odds against it."""
    widths, kept = preferences
    for key, changed in space.neighbours(choice, direction):
        if isinstance(key, str):
            at = space.widths[key].index(choice.widths[key])
            yield changed, float(widths[key][at] - widths[key][at + direction])
        else:
            yield changed, float(kept[key][int(choice.kept[key])] - kept[key][int(direction > 0)])


def _all_smaller(space: Space, choice: Choice) -> Choice:
    widths = {}
    for key, options in space.widths.items():
        below = {b: a for a, b in pairwise(options)}
        widths[key] = below.get(choice.widths[key], options[0])
    return replace(choice, widths=widths)
