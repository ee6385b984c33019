"""The layers that blocks become: the operators of a ``.tflite`` file. Costs, network and exporter read nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

from micronets_gen.common.integers import ceil_div

Pair = tuple[int, int]
Shape = tuple[int, int, int]

RELU = "relu"
LINEAR = "linear"


@dataclass(frozen=True)
class LayerKind:
    """What there is to know of a kind of layer.

    Attributes:
        weight_shape: Of a layer's weights; empty where it has none.
        normalised: Whether batch normalisation follows, which the file has folded into it.
        learns_range: Whether a range of its output is learnt: pools keep their input's, softmax has a fixed one.
        flat: Whether the output is no map: (1, channels) in the file.
    """

    weight_shape: Callable[[Layer], tuple[int, ...]] = lambda _layer: ()
    normalised: bool = False
    learns_range: bool = False
    flat: bool = False


LAYER_KINDS: Mapping[str, LayerKind] = {
    "conv": LayerKind(
        lambda layer: (*layer.kernel, layer.in_shape[2], layer.out_shape[2]),
        normalised=True,
        learns_range=True,
    ),
    "depthwise": LayerKind(
        lambda layer: (*layer.kernel, layer.out_shape[2]), normalised=True, learns_range=True
    ),
    "add": LayerKind(learns_range=True),
    "average_pool": LayerKind(),
    "max_pool": LayerKind(),
    "dense": LayerKind(
        lambda layer: (prod(layer.in_shape), layer.out_shape[2]), learns_range=True, flat=True
    ),
    "softmax": LayerKind(flat=True),
}
"""Every kind, by name. The exporter and the network each have what they do of it under the same name."""


@dataclass(frozen=True)
class Layer:
    """One operator of the exported model.

    Attributes:
        name: Unique; also the name of the tensor that it writes.
        kind: A name of :data:`LAYER_KINDS`.
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
        return LAYER_KINDS[self.kind].weight_shape(self)


class LayerList:
    """Layers in order of execution, each appended behind what is there.

    Attributes:
        layers: So far.
        tensor: What the last one writes: an index as in :attr:`Layer.inputs`.
        shape: Of that tensor.
        width: What decides its channels: see :attr:`Layer.width`.
    """

    def __init__(self, shape: Shape) -> None:
        self.layers: list[Layer] = []
        self.tensor = 0
        self.shape = shape
        self.width = ""

    def append(
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
        """Append a layer that reads the last tensor, and ``others`` beside it; padding SAME."""
        height, breadth, _ = self.shape
        flat = LAYER_KINDS[kind].flat
        rows, columns = (1, 1) if flat else (ceil_div(height, stride[0]), ceil_div(breadth, stride[1]))
        out = rows, columns, channels
        inputs = (self.tensor, *others)
        self.layers.append(
            Layer(name, kind, inputs, self.shape, out, kernel, stride, activation, block, self.width, width)
        )
        self.tensor, self.shape, self.width = len(self.layers), out, width


def tensor_lifetimes(layers: tuple[Layer, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the tensors that are alive while each layer runs, its inputs and output included."""
    last = {tensor: index for index, layer in enumerate(layers) for tensor in layer.inputs}
    last[len(layers)] = len(layers)
    first = {0: 0, **{index + 1: index for index in range(len(layers))}}
    return tuple(
        tuple(t for t, begin in first.items() if begin <= index <= last.get(t, begin))
        for index in range(len(layers))
    )
