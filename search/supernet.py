"""A supernet: the largest network of a space, with every decision relaxed.

Each width is a mask over the channels of one shared layer (FBNetV2, arXiv:2004.05565): the mask of choice ``k``
keeps the first channels, and the masks are summed with weights from a Gumbel-softmax (arXiv:1611.01144). So a
layer is computed once, whatever the number of choices. A block that may be left out is mixed with its skip branch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from search.backbone import Choice, Space
from search.cost import Decisions
from search.network import Gates, Network


class Supernet(tf.Module):  # type: ignore[misc]
    """The shared weights and the decisions of a space.

    Attributes:
        network: The largest network.
        width_parameters: By decision, (choices,). Logits are these, smoothed over neighbouring widths, so that
            what is learnt of one width holds for those that hardly differ from it.
        kept_logits: By block, the logits (left out, kept).
    """

    def __init__(self, space: Space, seed: int, input_range: tuple[float, float]) -> None:
        super().__init__(name="supernet")
        self.space = space
        self.network = Network(space.layers, seed, input_range)
        self.width_parameters = {
            key: tf.Variable(tf.zeros(len(options)), name=f"decision/{key}")
            for key, options in space.widths.items()
            if len(options) > 1
        }
        self.kept_logits = {
            block: tf.Variable(tf.zeros(2), name=f"decision/kept{block}") for block in space.skips
        }
        self._masks = {
            key: (np.arange(options[-1]) < np.array(options)[:, np.newaxis]).astype(np.float32)
            for key, options in space.widths.items()
        }
        self._smoothing = {key: _smoothing(int(v.shape[0])) for key, v in self.width_parameters.items()}
        self._seed = seed

    @property
    def decision_variables(self) -> list[Any]:
        """What is learnt of every decision."""
        return [*self.width_parameters.values(), *self.kept_logits.values()]

    def width_logits(self) -> dict[str, Any]:
        """Return the logits (choices,) of each width."""
        return {key: tf.linalg.matvec(self._smoothing[key], v) for key, v in self.width_parameters.items()}

    def named_variables(self) -> dict[str, Any]:
        """Return every variable by a name that does not change."""
        named = {f"network/{name}": v for name, v in self.network.named_variables().items()}
        named |= {f"width/{key}": v for key, v in self.width_parameters.items()}
        return named | {f"kept/{block}": v for block, v in self.kept_logits.items()}

    def sample(self, number: Any, temperature: Any) -> Gates:
        """Return gates drawn with Gumbel noise; the same number draws the same noise.

        Args:
            number: Of the step, int64 scalar.
            temperature: Float scalar: towards 0 the draw becomes discrete.
        """
        widths, kept = self._softmax(temperature, number)
        masks = {key: tf.linalg.matvec(self._masks[key], z, transpose_a=True) for key, z in widths.items()}
        return Gates(masks, {block: z[1] for block, z in kept.items()})

    def decisions(self, temperature: Any) -> Decisions:
        """Return the probability of each choice at a temperature, without noise."""
        widths, kept = self._softmax(temperature, None)
        certain = {
            key: tf.ones(1, tf.float64) for key, options in self.space.widths.items() if len(options) == 1
        }
        return Decisions(
            certain | {key: tf.cast(p, tf.float64) for key, p in widths.items()},
            {block: tf.cast(p[1], tf.float64) for block, p in kept.items()},
        )

    def _softmax(self, temperature: Any, number: Any | None) -> tuple[dict[str, Any], dict[int, Any]]:
        logits = [*self.width_logits().values(), *self.kept_logits.values()]
        if not logits:
            return {}, {}
        noisy: list[Any] = logits
        if number is not None:
            sizes = [int(v.shape[0]) for v in logits]
            seed = tf.stack([tf.constant(self._seed, tf.int64), number])
            uniform = tf.random.stateless_uniform([sum(sizes)], seed, minval=1e-9, maxval=1.0)
            noise = tf.split(-tf.math.log(-tf.math.log(uniform)), sizes)
            noisy = [v + g for v, g in zip(logits, noise, strict=True)]
        values = [tf.nn.softmax(v / temperature) for v in noisy]
        count = len(self.width_parameters)
        return dict(zip(self.width_parameters, values[:count], strict=True)), dict(
            zip(self.kept_logits, values[count:], strict=True)
        )

    def gates_of(self, choice: Choice) -> Gates:
        """Return the gates at which the supernet computes what the network of a choice would."""
        masks = {
            key: tf.constant(self._masks[key][self.space.widths[key].index(choice.widths[key])])
            for key in self.width_parameters
        }
        return Gates(masks, {block: tf.constant(float(choice.kept[block])) for block in self.space.skips})

    def log_probabilities(self) -> tuple[Mapping[str, Any], Mapping[int, Any]]:
        """Return the logarithm of each choice's probability as arrays, by width and by block."""
        return (
            {key: tf.nn.log_softmax(v).numpy() for key, v in self.width_logits().items()},
            {block: tf.nn.log_softmax(v).numpy() for block, v in self.kept_logits.items()},
        )

    def central(self) -> Choice:
        """Return the width nearest to the mean of each decision, and the likelier depth.

        The mean, since costs were learnt as expectations; the most probable of many like widths is a matter of
        chance.
        """
        means = self._moments()
        widths = {
            key: min(options, key=lambda width: abs(width - means[key][0])) if key in means else options[0]
            for key, options in self.space.widths.items()
        }
        return Choice(widths, {block: bool(np.argmax(v.numpy())) for block, v in self.kept_logits.items()})

    def preferences(self) -> tuple[Mapping[str, Any], Mapping[int, Any]]:
        """Return what :meth:`log_probabilities` does, of the normal distributions with the widths' moments."""
        _, kept = self.log_probabilities()
        return {
            key: -0.5 * ((np.array(self.space.widths[key]) - mean) / deviation) ** 2
            for key, (mean, deviation) in self._moments().items()
        }, kept

    def _moments(self) -> dict[str, tuple[float, float]]:
        """Return mean and standard deviation of each width, the latter at least the mean distance of choices."""
        moments = {}
        for key, logits in self.width_logits().items():
            options = np.array(self.space.widths[key], np.float64)
            probability = tf.nn.softmax(logits).numpy().astype(np.float64)
            mean = float(probability @ options / probability.sum())
            deviation = float(np.sqrt(probability @ (options - mean) ** 2))
            moments[key] = mean, max(deviation, float(np.ptp(options)) / (len(options) - 1))
        return moments

    def child(self, choice: Choice, seed: int) -> Network:
        """Return the network of a choice with the first channels of the shared weights."""
        from search.architecture import lower

        network = Network(lower(self.space.architecture(choice)), seed)
        shared = [
            layer
            for layer in self.space.layers
            if choice.kept.get(layer.block, True) and (layer.weight_shape or layer.kind == "add")
        ]
        own = [layer for layer in network.layers if layer.weight_shape or layer.kind == "add"]
        source, target = self.network.named_variables(), network.named_variables()
        for name in ("input_low", "input_high"):
            target[name].assign(source[name])
        for from_layer, to_layer in zip(shared, own, strict=True):
            prefix = f"{to_layer.name}/"
            for name, variable in target.items():
                if not name.startswith(prefix):
                    continue
                value = source[f"{from_layer.name}/{name.removeprefix(prefix)}"].numpy()
                if to_layer.kind == "dense" and name.endswith("/kernel"):
                    maps = value.reshape(*from_layer.in_shape, value.shape[-1])
                    value = maps[:, :, : to_layer.in_shape[2]].reshape(-1, value.shape[-1])
                variable.assign(value[tuple(slice(n) for n in variable.shape)])
        return network


def _smoothing(choices: int) -> npt.NDArray[np.float32]:
    """Return a Gaussian filter (choices, choices) over a twentieth of the choices, rows adding up to 1."""
    distance = np.arange(choices) - np.arange(choices)[:, np.newaxis]
    kernel = np.exp(-0.5 * (distance / max(0.05 * choices, 1e-3)) ** 2)
    smoothing: npt.NDArray[np.float32] = (kernel / kernel.sum(axis=1, keepdims=True)).astype(np.float32)
    return smoothing
