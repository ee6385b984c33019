"""The networks that the MicroNets paper publishes (arXiv:2010.11267, table 5), with random weights.

They end at the logits, as those do that the recorded baseline was measured with: a softmax's cost says nothing of a
backbone. ``micronets-gen build --model micronet-kws-s`` has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from micronets_gen.search.space.architecture import Architecture, lower
from micronets_gen.search.space.export import Affine, QuantisedModel, Weights, file_shape, write_tflite
from micronets_gen.search.space.layers import RELU, Layer
from micronets_gen.search.space.zoo import ZOO

ARCHITECTURES: Mapping[str, Architecture] = {
    name.replace("-", "_"): model.architecture for name, model in ZOO.items() if name.startswith("micronet-")
}
"""By the name under which tests and benchmarks know them."""

_SEED = 2010
_WEIGHT_SPREAD = 73.0  # of integers drawn evenly from -127..127
_INPUT_SCALE, _INPUT_SPREAD = 1 / 64, 74.0
_BEFORE_RELU, _AFTER_RELU, _LOGITS = 85.0, 60.0, 40.0


def micronet(name: str) -> bytes:
    """Return the ``.tflite`` file of a published architecture; the same bytes every time.

    Raises:
        KeyError: the paper has none of that name.
    """
    return write_tflite(_quantised(ARCHITECTURES[name]), softmax=False)


def _quantised(architecture: Architecture) -> QuantisedModel:
    """Draw weights with a scale for each channel, under which values neither die out nor saturate.

    A spread is the root mean square of ``q - zero_point`` that is to be expected of an activation.
    """
    rng = np.random.default_rng(_SEED)
    affine, spread = Affine(_single(_INPUT_SCALE), int(rng.integers(-20, 21))), _INPUT_SPREAD
    activations, weights = [affine], {}
    for layer in lower(architecture):
        if layer.weight_shape:
            weights[layer.name] = _weights(rng, layer, spread)
            reach = affine.scale * spread
            if layer.activation == RELU:
                affine, spread = Affine(_single(reach / _BEFORE_RELU), -128), _AFTER_RELU
            else:
                affine, spread = Affine(_single(reach / _LOGITS), int(rng.integers(-20, 21))), _LOGITS
        activations.append(affine)
    return QuantisedModel(architecture, tuple(activations), weights)


def _weights(rng: np.random.Generator, layer: Layer, spread: float) -> Weights:
    """Draw weights of about unit gain; a fully connected layer has one scale, as older converters write."""
    shape, channels = file_shape(layer), layer.out_shape[2]
    dense, products = (
        layer.kind == "dense",
        prod(layer.weight_shape[: 2 if layer.kind == "depthwise" else -1]),
    )
    scales = np.ones(1) if dense else rng.uniform(0.7, 1.3, channels)
    values = rng.integers(-127, 128, shape).astype(np.int8)
    reach = 0.3 * products**0.5 * _WEIGHT_SPREAD * spread
    bias = rng.integers(-int(reach), int(reach) + 1, channels) if dense else rng.normal(0, reach, channels)
    return Weights(
        values,
        (scales / (_WEIGHT_SPREAD * products**0.5)).astype(np.float32),
        np.rint(bias).astype(np.int32),
    )


def _single(value: float) -> float:
    """Round to what a file holds."""
    return float(np.float32(value))
