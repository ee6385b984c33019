"""The trainable network of a list of layers, with fake quantisation that is exactly the exported file's.

A convolution is followed by batch normalisation, whose scale per channel commutes with quantisation per channel:
the integers of the kernel before folding are, up to sign, those after it. So the network trains with batch
statistics and exports without any change of a weight.

Ranges are learnt, as logarithms: one a tensor for activations; one a channel for weights, relative to the largest
weight, and one for the input, relative to the data's. These two begin all but right, and learn at a tenth of the rate:
what rounding says of a range is mostly noise, and Adam follows it at full rate (arXiv:1903.08066 bounds it, too).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from micronets_gen.common.integers import ceil_div
from micronets_gen.search.learn.distribution import mean_over_replicas, replicas_in_step
from micronets_gen.search.learn.fake_quant import (
    Levels,
    around,
    fake_quantise,
    fake_quantise_mean,
    symmetric,
    unsigned,
)
from micronets_gen.search.space.architecture import Architecture
from micronets_gen.search.space.export import (
    SOFTMAX_SCALE,
    SOFTMAX_ZERO_POINT,
    Affine,
    QuantisedModel,
    Weights,
)
from micronets_gen.search.space.layers import LAYER_KINDS, RELU, Layer, Shape

EPSILON = 1e-3
"""Of batch normalisation."""

_MOMENTUM = 0.9
_WEIGHTS = symmetric()
_PACE = 0.1
"""Of the ranges of weights and input, against all else that is learnt."""

_FULLEST_BIAS = 2.0**30

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Gates:
    """The state of a search's decisions in a forward pass: float32 tensors.

    Attributes:
        masks: By decision, a factor (channels,) for each channel.
        kept: By index of a block that may be left out, the weight (scalar) of the block against its skip branch.
    """

    masks: Mapping[str, Any] = field(default_factory=dict)
    kept: Mapping[int, Any] = field(default_factory=dict)


class Network(tf.Module):  # type: ignore[misc]
    """Weights and ranges of a list of layers.

    Args:
        layers: From :func:`micronets_gen.search.space.architecture.lower`.
        seed: Of the initial weights.
        input_range: Smallest and largest value of the features.
    """

    def __init__(
        self, layers: Sequence[Layer], seed: int = 0, input_range: tuple[float, float] = (-1.0, 1.0)
    ) -> None:
        super().__init__(name="network")
        self.layers = tuple(layers)
        self._rectified = frozenset(layer.name for layer in layers if layer.activation == RELU)
        low, high = min(0.0, input_range[0]), max(input_range[1], 0.0)
        if high - low < 1e-6:
            high = 1.0
        generator = np.random.default_rng(seed)
        step = (high - low) / 255
        zero_point = np.clip(np.floor(-low / step + 0.5), 0, 255) - 128
        self.input_step = tf.Variable(step, dtype=tf.float32, trainable=False, name="input_step")
        self.input_range = tf.Variable(0.0, dtype=tf.float32, name="input_range")
        self.input_zero_point = tf.Variable(
            zero_point, dtype=tf.float32, trainable=False, name="input_zero_point"
        )
        self.kernels: dict[str, Any] = {}
        self.weight_ranges: dict[str, Any] = {}
        self.norms: dict[str, tuple[Any, Any, Any, Any]] = {}
        self.biases: dict[str, Any] = {}
        self.ranges: dict[str, Any] = {}
        for layer in layers:
            if layer.weight_shape:
                self._make_weights(layer, generator)
            if LAYER_KINDS[layer.kind].learns_range:
                self.ranges[layer.name] = tf.Variable(
                    np.log(4.0), dtype=tf.float32, name=f"{layer.name}/range"
                )

    def _make_weights(self, layer: Layer, generator: np.random.Generator) -> None:
        shape, channels = layer.weight_shape, layer.out_shape[2]
        fan_in = np.prod(shape[:2] if layer.kind == "depthwise" else shape[:-1])
        kernel = generator.normal(0, np.sqrt(2 / fan_in), shape)
        name = layer.name
        self.kernels[name] = tf.Variable(kernel, dtype=tf.float32, name=f"{name}/kernel")
        ranges = [] if layer.kind == "dense" else [channels]
        self.weight_ranges[name] = tf.Variable(tf.zeros(ranges), name=f"{name}/weight_range")
        if layer.kind == "dense":
            self.biases[name] = tf.Variable(tf.zeros(channels), name=f"{name}/bias")
        else:
            ones, zeros = tf.ones(channels), tf.zeros(channels)
            self.norms[name] = (
                tf.Variable(ones, name=f"{name}/gamma"),
                tf.Variable(zeros, name=f"{name}/beta"),
                tf.Variable(zeros, name=f"{name}/mean", trainable=False),
                tf.Variable(ones, name=f"{name}/variance", trainable=False),
            )

    def __call__(
        self,
        features: Any,
        training: bool = False,
        quantise: bool = True,
        gates: Gates | None = None,
        taps: dict[str, Any] | None = None,
    ) -> Any:
        """Return the logits (samples, classes) of features (samples, height, width, channels) float32.

        Args:
            training: Normalise by the batch and update the moving statistics.
            quantise: Fake-quantise weights and activations.
            gates: Masks and skip branches of a supernet.
            taps: Filled with the value of every tensor, by the name of its layer or ``input``.
        """
        gates = gates or Gates()
        value = fake_quantise(features, *self._grid("input"), halves_up=True) if quantise else features
        if taps is not None:
            taps["input"] = value
        values = [value]
        stream, stream_mask, mask, block = value, None, None, 0
        for index, layer in enumerate(self.layers):
            if layer.kind == "softmax":
                break
            if layer.block != block:
                block, stream, stream_mask = layer.block, values[layer.inputs[0]], mask
            inputs = [values[t] for t in layer.inputs]
            value = self.run_layer(layer, inputs, training, quantise)
            mask = gates.masks.get(layer.width) if layer.decides(layer.width) else stream_mask
            if mask is not None and LAYER_KINDS[layer.kind].normalised:
                value *= mask
            is_last = index + 1 == len(self.layers) or self.layers[index + 1].block != block
            if is_last and layer.block in gates.kept:
                kept = gates.kept[layer.block]
                value = kept * value + (1.0 - kept) * _skip(stream, value)
                if mask is not None and stream_mask is not None:
                    mask = kept * mask + (1.0 - kept) * stream_mask
            if taps is not None:
                taps[layer.name] = value
            values.append(value)
        return values[-1]

    def run_layer(
        self, layer: Layer, inputs: list[Any], training: bool = False, quantise: bool = True
    ) -> Any:
        """Return what one layer, not the softmax, makes of its inputs."""
        kernel = None
        if layer.weight_shape:
            kernel = self._quantised_kernel(layer.name) if quantise else self.kernels[layer.name]
        value = FORWARD[layer.kind](layer, inputs, kernel)
        if layer.kind == "average_pool" and quantise:
            step, levels = self._grid(self._range_of(layer))
            return fake_quantise_mean(value, step, levels, _pooled(layer))
        if layer.name in self.biases:
            value += self.biases[layer.name]
        if LAYER_KINDS[layer.kind].normalised:
            value = self._normalise(layer.name, value, training)
        if not LAYER_KINDS[layer.kind].learns_range:
            return value
        if quantise:
            return fake_quantise(value, *self._grid(layer.name))
        return tf.nn.relu(value) if layer.activation == RELU else value

    def _range_of(self, layer: Layer) -> str:
        """Return the name of the layer whose range holds for this one's output: what it pools, where it pools."""
        while layer.kind.endswith("_pool"):
            if layer.inputs[0] == 0:
                return "input"
            layer = self.layers[layer.inputs[0] - 1]
        return layer.name

    def _normalise(self, name: str, value: Any, training: bool) -> Any:
        gamma, beta, mean, variance = self.norms[name]
        if not training:
            value, *_ = tf.compat.v1.nn.fused_batch_norm(
                value, gamma, beta, mean, variance, epsilon=EPSILON, is_training=False
            )
            return value
        if replicas_in_step() == 1:
            value, batch_mean, batch_variance = tf.compat.v1.nn.fused_batch_norm(
                value, gamma, beta, epsilon=EPSILON, is_training=True
            )
        else:
            value, batch_mean, batch_variance = _normalise_over_replicas(value, gamma, beta)
        for moving, batch in ((mean, batch_mean), (variance, batch_variance)):
            moving.assign(_MOMENTUM * moving + (1 - _MOMENTUM) * tf.stop_gradient(batch))
        return value

    def _weight_step(self, name: str) -> Any:
        """Return the step of each channel's weights: (channels,), or a scalar of a fully connected layer."""
        kernel = tf.stop_gradient(self.kernels[name])
        axes = None if name in self.biases else list(range(len(kernel.shape) - 1))
        largest = tf.maximum(tf.reduce_max(tf.abs(kernel), axes), 1e-6)
        return largest * tf.exp(_PACE * self.weight_ranges[name]) / _WEIGHTS.high

    def _quantised_kernel(self, name: str) -> Any:
        return fake_quantise(self.kernels[name], self._weight_step(name), _WEIGHTS)

    def _grid(self, source: str) -> tuple[Any, Levels]:
        """Return step and levels of a layer's output, or of the ``input``."""
        if source == "input":
            return self.input_step * tf.exp(_PACE * self.input_range), around(
                tf.convert_to_tensor(self.input_zero_point)
            )
        levels = unsigned() if source in self._rectified else symmetric()
        return tf.exp(self.ranges[source]) / levels.positive, levels

    def calibrate(self, features: Any, gates: Gates | None = None) -> None:
        """Set every activation's range to what these samples need, batch normalisation by their statistics."""
        taps: dict[str, Any] = {}
        moving = [v for norm in self.norms.values() for v in norm[2:]]
        before = [v.numpy() for v in moving]
        self(features, training=True, quantise=False, gates=gates, taps=taps)
        for variable, value in zip(moving, before, strict=True):
            variable.assign(value)
        for name, variable in self.ranges.items():
            variable.assign(tf.math.log(tf.maximum(tf.reduce_max(tf.abs(taps[name])), 1e-3)))

    @property
    def decayed(self) -> list[Any]:
        """The variables that weight decay applies to."""
        return list(self.kernels.values())

    def named_variables(self) -> dict[str, Any]:
        """Return every variable by a name that does not change."""
        named = {
            "input_range": self.input_range,
            "input_step": self.input_step,
            "input_zero_point": self.input_zero_point,
        }
        for name in self.kernels:
            named[f"{name}/kernel"], named[f"{name}/weight_range"] = (
                self.kernels[name],
                self.weight_ranges[name],
            )
        for name, norm in self.norms.items():
            for part, variable in zip(("gamma", "beta", "mean", "variance"), norm, strict=True):
                named[f"{name}/{part}"] = variable
        named |= {f"{name}/bias": variable for name, variable in self.biases.items()}
        return named | {f"{name}/range": variable for name, variable in self.ranges.items()}

    def quantised(self, architecture: Architecture) -> QuantisedModel:
        """Return the integers of this network, whose layers are those of ``architecture``."""
        activations = [self._affine("input")]
        weights = {}
        for layer in self.layers:
            source = activations[layer.inputs[0]]
            if layer.weight_shape:
                weights[layer.name] = self._integers(layer, source.scale)
            if layer.kind == "softmax":
                activations.append(Affine(SOFTMAX_SCALE, SOFTMAX_ZERO_POINT))
            else:
                activations.append(source if layer.kind.endswith("_pool") else self._affine(layer.name))
        return QuantisedModel(architecture, tuple(activations), weights)

    def _affine(self, source: str) -> Affine:
        step, levels = self._grid(source)
        return Affine(float(step), int(levels.zero_point))

    def _integers(self, layer: Layer, source_scale: float) -> Weights:
        step = self._weight_step(layer.name).numpy().astype(np.float64)
        kernel, bias, gain = self.folded(layer.name, quantise=True)
        # A channel of next to no gain would need a bias beyond 32 bits: its weights become 0 instead.
        least = np.abs(bias) / (source_scale * _FULLEST_BIAS)
        least = least.max(keepdims=True) if layer.kind == "dense" else least
        scales = np.maximum(np.maximum(step * np.abs(gain), least), 1e-12).astype(np.float32)
        values = np.clip(np.rint(kernel / scales), _WEIGHTS.low, _WEIGHTS.high).astype(np.int8)
        if layer.kind == "conv":
            values = values.transpose(3, 0, 1, 2)
        elif layer.kind == "depthwise":
            values = values[np.newaxis]
        else:
            values = values.T
        accumulator = source_scale * scales.astype(np.float64)
        return Weights(np.ascontiguousarray(values), scales, np.rint(bias / accumulator).astype(np.int32))

    def folded(self, name: str, quantise: bool = False) -> tuple[Array, Array, Array]:
        """Return kernel, bias and batch normalisation's gain of a layer, float64, normalisation folded in."""
        variable = self._quantised_kernel(name) if quantise else self.kernels[name]
        kernel = variable.numpy().astype(np.float64)
        if name in self.biases:
            return kernel, self.biases[name].numpy().astype(np.float64), np.ones(1)
        gamma, beta, mean, variance = (v.numpy().astype(np.float64) for v in self.norms[name])
        gain = gamma / np.sqrt(variance + EPSILON)
        return kernel * gain, beta - mean * gain, gain


