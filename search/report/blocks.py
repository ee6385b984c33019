"""An architecture block by block, beside what the backbone would have allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from micronets_gen.search.space.architecture import Architecture, lower
from micronets_gen.search.space.backbone import Choice, Space
from micronets_gen.search.space.blocks import Block, width_key
from micronets_gen.search.space.cost import ops, parameters
from micronets_gen.search.space.layers import Layer


@dataclass(frozen=True)
class Width:
    """One number of channels.

    Attributes:
        name: ``channels``, or ``hidden`` inside a bottleneck.
        decision: The key of its decision in a search's history; empty where another block decides it.
        options: What there was to choose from, smallest first.
    """

    name: str
    decision: str
    chosen: int
    options: tuple[int, ...]


@dataclass(frozen=True)
class Outline:
    """A block of a backbone, and what became of it.

    Attributes:
        index: In the backbone.
        optional: Whether it could be left out.
        kept: False where it was; ``output``, ``ops`` and ``parameters`` are then of what took its place.
        output: Height, width and channels of its output.
        ops: Two for each multiply-accumulate.
    """

    index: int
    type: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    widths: tuple[Width, ...]
    optional: bool
    kept: bool
    output: tuple[int, int, int]
    ops: int
    parameters: int


def outline(space: Space, choice: Choice) -> list[dict[str, Any]]:
    """Return the blocks of a choice as plain values, an :class:`Outline` each; the classifier is the last."""
    layers = lower(space.architecture(choice))
    shape, at = space.input_shape, 0
    rows = []
    for index, element in enumerate(space.backbone.elements):
        kept = choice.kept.get(index, True)
        stands = kept or element.block.stride != (1, 1)
        inside = [layer for layer in layers if layer.block == at] if stands else []
        at += stands
        shape = inside[-1].out_shape if inside else shape
        widths = _widths(index, element.block, shape[2], choice, space.widths)
        rows.append(_row(index, element.block, widths, element.skip, kept, inside, shape))
    return [*map(asdict, rows), asdict(_classifier(at, layers))]


def outline_of(architecture: Architecture) -> list[dict[str, Any]]:
    """Return the blocks of an architecture that was not searched: nothing could have been otherwise."""
    layers = lower(architecture)
    rows = []
    for index, block in enumerate(architecture.blocks):
        inside = [layer for layer in layers if layer.block == index]
        shape = inside[-1].out_shape
        rows.append(_row(index, block, _widths(index, block, shape[2], None, {}), False, True, inside, shape))
    return [*map(asdict, rows), asdict(_classifier(len(architecture.blocks), layers))]


def _widths(
    index: int, block: Block, channels: int, choice: Choice | None, options: Mapping[str, tuple[int, ...]]
) -> tuple[Width, ...]:
    found = []
    for name in block.widths:
        key = width_key(index, name)
        inner = choice.widths if choice and name != "channels" else {key: getattr(block, name)}
        chosen = channels if name == "channels" else inner[key]
        found.append(Width(name, key if key in options else "", chosen, options.get(key, (chosen,))))
    return tuple(found)


def _row(
    index: int,
    block: Block,
    widths: tuple[Width, ...],
    optional: bool,
    kept: bool,
    layers: list[Layer],
    output: tuple[int, int, int],
) -> Outline:
    total = sum(map(ops, layers)), sum(map(parameters, layers))
    return Outline(index, block.type, block.kernel, block.stride, widths, optional, kept, output, *total)


def _classifier(index: int, layers: tuple[Layer, ...]) -> Outline:
    inside = [layer for layer in layers if layer.block == index]
    widths = (Width("classes", "", inside[-1].out_shape[2], (inside[-1].out_shape[2],)),)
    total = sum(map(ops, inside)), sum(map(parameters, inside))
    return Outline(index, "classifier", (1, 1), (1, 1), widths, False, True, inside[-1].out_shape, *total)
