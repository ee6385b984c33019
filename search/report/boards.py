"""The table of boards that a search may be for."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from micronets_gen.common.numbers import duration, frequency, grouped
from micronets_gen.report.table import Column, FittingTable
from micronets_gen.search.space.room import BoardChoice, BoardRoom


def board_rooms(choice: BoardChoice) -> RenderableType:
    """Return one line a board, the smallest first, and which one was chosen."""
    columns = (
        Column("board"),
        Column("core", rank=2),
        Column("clock", right=True, rank=1),
        Column("limit", right=True),
        Column("in cycles", right=True),
        Column("smallest network", right=True, rank=3),
        Column("largest", right=True, rank=4),
        Column("meet the limits", right=True),
        Column(""),
    )
    table = FittingTable.of(columns, map(_row, choice.boards))
    off = max(room.prediction_percent for room in choice.boards)
    basis = (
        f"cycles as predicted, at most {off:.3g} % off the modelled time, which the limit in cycles leaves room for; "
        "of networks drawn at random"
    )
    reasons = (Text(room.why_none, "dim") for room in choice.boards if room.shortfalls)
    return Group(table, Text(), *reasons, Text(choice.text, "green"), Text(basis, "dim"), Text())


def _row(room: BoardRoom) -> tuple[str | Text, ...]:
    style = "red" if room.shortfalls else "green" if room.verdict == "room" else "yellow"
    return (
        room.board,
        room.core.replace("cortex-m", "M"),
        frequency(room.clock_hz),
        duration(room.limit_ms / 1e3),
        grouped(room.limit_cycles),
        grouped(room.smallest_cycles),
        grouped(room.largest_cycles),
        f"{100 * room.room:.0f} %",
        Text(room.verdict, style),
    )
