"""What a characterisation found, as plain data: ``characterisation.json`` (docs/json.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from statistics import correlation, linear_regression, median
from typing import Any

from micronets_gen.boards.board import Board
from micronets_gen.common.documents import WRITTEN_BY_PROGRAM, read_text
from micronets_gen.common.plain import NOT_IN_JSON, Plain
from micronets_gen.common.version import VERSION
from micronets_gen.errors import FitError, UsageError
from micronets_gen.search.characterise.fit import fit
from micronets_gen.search.characterise.measure import Measured, MeasuredLayer, measured_from
from micronets_gen.search.characterise.samples import BACKBONES, LAYERS, WIDTHS
from micronets_gen.timing.bands import band_of
from micronets_gen.timing.regression import Regression

CHARACTERISATION_JSON = "characterisation.json"


@dataclass(frozen=True)
class Subject(Plain):
    """What was characterised.

    Attributes:
        board: Its name; ``title`` for people.
        runtime: ``aot`` or ``tflm``.
        core: GCC's name; ``family`` of the part.
        clock_hz: Of the core.
        power_mw: Of the microcontroller while it computes; None where nobody published it.
        power_source: Who did.
        energy_error_percent: How far an energy may be off, either way.
    """

    board: str
    title: str
    runtime: str
    core: str
    family: str
    clock_hz: int
    power_mw: float | None = None
    power_source: str = ""
    energy_error_percent: float | None = None

    @classmethod
    def of(cls, board: Board, runtime: str) -> Subject:
        """Return a board with a runtime."""
        subject = cls(board.name, board.title, runtime, board.core, board.family, board.clock_hz)
        if board.power is None:
            return subject
        error = board.power.energy(0, band_of(board.core, board.family).percent).percent
        return replace(
            subject,
            power_mw=board.power.active_mw,
            power_source=board.power.source,
            energy_error_percent=round(error, 2),
        )

    def energy_uj(self, cycles: float) -> float | None:
        """Return the microjoules of cycles: power times time; None where the power is not known."""
        return None if self.power_mw is None else self.power_mw * self.milliseconds(cycles)

    def milliseconds(self, cycles: float) -> float:
        """Return the time of cycles at the board's clock."""
        return cycles / self.clock_hz * 1e3


@dataclass(frozen=True)
class Line(Plain):
    """Cycles of the networks of one backbone over their operations: a straight line by least squares.

    Attributes:
        name: Of the backbone.
        networks: How many the line goes through.
        cycles_per_op: Its slope; two operations a multiply-accumulate.
        offset_cycles: Where it meets no operations.
        r2: Share of the variance that it explains.
    """

    name: str
    networks: int
    cycles_per_op: float
    offset_cycles: float
    r2: float


@dataclass(frozen=True)
class Spread(Plain):
    """Cycles a multiply-accumulate of the layers of one kind.

    Attributes:
        name: Of the kind: the operator, and what makes kernels choose (``CONV_2D_1X1``).
        layer_count: How many were timed.
        least, typical, most: Cycles a multiply-accumulate; ``typical`` is the median.
    """

    name: str
    layer_count: int
    least: float
    typical: float
    most: float


