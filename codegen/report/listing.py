"""Tables of the verbs that list things."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from micronets_gen.boards.board import Board
from micronets_gen.bundled.catalogue import BundledModel
from micronets_gen.common.numbers import frequency, size
from micronets_gen.plan.check import BoardFit, CheckResult


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for title, justify in columns:
        table.add_column(title, justify="right" if justify == "right" else "left", no_wrap=True)
    return table


def keep_whole(table: Table, *columns: int) -> None:
    """Let a narrow terminal cut other columns than these."""
    for index in columns:
        column = table.columns[index]
        column.no_wrap = True
        column.min_width = max(cell_len(str(text)) for text in (column.header, *column.cells))


def _emulator(board: Board) -> str:
    if board.emulator is None:
        return "none"
    return f"QEMU {board.emulator.machine}" if board.emulator.kind == "qemu" else "virtual board"


def board_table(boards: Iterable[Board]) -> RenderableType:
    """Return one line a board."""
    table = _table(
        ("board", ""),
        ("core", ""),
        ("clock", "right"),
        ("flash", "right"),
        ("RAM", "right"),
        ("emulator", ""),
        ("", ""),
    )
    for board in boards:
        table.add_row(
            board.name,
            board.core.replace("cortex-m", "M"),
            frequency(board.clock_hz),
            size(board.flash_bytes),
            size(board.ram_bytes),
            _emulator(board),
            Text(board.title, style="dim"),
        )
    keep_whole(table, 0, 1, 2, 3, 4, 5)
    return table


def board_details(board: Board) -> RenderableType:
    """Return everything a person asks about a board."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    facts.add_row(
        "part", f"{board.mcu} ({board.core}{', ' + board.fpu if board.fpu else ''}, kernels: {board.simd})"
    )
    facts.add_row("clock", f"{board.clock_hz / 1e6:g} MHz")
    pins = f" on {board.uart.tx}/{board.uart.rx}" if board.uart.tx else ""
    facts.add_row("serial", f"{board.uart.instance}{pins}, {board.uart.baud} baud")
    facts.add_row("upload", ", ".join(board.upload.protocols) if board.upload else "emulated only")
    facts.add_row("emulator", _emulator(board))
    if board.url:
        facts.add_row("see", board.url)
    for note in board.notes:
        facts.add_row("note", note)
    regions = _table(("region", ""), ("kind", ""), ("origin", "right"), ("size", "right"), ("", ""))
    for region in board.regions:
        regions.add_row(
            region.name,
            region.kind,
            f"0x{region.origin:08x}",
            size(region.size),
            Text("default" if region.default else "", style="dim"),
        )
    return Group(Text(f"{board.name}: {board.title}", style="bold"), facts, Text(), regions)


def model_table(models: Iterable[BundledModel]) -> RenderableType:
    """Return one line a bundled model."""
    table = _table(("model", ""), ("task", ""), ("accuracy", "right"), ("samples", "right"), ("", ""))
    for model in models:
        table.add_row(
            model.name,
            model.task,
            f"{model.accuracy:.1%}",
            f"{model.samples:,}",
            Text(model.title, style="dim"),
        )
    keep_whole(table, 0, 2, 3)
    return table


def published_table(published: Iterable[Mapping[str, Any]]) -> RenderableType:
    """Return one line a published architecture, which comes untrained."""
    table = _table(
        ("published", ""),
        ("task", ""),
        ("MOps", "right"),
        ("model", "right"),
        ("memory", "right"),
        ("", ""),
    )
    for model in published:
        table.add_row(
            model["name"],
            model["task"],
            f"{model['cost']['ops'] / 1e6:.1f}",
            size(model["cost"]["model_bytes"]),
            size(model["cost"]["working_memory"]),
            Text("untrained; train it with micronets-gen train", style="dim"),
        )
    keep_whole(table, 0, 2, 3, 4)
    return table


def check_table(result: CheckResult) -> RenderableType:
    """Return the problems, or one line a board."""
    if result.problems:
        lines = [Text(f"{result.model}: {len(result.problems)} problems", style="bold red")]
        for problem in result.problems:
            lines.append(Text(f"  {problem.layer}: {problem.reason}"))
            lines.append(Text(f"    what to do: {problem.remedy}", style="dim"))
        return Group(*lines)
    table = _table(("board", ""), ("fits", ""), ("regions", ""))
    for fit in result.boards:
        table.add_row(fit.board, Text("yes", "green") if fit.fits else Text("no", "red"), _regions(fit))
    parts: list[RenderableType] = [
        Text(f"every operator works with {result.runtime}", style="green"),
        Text(),
        table,
    ]
    if len(result.boards) == 1:
        parts += [
            Text(f"\n{problem.reason}\nwhat to do: {problem.remedy}") for problem in result.boards[0].problems
        ]
    return Group(*parts)


def _regions(fit: BoardFit) -> Text:
    text = Text()
    for use in fit.regions:
        if text:
            text.append("  ")
        text.append(f"{use.name} ", style="dim")
        text.append(f"{use.used:,} of {use.size:,}", style="" if use.free >= 0 else "red")
    return text
