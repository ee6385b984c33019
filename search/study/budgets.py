"""Whether limits in time are kept by the images, and how good predictions are where a search ends.

``python -m micronets_gen.search.study.budgets --board nucleo_l4r5zi --runtime aot --out build/budgets``: searches that
decide at random, so that no training is needed, end within limits; what they end in is built and timed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from micronets_gen.search.characterise.measure import measure_all
from micronets_gen.search.characterise.samples import Sample
from micronets_gen.search.learn.native import start_tensorflow
from micronets_gen.search.run.request import TargetRequest
from micronets_gen.search.space.backbone import Space, load_backbone
from micronets_gen.search.space.limits import Target

SPACES = {"digits": ((8, 8, 1), 10), "kws-small": ((49, 10, 1), 12)}
"""Input and classes by backbone."""

SHARES = (0.1, 0.25, 0.5)
"""Limits: shares of what the largest network of a backbone takes."""


@dataclass(frozen=True)
class Ended:
    """Where a search ended.

    Attributes:
        limit_ms: Most milliseconds of an inference that were asked for.
        predicted_ms: Of what it ended in, as :attr:`modelled_ms`.
    """

    backbone: str
    limit_ms: float
    seed: int
    predicted_ms: float
    modelled_ms: float

    @property
    def error(self) -> float:
        """Of the prediction: 0.02 is 2 % too much."""
        return self.predicted_ms / self.modelled_ms - 1


def ended(board: str, runtime: str, backbones: Sequence[str], seeds: int, out: Path) -> Iterator[Ended]:
    """Yield where searches with random decisions end, a limit and a seed each.

    Args:
        out: Folder of the records of what was timed, which is not timed again.

    Raises:
        MicronetsError: no time is known of the runtime on the board.
    """
    target = TargetRequest(board, runtime, latency_ms=1.0).resolve()
    for name, share, seed in product(backbones, SHARES, range(seeds)):
        shape, classes = SPACES[name]
        space = Space(load_backbone(name), shape, classes)
        limited = replace(target, max_cycles=None)
        most = int(share * (limited.cost(space.largest).cycles or 0))
        yield _ended(space, replace(target, max_cycles=most), seed, out)


def _ended(space: Space, target: Target, seed: int, out: Path) -> Ended:
    import tensorflow as tf

    from micronets_gen.search.learn.dnas import settle
    from micronets_gen.search.learn.supernet import Supernet

    assert target.max_cycles is not None
    supernet = Supernet(space, 0, (0.0, 1.0))
    for index, variable in enumerate(supernet.decision_variables):
        variable.assign(2 * tf.random.stateless_normal(variable.shape, [seed, index]))
    choice, verdict = settle(space, supernet, target, 0.5)
    name = f"{space.backbone.name}-{target.max_cycles}-{seed}"
    architecture = replace(space.architecture(choice), name=name)
    (measured,) = measure_all(
        [Sample(name, space.backbone.name, architecture)], target.board, target.runtime.name, out
    )
    predicted, modelled, limit = (
        cycles / target.board.clock_hz * 1e3
        for cycles in (verdict.cost.cycles or 0, measured.cycles, target.max_cycles)
    )
    return Ended(space.backbone.name, limit, seed, predicted, modelled)


def main() -> None:
    """Entry point of ``python -m micronets_gen.search.study.budgets``."""
    parser = argparse.ArgumentParser(
        prog="python -m micronets_gen.search.study.budgets", description="Whether limits in time are kept."
    )
    parser.add_argument("--board", required=True)
    parser.add_argument("--runtime", default="aot")
    parser.add_argument("--backbones", nargs="+", choices=SPACES, default=list(SPACES))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("build/budgets"))
    arguments = parser.parse_args()
    start_tensorflow()
    print("| backbone | limit, ms | seed | predicted, ms | modelled, ms | error | of the limit |")
    print("|---|---|---|---|---|---|---|", flush=True)
    done = []
    for end in ended(arguments.board, arguments.runtime, arguments.backbones, arguments.seeds, arguments.out):
        done.append(end)
        print(
            f"| `{end.backbone}` | {end.limit_ms:.3f} | {end.seed} | {end.predicted_ms:.3f} | {end.modelled_ms:.3f} "
            f"| {end.error:+.1%} | {end.modelled_ms / end.limit_ms:.1%} |",
            flush=True,
        )
    kept = sum(end.modelled_ms <= end.limit_ms for end in done)
    errors = [abs(end.error) for end in done]
    print(
        f"\n{kept} of {len(done)} limits kept; error {np.mean(errors):.1%} on average, {max(errors):.1%} at most"
    )


if __name__ == "__main__":
    main()
