"""An architecture as plain, immutable data, and its layers.

An architecture is a sequence of blocks. :func:`lower` spells the blocks out as the layers that a ``.tflite``
file holds; costs, the trainable network and the exporter all read those layers and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from math import prod
from pathlib import Path
from typing import Any, ClassVar

from micronets_gen.common.documents import load_json
from micronets_gen.common.files import write_json
from micronets_gen.common.integers import ceil_div
from micronets_gen.common.suggest import did_you_mean
from micronets_gen.errors import UsageError

Pair = tuple[int, int]
Shape = tuple[int, int, int]

RELU = "relu"
LINEAR = "linear"


@dataclass(frozen=True)
class Conv:
    """Convolution, batch normalisation, ReLU; padding SAME.

    Attributes:
        channels: Output channels.
        kernel: Height and width.
        stride: Vertical and horizontal.
    """

    type: ClassVar[str] = "conv"
    channels: int
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)


@dataclass(frozen=True)
class Separable:
    """Depthwise convolution and 1x1 convolution, each with batch normalisation and ReLU; padding SAME."""

    type: ClassVar[str] = "separable"
    channels: int
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)


@dataclass(frozen=True)
class Inverted:
    """MobileNetV2's inverted bottleneck: 1x1 to ``hidden``, depthwise, linear 1x1 to ``channels``.

    The input is added to the output where the stride is 1, both have as many channels and ``residual`` is set.
    """

    type: ClassVar[str] = "inverted"
    channels: int
    hidden: int
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)
    residual: bool = True


@dataclass(frozen=True)
class Pool:
    """Pooling, padding SAME.

    Attributes:
        kernel: Height and width, also the stride; (0, 0) pools the whole map.
        mode: ``average`` or ``max``.
    """

    type: ClassVar[str] = "pool"
    kernel: Pair = (0, 0)
    mode: str = "average"


Block = Conv | Separable | Inverted | Pool

_BLOCKS: Mapping[str, type[Block]] = {kind.type: kind for kind in (Conv, Separable, Inverted, Pool)}

_SCALARS: Mapping[str, tuple[type, str]] = {
    "channels": (int, "a whole number"),
    "hidden": (int, "a whole number"),
    "residual": (bool, "true or false"),
    "mode": (str, "a text"),
}


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
        return "; ".join((*(_describe(block) for block in self.blocks), f"FC {self.classes}"))


def block_from(value: Mapping[str, Any], where: str) -> Block:
    """Return a block of its ``type`` and attributes; a single number stands for a square.

    Raises:
        UsageError: unknown type or attribute, or a value out of range.
    """
    values = dict(value)
    given = str(values.pop("type", ""))
    kind = _BLOCKS.get(given)
    if kind is None:
        raise UsageError(
            f"unknown block type '{given}'" if given else "a block without a type",
            where=where,
            remedy=did_you_mean(given, _BLOCKS, f"one of {', '.join(_BLOCKS)}"),
        )
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise UsageError(
            f"a {kind.type} block has no '{unknown[0]}'",
            where=where,
            remedy=did_you_mean(unknown[0], known, f"it has {', '.join(sorted(known))}"),
        )
    for name in known & set(values):
        wanted, title = _SCALARS.get(name, (type(values[name]), ""))
        if type(values[name]) is not wanted:
            raise UsageError(f"{name} = {values[name]!r} is not {title}", where=where)
    for name in known & {"kernel", "stride"} & set(values):
        values[name] = _pair(values[name], where)
    missing = [f.name for f in fields(kind) if f.default is MISSING and f.name not in values]
    if missing:
        raise UsageError(f"a {kind.type} block without {' and '.join(missing)}", where=where)
    block = kind(**values)
    sizes = [
        n for v in asdict(block).values() for n in (v if isinstance(v, tuple) else (v,)) if type(n) is int
    ]
    whole_map = isinstance(block, Pool) and block.kernel == (0, 0)
    if min(sizes) < 1 and not whole_map:
        raise UsageError(f"a {kind.type} block with a size below 1", where=where, remedy="sizes count from 1")
    if isinstance(block, Separable | Inverted) and block.stride[0] != block.stride[1]:
        raise UsageError(
            f"a {kind.type} block with unequal strides",
            where=where,
            remedy="TensorFlow trains equal ones only",
        )
    if isinstance(block, Pool) and block.mode not in {"average", "max"}:
        raise UsageError(f"unknown pooling '{block.mode}'", where=where, remedy="mode is average or max")
    return block


def _pair(value: Any, where: str) -> Pair:
    pair = [value, value] if isinstance(value, int) else value
    if not isinstance(pair, list | tuple) or [type(n) for n in pair] != [int, int]:
        raise UsageError(f"{value!r} is no size", where=where, remedy="give one number, or height and width")
    return pair[0], pair[1]


def _describe(block: Block) -> str:
    if isinstance(block, Pool):
        name = "AvgPool" if block.mode == "average" else "MaxPool"
        return f"{name} {'global' if block.kernel == (0, 0) else _times(block.kernel)}"
    stride = block.stride[0] if block.stride[0] == block.stride[1] else _times(block.stride)
    if isinstance(block, Conv):
        return f"Conv {_times(block.kernel)} c{block.channels} s{stride}"
    if isinstance(block, Separable):
        return f"DSB {block.channels},{stride}"
    return f"IBN {block.hidden}-{block.channels},{stride}"


def _times(pair: Pair) -> str:
    return f"{pair[0]}x{pair[1]}"


@dataclass(frozen=True)
class Layer:
    """One operator of the exported model.

    Attributes:
        name: Unique; also the name of the tensor that it writes.
        kind: ``conv``, ``depthwise``, ``add``, ``average_pool``, ``max_pool``, ``dense`` or ``softmax``.
        inputs: Tensors read: 0 is the model's input, ``i + 1`` what layer ``i`` writes.
        in_shape: Height, width, channels of the first input.
        out_shape: Of the output.
        activation: ``relu`` or ``linear``.
        block: Index of the block that it belongs to; the number of blocks for the classifier.
        source: What decides the input's channels: see ``width``.
        width: What decides the output's channels: ``<block>`` for the output of a block, ``<block>.hidden``
            for the inner width of a bottleneck, empty where nothing does.
    """

    name: str
    kind: str
    inputs: tuple[int, ...]
    in_shape: Shape
    out_shape: Shape
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    activation: str = LINEAR
    block: int = 0
    source: str = ""
    width: str = ""

    def decides(self, width: str) -> bool:
        """Return whether a width is decided by this layer's own block, not before it."""
        return width.partition(".")[0] == str(self.block)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """(height, width, in, out) of a convolution, (height, width, channels) of a depthwise one, (in, out)."""
        if self.kind == "conv":
            return (*self.kernel, self.in_shape[2], self.out_shape[2])
        if self.kind == "depthwise":
            return (*self.kernel, self.out_shape[2])
        if self.kind == "dense":
            return (prod(self.in_shape), self.out_shape[2])
        return ()


