"""Fits the regression of a kernel set, and says how good it is for models that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median

import numpy as np
import numpy.typing as npt

from micronets_gen.errors import ToolError
from micronets_gen.search.characterise.measure import Measured
from micronets_gen.timing.regression import FEATURES, Regression

Weights = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Fit:
    """Weights of layers, and what they are worth.

    Attributes:
        weights: By kind of layer, cycles for each of :data:`FEATURES`.
        outside: Cycles of an inference beside its layers.
        errors: By name of a model, the relative error of what the other models predict of it: 0.02 is 2 % too much.
            Without those that hold a kind of layer that no other one has.
    """

    weights: Weights
    outside: float
    errors: Mapping[str, float]


def fit(measured: Sequence[Measured]) -> Fit:
    """Fit weights to the layers of all models, and leave each model out in turn to find the error.

    Non-negative least squares of relative errors, each weighted by the layer's share of its model's time: small
    networks count as much as large ones, and of each what takes its time.
    """
    errors = {}
    for left_out in measured:
        others = [model for model in measured if model is not left_out]
        if others and (error := residual(_weights(others), _outside(others), left_out)) is not None:
            errors[left_out.name] = error
    return Fit(_weights(measured), _outside(measured), errors)


def residual(weights: Weights, outside: float, model: Measured) -> float | None:
    """Return the relative error of a model's prediction; None where a kind of layer has no weights."""
    regression = Regression("", "", "", "", weights, outside, 0, 0.0, 0.0)
    predicted = regression.model([layer.work for layer in model.layers])
    return None if predicted is None else predicted / model.cycles - 1.0


def require_scipy() -> None:
    """Raise one clear error where scipy is missing.

    Raises:
        ToolError: it is.
    """
    if find_spec("scipy") is None:
        raise ToolError(
            "SciPy is not installed",
            where="characterise",
            why="cycles are fitted with its non-negative least squares",
            remedy="pip install 'micronets-gen[search]', or pip install '.[search]' in a clone",
        )


def _outside(measured: Sequence[Measured]) -> float:
    return float(median(m.cycles - sum(layer.cycles for layer in m.layers) for m in measured))


def _weights(measured: Sequence[Measured]) -> Weights:
    by_kind: dict[str, list[tuple[tuple[float, ...], int, float]]] = {}
    for model in measured:
        for layer in model.layers:
            row = layer.work.features, max(1, layer.cycles), layer.cycles / model.cycles
            by_kind.setdefault(layer.work.kind, []).append(row)
    return {kind: _fit_kind(rows) for kind, rows in sorted(by_kind.items())}


def _fit_kind(rows: Sequence[tuple[tuple[float, ...], int, float]]) -> tuple[float, ...]:
    """Return the weights of (features, cycles, share of the model's time) of layers."""
    from scipy.optimize import nnls

    features: npt.NDArray[np.float64] = np.array([row[0] for row in rows], np.float64)
    cycles: npt.NDArray[np.float64] = np.array([row[1] for row in rows], np.float64)
    importance = np.sqrt([row[2] for row in rows])
    relative = features * (importance / cycles)[:, None]
    scale = np.maximum(relative.max(axis=0), 1e-30)
    weights, _ = nnls(relative / scale, importance, maxiter=100 * len(FEATURES))
    return tuple(float(f"{w:.6g}") for w in weights / scale)
