"""A supernet: the largest network of a space, with every decision relaxed.

Each width is a mask over the channels of one shared layer (FBNetV2, arXiv:2004.05565): the mask of choice ``k``
keeps the first channels, and the masks are summed with weights from a Gumbel-softmax (arXiv:1611.01144). So a
layer is computed once, whatever the number of choices. A block that may be left out is mixed with its skip branch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from micronets_gen.search.learn.network import Gates, Network
from micronets_gen.search.space.backbone import Choice, Space
from micronets_gen.search.space.cost import Decisions
from micronets_gen.search.space.layers import LAYER_KINDS


class Supernet(tf.Module):  # type: ignore[misc]
    """The shared weights and the decisions of a space.

    Attributes:
        network: The largest network.
        width_parameters: By decision, a scalar: where in its choices the middle of a width's distribution is, as
            the logit of the share of choices below it. Widths have an order, so that a distribution with one peak
            says all that there is to decide; a search that learns a logit for each may end undecided between a
            narrow layer and a wide one.
        kept_logits: By block, the logits (left out, kept).
    """

    def __init__(self, space: Space, seed: int, input_range: tuple[float, float]) -> None:
        super().__init__(name="supernet")
        self.space = space
        self.network = Network(space.layers, seed, input_range)
        self.width_parameters = {
            key: self._width_parameter(f"decision/{key}", len(options))
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
        self._seed = seed

    def _width_parameter(self, name: str, _choices: int) -> Any:
        return tf.Variable(0.0, name=name)

    @property
    def decision_variables(self) -> list[Any]:
        """What is learnt of every decision."""
        return [*self.width_parameters.values(), *self.kept_logits.values()]

    def width_logits(self, temperature: Any) -> dict[str, Any]:
        """Return the logits (choices,) of each width: those of a normal distribution that narrows as it cools."""
        return {
            key: -0.5 * ((tf.range(count, dtype=tf.float32) - place) / _deviation(count, temperature)) ** 2
            for key, (place, count) in self._places().items()
        }

    def _places(self) -> dict[str, tuple[Any, int]]:
        """Return the middle of each width's distribution, counted in choices, and how many choices there are."""
        counts = {key: len(self.space.widths[key]) for key in self.width_parameters}
        return {
            key: (counts[key] * tf.sigmoid(parameter) - 0.5, counts[key])
            for key, parameter in self.width_parameters.items()
        }

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
        widths, kept = self._draw(temperature, number)
        masks = {key: tf.linalg.matvec(self._masks[key], z, transpose_a=True) for key, z in widths.items()}
        return Gates(masks, {block: z[1] for block, z in kept.items()})

    def decisions(self, temperature: Any) -> Decisions:
        """Return the probability that a draw at a temperature is each choice."""
        widths = {key: tf.nn.softmax(v) for key, v in self.width_logits(temperature).items()}
        kept = {block: tf.nn.softmax(v) for block, v in self.kept_logits.items()}
        certain = {
            key: tf.ones(1, tf.float64) for key, options in self.space.widths.items() if len(options) == 1
        }
        return Decisions(
            certain | {key: tf.cast(p, tf.float64) for key, p in widths.items()},
            {block: tf.cast(p[1], tf.float64) for block, p in kept.items()},
        )

    def _draw(self, temperature: Any, number: Any) -> tuple[dict[str, Any], dict[int, Any]]:
        """Return the weights of all choices, drawn by Gumbel-softmax, by width and by block."""
        logits = [*self.width_logits(temperature).values(), *self.kept_logits.values()]
        if not logits:
            return {}, {}
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

    def central(self) -> Choice:
        """Return the width in the middle of each decision, and the likelier depth."""
        widths = {key: options[0] for key, options in self.space.widths.items()}
        for key, (place, count) in self._places().items():
            widths[key] = self.space.widths[key][int(np.clip(np.rint(float(place)), 0, count - 1))]
        return Choice(widths, self.likelier_depth())

    def likelier_depth(self) -> dict[int, bool]:
        """Return, by block, whether it rather stays."""
        return {block: bool(np.argmax(v.numpy())) for block, v in self.kept_logits.items()}

    def preferences(self, temperature: float) -> tuple[Mapping[str, Any], Mapping[int, Any]]:
        """Return log-probabilities, up to a constant, at a temperature as arrays (choices,): by width, by block.

        A width's distribution counts as at least one choice wide: its neighbours are hardly known to be worse.
        """
        widths = {
            key: -0.5
            * ((np.arange(count) - float(place)) / max(1.0, float(_deviation(count, temperature)))) ** 2
            for key, (place, count) in self._places().items()
        }
        return widths, {block: tf.nn.log_softmax(v).numpy() for block, v in self.kept_logits.items()}

    def child(self, choice: Choice, seed: int) -> Network:
        """Return the network of a choice with the first channels of the shared weights."""
        from micronets_gen.search.space.architecture import lower

        network = Network(lower(self.space.architecture(choice)), seed)
        shared = [
            layer
            for layer in self.space.layers
            if choice.kept.get(layer.block, True) and LAYER_KINDS[layer.kind].learns_range
        ]
        own = [layer for layer in network.layers if LAYER_KINDS[layer.kind].learns_range]
        source, target = self.network.named_variables(), network.named_variables()
        for name in ("input_range", "input_step", "input_zero_point"):
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


def _deviation(choices: int, temperature: Any) -> Any:
    """Return the standard deviation of a width's distribution, counted in choices: at 5 a quarter of all."""
    return tf.maximum(0.05 * choices * temperature, 0.3)
