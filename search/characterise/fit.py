"""Fits the regression of a kernel set, and says how good it is for models that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from micronets_gen.boards.board import Board
from micronets_gen.search.characterise.measure import Measured
from micronets_gen.timing.regression import FEATURES, Regression


def fit(measured: Sequence[Measured], board: Board, runtime: str) -> Regression:
    """Fit weights to the layers of all models, and leave each model out in turn to find the error.

    Non-negative least squares of relative errors: a layer of a thousand cycles counts as much as one of a million.
    """
    errors = [abs(_left_out(measured, index)) for index in range(len(measured))]
    return Regression(
        runtime=runtime,
        core=board.core,
        family=board.family,
        board=board.name,
        weights=_weights(measured),
        outside=_outside(measured),
        models=len(measured),
        median_percent=round(float(np.median(errors)) * 100, 2),
        worst_percent=round(float(np.max(errors)) * 100, 2),
    )


def residual(regression: Regression, model: Measured) -> float:
    """Return the relative error of a model's prediction: 0.02 is 2 % too much."""
    predicted = regression.model([layer.work for layer in model.layers])
    return (predicted or 0.0) / model.cycles - 1.0


def _left_out(measured: Sequence[Measured], index: int) -> float:
    others = [model for i, model in enumerate(measured) if i != index]
    weights, outside = _weights(others), _outside(others)
    kinds = {layer.work.kind for layer in measured[index].layers}
    if not kinds <= weights.keys():
        return 0.0
    regression = Regression("", "", "", "", weights, outside, 0, 0.0, 0.0)
    return residual(regression, measured[index])


def _outside(measured: Sequence[Measured]) -> float:
    return float(np.median([m.cycles - sum(layer.cycles for layer in m.layers) for m in measured]))


def _weights(measured: Sequence[Measured]) -> dict[str, tuple[float, ...]]:
    by_kind: dict[str, list[tuple[tuple[float, ...], int]]] = {}
    for model in measured:
        for layer in model.layers:
            by_kind.setdefault(layer.work.kind, []).append((layer.work.features, layer.cycles))
    return {kind: _fit_kind(rows) for kind, rows in sorted(by_kind.items())}


def _fit_kind(rows: Sequence[tuple[tuple[float, ...], int]]) -> tuple[float, ...]:
    from scipy.optimize import nnls

    features: npt.NDArray[np.float64] = np.array([row[0] for row in rows], np.float64)
    cycles = np.array([max(1, row[1]) for row in rows], np.float64)
    relative = features / cycles[:, None]
    scale = np.maximum(relative.max(axis=0), 1e-30)
    weights, _ = nnls(relative / scale, np.ones(len(rows)), maxiter=100 * len(FEATURES))
    return tuple(float(f"{w:.6g}") for w in weights / scale)
