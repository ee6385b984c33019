"""Reports for a terminal, as rich renderables; the caller prints them."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from micronets_gen.boards.power import DutyCycle
from micronets_gen.common.numbers import frequency, grouped, percent, plural, size
from micronets_gen.plan.check import in_words
from micronets_gen.report.arena_terminal import arena_summary
from micronets_gen.report.arenas import arenas_text
from micronets_gen.report.layer_table import bar, layer_table
from micronets_gen.report.measured import NOT_PROFILED, measured_text, modelled_text
from micronets_gen.report.modelled import (
    BAND_OF_ALL,
    causes_text,
    duty_text,
    energy_text,
    model_text,
    no_time_text,
    time_text,
)
from micronets_gen.report.report import ImageInfo, RegionUse, Report
from micronets_gen.report.samples import samples
from micronets_gen.report.savings import savings_text
from micronets_gen.report.summary import circumstances, headline
from micronets_gen.report.table import ORNAMENT, Column, FittingTable

_STATE_STYLES = {"pass": "bold green", "fail": "bold red", "open": "bold"}
_WRONG_SAMPLES = 5
"""How many the terminal names; the page has all of them."""


def verdict(report: Report) -> Text:
    """Return the one line that matters."""
    head = headline(report)
    return Text.assemble((head.word.upper(), _STATE_STYLES[head.state]), "  ", head.text)


def memory_table(image: ImageInfo) -> RenderableType:
    """Return how full every region is."""
    rows = []
    for region in image.regions:
        over = region.free < 0
        style = "red" if over else "cyan"
        rows.append(
            (
                region.name,
                grouped(region.used),
                size(region.size),
                Text(percent(region.used, region.size), style="bold red" if over else ""),
                Text(bar(region.used / region.size, 16), style=f"{style} on grey23"),
                _largest(region),
            )
        )
    columns = (
        Column("region"),
        Column("used", right=True),
        Column("of", right=True),
        Column("", right=True),
        Column("", rank=ORNAMENT),
        Column("largest", style="dim", rank=1, wraps=True),
    )
    return FittingTable.of(columns, rows)


def _largest(region: RegionUse) -> str:
    parts = sorted(region.parts, key=lambda part: (-part.size, part.category))[:3]
    return ", ".join(f"{part.category} {size(part.size)}" for part in parts)


def build_summary(report: Report) -> RenderableType:
    """Return what was built and how full the board is."""
    board = report.board
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(overflow="fold")
    lines.add_row(
        "model", Text(f"{report.model.name}: {plural(len(report.layers), 'layer')}, {report.macs:,} MACs")
    )
    lines.add_row("board", Text(f"{board.title} ({board.mcu}, {board.core} at {frequency(board.clock_hz)})"))
    reason = f": {report.runtime_reason}" if report.runtime_reason else ""
    lines.add_row("runtime", Text(report.runtime + reason))
    for alternative in report.alternatives:
        lines.add_row("", Text(in_words([alternative])))
    if report.savings and report.savings.changes:
        lines.add_row("left out", Text(savings_text(report.savings)))
    if report.arenas:
        lines.add_row("rolling", Text(arenas_text(report.arenas)))
    if report.memory:
        lines.add_row("arena", f"{report.memory.size:,} bytes, at most {report.memory.peak:,} live")
    if report.stack:
        bound = "at least " if report.stack.at_least else ""
        lines.add_row("stack", f"{bound}{plural(report.stack.worst_bytes, 'byte')} in the worst case")
    if report.image is None:
        return lines
    parts: list[RenderableType] = [lines, Text(), memory_table(report.image)]
    if report.arena:
        parts += [Text(), arena_summary(report.arena)]
    return Group(*parts)


def run_summary(report: Report, duty: DutyCycle | None = None) -> RenderableType:
    """Return the verdict, the layer table and how the numbers came about.

    Args:
        duty: Average power, where that was asked for.
    """
    if report.run is None:
        return verdict(report)
    run = report.run
    parts: list[RenderableType] = [layer_table(report), Text()]
    if not report.profiled and not measured_text(report):
        parts.append(Text(f"{run.count:,} {run.unit} an inference"))
    parts += [
        *_time(report, duty),
        verdict(report),
        *_wrong_samples(report),
        Text(circumstances(run), style="dim"),
    ]
    return Group(*parts)


def _time(report: Report, duty: DutyCycle | None) -> list[RenderableType]:
    """Return time and energy, where time goes and what was modelled; or why there is none."""
    timing, measured = report.timing, measured_text(report)
    said = [Text(measured, "bold")] if measured else []
    if measured and not report.profiled:
        said.append(Text(f"{NOT_PROFILED[0].upper()}{NOT_PROFILED[1:]}.", "dim"))
    power, energy = report.board.power, energy_text(report)
    takes = [*([Text(energy)] if energy else []), *([Text(duty_text(duty, power))] if duty and power else [])]
    if timing is None:
        return [*said, *takes, *(Text(text) for text in (no_time_text(report),) if text)]
    return [
        *(said or [Text(time_text(timing), "bold")]),
        *takes,
        *([Text(modelled_text(report))] if measured else []),
        Text(causes_text(timing.total)),
        Text(model_text(timing), "dim"),
        *([Text(BAND_OF_ALL, "dim")] if timing.layers else []),
        Text(),
    ]


def _wrong_samples(report: Report) -> list[RenderableType]:
    """Return a line for each of the first golden vectors that went wrong, those with wrong bytes first."""
    assert report.run is not None
    wrong = [sample for sample in samples(report.run, report.model.classes) if sample.state != "pass"]
    wrong.sort(key=lambda sample: sample.state)
    lines: list[RenderableType] = [Text(f"      {sample.title}") for sample in wrong[:_WRONG_SAMPLES]]
    if len(wrong) > _WRONG_SAMPLES:
        lines.append(Text(f"      and {len(wrong) - _WRONG_SAMPLES:,} more"))
    return lines
