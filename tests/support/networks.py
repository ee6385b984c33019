"""Whole quantised networks with random weights, as a converter would write them.

:class:`Network` adds layers to a model and chooses scales under which values neither die out nor saturate;
:func:`random_network` strings them together from a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from micronets_gen.model.graph import Activation, Array, DType, Graph, Options, Padding
from micronets_gen.operators.activation import LeakyReluOptions
from micronets_gen.operators.arithmetic import output_extent
from micronets_gen.operators.concat import ConcatenationOptions, PackOptions
from micronets_gen.operators.convolution import Conv2DOptions, DepthwiseConv2DOptions
from micronets_gen.operators.elementwise import BinaryOptions
from micronets_gen.operators.fully_connected import FullyConnectedOptions
from micronets_gen.operators.pooling import Pool2DOptions
from micronets_gen.operators.reduce import ReducerOptions
from micronets_gen.operators.resize import ResizeOptions
from micronets_gen.operators.slice import SplitOptions, StridedSliceOptions
from micronets_gen.operators.softmax import SoftmaxOptions
from micronets_gen.operators.transpose_conv import TransposeConvOptions
from tests.support.builder import ModelBuilder

_WEIGHT_SPREAD = 73.0  # of integers drawn evenly from -127..127
_BEFORE_RELU, _AFTER_RELU, _SIGNED = 85.0, 60.0, 40.0


@dataclass(frozen=True)
class Flow:
    """A tensor on its way through a network.

    Attributes:
        tensor: Index in the builder.
        spread: Root mean square of ``q - zero_point`` to be expected, in int8 steps.
    """

    tensor: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    spread: float


class Network:
    """Layers with random weights, one method a layer; each returns what the layer gives.

    >>> n = Network(seed=1)
    >>> x = n.input((1, 8, 8, 3))
    >>> x = n.convolution(x, 16, (3, 3), (2, 2))
    >>> n.dense(n.mean(x), 10)
    >>> file = n.build()
    """

    def __init__(
        self, seed: int, dtype: DType = DType.INT8, name: str = "network", dead: float = 0.0
    ) -> None:
        """Begin an empty network.

        Args:
            dead: Share of the filters that are all zero.
        """
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype
        self._dead = dead
        self.builder = ModelBuilder(name)
        self._steps = 1.0 if dtype is DType.INT8 else 256.0
        self._inputs: list[Flow] = []

    # --- tensors ---

    def input(self, shape: Sequence[int], name: str = "input") -> Flow:
        """A graph input with values over the whole range of its type."""
        flow = self._tensor(shape, 1 / 64 / self._steps, self._any_zero_point(), 74.0, name)
        self._inputs.append(flow)
        return flow

    def values(self, count: int) -> tuple[tuple[Array, ...], ...]:
        """Return ``count`` draws of the graph inputs, then one at the ends of the range."""
        info = np.iinfo(self.dtype.value)
        draws = [
            tuple(
                self.rng.integers(info.min, info.max + 1, x.shape, dtype=self.dtype.value)
                for x in self._inputs
            )
            for _ in range(count)
        ]
        ends = tuple(
            self.rng.choice(np.array([info.min, info.max], self.dtype.value), x.shape) for x in self._inputs
        )
        return (*draws, ends)

    def build(self, outputs: Sequence[Flow] | None = None) -> bytes:
        """Return the file; its outputs are those given, else what no layer reads."""
        return self.builder.build(outputs=None if outputs is None else [y.tensor for y in outputs])

    def graph(self) -> Graph:
        """Return the typed graph."""
        return self.builder.graph()

    def _tensor(self, shape: Sequence[int], scale: float, zero_point: int, spread: float, name: str) -> Flow:
        scale = float(np.float32(scale))
        index = self.builder.tensor(shape, self.dtype, scale=scale, zero_point=zero_point, name=name)
        return Flow(index, tuple(shape), scale, zero_point, spread)

    def _like(self, x: Flow, shape: Sequence[int], name: str) -> Flow:
        return self._tensor(shape, x.scale, x.zero_point, x.spread, name)

    def _any_zero_point(self) -> int:
        return int(self.rng.integers(-20, 21)) if self.dtype is DType.INT8 else 0

    def _result(self, shape: Sequence[int], reach: float, activation: Activation, name: str) -> Flow:
        """A tensor for values of root mean square ``reach`` (real) before the activation."""
        if activation is Activation.NONE:
            return self._tensor(shape, reach / _SIGNED / self._steps, self._any_zero_point(), _SIGNED, name)
        if activation is Activation.RELU_N1_TO_1:
            return self._tensor(shape, 1 / 127 / self._steps, self._any_zero_point(), 100.0, name)
        low = -128 if self.dtype is DType.INT8 else 0
        return self._tensor(shape, reach / _BEFORE_RELU / self._steps, low, _AFTER_RELU, name)

    def _real(self, x: Flow) -> float:
        return x.scale * x.spread * self._steps

    # --- layers with weights ---

    def _weights(self, x: Flow, shape: Sequence[int], depth: int, axis: int, name: str) -> tuple[int, int]:
        """Return weights of about unit gain, per channel, and a bias; ``depth`` products make one output."""
        channels = shape[axis]
        scales = self.rng.uniform(0.7, 1.3, channels) / (_WEIGHT_SPREAD * depth**0.5)
        values = self.rng.integers(-127, 128, tuple(shape))
        if self._dead:
            values *= (self.rng.random(channels) >= self._dead).reshape(
                [-1 if i == axis else 1 for i in range(4)]
            )
        weights = self.builder.constant(
            values,
            DType.INT8,
            scale=scales.tolist(),
            axis=axis,
            name=f"{name}_weights",
        )
        accumulator = depth**0.5 * _WEIGHT_SPREAD * x.spread * self._steps
        bias = self.builder.constant(
            np.rint(self.rng.normal(0, 0.3 * accumulator, channels)).astype(np.int64),
            DType.INT32 if self.dtype is DType.INT8 else DType.INT64,
            scale=[float(np.float32(x.scale) * np.float32(s)) for s in scales],
            name=f"{name}_bias",
        )
        return weights, bias

    def convolution(
        self,
        x: Flow,
        channels: int,
        kernel: tuple[int, int] = (1, 1),
        stride: tuple[int, int] = (1, 1),
        *,
        padding: Padding = Padding.SAME,
        dilation: tuple[int, int] = (1, 1),
        activation: Activation = Activation.RELU,
        name: str = "conv",
    ) -> Flow:
        """CONV_2D."""
        _, h, w, c = x.shape
        weights, bias = self._weights(x, (channels, *kernel, c), kernel[0] * kernel[1] * c, 0, name)
        shape = (
            1,
            output_extent(padding, h, kernel[0], stride[0], dilation[0]),
            output_extent(padding, w, kernel[1], stride[1], dilation[1]),
            channels,
        )
        y = self._result(shape, self._real(x), activation, name)
        options = Conv2DOptions(padding, *stride, *dilation, activation)
        self.builder.operator("CONV_2D", [x.tensor, weights, bias], [y.tensor], options)
        return y

    def depthwise(
        self,
        x: Flow,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        *,
        padding: Padding = Padding.SAME,
        multiplier: int = 1,
        activation: Activation = Activation.RELU,
        name: str = "depthwise",
    ) -> Flow:
        """DEPTHWISE_CONV_2D."""
        _, h, w, c = x.shape
        channels = c * multiplier
        weights, bias = self._weights(x, (1, *kernel, channels), kernel[0] * kernel[1], 3, name)
        shape = (
            1,
            output_extent(padding, h, kernel[0], stride[0]),
            output_extent(padding, w, kernel[1], stride[1]),
            channels,
        )
        y = self._result(shape, self._real(x), activation, name)
        options = DepthwiseConv2DOptions(padding, *stride, multiplier, activation=activation)
        self.builder.operator("DEPTHWISE_CONV_2D", [x.tensor, weights, bias], [y.tensor], options)
        return y

    def transpose_convolution(
        self, x: Flow, channels: int, kernel: tuple[int, int], stride: int, name: str = "up"
    ) -> Flow:
        """TRANSPOSE_CONV with SAME padding: ``stride`` times as high and wide."""
        _, h, w, c = x.shape
        shape = (1, h * stride, w * stride, channels)
        weights, bias = self._weights(x, (channels, *kernel, c), kernel[0] * kernel[1] * c, 0, name)
        size = self.builder.constant(list(shape), name=f"{name}_shape")
        y = self._result(shape, self._real(x), Activation.NONE, name)
        self.builder.operator(
            "TRANSPOSE_CONV",
            [size, weights, x.tensor, bias],
            [y.tensor],
            TransposeConvOptions(Padding.SAME, stride, stride),
        )
        return y

    def dense(
        self, x: Flow, units: int, activation: Activation = Activation.NONE, name: str = "dense"
    ) -> Flow:
        """FULLY_CONNECTED on everything, flattened; one scale for all weights, as older converters write."""
        depth = int(np.prod(x.shape))
        scale = 1 / (_WEIGHT_SPREAD * depth**0.5)
        weights = self.builder.constant(
            self.rng.integers(-127, 128, (units, depth)), DType.INT8, scale=scale, name=f"{name}_weights"
        )
        reach = int(0.3 * depth**0.5 * _WEIGHT_SPREAD * x.spread * self._steps)
        bias = self.builder.constant(
            self.rng.integers(-reach, reach + 1, units),
            DType.INT32 if self.dtype is DType.INT8 else DType.INT64,
            scale=float(np.float32(x.scale) * np.float32(scale)),
            name=f"{name}_bias",
        )
        y = self._result((1, units), self._real(x), activation, name)
        self.builder.operator(
            "FULLY_CONNECTED", [x.tensor, weights, bias], [y.tensor], FullyConnectedOptions(activation)
        )
        return y

    # --- layers without ---

    def pool(
        self,
        kind: str,
        x: Flow,
        window: tuple[int, int],
        stride: tuple[int, int],
        padding: Padding = Padding.VALID,
        name: str = "pool",
    ) -> Flow:
        """AVERAGE_POOL_2D or MAX_POOL_2D."""
        _, h, w, c = x.shape
        shape = (
            1,
            output_extent(padding, h, window[0], stride[0]),
            output_extent(padding, w, window[1], stride[1]),
            c,
        )
        y = self._like(x, shape, name)
        self.builder.operator(kind, [x.tensor], [y.tensor], Pool2DOptions(padding, *stride, *window))
        return y

    def binary(
        self, kind: str, a: Flow, b: Flow, activation: Activation = Activation.NONE, name: str = "sum"
    ) -> Flow:
        """ADD, SUB or MUL of equal shapes."""
        reach = self._real(a) * self._real(b) if kind == "MUL" else np.hypot(self._real(a), self._real(b))
        y = self._result(a.shape, float(reach), activation, name)
        self.builder.operator(kind, [a.tensor, b.tensor], [y.tensor], BinaryOptions(activation))
        return y

    def extremum(self, kind: str, a: Flow, b: Flow, name: str = "extremum") -> Flow:
        """MINIMUM or MAXIMUM; ``b`` is brought to the quantisation of ``a``."""
        b = self.requantize(b, a)
        y = self._like(a, a.shape, name)
        self.builder.operator(kind, [a.tensor, b.tensor], [y.tensor])
        return y

    def requantize(self, x: Flow, like: Flow, name: str = "requantized") -> Flow:
        """QUANTIZE to the scale and zero point of ``like``; ``x`` itself where it has them."""
        if (x.scale, x.zero_point) == (like.scale, like.zero_point):
            return x
        y = self._like(like, x.shape, name)
        self.builder.operator("QUANTIZE", [x.tensor], [y.tensor])
        return y

    def concatenation(self, parts: Sequence[Flow], name: str = "joined") -> Flow:
        """CONCATENATION along the channels; all get the quantisation of the first."""
        parts = [self.requantize(part, parts[0]) for part in parts]
        y = self._like(parts[0], (*parts[0].shape[:-1], sum(part.shape[-1] for part in parts)), name)
        axis = len(y.shape) - 1
        self.builder.operator(
            "CONCATENATION", [part.tensor for part in parts], [y.tensor], ConcatenationOptions(axis)
        )
        return y

    def split(self, x: Flow, count: int, name: str = "part") -> list[Flow]:
        """SPLIT along the channels."""
        shape = (*x.shape[:-1], x.shape[-1] // count)
        parts = [self._like(x, shape, name) for _ in range(count)]
        axis = self.builder.constant(len(shape) - 1)
        self.builder.operator("SPLIT", [axis, x.tensor], [part.tensor for part in parts], SplitOptions(count))
        return parts

    def reshape(self, x: Flow, shape: Sequence[int], name: str = "reshaped") -> Flow:
        """RESHAPE."""
        y = self._like(x, shape, name)
        self.builder.operator("RESHAPE", [x.tensor, self.builder.constant(list(shape))], [y.tensor])
        return y

    def pad(self, x: Flow, before: int, after: int, name: str = "padded") -> Flow:
        """PAD of height and width."""
        _, h, w, c = x.shape
        y = self._like(x, (1, h + before + after, w + before + after, c), name)
        paddings = self.builder.constant([[0, 0], [before, after], [before, after], [0, 0]])
        self.builder.operator("PAD", [x.tensor, paddings], [y.tensor])
        return y

    def crop(self, x: Flow, step: int, name: str = "cropped") -> Flow:
        """STRIDED_SLICE: every ``step``-th row and column."""
        _, h, w, c = x.shape
        shape = (1, -(-h // step), -(-w // step), c)
        y = self._like(x, shape, name)
        operands = [self.builder.constant(v) for v in ([0] * 4, [1, h, w, c], [1, step, step, 1])]
        self.builder.operator("STRIDED_SLICE", [x.tensor, *operands], [y.tensor], StridedSliceOptions())
        return y

    def transpose(self, x: Flow, order: Sequence[int], name: str = "transposed") -> Flow:
        """TRANSPOSE."""
        y = self._like(x, [x.shape[axis] for axis in order], name)
        self.builder.operator("TRANSPOSE", [x.tensor, self.builder.constant(list(order))], [y.tensor])
        return y

    def resize(self, x: Flow, factor: int, name: str = "resized") -> Flow:
        """RESIZE_NEAREST_NEIGHBOR."""
        _, h, w, c = x.shape
        y = self._like(x, (1, h * factor, w * factor, c), name)
        size = self.builder.constant([h * factor, w * factor])
        options = ResizeOptions(half_pixel_centers=bool(self.rng.integers(2)))
        self.builder.operator("RESIZE_NEAREST_NEIGHBOR", [x.tensor, size], [y.tensor], options)
        return y

    def pack(self, parts: Sequence[Flow], name: str = "packed") -> Flow:
        """PACK along a new first axis; all get the quantisation of the first."""
        parts = [self.requantize(part, parts[0]) for part in parts]
        y = self._like(parts[0], (len(parts), *parts[0].shape), name)
        self.builder.operator("PACK", [part.tensor for part in parts], [y.tensor], PackOptions(0))
        return y

    def mean(self, x: Flow, keep: bool = False, name: str = "mean") -> Flow:
        """MEAN over height and width."""
        _, _, _, c = x.shape
        shape = (1, 1, 1, c) if keep else (1, c)
        y = self._tensor(shape, x.scale / 2, x.zero_point, x.spread, name)
        self.builder.operator(
            "MEAN", [x.tensor, self.builder.constant([1, 2])], [y.tensor], ReducerOptions(keep)
        )
        return y

    def activation(self, kind: str, x: Flow, name: str = "") -> Flow:
        """LOGISTIC, TANH, RELU, RELU6, LEAKY_RELU or HARD_SWISH, as an operator of its own."""
        name = name or kind.lower()
        options: Options | None = None
        narrow = self.dtype is DType.INT8
        if kind == "LOGISTIC":
            y = self._tensor(x.shape, 1 / 256 if narrow else 1 / 32768, -128 if narrow else 0, 128.0, name)
        elif kind == "TANH":
            y = self._tensor(x.shape, 1 / 128 if narrow else 1 / 32768, 0, 70.0, name)
        elif kind in ("RELU", "RELU6"):
            y = self._like(x, x.shape, name)
        else:
            options = LeakyReluOptions(0.125) if kind == "LEAKY_RELU" else None
            y = self._result(x.shape, self._real(x), Activation.NONE, name)
        self.builder.operator(kind, [x.tensor], [y.tensor], options)
        return y

    def softmax(self, x: Flow, name: str = "probabilities") -> Flow:
        """SOFTMAX."""
        narrow = self.dtype is DType.INT8
        y = self._tensor(x.shape, 1 / 256 if narrow else 1 / 32768, -128 if narrow else 0, 60.0, name)
        self.builder.operator("SOFTMAX", [x.tensor], [y.tensor], SoftmaxOptions())
        return y


# --- random networks --------------------------------------------------------------------------------------

Block = Callable[[Network, Flow], Flow]
_MOST_ELEMENTS = 4096


def _activation(n: Network) -> Activation:
    return Activation(str(n.rng.choice(["NONE", "RELU", "RELU", "RELU6", "RELU_N1_TO_1"])))


def _channels(n: Network) -> int:
    return int(n.rng.choice([1, 3, 4, 5, 8, 12, 16, 17]))


def _stride(n: Network) -> tuple[int, int]:
    strides = [(1, 1), (1, 1), (2, 2), (2, 1), (1, 3)]
    return strides[int(n.rng.integers(len(strides)))]


def _kernel(n: Network, x: Flow) -> tuple[int, int]:
    return int(n.rng.integers(1, min(5, x.shape[1]) + 1)), int(n.rng.integers(1, min(4, x.shape[2]) + 1))


def _padding(n: Network) -> Padding:
    return Padding.SAME if n.rng.integers(2) else Padding.VALID


def _conv_block(n: Network, x: Flow) -> Flow:
    return n.convolution(
        x, _channels(n), _kernel(n, x), _stride(n), padding=_padding(n), activation=_activation(n)
    )


def _dilated_block(n: Network, x: Flow) -> Flow:
    return n.convolution(x, _channels(n), (3, 2), dilation=(2, 3), activation=_activation(n), name="dilated")


def _separable_block(n: Network, x: Flow) -> Flow:
    multiplier = 2 if x.shape[3] <= 4 and n.rng.integers(3) == 0 else 1
    y = n.depthwise(
        x, _kernel(n, x), _stride(n), padding=_padding(n), multiplier=multiplier, activation=_activation(n)
    )
    return n.convolution(y, _channels(n), activation=_activation(n), name="pointwise")


def _residual_block(n: Network, x: Flow) -> Flow:
    y = n.convolution(x, x.shape[3], (3, 3), name="residual")
    y = n.depthwise(y, activation=Activation.NONE)
    kind = str(n.rng.choice(["ADD", "ADD", "SUB", "MUL"]))
    return n.binary(kind, x, y, _activation(n))


def _bottleneck_block(n: Network, x: Flow) -> Flow:
    y = n.convolution(x, 2 * x.shape[3], activation=Activation.RELU6, name="expand")
    y = n.depthwise(y, activation=Activation.RELU6)
    y = n.convolution(y, x.shape[3], activation=Activation.NONE, name="project")
    return n.binary("ADD", x, y)


def _branch_block(n: Network, x: Flow) -> Flow:
    a = n.convolution(x, _channels(n), (3, 3), name="branch")
    b = n.convolution(x, _channels(n), (1, 1), activation=Activation.NONE, name="branch")
    c = n.pool("MAX_POOL_2D", x, (3, 3), (1, 1), Padding.SAME)
    return n.concatenation([a, b, c])


def _gate_block(n: Network, x: Flow) -> Flow:
    gate = n.activation("LOGISTIC", n.convolution(x, x.shape[3], activation=Activation.NONE, name="gate"))
    return n.binary("MUL", x, gate, name="gated")


def _shuffle_block(n: Network, x: Flow) -> Flow:
    if x.shape[3] % 2:
        return _extremum_block(n, x)
    a, b = n.split(x, 2)
    return n.concatenation([n.convolution(b, a.shape[3], (3, 1)), a])


def _extremum_block(n: Network, x: Flow) -> Flow:
    y = n.convolution(x, x.shape[3], (1, 3), activation=_activation(n))
    return n.extremum(str(n.rng.choice(["MINIMUM", "MAXIMUM"])), x, y)


def _pool_block(n: Network, x: Flow) -> Flow:
    kind = str(n.rng.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"]))
    return n.pool(kind, x, _kernel(n, x), _stride(n), _padding(n))


def _pad_block(n: Network, x: Flow) -> Flow:
    y = n.pad(x, int(n.rng.integers(3)), 2)
    return n.convolution(y, _channels(n), (3, 3), (2, 2), padding=Padding.VALID)


def _activation_block(n: Network, x: Flow) -> Flow:
    kinds = ["TANH", "RELU", "RELU6", "LEAKY_RELU"] + (["HARD_SWISH"] if n.dtype is DType.INT8 else [])
    y = n.convolution(x, _channels(n), activation=Activation.NONE)
    return n.activation(str(n.rng.choice(kinds)), y)


def _decoder_block(n: Network, x: Flow) -> Flow:
    if 4 * int(np.prod(x.shape)) > _MOST_ELEMENTS:
        return n.crop(x, 2)
    y = n.resize(x, 2)
    z = n.transpose_convolution(x, x.shape[3], (3, 3), 2)
    return n.binary("ADD", y, z)


def _transpose_block(n: Network, x: Flow) -> Flow:
    return n.transpose(x, (0, 2, 1, 3))


BLOCKS: tuple[Block, ...] = (
    _conv_block,
    _conv_block,
    _dilated_block,
    _separable_block,
    _separable_block,
    _residual_block,
    _bottleneck_block,
    _branch_block,
    _gate_block,
    _shuffle_block,
    _extremum_block,
    _pool_block,
    _pad_block,
    _activation_block,
    _decoder_block,
    _transpose_block,
)


def _classifier(n: Network, x: Flow) -> list[Flow]:
    return [n.softmax(n.dense(n.mean(x), int(n.rng.integers(2, 13)), name="logits"))]


def _pooled_classifier(n: Network, x: Flow) -> list[Flow]:
    window = (x.shape[1], x.shape[2])
    y = n.pool("AVERAGE_POOL_2D", x, window, window)
    y = n.reshape(y, (1, y.shape[3]))
    hidden = n.dense(y, 24, Activation.RELU, "hidden")
    return [n.dense(hidden, int(n.rng.integers(1, 11)), name="logits")]


def _two_heads(n: Network, x: Flow) -> list[Flow]:
    score = n.activation("LOGISTIC", n.dense(x, 3, name="score"))
    return [n.convolution(x, 4, activation=Activation.NONE, name="boxes"), score]


def _stacked(n: Network, x: Flow) -> list[Flow]:
    a = n.mean(x, keep=True)
    b = n.reshape(n.dense(x, x.shape[3]), a.shape)
    return [n.pack([a, b])]


HEADS = (_classifier, _classifier, _pooled_classifier, _two_heads, _stacked)


@dataclass(frozen=True)
class Sample:
    """A network and inputs for it, one tuple an inference."""

    name: str
    model: bytes
    inputs: tuple[tuple[Array, ...], ...]


def random_network(seed: int, dtype: DType = DType.INT8, inferences: int = 2, dead: float = 0.0) -> Sample:
    """Return a network of some blocks and a head, the same for the same seed; a third have two inputs.

    Args:
        dead: Share of the filters that are all zero.
    """
    n = Network(seed, dtype, f"random_{dtype.value}_{seed}", dead)
    h, w, c = int(n.rng.integers(5, 15)), int(n.rng.integers(4, 13)), int(n.rng.choice([1, 1, 2, 3, 4]))
    x = n.input((1, h, w, c))
    if n.rng.integers(3) == 0:
        x = n.concatenation([x, n.input((1, h, w, 2), "second_input")])
    x = n.convolution(x, _channels(n), (3, 3), name="stem")
    for _ in range(int(n.rng.integers(2, 7))):
        x = BLOCKS[int(n.rng.integers(len(BLOCKS)))](n, x)
        if int(np.prod(x.shape)) > _MOST_ELEMENTS:
            x = n.pool("MAX_POOL_2D", x, (2, 2), (2, 2), Padding.SAME)
    outputs = HEADS[int(n.rng.integers(len(HEADS)))](n, x)
    return Sample(n.builder.name, n.build(outputs), n.values(inferences - 1))
