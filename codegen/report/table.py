"""A table that fits any terminal and cuts nothing: it leaves columns out, wraps texts, or becomes blocks of lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

Cell = str | Text

_WRAPPED = 18
"""Least cells of a column whose texts wrap."""

ORNAMENT = 100
"""Rank of a column that says nothing new, and goes before a text wraps."""


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        right: Whether its cells end at the same place, as numbers do.
        rank: What goes first where there is no room, the highest first; 0 stays.
        wraps: Whether its texts may go on in the next line.
    """

    title: str
    right: bool = False
    style: str = ""
    rank: int = 0
    wraps: bool = False


@dataclass(frozen=True)
class Row:
    """Cells, one a column, and the style of the line."""

    cells: tuple[Cell, ...]
    style: str = ""


@dataclass(frozen=True)
class FittingTable:
    """Rows under headers; the first column is what a row is about."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    gap: int = 2

    @classmethod
    def of(cls, columns: Iterable[Column], rows: Iterable[Sequence[Cell]], gap: int = 2) -> FittingTable:
        """Return a table of rows without styles of their own."""
        return cls(tuple(columns), tuple(Row(tuple(cells)) for cells in rows), gap)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.draw(options.max_width)

    def draw(self, width: int) -> RenderableType:
        """Return the table for so many cells of width."""
        kept = list(range(len(self.columns)))
        by_rank = sorted((i for i in kept if self.columns[i].rank), key=lambda i: -self.columns[i].rank)
        ornaments = [i for i in by_rank if self.columns[i].rank >= ORNAMENT]
        others = [i for i in by_rank if i not in ornaments]
        for drop in (None, *ornaments):
            kept = [i for i in kept if i != drop]
            for gap in dict.fromkeys((self.gap, 1)):
                if self._width(kept, gap) <= width:
                    return self._table(kept, gap)
        for drop in (None, *others):
            kept = [i for i in kept if i != drop]
            if self._width(kept, 1, wrapped=True) <= width:
                return self._table(kept, 1)
        return self._blocks()

    def _width(self, kept: Sequence[int], gap: int, wrapped: bool = False) -> int:
        widths = [self._column_width(i, wrapped and self.columns[i].wraps) for i in kept]
        return sum(widths) + gap * (len(kept) - 1)

    def _column_width(self, index: int, wrapped: bool) -> int:
        natural = max(
            cell_len(self.columns[index].title), *(cell_len(str(row.cells[index])) for row in self.rows), 0
        )
        return min(natural, _WRAPPED) if wrapped else natural

    def _table(self, kept: Sequence[int], gap: int) -> Table:
        table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, gap, 0, 0))
        for i in kept:
            column = self.columns[i]
            table.add_column(
                column.title,
                justify="right" if column.right else "left",
                style=column.style,
                no_wrap=not column.wraps,
                overflow="fold",
                min_width=self._column_width(i, column.wraps),
            )
        for row in self.rows:
            table.add_row(*(_text(row.cells[i]) for i in kept), style=row.style or None)
        return table

    def _blocks(self) -> Group:
        blocks: list[RenderableType] = []
        for row in self.rows:
            head = _text(row.cells[0])
            head.stylize(row.style or "bold")
            head.overflow = "fold"
            facts = Table.grid(padding=(0, 1))
            facts.add_column(style="dim", no_wrap=True)
            facts.add_column(overflow="fold")
            for column, cell in zip(self.columns[1:], row.cells[1:], strict=True):
                if str(cell).strip() and column.rank < ORNAMENT:
                    facts.add_row(f"  {column.title}", _text(cell))
            blocks += [head, facts]
        return Group(*blocks)


def _text(cell: Cell) -> Text:
    return cell.copy() if isinstance(cell, Text) else Text(cell)
