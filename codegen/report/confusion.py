"""The geometry of a confusion matrix, of a search's test samples or of a firmware's golden vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A field of the confusion matrix: percentages across, pixels down."""

    x: float
    y: int
    count: int
    opacity: float
    right: bool
    title: str


@dataclass(frozen=True)
class Confusion:
    """Rows are true classes, columns predicted ones.

    Attributes:
        cell: Width of a field, in percent.
        row, height, foot: Of a row, of all, and of the names below, in pixels.
        level: Whether the names below are short enough to be written level.
    """

    classes: tuple[str, ...]
    cells: tuple[Cell, ...]
    recalls: tuple[str, ...]
    cell: float
    row: int
    height: int
    foot: int
    level: bool


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> Confusion:
    """Return the geometry of a confusion matrix, rows true and columns predicted."""
    row, width = 30, 100 / len(counts)
    cells, recalls = [], []
    for i, line in enumerate(counts):
        total = sum(line)
        recalls.append(f"{100 * line[i] / total:.1f} %" if total else "–")
        for j, count in enumerate(line):
            part = count / total if total else 0.0
            about = f"{count:,} of {total:,} samples of {classes[i]} taken for {classes[j]}"
            opacity = round(0.12 + 0.88 * part, 3) if count else 0.0
            cells.append(Cell(round(j * width, 3), i * row, count, opacity, i == j, about))
    names = tuple(map(str, classes))
    longest = max(map(len, names))
    level = longest <= max(2, 28 // len(names))
    foot = 24 if level else 8 * longest + 14
    return Confusion(
        names, tuple(cells), tuple(recalls), round(width, 3), row, row * len(counts), foot, level
    )
