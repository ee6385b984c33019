"""Measured against modelled: a table of images, and the errors of each core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any

from benchmarks.timing.measure import Sample
from micronets_gen.timing.families import BUS_CYCLES

Fit = Callable[[Sequence[Sample]], float]
Predict = Callable[[Sample, float], float]
Group = Callable[[Sample], str]

FITTED = frozenset({"cortex-m7"})
"""Cores one number of whose model was fitted to these images: ``BUS_CYCLES``."""

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


def leave_out(
    samples: Sequence[Sample], fit: Fit, predict: Predict, group: Group = lambda sample: sample.image
) -> list[float]:
    """Return each sample's error in percent where a number was fitted to the samples of other groups alone.

    Args:
        samples: Of at least two groups.
        fit: The number for some samples.
        predict: Cycles of a sample with that number.
        group: Of a sample; one sample a group leaves one out.
    """
    numbers = {
        left_out: fit([sample for sample in samples if group(sample) != left_out])
        for left_out in set(map(group, samples))
    }
    return [
        100 * (predict(sample, numbers[group(sample)]) / sample.measured_cycles - 1) for sample in samples
    ]


def fit_cycles_per_instruction(samples: Sequence[Sample]) -> float:
    """Return the constant that, times instructions, is nearest to the measured cycles in relative squares."""
    ratios = [sample.instructions / sample.measured_cycles for sample in samples]
    return sum(ratios) / sum(ratio * ratio for ratio in ratios)


def fit_bus_cycles(samples: Sequence[Sample]) -> float:
    """Return the cycles of the bus for a miss with which the model is nearest to what was measured.

    The model is linear in them, as long as the bus runs at the core's clock, which it does in all of these images.
    """
    shares = [sample.misses / sample.measured_cycles for sample in samples]
    rests = [1 - with_bus_cycles(sample, 0) / sample.measured_cycles for sample in samples]
    return sum(map(mul, shares, rests)) / sum(map(mul, shares, shares))


def with_bus_cycles(sample: Sample, bus_cycles: float) -> float:
    """Return the modelled cycles of a sample with another number of cycles of the bus for a miss."""
    return (sample.modelled_cycles or 0) + (bus_cycles - BUS_CYCLES) * sample.misses


def summary(samples: Sequence[Sample]) -> list[Errors]:
    """Return the errors of each core: of the model, and of instructions times one fitted constant."""
    found = []
    for core in dict.fromkeys(sample.core for sample in samples):
        own = [sample for sample in samples if sample.core == core]
        modelled = [(sample, error) for sample in own if (error := error_percent(sample)) is not None]
        if modelled:
            found.append(_errors("model", [s for s, _ in modelled], [error for _, error in modelled]))
        if core in FITTED and len(modelled) == len(own):
            found += _fitted(own)
        if len(own) > 1:
            errors = leave_out(
                own, fit_cycles_per_instruction, lambda sample, constant: constant * sample.instructions
            )
            found.append(_errors("instructions times a constant fitted to the other images", own, errors))
    return found


def _fitted(samples: Sequence[Sample]) -> list[Errors]:
    """The model with its fitted number from other images, other makers, other boards."""
    groups: dict[str, Group] = {
        "images": lambda sample: sample.image,
        "makers": lambda sample: sample.image.split("/")[0],
        "boards": lambda sample: sample.board,
    }
    return [
        _errors(
            f"model, cycles of the bus fitted to other {name}",
            samples,
            leave_out(samples, fit_bus_cycles, with_bus_cycles, group),
        )
        for name, group in groups.items()
        if len(set(map(group, samples))) > 1
    ]


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
                "misses": sample.misses,
                "error_percent": error_percent(sample),
                "results": sample.results,
            }
            for sample in samples
        ],
        "errors": [vars(errors) for errors in summary(samples)],
    }
