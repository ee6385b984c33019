"""A supernet as the papers have it: a logit of its own for each choice of a width, against the product's one peak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from micronets_gen.search.learn.supernet import Supernet
from micronets_gen.search.space.backbone import Choice


class FreeSupernet(Supernet):
    """Learns, of each width, a logit (choices,) for each choice (arXiv:2004.05565, arXiv:2010.11267)."""

    def _width_parameter(self, name: str, choices: int) -> Any:
        return tf.Variable(tf.zeros(choices), name=name)

    def width_logits(self, temperature: Any) -> dict[str, Any]:
        """Return what was learnt; the temperature makes draws discrete, not the distribution."""
        return {key: tf.convert_to_tensor(logits) for key, logits in self.width_parameters.items()}

    def central(self) -> Choice:
        """Return the likeliest width of each decision, and the likelier depth."""
        widths = {key: options[0] for key, options in self.space.widths.items()}
        for key, logits in self.width_parameters.items():
            widths[key] = self.space.widths[key][int(np.argmax(logits.numpy()))]
        return Choice(widths, self.likelier_depth())

    def preferences(self, temperature: float) -> tuple[Mapping[str, Any], Mapping[int, Any]]:
        """Return log-probabilities as arrays (choices,): by width, by block."""
        _, kept = super().preferences(temperature)
        return {key: tf.nn.log_softmax(v).numpy() for key, v in self.width_parameters.items()}, kept

    def _places(self) -> dict[str, tuple[Any, int]]:
        return {}
