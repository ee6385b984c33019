"""What fills an interpreter's arena, for a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from micronets_gen.common.numbers import grouped
from micronets_gen.plan.arena import ArenaInfo
from micronets_gen.report.arena_text import offline_text, size_rows, verdict_text

_MOST_OPERATORS = 5


def arena_summary(arena: ArenaInfo) -> RenderableType:
    """Return the arena's parts, predicted against measured, and the operators that take most."""
    sentences = (text for text in (verdict_text(arena), offline_text(arena)) if text)
    return Group(_sizes(arena), *(Text(text, style="dim") for text in sentences))


def _sizes(arena: ArenaInfo) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("arena", no_wrap=True)
    table.add_column("predicted", justify="right", no_wrap=True)
    table.add_column("true", justify="right", no_wrap=True)
    table.add_column("", style="dim", overflow="fold")
    for row in size_rows(arena):
        table.add_row(row.name, _number(row.predicted), _number(row.measured), row.detail)
    for op in sorted(arena.operators, key=lambda op: -(op.persistent + op.scratch))[:_MOST_OPERATORS]:
        scratch = f", scratch {grouped(op.scratch)}" if op.scratch else ""
        detail = f"persistent {grouped(op.persistent)}{scratch}"
        table.add_row(Text(f"  {op.index} {op.kind}", style="dim"), "", "", detail)
    return table


def _number(value: int | None) -> str:
    return "-" if value is None else grouped(value)
