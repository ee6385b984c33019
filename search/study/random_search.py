"""Random search: the baseline that a differentiable search has to beat with the same number of training steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from micronets_gen.common.integers import ceil_div
from micronets_gen.errors import FitError
from micronets_gen.search.data.tasks.base import TaskData
from micronets_gen.search.learn.network import Network
from micronets_gen.search.learn.recipe import SearchRecipe, TrainRecipe
from micronets_gen.search.learn.training import train_network
from micronets_gen.search.space.architecture import Architecture, lower
from micronets_gen.search.space.backbone import Choice, Space
from micronets_gen.search.space.cost import cost_of
from micronets_gen.search.space.limits import Target, excess, require_feasible

_TRIES = 100
_DRAWN = 16


def random_choice(space: Space, target: Target, generator: np.random.Generator) -> Choice:
    """Return a choice at the limits: drawn uniformly, shrunk at random until it fits, grown until nothing more does.

    Raises:
        FitError: none was found.
    """
    require_feasible(space, target)
    limits = target.limits(space.architecture(space.smallest()))

    def over(choice: Choice) -> float:
        return excess(target.cost(space.architecture(choice)), limits)

    def one_of(choices: list[Choice]) -> Choice:
        return choices[int(generator.integers(len(choices)))]

    for _ in range(_TRIES):
        choice = space.drawn(generator)
        while over(choice) > 0:
            choice = one_of([smaller for _, smaller in space.neighbours(choice, -1)])
        while fitting := [larger for _, larger in space.neighbours(choice, 1) if over(larger) == 0]:
            choice = one_of(fitting)
        if target.verdict(space.architecture(choice)).fits:
            return choice
    raise FitError(f"none of {_TRIES:,} random architectures meets the limits", where=space.backbone.name)


def operations_at(space: Space, target: Target, seed: int) -> int:
    """Return how many operations random architectures at the limits do, on average: what a line says of a time.

    Raises:
        FitError: none was found.
    """
    generator = np.random.default_rng(seed)
    choices = [random_choice(space, target, generator) for _ in range(_DRAWN)]
    return round(float(np.mean([cost_of(space.architecture(choice)).ops for choice in choices])))


def halvings(candidates: int, epochs: int) -> list[tuple[int, int]]:
    """Return the rounds of successive halving (arXiv:1502.07943): how many are trained, and for how many epochs each.

    Each round has about the same share of the epochs; what does not divide falls to the last one.
    """
    counts = [candidates]
    while counts[-1] > 2:
        counts.append(ceil_div(counts[-1], 2))
    each = [max(1, epochs // (len(counts) * count)) for count in counts[:-1]]
    spent = sum(count * share for count, share in zip(counts, each, strict=False))
    return list(zip(counts, [*each, max(1, (epochs - spent) // counts[-1])], strict=True))


@dataclass
class _Candidate:
    architecture: Architecture
    network: Network
    validation: float = 0.0


def random_search(
    space: Space,
    data: TaskData,
    target: Target,
    search: SearchRecipe,
    train: TrainRecipe,
    candidates: int,
    folder: Path,
    seed: int,
    input_range: tuple[float, float],
) -> tuple[Architecture, Network]:
    """Train random architectures at the limits, the better half of them longer, and so on.

    Returns:
        The best validated one, with its network as trained so far.

    Args:
        search: Its epochs are shared out.
        train: How a candidate is trained in each round, but for the epochs.
        folder: Where the candidates' checkpoints go.
    """
    generator = np.random.default_rng(seed)
    field = []
    for index in range(candidates):
        architecture = space.architecture(random_choice(space, target, generator))
        field.append(_Candidate(architecture, Network(lower(architecture), seed + index, input_range)))
    for number, (count, epochs) in enumerate(halvings(candidates, search.epochs)):
        field = sorted(field, key=lambda candidate: -candidate.validation)[:count]
        recipe = replace(train, epochs=epochs, float_epochs=epochs // 2, batch=search.batch)
        for index, candidate in enumerate(field):
            checkpoint = folder / f"candidate{number}-{index}.npz"
            history = train_network(
                candidate.network, data, space.classes, recipe, checkpoint, seed, phase=f"round {number}"
            )
            candidate.validation = max(r["validation"] for r in history if r["eligible"])
    best = max(field, key=lambda candidate: candidate.validation)
    return best.architecture, best.network