def is_residual(block: Block, channels: int) -> bool:
    """Return whether the block adds its input, of that many channels, to its output."""
    return (
        isinstance(block, Inverted)
        and block.residual
        and block.stride == (1, 1)
        and block.channels == channels
    )


def lower(architecture: Architecture) -> tuple[Layer, ...]:
    """Return the layers of an architecture in order of execution."""
    lowering = _Lowering(architecture.input_shape)
    for index, block in enumerate(architecture.blocks):
        lowering.add_block(index, block)
    return lowering.finish(len(architecture.blocks), architecture.classes)


class _Lowering:
    def __init__(self, shape: Shape) -> None:
        self._layers: list[Layer] = []
        self._tensor = 0
        self._shape = shape
        self._width = ""

    def add_block(self, index: int, block: Block) -> None:
        name, width, hidden = f"block{index:02}", str(index), f"{index}.hidden"
        if isinstance(block, Pool):
            kernel = self._shape[:2] if block.kernel == (0, 0) else block.kernel
            channels = self._shape[2]
            self._add(name, f"{block.mode}_pool", channels, self._width, index, kernel, kernel)
        elif isinstance(block, Conv):
            self._add(name, "conv", block.channels, width, index, block.kernel, block.stride, RELU)
        elif isinstance(block, Separable):
            channels = self._shape[2]
            self._add(
                f"{name}_depthwise",
                "depthwise",
                channels,
                self._width,
                index,
                block.kernel,
                block.stride,
                RELU,
            )
            self._add(f"{name}_pointwise", "conv", block.channels, width, index, activation=RELU)
        else:
            tensor, channels = self._tensor, self._shape[2]
            residual = is_residual(block, channels)
            out = self._width if residual and self._width else width
            self._add(f"{name}_expand", "conv", block.hidden, hidden, index, activation=RELU)
            self._add(
                f"{name}_depthwise",
                "depthwise",
                block.hidden,
                hidden,
                index,
                block.kernel,
                block.stride,
                RELU,
            )
            self._add(f"{name}_project", "conv", block.channels, out, index)
            if residual:
                self._add(f"{name}_add", "add", block.channels, out, index, others=(tensor,))

    def finish(self, index: int, classes: int) -> tuple[Layer, ...]:
        self._add("logits", "dense", classes, "", index)
        self._add("probabilities", "softmax", classes, "", index)
        return tuple(self._layers)

    def _add(
        self,
        name: str,
        kind: str,
        channels: int,
        width: str,
        block: int,
        kernel: Pair = (1, 1),
        stride: Pair = (1, 1),
        activation: str = LINEAR,
        others: tuple[int, ...] = (),
    ) -> None:
        height, breadth, _ = self._shape
        flat = kind in {"dense", "softmax"}
        out = (
            (1, 1, channels)
            if flat
            else (ceil_div(height, stride[0]), ceil_div(breadth, stride[1]), channels)
        )
        self._layers.append(
            Layer(
                name, kind, (self._tensor, *others), self._shape, out, kernel, stride, activation, block,
                self._width, width,
            )
        )  # fmt: skip
        self._tensor, self._shape, self._width = len(self._layers), out, width


def tensor_lifetimes(layers: tuple[Layer, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the tensors that are alive while each layer runs, its inputs and output included."""
    last = {tensor: index for index, layer in enumerate(layers) for tensor in layer.inputs}
    last[len(layers)] = len(layers)
    first = {0: 0, **{index + 1: index for index in range(len(layers))}}
    return tuple(
        tuple(t for t, begin in first.items() if begin <= index <= last.get(t, begin))
        for index in range(len(layers))
    )
