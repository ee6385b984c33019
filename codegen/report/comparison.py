"""Runtimes side by side: what is compared, and what there is to say of it in sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from micronets_gen.common.numbers import milliseconds, plural, power
from micronets_gen.report.measurement import LayerResult, Result
from micronets_gen.report.summary import Headline
from micronets_gen.timing.result import Band


@dataclass(frozen=True)
class Metric:
    """A figure of a result; fewer is better.

    Attributes:
        of: The figure; None where it is not known.
        note: What it holds, where the title does not say it.
        text: The figure as people read it, in line with the first result's.
    """

    title: str
    of: Callable[[Result], float | None]
    note: str = ""
    text: Callable[[float, float], str] = lambda value, _first: f"{value:,}"


TIME_METRICS = (
    Metric("milliseconds", lambda r: r.milliseconds, "one inference, modelled", milliseconds),
    Metric("cycles", lambda r: r.cycles, "one inference, modelled"),
)
"""Shown with their band; where time was not modelled they are left out."""

ENERGY = Metric(
    "microjoules", lambda r: r.energy_uj, "one inference, power × modelled time", lambda v, _: f"{v:,.0f}"
)
"""The same, where the board's power is not known."""

METRICS = (
    Metric("instructions", lambda r: r.count, "one inference"),
    Metric("start-up instructions", lambda r: r.startup, "initialising the model, once"),
    Metric("arena", lambda r: r.arena_bytes, "bytes: tensors, scratch, an interpreter's own data"),
    Metric("other RAM", lambda r: r.other_ram_bytes, "bytes: data and bss"),
    Metric(
        "stack", lambda r: r.stack_bytes, "bytes, worst case; at least this, where calls go through pointers"
    ),
    Metric("flash", lambda r: r.deployed_bytes, "bytes, without golden vectors"),
    Metric("code", lambda r: r.code_bytes, "bytes of flash: everything else"),
    Metric("weights", lambda r: r.weight_bytes, "bytes of flash, biases too"),
    Metric("metadata", lambda r: r.metadata_bytes, "bytes of flash: quantisation, tables, graph"),
)


@dataclass(frozen=True)
class Comparison:
    """One model, a result a runtime; the first is what the others are compared with."""

    model: str
    board: str
    results: tuple[Result, ...]

    @property
    def measured(self) -> tuple[Result, ...]:
        return tuple(r for r in self.results if not r.problem)

    @property
    def timed(self) -> bool:
        """Whether the time of every layer was modelled, with every runtime."""
        cycles = [layer.cycles for result in self.measured for layer in result.layers]
        return bool(cycles) and None not in (*cycles, *(result.cycles for result in self.measured))

    @property
    def band(self) -> str:
        """How far modelled time may be off, at most: ``±4 %``."""
        return f"±{max((result.error_percent or 0 for result in self.measured), default=0):g} %"

    @property
    def time_notes(self) -> tuple[str, ...]:
        """What modelled time rests on, or why there is none, in sentences."""
        notes = []
        for result in self.measured:
            if result.error_percent is not None:
                band = Band(result.error_percent, result.measured_images or 0)
                notes.append(f"Modelled: {result.modelled}; {band.text}.")
                if result.power_mw is not None:
                    notes.append(f"Power: {power(result.power_mw * 1e3)}; {result.power_source}.")
            elif result.timing_note:
                notes.append(f"{result.runtime}: time is not modelled: {result.timing_note}.")
        return tuple(dict.fromkeys(notes))

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is known of every runtime; the titles of modelled figures end in their band."""
        timed = bool(self.measured) and all(result.cycles is not None for result in self.measured)
        times = (replace(metric, title=f"{metric.title} {self.band}") for metric in TIME_METRICS if timed)
        return (*times, *self._energies, *METRICS)

    @property
    def _energies(self) -> tuple[Metric, ...]:
        """Energy with its band, where it is known of every runtime."""
        if not self.measured or any(result.energy_uj is None for result in self.measured):
            return ()
        percent = max(result.energy_error_percent or 0 for result in self.measured)
        return (replace(ENERGY, title=f"{ENERGY.title} ±{percent:.0f} %"),)

    @property
    def layers(self) -> tuple[tuple[LayerResult | None, ...], ...]:
        """Layer by layer, by name, one entry a measured runtime; None where it leaves the layer out."""
        by_name = [{layer.name: layer for layer in result.layers} for result in self.measured]
        names = dict.fromkeys(name for layers in sorted(by_name, key=len, reverse=True) for name in layers)
        return tuple(tuple(layers.get(name) for layers in by_name) for name in names)


def compare(results: Sequence[Result]) -> tuple[Comparison, ...]:
    """Group results by model and board, in order."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.model, result.board), []).append(result)
    return tuple(Comparison(model, board, tuple(found)) for (model, board), found in groups.items())


def all_right(results: Sequence[Result]) -> bool:
    """Return whether something was measured and every output is right."""
    measured = [result for result in results if not result.problem]
    return bool(measured) and all(result.passed for result in measured)


def verdict(results: Sequence[Result]) -> Headline:
    """Return what there is to know first: whether every output was right, and what could not be measured."""
    wrong = [result for result in results if not result.problem and not result.passed]
    missing = [result for result in results if result.problem]
    measured = len(results) - len(missing)
    if wrong:
        names = ", ".join(f"{result.model} with {result.runtime}" for result in wrong)
        return Headline("fail", "Fail", f"The output is wrong: {names}.")
    if not measured:
        return Headline("fail", "Fail", "Nothing could be measured.")
    text = f"The output of {plural(measured, 'image')} is byte-exact"
    if missing:
        names = ", ".join(f"{result.model} with {result.runtime}" for result in missing)
        text += f"; not measured: {names}"
    return Headline("pass", "Pass", f"{text}.")


def headlines(results: Sequence[Result]) -> tuple[str, ...]:
    """Return a sentence a model and runtime after the first: what it takes of what the first one does."""
    sentences = []
    for comparison in compare(results):
        if not comparison.measured:
            continue
        first, *others = comparison.measured
        for other in others:
            shares = (
                ("modelled time", first.milliseconds, other.milliseconds),
                ("instructions", first.count, other.count),
                ("flash", first.deployed_bytes, other.deployed_bytes),
                ("RAM", first.ram_bytes + first.stack_bytes, other.ram_bytes + other.stack_bytes),
            )
            text = ", ".join(
                f"{100 * value / base:.0f} % of the {name}" for name, base, value in shares if base and value
            )
            if text:
                sentences.append(
                    f"{comparison.model}: {other.runtime} takes {text} that {first.runtime} takes."
                )
    return tuple(sentences)


def against_first(values: Sequence[float]) -> tuple[float | None, ...]:
    """Return each later value over the first; None where the first is 0."""
    return tuple(value / values[0] if values[0] else None for value in values[1:])
