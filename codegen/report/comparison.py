"""Runtimes side by side: for a terminal, and as a page with pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.console import Group, RenderableType
from rich.text import Text

from micronets_gen.common.numbers import grouped, milliseconds, plural, power, ratio
from micronets_gen.report.html import page_environment
from micronets_gen.report.measurement import LayerResult, Result
from micronets_gen.report.summary import Headline
from micronets_gen.report.table import Column, FittingTable
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
        """Layer by layer, one entry a measured runtime."""
        longest = max((len(r.layers) for r in self.measured), default=0)
        return tuple(
            tuple(r.layers[i] if i < len(r.layers) else None for r in self.measured) for i in range(longest)
        )


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


def comparison_tables(results: Sequence[Result]) -> RenderableType:
    """Return, model by model, the layers and the totals of every runtime with ratios to the first."""
    parts: list[RenderableType] = []
    for comparison in compare(results):
        parts += [Text(f"{comparison.model} on {comparison.board}", style="bold")]
        parts += [Text(f"{r.runtime}: {r.problem}", style="yellow") for r in comparison.results if r.problem]
        if comparison.measured:
            parts += [_layers(comparison), Text(), _totals(comparison), Text()]
            parts += [Text(note, "dim") for note in comparison.time_notes]
    head = verdict(results)
    parts += [Text(sentence) for sentence in headlines(results)]
    style = "bold green" if head.state == "pass" else "bold red"
    return Group(*parts, Text.assemble((head.word.upper(), style), "  ", head.text))


def _columns(comparison: Comparison, of: str = "", rank: int = 0) -> tuple[Column, ...]:
    """Return a column a runtime, and one a ratio; ``of`` says of what, where there are several."""
    base, *others = comparison.measured
    unit = f" {of}" if of else ""
    return (
        *(Column(f"{result.runtime}{unit}", right=True, rank=rank) for result in comparison.measured),
        *(Column(f"{other.runtime} / {base.runtime}", right=True, rank=rank) for other in others),
    )


def _layers(comparison: Comparison) -> FittingTable:
    timed = comparison.timed
    columns = [Column("layer", wraps=True), Column("MACs", right=True, rank=2)]
    columns += _columns(comparison, "instructions", 1) if timed else _columns(comparison)
    if timed:
        columns += _columns(comparison, f"ms {comparison.band}")
    whole = max((result.milliseconds or 0 for result in comparison.measured), default=0)
    rows = []
    for row in comparison.layers:
        known = next(layer for layer in row if layer is not None)
        counts = [layer.count or 0 if layer else 0 for layer in row]
        cells = [known.name, grouped(known.macs), *map(grouped, counts), *map(ratio, against_first(counts))]
        if timed:
            times = [layer.milliseconds or 0 if layer else 0 for layer in row]
            cells += [milliseconds(time, like=whole) for time in times]
            cells += map(ratio, against_first(times))
        rows.append(cells)
    return FittingTable.of(columns, rows)


def _totals(comparison: Comparison) -> FittingTable:
    rows: list[tuple[str | Text, ...]] = []
    for metric in comparison.metrics:
        values = [metric.of(result) or 0 for result in comparison.measured]
        texts = [metric.text(value, values[0]) for value in values]
        rows.append((metric.title, *texts, *map(ratio, against_first(values))))
    blank = ("",) * (len(comparison.measured) - 1)
    if comparison.timed:
        rows.append(
            ("cycles per MAC", *(ratio(result.cycles_per_mac) for result in comparison.measured), *blank)
        )
    per_mac = (ratio(result.per_mac) for result in comparison.measured)
    rows.append(("instructions per MAC", *per_mac, *blank))
    outputs = (
        Text("exact", "green") if result.passed else Text("WRONG", "red") for result in comparison.measured
    )
    rows.append(("output", *outputs, *blank))
    return FittingTable.of((Column("total", wraps=True), *_columns(comparison)), rows)


@dataclass(frozen=True)
class Bar:
    """A runtime's value as a share of the largest in its group."""

    style: str
    runtime: str
    text: str
    width: str
    ratio: float | None


@dataclass(frozen=True)
class BarGroup:
    """A metric or a layer, one bar a runtime."""

    title: str
    note: str
    bars: tuple[Bar, ...]


def comparison_page(results: Sequence[Result]) -> str:
    """Return a self-contained HTML page."""
    pages = [
        {
            "comparison": comparison,
            "metrics": tuple(_metric_group(metric, comparison) for metric in comparison.metrics),
            "times": _time_groups(comparison) if comparison.timed else (),
            "layers": _layer_groups(comparison),
        }
        for comparison in compare(results)
    ]
    runtimes = tuple(dict.fromkeys(result.runtime for result in results))
    boards = tuple(dict.fromkeys(result.board for result in results))
    template = page_environment().get_template("bench.html.j2")
    return template.render(
        pages=pages,
        runtimes=runtimes,
        boards=boards,
        verdict=verdict(results),
        headlines=headlines(results),
    )


def _metric_group(metric: Metric, comparison: Comparison) -> BarGroup:
    values = [metric.of(result) or 0 for result in comparison.measured]
    return _group(metric.title, metric.note, comparison, values, text=lambda v: metric.text(v, values[0]))


def _layer_groups(comparison: Comparison) -> tuple[BarGroup, ...]:
    rows = [[layer.count or 0 if layer else 0 for layer in row] for row in comparison.layers]
    return _groups(comparison, rows, lambda value: f"{value:,}")


def _time_groups(comparison: Comparison) -> tuple[BarGroup, ...]:
    rows = [[layer.milliseconds or 0 if layer else 0 for layer in row] for row in comparison.layers]
    whole = max(result.milliseconds or 0 for result in comparison.measured)
    return _groups(comparison, rows, lambda value: milliseconds(value, like=whole))


def _groups(
    comparison: Comparison, rows: Sequence[Sequence[float]], text: Callable[[float], str]
) -> tuple[BarGroup, ...]:
    largest = max((value for row in rows for value in row), default=0)
    groups = []
    for row, values in zip(comparison.layers, rows, strict=True):
        known = next(layer for layer in row if layer is not None)
        groups.append(_group(known.name, known.op, comparison, values, text, largest))
    return tuple(groups)


def _group(
    title: str,
    note: str,
    comparison: Comparison,
    values: Sequence[float],
    text: Callable[[float], str],
    largest: float | None = None,
) -> BarGroup:
    top = (max(values, default=0) if largest is None else largest) or 1
    ratios = (None, *against_first(values)) if values else ()
    return BarGroup(
        title,
        note,
        tuple(
            Bar(result.runtime, result.runtime, text(value), f"{100 * value / top:.2f}%", share)
            for result, value, share in zip(comparison.measured, values, ratios, strict=True)
        ),
    )
