"""The geometry of a run's pictures, as plain values for their templates.

As in :mod:`micronets_gen.report.pictures`, horizontal positions are percentages and vertical ones pixels, so that a
picture fills any width while its text keeps its size.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

HEIGHT = 200
"""Of a chart, in pixels."""

_INSET = 6
_NARROW_PIXELS = 280
_CHARACTER_PIXELS = 6.6

Format = Callable[[float], str]
Place = Callable[[float], float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Series:
    """Points (x, y) in order.

    Attributes:
        style: ``c0`` to ``c11``, a colour of the pages' style sheet.
        dashed: Drawn dashed: told apart without its colour.
        joined: Drawn as a line; otherwise as marks.
        labels: A text a point, shown where there is room.
    """

    name: str
    points: Sequence[tuple[float, float]]
    style: str = "c0"
    dashed: bool = False
    joined: bool = True
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class Tick:
    """A mark on an axis; ``at`` is in the axis' unit: percent of the width, or pixels from the top."""

    at: float
    text: str


@dataclass(frozen=True)
class Path:
    """A line: ``d`` in a box of 100 by :data:`HEIGHT`."""

    name: str
    style: str
    dashed: bool
    d: str


@dataclass(frozen=True)
class Mark:
    """A point: ``x`` in percent, ``y`` in pixels.

    Attributes:
        shape: ``circle`` or ``diamond``.
        label: Text beside it; empty where it has no room.
        anchor: ``start``, ``middle`` or ``end`` of the label lies at ``x``.
        below: Whether the label lies below.
    """

    x: float
    y: float
    style: str
    shape: str
    title: str
    label: str
    anchor: str
    below: bool


@dataclass(frozen=True)
class Level:
    """A horizontal line with a label, such as a limit."""

    y: float
    label: str


@dataclass(frozen=True)
class Moment:
    """A vertical line with a label, such as the beginning of quantisation."""

    x: float
    label: str


@dataclass(frozen=True)
class Chart:
    """Lines or points over axes.

    Attributes:
        title: What is up the vertical axis, with its unit.
        x_title: What is along the horizontal one, with its unit.
        note: What the picture leaves out.
    """

    title: str
    x_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    paths: tuple[Path, ...]
    marks: tuple[Mark, ...]
    levels: tuple[Level, ...] = ()
    moments: tuple[Moment, ...] = ()
    note: str = ""
    diagonal: bool = False
    height: int = HEIGHT


@dataclass(frozen=True)
class Axis:
    """The values that an axis spans, and how they are written.

    Attributes:
        least: The least distance between ticks.
    """

    low: float
    high: float
    text: Format
    logarithmic: bool = False
    least: float = 0.0

    def share(self, value: float) -> float:
        """Return where a value lies: 0 at ``low``, 1 at ``high``."""
        if self.logarithmic:
            low, high = math.log(self.low), math.log(self.high)
            return (math.log(value) - low) / ((high - low) or 1.0)
        return (value - self.low) / ((self.high - self.low) or 1.0)

    def ticks(self, count: int = 4) -> list[float]:
        """Return round values that the axis spans."""
        if self.logarithmic:
            steps = (m * 10.0**e for e in range(-9, 12) for m in (1, 2, 5))
            return [value for value in steps if self.low <= value <= self.high]
        step = max(self.least, _round_step((self.high - self.low) / count))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]


def _round_step(least: float) -> float:
    if least <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))


def spanning(
    values: Iterable[float], text: Format, from_zero: bool = False, top: float | None = None
) -> Axis:
    """Return an axis over values with a little room at its ends; ``top`` is never exceeded."""
    known = list(values)
    low, high = min(known), max(known)
    room = 0.06 * (high - low) or 0.06 * abs(high) or 0.5
    high = high + room if top is None else min(top, high + room)
    return Axis(0.0 if from_zero else low - room, high, text)


