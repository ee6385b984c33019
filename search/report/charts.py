"""A run's pictures, as plain values for their templates; what they share is :mod:`micronets_gen.report.geometry`."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from micronets_gen.report.geometry import (
    Axis,
    Format,
    Label,
    Tick,
    mark_box,
    percent_text,
    pixel_text,
    place_labels,
)

HEIGHT = 200
"""Of a chart, in pixels."""

_INSET = 6
_LONGEST = 22
_LEAST_TICKS = 4

Place = Callable[[float], float]


@dataclass(frozen=True)
class Series:
    """Points (x, y) in order.

    Attributes:
        style: ``found``, ``compared``, ``training`` or ``central``: a colour of ``report.css``.
        dashed: Drawn dashed: told apart without its colour.
        joined: Drawn as a line; otherwise as marks.
        labels: A text a point.
        hollow: Marks are outlines.
    """

    name: str
    points: Sequence[tuple[float, float]]
    style: str = "found"
    dashed: bool = False
    joined: bool = True
    labels: Sequence[str] = ()
    hollow: bool = False


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
        hollow: Whether it is an outline.
    """

    x: float
    y: float
    style: str
    shape: str
    title: str
    label: Label
    hollow: bool


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
        tuple(Tick(percent_text(x.share(value)), x.text(value)) for value in x.ticks(5)),
        tuple(Tick(pixel_text(down(value)), y.text(value)) for value in y.ticks(at_least=_LEAST_TICKS)),
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
    """Return the marks of all series, each with its label beside it."""
    points = [
        (line, across(a), down(b), label, f"{label or line.name}: {x_text(a)}, {y_text(b)} ({title})")
        for line in series
        for (a, b), label in zip(line.points, line.labels or [""] * len(line.points), strict=True)
    ]
    labels = place_labels(
        [(x, y, shortened(label)) for _, x, y, label, _ in points],
        height,
        [mark_box(x, y) for _, x, y, _, _ in points],
    )
    return tuple(
        Mark(x, y, line.style, "diamond" if line.dashed else "circle", about, label, line.hollow)
        for (line, x, y, _, about), label in zip(points, labels, strict=True)
    )


def shortened(text: str) -> str:
    """Return a label with its middle left out where it is longer than half of a narrow picture."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}…{text[1 - _LONGEST // 2 :]}"


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
