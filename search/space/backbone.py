"""A backbone: the largest network of a search, and what may be smaller in it.

A backbone is a short TOML file (``search/backbones``, or the user's own)::

    title = "A separable network"
    multiple = 4                # widths to choose from: multiples of 4 up to the block's; or fractions = 10

    [[blocks]]
    type = "conv"               # conv, separable, inverted, pool: see micronets_gen.search.space.architecture
    channels = 64
    kernel = [10, 4]

    [[blocks]]
    type = "separable"
    channels = 64
    skip = true                 # the search may leave the block out
    times = 4                   # as many such blocks
    search = false              # the widths of this one stay as they are
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from micronets_gen.common.documents import load_toml
from micronets_gen.common.suggest import did_you_mean
from micronets_gen.common.tables import Key, checked
from micronets_gen.errors import UsageError
from micronets_gen.search.space.architecture import Architecture, lower
from micronets_gen.search.space.blocks import Block, Pool, block_from, width_key
from micronets_gen.search.space.layers import Layer, Shape

_FOLDER = Path(__file__).parent / "backbones"


@dataclass(frozen=True)
class Element:
    """A block of a backbone.

    Attributes:
        block: At its full width.
        skip: Whether the search may leave it out.
        search: Whether its widths are searched.
    """

    block: Block
    skip: bool = False
    search: bool = True


@dataclass(frozen=True)
class Backbone:
    """The largest network, and the rule that widths follow.

    Attributes:
        multiple: Widths are its multiples; 0 where ``fractions`` rules.
        fractions: Widths are so many equal parts of the full width; 0 where ``multiple`` rules.
    """

    name: str
    title: str
    elements: tuple[Element, ...]
    multiple: int = 4
    fractions: int = 0

    def widths(self, full: int) -> tuple[int, ...]:
        """Return the widths that a layer of ``full`` channels may have, smallest first."""
        if self.fractions:
            return tuple(
                sorted({max(1, round(full * k / self.fractions)) for k in range(1, self.fractions + 1)})
            )
        return tuple(sorted({*range(self.multiple, full, self.multiple), full}))


@dataclass(frozen=True)
class Choice:
    """The decisions that make an architecture of a space.

    Attributes:
        widths: Channels by :attr:`micronets_gen.search.space.architecture.Layer.width`.
        kept: By index of each block that may be left out: whether it stays.
    """

    widths: Mapping[str, int]
    kept: Mapping[int, bool]


@dataclass(frozen=True)
class Space:
    """All architectures of a backbone for one input and number of classes."""

    backbone: Backbone
    input_shape: Shape
    classes: int

    @cached_property
    def largest(self) -> Architecture:
        """The architecture with every block at its full width."""
        blocks = tuple(element.block for element in self.backbone.elements)
        return Architecture(self.backbone.name, self.input_shape, self.classes, blocks)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of :attr:`largest`."""
        return lower(self.largest)

    @cached_property
    def widths(self) -> Mapping[str, tuple[int, ...]]:
        """The widths to choose from, by decision; a single one where the backbone fixes it."""
        options = {}
        for layer in self.layers:
            if layer.kind == "conv" and layer.width not in options:
                full = layer.out_shape[2]
                searched = self.backbone.elements[layer.block].search
                options[layer.width] = self.backbone.widths(full) if searched else (full,)
        return options

    @cached_property
    def skips(self) -> tuple[int, ...]:
        """The indices of the blocks that may be left out."""
        return tuple(i for i, element in enumerate(self.backbone.elements) if element.skip)

    @cached_property
    def residual(self) -> frozenset[int]:
        """The indices of the blocks that add their input."""
        return frozenset(layer.block for layer in self.layers if layer.kind == "add")

    def validate(self) -> Space:
        """Return this space.

        Raises:
            UsageError: a block that may be left out changes the channels, so that nothing could take its place.
        """
        stream = ""
        for index, element in enumerate(self.backbone.elements):
            if not element.block.widths:
                continue
            fixed = index in self.residual
            if element.skip and not fixed and (not stream or self.widths[stream] != self.widths[str(index)]):
                raise UsageError(
                    f"block {index} cannot be left out: its input has other widths than its output",
                    where=self.backbone.name,
                    remedy="give the blocks on both sides the same channels, or take skip away",
                )
            stream = stream if fixed else str(index)
        return self

    def full(self) -> Choice:
        """Return the choice that gives :attr:`largest`."""
        return Choice(
            {key: options[-1] for key, options in self.widths.items()}, dict.fromkeys(self.skips, True)
        )

    def smallest(self) -> Choice:
        """Return the narrowest and shallowest choice."""
        return Choice(
            {key: options[0] for key, options in self.widths.items()}, dict.fromkeys(self.skips, False)
        )

    def drawn(self, generator: np.random.Generator) -> Choice:
        """Return a choice whose every decision is drawn uniformly."""
        widths = {key: int(generator.choice(options)) for key, options in self.widths.items()}
        return Choice(widths, {block: bool(generator.integers(2)) for block in self.skips})

    def neighbours(self, choice: Choice, direction: int) -> Iterator[tuple[str | int, Choice]]:
        """Yield every choice one step larger (direction 1) or smaller (-1), with the key of what differs.

        A step is the next width of one decision (its key a text), or one block that stays or goes (a number).
        """
        for key, options in self.widths.items():
            at = options.index(choice.widths[key]) + direction
            if 0 <= at < len(options):
                yield key, replace(choice, widths={**choice.widths, key: options[at]})
        for block in self.skips:
            if choice.kept[block] == (direction < 0):
                yield block, replace(choice, kept={**choice.kept, block: direction > 0})

    def architecture(self, choice: Choice, name: str = "") -> Architecture:
        """Return the architecture of a choice; a block left out that downsamples leaves an average pooling."""
        blocks: list[Block] = []
        stream = self.input_shape[2]
        for index, element in enumerate(self.backbone.elements):
            block = element.block
            if not choice.kept.get(index, True):
                if block.stride != (1, 1):
                    blocks.append(Pool(block.stride, "average"))
                continue
            if block.widths:
                is_residual = index in self.residual
                stream = stream if is_residual else choice.widths[str(index)]
                inner = {
                    name: choice.widths[width_key(index, name)] for name in block.widths if name != "channels"
                }
                block = block.resized({"channels": stream, **inner}, is_residual)
            blocks.append(block)
        return Architecture(name or self.backbone.name, self.input_shape, self.classes, tuple(blocks))


