"""The models that a characterisation times: published ones, random children of backbones, random layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from micronets_gen.search.space.architecture import Architecture
from micronets_gen.search.space.backbone import Choice, Space, load_backbone
from micronets_gen.search.space.blocks import Block, Conv, Pool, Separable
from micronets_gen.search.space.cost import cost_of
from micronets_gen.search.space.layers import Shape
from micronets_gen.search.space.zoo import ZOO

SEED = 2010_11267
_CHILDREN, _NARROW, _CHAINS, _POOLS = 10, 6, 12, 4
"""Models of each backbone, of each small one, of random layers, and of random layers with pooling between them."""

_NARROW_SHARES = tuple(np.geomspace(0.05, 0.8, _NARROW + 1))
"""Of the full widths, from one child to the next: searches of small backbones end in a few channels."""

MOST_OPS = 60_000_000
"""Larger models tell nothing that smaller ones do not, and take minutes to trace."""

BACKBONES: tuple[tuple[str, Shape, int], ...] = (
    ("kws", (49, 10, 1), 12),
    ("ad", (32, 32, 1), 4),
    ("vww", (50, 50, 1), 2),
)
"""The backbones of the paper, with the inputs and classes of their tasks."""

SMALL: tuple[tuple[str, Shape, int], ...] = (("digits", (8, 8, 1), 10), ("kws-small", (49, 10, 1), 12))
"""Backbones of narrow networks, which the paper has none of, likewise."""

PUBLISHED, LAYERS, WIDTHS = "published", "layers", "widths"
"""Groups of samples beside those of the backbones."""

SWEPT = tuple(range(136, 145))
"""Channels into and out of one convolution, by which the paper shows that multiples of four are faster."""


@dataclass(frozen=True)
class Sample:
    """One model to time.

    Attributes:
        name: Unique in a set; a folder's name.
        group: The backbone that it is a child of, :data:`PUBLISHED`, :data:`LAYERS` or :data:`WIDTHS`.
    """

    name: str
    group: str
    architecture: Architecture


def designed_set(*, quick: bool = False) -> tuple[Sample, ...]:
    """Return the models of a characterisation, the same every time.

    Args:
        quick: The three smallest of each group, the smallest one of each small backbone.
    """
    generator = np.random.default_rng(SEED)
    samples = [
        Sample(name, PUBLISHED, published.architecture)
        for name, published in ZOO.items()
        if cost_of(published.architecture).ops <= MOST_OPS
    ]
    for backbone, shape, classes in BACKBONES:
        space = Space(load_backbone(backbone), shape, classes)
        samples += [_child(space, f"{backbone}-{index}", generator) for index in range(_CHILDREN)]
    for draw, name, count in ((_random_layers, "layers", _CHAINS), (_random_pools, "pools", _POOLS)):
        names = [f"{name}-{index}" for index in range(count)]
        samples += [Sample(name, LAYERS, draw(name, generator)) for name in names]
    for backbone, shape, classes in SMALL:
        space = Space(load_backbone(backbone), shape, classes)
        samples += [
            _child(space, f"{backbone}-{index}", generator, shares)
            for index, shares in enumerate(pairwise(_NARROW_SHARES))
        ]
    samples += map(_swept, SWEPT)
    return _smallest(samples) if quick else tuple(samples)


def _smallest(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    groups: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lambda sample: cost_of(sample.architecture).ops):
        groups.setdefault(sample.group, []).append(sample)
    small = {name for name, _, _ in SMALL}
    few = {sample.name for name, group in groups.items() for sample in group[: 1 if name in small else 3]}
    return tuple(sample for sample in samples if sample.name in few)


def _swept(channels: int) -> Sample:
    """Return a 3x3 convolution with as many channels in as out, behind one that makes them."""
    name = f"width-{channels}"
    blocks = (Conv(channels, (1, 1)), Conv(channels))
    return Sample(name, WIDTHS, Architecture(name, (6, 6, 1), 2, blocks))


def _child(
    space: Space, name: str, generator: np.random.Generator, shares: tuple[float, float] = (0.15, 0.9)
) -> Sample:
    """Draw a child whose widths lie around a random share of the full ones, so that sizes spread evenly."""
    while True:
        share = generator.uniform(*shares)
        widths = {
            key: int(options[min(len(options) - 1, int(len(options) * generator.uniform(0.5, 1.5) * share))])
            for key, options in space.widths.items()
        }
        kept = {block: bool(generator.integers(2)) for block in space.skips}
        architecture = replace(space.architecture(Choice(widths, kept)), name=name)
        if cost_of(architecture).ops <= MOST_OPS:
            return Sample(name, space.backbone.name, architecture)


def _random_layers(name: str, generator: np.random.Generator) -> Architecture:
    """Draw a chain of layers of many shapes, channels that are no multiple of four among them."""
    side = int(generator.integers(8, 33))
    blocks: list[Block] = []
    for _ in range(6):
        channels = int(generator.integers(1, 25)) * int(generator.choice([1, 4, 8]))
        kernel = int(generator.choice([1, 3, 3, 5]))
        stride = int(generator.choice([1, 1, 1, 2]))
        kind = Separable if generator.integers(2) else Conv
        blocks.append(kind(channels, (kernel, kernel), (stride, stride)))
    if generator.integers(2):
        blocks.append(Pool())
    architecture = Architecture(
        name, (side, side, int(generator.choice([1, 3]))), int(generator.integers(2, 40)), tuple(blocks)
    )
    return architecture if cost_of(architecture).ops <= MOST_OPS else _random_layers(name, generator)


def _random_pools(name: str, generator: np.random.Generator) -> Architecture:
    """Draw a chain of convolutions with pooling behind each; no backbone takes maxima."""
    blocks: list[Block] = []
    for _ in range(3):
        side = int(generator.choice([2, 2, 3]))
        blocks += [Conv(int(generator.integers(3, 41)), (1, 1)), Pool((side, side), "max")]
    side = int(generator.integers(28, 49))
    return Architecture(name, (side, side, 3), int(generator.integers(2, 40)), tuple(blocks))
