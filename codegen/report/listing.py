"""Tables of the verbs that list things."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from micronets_gen.boards.board import Board
from micronets_gen.boards.power import Power
from micronets_gen.bundled.catalogue import BundledModel
from micronets_gen.common.numbers import MISSING, duration, energy, frequency, size
from micronets_gen.plan.check import BoardFit, CheckResult, in_words
from micronets_gen.report.modelled import power_text
from micronets_gen.report.table import ORNAMENT, Column, FittingTable
from micronets_gen.timing.result import Basis


def _emulator(board: Board) -> str:
    if board.emulator is None:
        return "none"
    return f"QEMU {board.emulator.machine}" if board.emulator.kind == "qemu" else "virtual board"


def board_table(boards: Iterable[Board]) -> RenderableType:
    """Return one line a board."""
    return FittingTable.of(
        (
            Column("board"),
            Column("core"),
            Column("clock", right=True),
            Column("flash", right=True),
            Column("RAM", right=True),
            Column("emulator", wraps=True),
            Column("", style="dim", rank=ORNAMENT),
        ),
        (
            (
                board.name,
                board.core.replace("cortex-m", "M"),
                frequency(board.clock_hz),
                size(board.flash_bytes),
                size(board.ram_bytes),
                _emulator(board),
                board.title,
            )
            for board in boards
        ),
    )


def board_details(board: Board, basis: Basis | None) -> RenderableType:
    """Return everything a person asks about a board.

    Args:
        basis: What its modelled time rests on; None: it is not modelled.
    """
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row(
        "part", f"{board.mcu} ({board.core}{', ' + board.fpu if board.fpu else ''}, kernels: {board.simd})"
    )
    facts.add_row("clock", f"{board.clock_hz / 1e6:g} MHz")
    pins = f" on {board.uart.tx}/{board.uart.rx}" if board.uart.tx else ""
    facts.add_row("serial", f"{board.uart.instance}{pins}, {board.uart.baud} baud")
    facts.add_row("upload", ", ".join(board.upload.protocols) if board.upload else "emulated only")
    facts.add_row("emulator", _emulator(board))
    facts.add_row("time", f"modelled: {basis.band.text}" if basis else f"not modelled of a {board.core}")
    if basis:
        facts.add_row("  core", basis.core_source)
        facts.add_row("  memory", basis.memory_source or "not modelled: core timings only")
    for title, text in _power_rows(board.power):
        facts.add_row(title, text)
    if board.url:
        facts.add_row("see", board.url)
    for note in board.notes:
        facts.add_row("note", note)
    regions = FittingTable.of(
        (
            Column("region"),
            Column("kind"),
            Column("origin", right=True),
            Column("size", right=True),
            Column("", style="dim"),
        ),
        (
            (r.name, r.kind, f"0x{r.origin:08x}", size(r.size), "default" if r.default else "")
            for r in board.regions
        ),
    )
    return Group(Text(f"{board.name}: {board.title}", style="bold"), facts, Text(), regions)


def _power_rows(power: Power | None) -> Iterator[tuple[str, str]]:
    """Yield what is known of a board's power; a board of which nothing is has no rows."""
    if power is None:
        return
    yield "power", f"{power_text(power)}, {frequency(power.clock_hz)}"
    yield "  source", power.source
    yield "  conditions", power.conditions
    if power.sleep is None:
        yield "deep sleep", "not known"
        return
    yield "deep sleep", f"{power.sleep.current_ua:g} µA ±{power.sleep.percent:g} %"
    yield "  source", power.sleep.source
    yield "  conditions", power.sleep.conditions


def model_table(models: Iterable[BundledModel]) -> RenderableType:
    """Return one line a bundled model."""
    return FittingTable.of(
        (
            Column("model"),
            Column("task", wraps=True),
            Column("accuracy", right=True),
            Column("samples", right=True),
            Column("", style="dim", rank=ORNAMENT),
        ),
        ((m.name, m.task, f"{m.accuracy:.1%}", f"{m.samples:,}", m.title) for m in models),
    )


