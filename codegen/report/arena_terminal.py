"""What fills an interpreter's arena, for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from micronets_gen.common.numbers import grouped
from micronets_gen.plan.arena import ArenaInfo
from micronets_gen.report.arena_text import offline_text, size_rows, verdict_text
from micronets_gen.report.table import Column, FittingTable

_MOST_OPERATORS = 5


def arena_summary(arena: ArenaInfo) -> RenderableType:
    """Return the arena's parts, predicted against measured, and the operators that take most."""
    sentences = (text for text in (verdict_text(arena), offline_text(arena)) if text)
    return Group(_sizes(arena), *(Text(text, style="dim") for text in sentences))


def _sizes(arena: ArenaInfo) -> FittingTable:
    columns = (
        Column("arena"),
        Column("predicted", right=True),
        Column("true", right=True),
        Column("", style="dim", wraps=True),
    )
    rows: list[tuple[str | Text, ...]] = [
        (row.name, _number(row.predicted), _number(row.measured), row.detail) for row in size_rows(arena)
    ]
    for op in sorted(arena.operators, key=lambda op: -(op.persistent + op.scratch))[:_MOST_OPERATORS]:
        scratch = f", scratch {grouped(op.scratch)}" if op.scratch else ""
        detail = f"persistent {grouped(op.persistent)}{scratch}"
        rows.append((Text(f"  {op.index} {op.kind}", style="dim"), "", "", detail))
    return FittingTable.of(columns, rows)


def _number(value: int | None) -> str:
    return "-" if value is None else grouped(value)
