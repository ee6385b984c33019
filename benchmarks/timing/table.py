"""Measured against modelled: a table of images, and the errors of each core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.timing.measure import Sample

Fit = Callable[[Sequence[Sample]], float]
Predict = Callable[[Sample, float], float]

_COLUMNS = (
    "image",
    "core",
    "MHz",
    "measured ms",
    "instructions",
    "cycles an instruction",
    "modelled ms",
    "error %",
)
_SUMMARY = ("core", "model", "images", "mean error %", "worst error %", "worst image")


@dataclass(frozen=True)
class Errors:
    """How far a model is from what was measured.

    Attributes:
        core: ``cortex-m4`` and so on.
        model: What was modelled, in words.
        images: How many.
        mean_percent: Mean of the errors without their signs.
        worst_percent: The largest one, with its sign: positive where the model takes longer.
        worst_image: Whose that is.
    """

    core: str
    model: str
    images: int
    mean_percent: float
    worst_percent: float
    worst_image: str


def error_percent(sample: Sample) -> float | None:
    """Return by how much the modelled time is longer than the measured one; None without a model."""
    modelled = sample.modelled_cycles
    return None if modelled is None else 100 * (modelled / sample.measured_cycles - 1)


def leave_one_out(samples: Sequence[Sample], fit: Fit, predict: Predict) -> list[float]:
    """Return each sample's error in percent where a number was fitted to the others alone.

    Args:
        samples: At least two.
        fit: The number for some samples.
        predict: Cycles of a sample with that number.
    """
    errors = []
    for i, sample in enumerate(samples):
        number = fit([*samples[:i], *samples[i + 1 :]])
        errors.append(100 * (predict(sample, number) / sample.measured_cycles - 1))
    return errors


def fit_cycles_per_instruction(samples: Sequence[Sample]) -> float:
    """Return the constant that, times instructions, is nearest to the measured cycles in relative squares."""
    ratios = [sample.instructions / sample.measured_cycles for sample in samples]
    return sum(ratios) / sum(ratio * ratio for ratio in ratios)


def summary(samples: Sequence[Sample]) -> list[Errors]:
    """Return the errors of each core: of the model, and of instructions times one fitted constant."""
    found = []
    for core in dict.fromkeys(sample.core for sample in samples):
        own = [sample for sample in samples if sample.core == core]
        modelled = [(sample, error) for sample in own if (error := error_percent(sample)) is not None]
        if modelled:
            found.append(_errors("model", [s for s, _ in modelled], [error for _, error in modelled]))
        if len(own) > 1:
            errors = leave_one_out(
                own, fit_cycles_per_instruction, lambda sample, constant: constant * sample.instructions
            )
            found.append(_errors("instructions times a constant, leave one out", own, errors))
    return found


def _errors(model: str, samples: Sequence[Sample], errors: Sequence[float]) -> Errors:
    worst = max(range(len(errors)), key=lambda i: abs(errors[i]))
    return Errors(
        core=samples[0].core,
        model=model,
        images=len(errors),
        mean_percent=sum(map(abs, errors)) / len(errors),
        worst_percent=errors[worst],
        worst_image=samples[worst].image,
    )


def to_markdown(samples: Sequence[Sample]) -> str:
    """Return the images and the errors of each core as two Markdown tables."""
    errors = [
        (e.core, e.model, str(e.images), f"{e.mean_percent:.1f}", f"{e.worst_percent:+.1f}", e.worst_image)
        for e in summary(samples)
    ]
    return _table(_COLUMNS, 2, map(_row, samples)) + "\n" + _table(_SUMMARY, 2, errors)


def _row(sample: Sample) -> tuple[str, ...]:
    modelled, error = sample.modelled_cycles, error_percent(sample)
    return (
        sample.image,
        sample.core,
        f"{sample.clock_hz / 1e6:.0f}",
        f"{sample.microseconds / 1000:,.3f}",
        f"{sample.instructions:,}",
        f"{sample.measured_cycles / sample.instructions:.3f}",
        "–" if modelled is None else f"{modelled / sample.clock_hz * 1000:,.3f}",
        "–" if error is None else f"{error:+.1f}",
    )


def _table(titles: Sequence[str], names: int, rows: Any) -> str:
    rule = "|".join("---" if i < names else "---:" for i in range(len(titles)))
    lines = [" | ".join(titles), *(" | ".join(row) for row in rows)]
    return "".join(f"{line}\n" for line in (f"| {lines[0]} |", f"|{rule}|", *(f"| {x} |" for x in lines[1:])))


def to_json(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return images and errors as plain values, modelled cycles by cause included."""
    return {
        "images": [
            {
                "image": sample.image,
                "board": sample.board,
                "core": sample.core,
                "clock_hz": sample.clock_hz,
                "task": sample.task,
                "measured_microseconds": sample.microseconds,
                "measured_cycles": sample.measured_cycles,
                "instructions": sample.instructions,
                "modelled_cycles": sample.modelled_cycles,
                "cycles": dict(sample.cycles),
                "error_percent": error_percent(sample),
                "results": sample.results,
            }
            for sample in samples
        ],
        "errors": [vars(errors) for errors in summary(samples)],
    }
