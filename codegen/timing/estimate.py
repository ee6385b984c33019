"""Time of an inference before anything is compiled: a regression's cycles at a board's clock, with what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from micronets_gen.common.numbers import duration, grouped
from micronets_gen.common.plain import NOT_IN_JSON, Plain
from micronets_gen.timing.bands import band_of
from micronets_gen.timing.measured import Record
from micronets_gen.timing.regression import Regression
from micronets_gen.timing.result import Band


@dataclass(frozen=True)
class Estimate(Plain):
    """Predicted time of one inference.

    Attributes:
        cycles: Of an inference.
        clock_hz: Of the core.
        prediction_percent: The most that a prediction was off from the modelled time of a model that was left out.
        models: Models that were left out in turn.
        band: How far modelled time may be from what a board takes.
    """

    derived: ClassVar = ("milliseconds", "error_percent", "measured_images")

    cycles: int
    clock_hz: int
    prediction_percent: float
    models: int = field(metadata=NOT_IN_JSON)
    band: Band = field(metadata=NOT_IN_JSON)

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

    @property
    def measured_images(self) -> int:
        """Images measured on boards that the band of modelled time rests on; 0: it is a judgement."""
        return self.band.images

    def within(self, seconds: float) -> bool:
        """Return whether the image keeps a time, as far as predictions were off."""
        return self.cycles <= predictable(int(seconds * self.clock_hz), self.prediction_percent)


def predictable(cycles: int, percent: float) -> int:
    """Return the most cycles that may be predicted so that an image keeps to ``cycles``.

    Args:
        percent: How far predictions were off at most.
    """
    return int(cycles / (1 + percent / 100))


def with_error(milliseconds: float, percent: float) -> str:
    """Return a time as people read it, never without how far it may be off: ``9.87 ms ±8.4 %``."""
    return f"{duration(milliseconds / 1e3)} ±{percent:.3g} %"


def estimated(
    regression: Regression, cycles: float, clock_hz: int, records: Sequence[Record] = ()
) -> Estimate:
    """Return the time that a regression's cycles take, and how far it may be off.

    Args:
        records: Measurements of the board, where there are any.
    """
    return Estimate(
        round(cycles),
        clock_hz,
        regression.worst_percent,
        regression.models,
        band_of(regression.core, regression.family, records),
    )