def published_table(published: Iterable[Mapping[str, Any]]) -> RenderableType:
    """Return one line a published architecture, which comes untrained."""
    return Group(
        FittingTable.of(
            (
                Column("published"),
                Column("task"),
                Column("MOps", right=True),
                Column("model", right=True),
                Column("memory", right=True),
            ),
            (
                (
                    model["name"],
                    model["task"],
                    f"{model['cost']['ops'] / 1e6:.1f}",
                    size(model["cost"]["model_bytes"]),
                    size(model["cost"]["working_memory"]),
                )
                for model in published
            ),
        ),
        Text("Published ones are untrained: train them with micronets-gen train.", style="dim"),
    )


def check_table(result: CheckResult) -> RenderableType:
    """Return the problems, or one line a board."""
    if result.problems:
        lines = [Text(f"{result.model}: {len(result.problems)} problems", style="bold red")]
        for problem in result.problems:
            lines.append(Text(f"  {problem.layer}: {problem.reason}"))
            lines.append(Text(f"    what to do: {problem.remedy}", style="dim"))
        return Group(*lines)
    table = FittingTable.of(
        (Column("board"), Column("fits"), Column("time"), Column("regions", wraps=True)),
        ((fit.board, _yes_or_no(fit.fits), _time(fit, result), _regions(fit)) for fit in result.boards),
    )
    parts: list[RenderableType] = [
        Text(f"every operator works with {result.runtime} ({result.runtime_reason})", style="green"),
        Text(),
        table,
        *_of_time(result),
    ]
    others = zip(*(fit.alternatives for fit in result.boards), strict=True)
    parts += [Text(), *(Text(in_words(alternatives)) for alternatives in others)]
    if len(result.boards) == 1:
        parts += [
            Text(f"\n{problem.reason}\nwhat to do: {problem.remedy}") for problem in result.boards[0].problems
        ]
    return Group(*parts)


def _yes_or_no(passed: bool) -> Text:
    return Text("yes", "green") if passed else Text("no", "red")


def _time(fit: BoardFit, result: CheckResult) -> Text:
    """Return the time; the energy instead where that is limited, and known."""
    if fit.time is None:
        return Text(MISSING, "dim")
    text = Text(fit.time.text)
    if result.limit_uj is not None and fit.energy_uj is not None:
        text = Text(f"{energy(fit.energy_uj)} ±{fit.energy_error_percent:.0f} %")
    if fit.meets is not None:
        text.append(", yes" if fit.meets else ", no", "green" if fit.meets else "red")
    return text


def _of_time(result: CheckResult) -> Iterator[Text]:
    """Yield which board is fast enough, what predictions rest on, and where there are none."""
    if limit := _limit(result):
        yield Text()
        if not result.passed:
            yield Text(f"predicted to take at most {limit} an inference: none that holds the model", "red")
        elif len(result.boards) == 1:
            yield Text(f"predicted to take at most {limit} an inference", "green")
        elif result.smallest:
            yield Text(f"the smallest board for {limit} an inference: {result.smallest}", "green")
    bases: dict[str, list[str]] = {}
    for fit in result.boards:
        basis = fit.time.basis if fit.time else f"no time: {fit.timing_note}"
        if result.limit_uj is not None and fit.time and fit.energy_uj is None:
            basis = f"time, since no power is known: {basis}"
        bases.setdefault(basis, []).append(fit.board)
    yield Text()
    for basis, boards in bases.items():
        yield Text(f"{', '.join(boards)}: {basis}", "dim")


def _limit(result: CheckResult) -> str:
    """Return what was asked for; empty where nothing was."""
    if result.limit_uj is not None:
        return energy(result.limit_uj)
    return "" if result.limit_ms is None else duration(result.limit_ms / 1e3)


def _regions(fit: BoardFit) -> Text:
    text = Text()
    for use in fit.regions:
        if text:
            text.append("  ")
        text.append(f"{use.name} ", style="dim")
        text.append(f"{use.used:,} of {use.size:,}", style="" if use.free >= 0 else "red")
    return text