def chart(
    title: str,
    x_title: str,
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    levels: Sequence[tuple[float, str]] = (),
    moments: Sequence[tuple[float, str]] = (),
    note: str = "",
    diagonal: bool = False,
    height: int = HEIGHT,
) -> Chart:
    """Return series over two axes; levels and moments are (value, label)."""

    def across(value: float) -> float:
        return round(100 * x.share(value), 2)

    def down(value: float) -> float:
        return round(height - _INSET - (height - 2 * _INSET) * y.share(value), 1)

    paths = tuple(
        Path(line.name, line.style, line.dashed, _path([(across(a), down(b)) for a, b in line.points]))
        for line in series
        if line.joined and len(line.points) > 1
    )
    single = [line for line in series if not line.joined or len(line.points) == 1]
    return Chart(
        title,
        x_title,
        tuple(Tick(across(value), x.text(value)) for value in x.ticks(5)),
        tuple(Tick(down(value), y.text(value)) for value in y.ticks()),
        paths,
        _marks(single, across, down, height, f"{x_title}; {title}", x.text, y.text),
        tuple(Level(down(value), label) for value, label in levels),
        tuple(Moment(across(value), label) for value, label in moments),
        note,
        diagonal,
        height,
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{a:g} {b:g}" for a, b in points)


def _marks(
    series: Sequence[Series],
    across: Place,
    down: Place,
    height: int,
    title: str,
    x_text: Format,
    y_text: Format,
) -> tuple[Mark, ...]:
    """Return marks, each with its label where it neither leaves the picture nor lies on another mark or label."""
    taken = [(across(a), down(b)) for line in series for a, b in line.points]
    boxes: list[Box] = [(_pixels(a) - 5, b - 5, _pixels(a) + 5, b + 5) for a, b in taken]
    marks = []
    for line in series:
        shape = "diamond" if line.dashed else "circle"
        labels = line.labels or [""] * len(line.points)
        for (a, b), label in zip(line.points, labels, strict=True):
            at, top = across(a), down(b)
            about = f"{label or line.name}: {x_text(a)}, {y_text(b)} ({title})"
            anchor, below, box = _placed(at, top, label, boxes, height)
            if box is not None:
                boxes.append(box)
            text = label if box is not None else ""
            marks.append(Mark(at, top, line.style, shape, about, text, anchor, below))
    return tuple(marks)


def _placed(
    x: float, y: float, label: str, boxes: Sequence[Box], height: int
) -> tuple[str, bool, Box | None]:
    width = len(label) * _CHARACTER_PIXELS
    middle = _pixels(x)
    for anchor, left in (("middle", middle - width / 2), ("start", middle - 4), ("end", middle + 4 - width)):
        for below in (False, True):
            top = y + 7 if below else y - 20
            box = (left, top, left + width, top + 13)
            inside = left >= -8 and left + width <= _NARROW_PIXELS + 8 and top >= 0 and top + 13 <= height
            if label and inside and not any(_overlap(box, other) for other in boxes):
                return anchor, below, box
    return "middle", False, None


def _pixels(percent: float) -> float:
    return percent / 100 * _NARROW_PIXELS


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def heat_image(epochs: Sequence[Sequence[float]]) -> str:
    """Return a picture of probabilities as a ``data:`` address of a PNG: a pixel for each epoch and choice.

    Args:
        epochs: Probability of each choice, in every epoch; epochs go from left to right, choices upwards. Each
            epoch's largest one is opaque.
    """
    columns = [[value / (max(values) or 1.0) for value in values] for values in epochs]
    return _png(
        [[round(255 * column[row]) for column in columns] for row in reversed(range(len(columns[0])))]
    )


def level_image(values: Sequence[float]) -> str:
    """Return one probability over the epochs as a ``data:`` address of a PNG one pixel high; 1 is opaque."""
    return _png([[round(255 * value) for value in values]])


_BLUE = (74, 140, 190)
"""Told from the light page and from the dark one."""


def _png(opacities: Sequence[Sequence[int]]) -> str:
    header = struct.pack(">IIBBBBB", len(opacities[0]), len(opacities), 8, 3, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(row) for row in opacities)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", bytes(_BLUE) * 256),
        (b"tRNS", bytes(range(256))),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")
