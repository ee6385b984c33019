"""The kinds of block that architectures and backbones are made of, each a class with all that is its own.

A new kind is a class here and a line in :data:`BLOCKS`. What its layers cost, how they are trained and written follows
from the kinds of its layers (:data:`micronets_gen.search.space.layers.LAYER_KINDS`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Self

from micronets_gen.common.suggest import did_you_mean
from micronets_gen.common.tables import checked, schema_of, shown
from micronets_gen.errors import UsageError
from micronets_gen.search.space.layers import RELU, LayerList, Pair


@dataclass(frozen=True)
class Block(ABC):
    """What every kind of block has; its fields are those of its JSON and TOML.

    Attributes:
        type: Its name in files.
        widths: Its fields that are numbers of channels, which a search may decide; ``channels`` are those of its
            output, others inside it. Empty: it has as many as its input, and cannot be left out.
        kernel: Height and width.
        stride: Vertical and horizontal.
    """

    type: ClassVar[str]
    widths: ClassVar[tuple[str, ...]] = ("channels",)

    @property
    @abstractmethod
    def kernel(self) -> Pair: ...

    @property
    @abstractmethod
    def stride(self) -> Pair: ...

    @abstractmethod
    def lower(self, index: int, layers: LayerList) -> None:
        """Append its layers; ``index`` is that of the block, and names them."""

    @abstractmethod
    def summary(self) -> str:
        """Return it in the paper's notation."""

    def check(self, where: str) -> None:
        """Raise for values that make no block.

        Raises:
            UsageError: a size below 1, or what only this kind cannot have.
        """
        values = asdict(self).values()
        sizes = [n for v in values for n in (v if isinstance(v, tuple) else (v,)) if type(n) is int]
        if min(sizes) < 1:
            raise UsageError(
                f"a {self.type} block with a size below 1", where=where, remedy="sizes count from 1"
            )

    def resized(self, widths: Mapping[str, int], is_residual: bool) -> Self:
        """Return it with other widths, by field; ``is_residual`` is whether it adds its input at its full width."""
        return replace(self, **widths)

    def is_residual(self, channels: int) -> bool:
        """Return whether it adds its input, of that many channels, to its output."""
        return False

    def _require_equal_strides(self, where: str) -> None:
        if self.stride[0] != self.stride[1]:
            raise UsageError(
                f"a {self.type} block with unequal strides",
                where=where,
                remedy="TensorFlow trains equal ones only",
            )


@dataclass(frozen=True)
class Conv(Block):
    """Convolution, batch normalisation, ReLU; padding SAME."""

    type: ClassVar[str] = "conv"
    channels: int
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)

    def lower(self, index: int, layers: LayerList) -> None:
        layers.append(_name(index), "conv", self.channels, str(index), index, self.kernel, self.stride, RELU)

    def summary(self) -> str:
        return f"Conv {_times(self.kernel)} c{self.channels} s{_stride(self)}"


@dataclass(frozen=True)
class Separable(Block):
    """Depthwise convolution and 1x1 convolution, each with batch normalisation and ReLU; padding SAME."""

    type: ClassVar[str] = "separable"
    channels: int
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)

    def lower(self, index: int, layers: LayerList) -> None:
        name = _name(index)
        layers.append(
            f"{name}_depthwise", "depthwise", layers.shape[2], layers.width, index, self.kernel, self.stride, RELU
        )  # fmt: skip
        layers.append(f"{name}_pointwise", "conv", self.channels, str(index), index, activation=RELU)

    def summary(self) -> str:
        return f"DSB {self.channels},{_stride(self)}"

    def check(self, where: str) -> None:
        super().check(where)
        self._require_equal_strides(where)