def keras_model(network: Network, input_shape: Shape) -> Any:
    """Return the float network as a plain Keras model, batch normalisation folded, softmax at its end."""
    from tensorflow import keras

    layers = keras.layers
    tensors = [keras.Input(input_shape, name="features")]
    weights: dict[str, list[Array]] = {}
    for layer in network.layers:
        inputs = [tensors[t] for t in layer.inputs]
        made = KERAS[layer.kind](layer)
        if layer.kind == "dense":
            inputs = [layers.Flatten()(inputs[0])]
        tensors.append(made(inputs if layer.kind == "add" else inputs[0]))
        if layer.weight_shape:
            kernel, bias, _ = network.folded(layer.name)
            weights[layer.name] = [kernel[..., np.newaxis] if layer.kind == "depthwise" else kernel, bias]
    model = keras.Model(tensors[0], tensors[-1])
    for name, values in weights.items():
        model.get_layer(name).set_weights(values)
    return model


def _normalise_over_replicas(value: Any, gamma: Any, beta: Any) -> tuple[Any, Any, Any]:
    """Return what ``fused_batch_norm`` does of the whole batch, of which each replica has a slice of one size."""
    axes = list(range(len(value.shape) - 1))
    mean, square = mean_over_replicas([tf.reduce_mean(value, axes), tf.reduce_mean(value**2, axes)])
    variance = tf.maximum(square - mean**2, 0.0)
    count = tf.cast(replicas_in_step() * tf.size(value) // value.shape[-1], tf.float32)
    normalised = tf.nn.batch_normalization(value, mean, variance, beta, gamma, EPSILON)
    return normalised, mean, variance * count / tf.maximum(count - 1.0, 1.0)


FORWARD: Mapping[str, Callable[[Layer, list[Any], Any], Any]] = {
    "conv": lambda layer, inputs, kernel: tf.nn.conv2d(inputs[0], kernel, layer.stride, "SAME"),
    "depthwise": lambda layer, inputs, kernel: tf.nn.depthwise_conv2d(
        inputs[0], kernel[..., tf.newaxis], (1, *layer.stride, 1), "SAME"
    ),
    "add": lambda _layer, inputs, _kernel: inputs[0] + inputs[1],
    "average_pool": lambda layer, inputs, _: tf.nn.avg_pool2d(inputs[0], layer.kernel, layer.stride, "SAME"),
    "max_pool": lambda layer, inputs, _: tf.nn.max_pool2d(inputs[0], layer.kernel, layer.stride, "SAME"),
    "dense": lambda _layer, inputs, kernel: (
        tf.reshape(inputs[0], (tf.shape(inputs[0])[0], kernel.shape[0])) @ kernel
    ),
}
"""By kind, what a layer makes of its inputs and its kernel, before bias, normalisation and activation.

The softmax is not among them: a network ends in logits, which the loss and the judgement take.
"""


def _keras_conv(layer: Layer) -> Any:
    from tensorflow import keras

    relu = "relu" if layer.activation == RELU else None
    return keras.layers.Conv2D(
        layer.out_shape[2], layer.kernel, layer.stride, "same", activation=relu, name=layer.name
    )


def _keras_depthwise(layer: Layer) -> Any:
    from tensorflow import keras

    relu = "relu" if layer.activation == RELU else None
    return keras.layers.DepthwiseConv2D(layer.kernel, layer.stride, "same", activation=relu, name=layer.name)


def _keras_layer(name: str) -> Callable[[Layer], Any]:
    def make(layer: Layer) -> Any:
        from tensorflow import keras

        kind = getattr(keras.layers, name)
        if name.endswith("Pooling2D"):
            return kind(layer.kernel, layer.stride, "same", name=layer.name)
        return kind(layer.out_shape[2], name=layer.name) if name == "Dense" else kind(name=layer.name)

    return make


KERAS: Mapping[str, Callable[[Layer], Any]] = {
    "conv": _keras_conv,
    "depthwise": _keras_depthwise,
    "add": _keras_layer("Add"),
    "average_pool": _keras_layer("AveragePooling2D"),
    "max_pool": _keras_layer("MaxPooling2D"),
    "dense": _keras_layer("Dense"),
    "softmax": _keras_layer("Softmax"),
}
"""By kind, the Keras layer that :func:`keras_model` makes."""


def _pooled(layer: Layer) -> npt.NDArray[np.float32]:
    """Return how many elements each mean of an average pooling is of, padding left out: (height, width, 1)."""
    inside = []
    for size, out, kernel, stride in zip(
        layer.in_shape, layer.out_shape, layer.kernel, layer.stride, strict=False
    ):
        first = np.arange(out) * stride - max(0, (out - 1) * stride + kernel - size) // 2
        inside.append(np.minimum(first + kernel, size) - np.maximum(first, 0))
    return np.outer(*inside)[..., np.newaxis].astype(np.float32)


def _skip(stream: Any, like: Any) -> Any:
    """Return what a block left out leaves: its input, averaged where the block downsamples."""
    if stream.shape[1:3] == like.shape[1:3]:
        return stream
    stride = [ceil_div(a, b) for a, b in zip(stream.shape[1:3], like.shape[1:3], strict=True)]
    return tf.nn.avg_pool2d(stream, stride, stride, "SAME")
