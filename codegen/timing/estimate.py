"""Time of an inference before anything is compiled: a regression's cycles at a board's clock, with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from micronets_gen.common.numbers import duration, grouped
from micronets_gen.timing.bands import band_of
from micronets_gen.timing.regression import Regression
from micronets_gen.timing.result import Band


@dataclass(frozen=True)
class Estimate:
    """Predicted time of one inference.

    Attributes:
        cycles: Of an inference.
        clock_hz: Of the core.
        prediction_percent: The most that a prediction was off from the modelled time of a model that was left out.
        models: Models that were left out in turn.
        band: How far modelled time may be from what a board takes.
    """

    cycles: int
    clock_hz: int
    prediction_percent: float
    models: int
    band: Band

    @property
    def milliseconds(self) -> float:
        """Of one inference at the board's clock."""
        return self.cycles / self.clock_hz * 1e3

    @property
    def error_percent(self) -> float:
        """How far it may be from what a board takes, either way: both errors at once."""
        both = (1 + self.prediction_percent / 100) * (1 + self.band.percent / 100)
        return round(100 * (both - 1), 2)

    @property
    def text(self) -> str:
        """For people: ``9.87 ms ±8.4 %``."""
        return with_error(self.milliseconds, self.error_percent)

    @property
    def basis(self) -> str:
        """For people: where the error comes from."""
        return (
            f"predicted within {self.prediction_percent:.3g} % of the modelled time of {grouped(self.models)} models; "
            f"that: {self.band.text}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values (docs/json.md)."""
        return {
            "cycles": self.cycles,
            "clock_hz": self.clock_hz,
            "milliseconds": self.milliseconds,
            "error_percent": self.error_percent,
            "prediction_percent": self.prediction_percent,
            "measured_images": self.band.images,
        }


def with_error(milliseconds: float, percent: float) -> str:
    """Return a time as people read it, never without how far it may be off: ``9.87 ms ±8.4 %``."""
    return f"{duration(milliseconds / 1e3)} ±{percent:.3g} %"


def estimated(regression: Regression, cycles: float, clock_hz: int) -> Estimate:
    """Return the time that a regression's cycles take, and how far it may be off."""
    return Estimate(
        round(cycles),
        clock_hz,
        regression.worst_percent,
        regression.models,
        band_of(regression.core, regression.family),
    )