def backbone_names() -> tuple[str, ...]:
    """Return the names of the backbones of the package."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_backbone(name_or_path: str | Path) -> Backbone:
    """Return a backbone of the package by its name, or the one that a TOML file describes.

    Raises:
        UsageError: unknown name, unreadable file, or a file that describes no backbone.
    """
    text = str(name_or_path)
    names = backbone_names()
    if not text.endswith(".toml") and text not in names:
        remedy = did_you_mean(text, names, f"a .toml file, or one of {', '.join(names)}")
        raise UsageError("no such backbone", where=text, remedy=remedy)
    path = Path(text) if text.endswith(".toml") else _FOLDER / f"{text}.toml"
    return _backbone(path.stem, load_toml(path), str(path))


_MOST_BLOCKS = 1000
_BACKBONE = {
    "title": Key(str, ""),
    "multiple": Key(int, 0),
    "fractions": Key(int, 0),
    "blocks": Key("tables", (), longest=_MOST_BLOCKS),
}
_ELEMENT = {"skip": Key(bool, False), "search": Key(bool, True), "times": Key(int, 1)}


def _backbone(name: str, value: Mapping[str, Any], where: str) -> Backbone:
    values = checked(value, _BACKBONE, where)
    if ("multiple" in value) == ("fractions" in value):
        raise UsageError("needs a rule for widths", where=where, remedy="give either multiple or fractions")
    if min(values["multiple"], values["fractions"]) < 0 or not (values["multiple"] or values["fractions"]):
        raise UsageError("multiple and fractions count from 1", where=where)
    blocks = values["blocks"]
    elements = [e for i, item in enumerate(blocks, 1) for e in _elements(item, f"{where}, [[blocks]] {i}")]
    if not elements:
        raise UsageError("has no blocks", where=where, remedy="give at least one [[blocks]]")
    if len(elements) > _MOST_BLOCKS:
        raise UsageError(f"has {len(elements):,} blocks; {_MOST_BLOCKS:,} at most", where=where)
    return Backbone(name, values["title"] or name, tuple(elements), values["multiple"], values["fractions"])


def _elements(item: Mapping[str, Any], where: str) -> list[Element]:
    """Return what one table of the file stands for."""
    own = checked({key: value for key, value in item.items() if key in _ELEMENT}, _ELEMENT, where)
    if not 1 <= own["times"] <= _MOST_BLOCKS:
        raise UsageError(f"times must be from 1 to {_MOST_BLOCKS:,}, not {own['times']}", where=where)
    rest = {key: value for key, value in item.items() if key not in _ELEMENT}
    element = Element(block_from(rest, where), own["skip"], own["search"])
    if element.skip and not element.block.widths:
        raise UsageError(f"a {element.block.type} cannot be left out", where=where, remedy="take skip away")
    return [element] * own["times"]
