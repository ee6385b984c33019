"""An architecture as plain, immutable data, and its layers.

An architecture is a sequence of blocks. :func:`lower` spells the blocks out as the layers that a ``.tflite``
file holds; costs, the trainable network and the exporter all read those layers and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from micronets_gen.common.documents import load_json
from micronets_gen.common.files import write_json
from micronets_gen.errors import UsageError
from micronets_gen.search.space.blocks import Block, block_from
from micronets_gen.search.space.layers import Layer, LayerList, Shape


@dataclass(frozen=True)
class Architecture:
    """A discrete network: blocks, then a fully connected layer over the flattened map, then softmax.

    Attributes:
        input_shape: Height, width, channels.
    """

    name: str
    input_shape: Shape
    classes: int
    blocks: tuple[Block, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``json.dumps``; :meth:`from_json` reads them."""
        return {
            "name": self.name,
            "input_shape": list(self.input_shape),
            "classes": self.classes,
            "blocks": [
                {
                    "type": block.type,
                    **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(block).items()},
                }
                for block in self.blocks
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: str = "architecture") -> Architecture:
        """Return what :meth:`to_json` wrote.

        Raises:
            UsageError: something is missing, unknown, or makes no network.
        """
        try:
            height, width, channels = (int(n) for n in value["input_shape"])
            blocks = tuple(block_from(item, where) for item in value["blocks"])
            architecture = cls(str(value["name"]), (height, width, channels), int(value["classes"]), blocks)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                "is no architecture", where=where, why=f"{type(error).__name__}: {error}"
            ) from error
        if min(*architecture.input_shape, architecture.classes) < 1:
            raise UsageError("sizes below 1", where=where, remedy="input_shape and classes are at least 1")
        return architecture

    def save(self, path: Path) -> None:
        """Write the architecture as JSON."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Architecture:
        """Read an ``architecture.json``.

        Raises:
            UsageError: no such file, or no architecture in it.
        """
        value = load_json(path)
        if not isinstance(value, dict):
            raise UsageError("is no architecture", where=str(path), why="it is not a JSON object")
        return cls.from_json(value, str(path))

    def summary(self) -> str:
        """Return the blocks in the paper's notation."""
        return "; ".join((*(block.summary() for block in self.blocks), f"FC {self.classes}"))


def lower(architecture: Architecture) -> tuple[Layer, ...]:
    """Return the layers of an architecture in order of execution."""
    layers = LayerList(architecture.input_shape)
    for index, block in enumerate(architecture.blocks):
        block.lower(index, layers)
    last = len(architecture.blocks)
    layers.append("logits", "dense", architecture.classes, "", last)
    layers.append("probabilities", "softmax", architecture.classes, "", last)
    return tuple(layers.layers)