@dataclass(frozen=True)
class Result:
    """One board with one runtime.

    Attributes:
        subject: Which.
        memory_model: The memories that were modelled, for people.
        regression: Fitted to the layers of all models.
        prediction: By name of a model, by how much the other models' prediction is off: 0.02 is 2 % too much.
        measured: The models.
    """

    subject: Subject
    memory_model: str
    regression: Regression
    prediction: Mapping[str, float]
    measured: tuple[Measured, ...]

    @classmethod
    def of(cls, subject: Subject, measured: Sequence[Measured]) -> Result:
        """Fit a regression to what was measured.

        Raises:
            FitError: no model fits the board.
        """
        if not measured:
            raise FitError("none of the models fits the board", where=subject.board)
        found = fit(measured)
        errors = [
            100 * abs(found.errors[m.name]) for m in measured if is_network(m) and m.name in found.errors
        ]
        regression = Regression(
            runtime=subject.runtime,
            core=subject.core,
            family=subject.family,
            board=subject.board,
            weights=found.weights,
            outside=found.outside,
            models=len(errors),
            median_percent=round(median(errors), 2) if errors else 0.0,
            worst_percent=round(max(errors), 2) if errors else 0.0,
        )
        return cls(subject, measured[0].memory, regression, found.errors, tuple(measured))

    @property
    def networks(self) -> tuple[Measured, ...]:
        """The models that are whole networks: published ones, and children of backbones."""
        return tuple(filter(is_network, self.measured))

    def group(self, name: str) -> tuple[Measured, ...]:
        """Return the models of a group."""
        return tuple(model for model in self.measured if model.group == name)

    @property
    def lines(self) -> tuple[Line, ...]:
        """A line a backbone of the paper that has three networks or more."""
        names = (name for name, _, _ in BACKBONES)
        return tuple(_line(name, models) for name in names if len(models := self.group(name)) > 2)

    @property
    def spreads(self) -> tuple[Spread, ...]:
        """A spread a kind of layer that multiplies."""
        found: dict[str, list[float]] = {}
        for layer in self.layers:
            if layer.macs:
                found.setdefault(layer.work.kind, []).append(layer.cycles / layer.macs)
        return tuple(
            Spread(kind, len(values), *(round(f(values), 3) for f in (min, median, max)))
            for kind, values in sorted(found.items())
        )

    @property
    def layers(self) -> tuple[MeasuredLayer, ...]:
        """The layers of all models."""
        return tuple(layer for model in self.measured for layer in model.layers)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; :func:`result_from` reads them."""
        band = band_of(self.subject.core, self.subject.family)
        return {
            **self.subject.to_json(),
            "memory_model": self.memory_model,
            "error_percent": band.percent,
            "measured_images": band.images,
            "lines": [line.to_json() for line in self.lines],
            "spreads": [spread.to_json() for spread in self.spreads],
            "regression": self.regression.to_json(),
            "models": [self._model(model) for model in self.measured],
        }

    def _model(self, model: Measured) -> dict[str, Any]:
        value = asdict(model)
        del value["memory"]
        error, energy = self.prediction.get(model.name), self.subject.energy_uj(model.cycles)
        return {
            **value,
            "milliseconds": round(self.subject.milliseconds(model.cycles), 4),
            "energy_uj": None if energy is None else round(energy, 2),
            "predicted_cycles": None if error is None else round((1 + error) * model.cycles),
        }


@dataclass(frozen=True)
class Characterisation(Plain):
    """What ``characterise`` found.

    Attributes:
        out: The folder of records, of ``characterisation.json`` and of the page.
        report: The page with pictures.
        results: One a board.
    """

    out: Path
    report: Path
    results: tuple[Result, ...] = field(metadata=NOT_IN_JSON)

    def to_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {**super().to_json(), **document(self.results)}


def document(results: Sequence[Result]) -> dict[str, Any]:
    """Return what ``characterisation.json`` holds."""
    return {"generator": f"micronets-gen {VERSION}", "results": [result.to_json() for result in results]}


def band_text(subject: Subject) -> str:
    """Return for people how far modelled time may be from a board's."""
    return band_of(subject.core, subject.family).text


def mops_per_second(line: Line, subject: Subject) -> float:
    """Return millions of operations a second at the board's clock, by a line's slope."""
    return subject.clock_hz / line.cycles_per_op / 1e6


def time_ratios(first: Result, other: Result) -> dict[str, float]:
    """Return, by name of a network that fits both boards, its time on the other over that on the first."""
    base = {model.name: first.subject.milliseconds(model.cycles) for model in first.networks}
    return {
        model.name: other.subject.milliseconds(model.cycles) / base[model.name]
        for model in other.networks
        if model.name in base
    }


def sweep(result: Result) -> list[tuple[int, int]]:
    """Return channels and cycles of the convolutions of one shape and several widths."""
    swept = (model.layers[1] for model in result.group(WIDTHS))
    return sorted((layer.output_shape[-1], layer.cycles) for layer in swept)


def is_network(model: Measured) -> bool:
    """Whether a model is a whole network, and no layers put together for their own sake."""
    return model.group not in (LAYERS, WIDTHS)


def read_results(path: Path) -> tuple[Result, ...]:
    """Return what a ``characterisation.json`` holds, fitted again.

    Raises:
        UsageError: it is none.
    """
    text = read_text(path, most=WRITTEN_BY_PROGRAM)
    try:
        return tuple(map(result_from, json.loads(text)["results"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            "is no result of micronets-gen characterise",
            where=str(path),
            why=f"{type(error).__name__}: {error}",
            remedy=f"give a {CHARACTERISATION_JSON}",
        ) from error


def result_from(value: Mapping[str, Any]) -> Result:
    """Return what :meth:`Result.to_json` gave, fitted again.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    subject = Subject(**{name.name: value[name.name] for name in fields(Subject)})
    known = {name.name for name in fields(Measured)}
    models = [
        measured_from({**{k: v for k, v in model.items() if k in known}, "memory": value["memory_model"]})
        for model in value["models"]
    ]
    return Result.of(subject, models)


def _line(name: str, models: Sequence[Measured]) -> Line:
    ops = [2.0 * model.macs for model in models]
    cycles = [float(model.cycles) for model in models]
    slope, offset = linear_regression(ops, cycles)
    return Line(name, len(models), round(slope, 4), round(offset, 1), round(correlation(ops, cycles) ** 2, 4))