@dataclass(frozen=True)
class Inverted(Block):
    """MobileNetV2's inverted bottleneck: 1x1 to ``hidden``, depthwise, linear 1x1 to ``channels``.

    The input is added to the output where the stride is 1, both have as many channels and ``residual`` is set.
    """

    type: ClassVar[str] = "inverted"
    widths: ClassVar[tuple[str, ...]] = ("hidden", "channels")
    channels: int
    hidden: int
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)
    residual: bool = True

    def lower(self, index: int, layers: LayerList) -> None:
        name, hidden = _name(index), width_key(index, "hidden")
        before, adds = layers.tensor, self.is_residual(layers.shape[2])
        out = layers.width if adds and layers.width else str(index)
        layers.append(f"{name}_expand", "conv", self.hidden, hidden, index, activation=RELU)
        layers.append(
            f"{name}_depthwise", "depthwise", self.hidden, hidden, index, self.kernel, self.stride, RELU
        )
        layers.append(f"{name}_project", "conv", self.channels, out, index)
        if adds:
            layers.append(f"{name}_add", "add", self.channels, out, index, others=(before,))

    def summary(self) -> str:
        return f"IBN {self.hidden}-{self.channels},{_stride(self)}"

    def check(self, where: str) -> None:
        super().check(where)
        self._require_equal_strides(where)

    def resized(self, widths: Mapping[str, int], is_residual: bool) -> Self:
        """As :meth:`Block.resized`: it never begins to add its input because widths come out equal."""
        return replace(super().resized(widths, is_residual), residual=is_residual)

    def is_residual(self, channels: int) -> bool:
        return self.residual and self.stride == (1, 1) and self.channels == channels


@dataclass(frozen=True)
class Pool(Block):
    """Pooling, padding SAME.

    Attributes:
        kernel: Height and width, also the stride; (0, 0) pools the whole map.
        mode: ``average`` or ``max``.
    """

    type: ClassVar[str] = "pool"
    widths: ClassVar[tuple[str, ...]] = ()
    kernel: Pair = (0, 0)
    mode: str = "average"

    @property
    def stride(self) -> Pair:
        return self.kernel

    def lower(self, index: int, layers: LayerList) -> None:
        kernel = layers.shape[:2] if self.kernel == (0, 0) else self.kernel
        kind, channels = f"{self.mode}_pool", layers.shape[2]
        layers.append(_name(index), kind, channels, layers.width, index, kernel, kernel)

    def summary(self) -> str:
        name = "AvgPool" if self.mode == "average" else "MaxPool"
        return f"{name} {'global' if self.kernel == (0, 0) else _times(self.kernel)}"

    def check(self, where: str) -> None:
        if self.kernel != (0, 0):
            super().check(where)
        if self.mode not in {"average", "max"}:
            raise UsageError(f"unknown pooling '{self.mode}'", where=where, remedy="mode is average or max")


BLOCKS: dict[str, type[Block]] = {kind.type: kind for kind in (Conv, Separable, Inverted, Pool)}
"""Every kind of block, by its name in files."""


def block_from(value: Mapping[str, Any], where: str) -> Block:
    """Return a block of its ``type`` and attributes; a single number stands for a square.

    Raises:
        UsageError: unknown type or attribute, or a value out of range.
    """
    values = dict(value)
    given = shown(values.pop("type", ""))
    kind = BLOCKS.get(given)
    if kind is None:
        raise UsageError(
            f"unknown block type '{given}'" if given else "a block without a type",
            where=where,
            remedy=did_you_mean(given, BLOCKS, f"one of {', '.join(BLOCKS)}"),
        )
    block = kind(**checked(values, schema_of(kind), f"{where} ({given})"))
    block.check(where)
    return block


def width_key(index: int, name: str) -> str:
    """Return what decides a block's width, as in :attr:`Layer.width`; ``name`` is one of :attr:`Block.widths`."""
    return str(index) if name == "channels" else f"{index}.{name}"


def _name(index: int) -> str:
    return f"block{index:02}"


def _stride(block: Block) -> str:
    return str(block.stride[0]) if block.stride[0] == block.stride[1] else _times(block.stride)


def _times(pair: Pair) -> str:
    return f"{pair[0]}x{pair[1]}"
