"""What the pictures of all reports share: axes with round values, room for text, places of labels.

Horizontal positions are percentages, so that a picture fills any width while its text keeps its size; vertical ones
are pixels. What must fit is measured on the narrowest screen, a phone's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

WIDE_PIXELS = 880
NARROW_PIXELS = 290
"""Widths of a picture on a desktop and on a phone."""

CHARACTER_PIXELS = 6.3
"""Of text of 12 pixels, on average."""

_LINE = 13
_MARK = 6
_FARTHEST = 8
_MOST_TICKS = 9

Format = Callable[[float], str]
Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""


def percent_text(fraction: float) -> str:
    """Return a share of the width as CSS and SVG write it."""
    return f"{100 * fraction:.3f}".rstrip("0").rstrip(".") + "%"


def pixel_text(value: float) -> str:
    """Return pixels as SVG writes them, with a tenth at most."""
    return f"{value:.1f}".removesuffix(".0")


@dataclass(frozen=True)
class Tick:
    """A mark on an axis; ``at`` is in the axis' unit (percent or pixels).

    Attributes:
        narrow: Whether it has room on a narrow screen, too.
    """

    at: str
    text: str
    narrow: bool = True


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

    def ticks(self, count: int = 4, at_least: int = 0) -> list[float]:
        """Return round values that the axis spans.

        Args:
            count: About how many.
            at_least: So many, unless :attr:`least` forbids it.
        """
        if self.logarithmic:
            steps = (m * 10.0**e for e in range(-9, 12) for m in (1, 2, 5))
            found = [value for value in steps if self.low <= value <= self.high]
            if len(found) > _MOST_TICKS:
                found = [value for value in found if f"{value:e}".startswith("1")]
            if len(found) > 2:
                return found
        values = self._linear(count)
        while len(values) < at_least and count < 64 and self.high > self.low:
            count += 1
            values = self._linear(count)
        return values

    def _linear(self, count: int) -> list[float]:
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


@dataclass(frozen=True)
class Label:
    """A text beside a mark.

    Attributes:
        anchor: ``start``, ``middle`` or ``end`` of the text lies at ``dx``.
        dx, dy: From the mark to the text's base line, in pixels.
        leader: Whether it lies so far that a line must join them.
    """

    text: str
    anchor: str = "middle"
    dx: float = 0
    dy: float = -9
    leader: bool = False


def mark_box(across: float, down: float) -> Rectangle:
    """Return what a mark covers: ``across`` in percent, ``down`` in pixels."""
    x = across / 100 * NARROW_PIXELS
    return (x - _MARK, down - _MARK, x + _MARK, down + _MARK)


def place_labels(
    marks: Sequence[tuple[float, float, str]], height: int, taken: Sequence[Rectangle]
) -> list[Label]:
    """Return a label for every mark, as near to it as it has room, in the picture and on no mark and no other label.

    Where marks are so many that there is no such place, a label lies where it covers the least.

    Args:
        marks: Each in percent across and pixels down, with its text.
        taken: What marks cover, these among them.
    """
    boxes = list(taken)
    labels = []
    for across, down, text in marks:
        if not text:
            labels.append(Label(""))
            continue
        options = _places(across / 100 * NARROW_PIXELS, down, text, height)
        box, label = min(options, key=lambda option: sum(_shared(option[0], other) for other in boxes))
        boxes.append(box)
        labels.append(label)
    return labels


def _places(x: float, y: float, text: str, height: int) -> list[tuple[Rectangle, Label]]:
    """Return places for a label inside of the picture, the best first."""
    width = len(text) * CHARACTER_PIXELS
    offsets = {"middle": 0.0, "start": -4.0, "end": 4.0}
    beside = [("start", 9.0, 4.0), ("end", -9.0, 4.0)]
    near = [(anchor, dx, dy) for anchor, dx in offsets.items() for dy in (-9.0, 18.0)]
    far = [
        (anchor, dx, base + sign * _LINE * row)
        for row in range(1, _FARTHEST)
        for sign, base in ((-1, -9.0), (1, 18.0))
        for anchor, dx in (("middle", 0.0), ("start", 12.0), ("end", -12.0))
    ]
    places = []
    for number, (anchor, dx, dy) in enumerate([*near, *beside, *far]):
        left = x + dx - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
        box = (left, y + dy - 11, left + width, y + dy + 2)
        place = box, Label(text, anchor, dx, dy, number >= len(near) + len(beside))
        places.append(place)
    inside = [
        place
        for place in places
        if place[0][0] >= -8
        and place[0][2] <= NARROW_PIXELS + 8
        and place[0][1] >= 0
        and place[0][3] <= height
    ]
    return inside or places  # a text that is wider than the picture


def _shared(a: Rectangle, b: Rectangle) -> float:
    """Return the area that two rectangles share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
