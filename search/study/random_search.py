"""Random search: the baseline that a differentiable search has to beat with the same number of training steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from micronets_gen.errors import FitError
from micronets_gen.search.data.tasks.base import TaskData
from micronets_gen.search.learn.dnas import excess
from micronets_gen.search.learn.network import Network
from micronets_gen.search.learn.progress import Progress
from micronets_gen.search.learn.recipe import SearchRecipe, TrainRecipe
from micronets_gen.search.learn.training import train_network
from micronets_gen.search.space.architecture import Architecture, lower
from micronets_gen.search.space.backbone import Choice, Space
from micronets_gen.search.space.cost import cost_of
from micronets_gen.search.space.limits import Target, require_feasible

_TRIES = 100_000
_USE = 0.8


def random_choice(space: Space, target: Target, generator: np.random.Generator) -> Choice:
    """Return a uniformly drawn choice that meets every limit and uses 80 % of one of them.

    Raises:
        FitError: none was found.
    """
    require_feasible(space, target)
    limits = target.limits(space.architecture(space.smallest()))
    for _ in range(_TRIES):
        widths = {key: int(generator.choice(options)) for key, options in space.widths.items()}
        choice = Choice(widths, {block: bool(generator.integers(2)) for block in space.skips})
        cost = cost_of(space.architecture(choice))
        used = max(getattr(cost, name) / limit for name, limit in limits.items())
        if excess(cost, limits) == 0 and used >= _USE and target.verdict(space.architecture(choice)).fits:
            return choice
    raise FitError(f"none of {_TRIES:,} random architectures meets the limits", where=space.backbone.name)


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
    progress: Progress | None = None,
) -> tuple[Architecture, Network]:
    """Train a few random architectures for a share of a search's epochs each.

    Returns:
        The best validated one, with its network as trained so far.

    Args:
        search: Its epochs are shared out evenly.
        train: How a candidate is trained, but for its epochs.
        folder: Where the candidates' checkpoints go.
    """
    generator = np.random.default_rng(seed)
    epochs = max(1, search.epochs // candidates)
    recipe = replace(
        train, epochs=epochs, float_epochs=min(train.float_epochs, epochs // 3), batch=search.batch
    )
    results: list[tuple[float, int, Architecture, Network]] = []
    for index in range(candidates):
        architecture = space.architecture(random_choice(space, target, generator))
        network = Network(lower(architecture), seed + index, input_range)
        history = train_network(
            network,
            data,
            space.classes,
            recipe,
            folder / f"candidate{index}.npz",
            seed,
            phase=f"candidate {index}",
            progress=progress,
        )
        results.append(
            (max(r["validation"] for r in history if r["eligible"]), -index, architecture, network)
        )
    _, _, architecture, network = max(results, key=lambda result: result[:2])
    return architecture, network
