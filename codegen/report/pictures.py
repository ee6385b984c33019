"""The geometry of the HTML report's pictures, as plain values for its templates.

Horizontal positions are percentages, so that a picture fills any width while its text keeps its size;
vertical ones are pixels. A label comes in two lengths, one for a desktop's width and one for a phone's.
"""

from __future__ import annotations

from dataclasses import dataclass

from micronets_gen.common.integers import ceil_div
from micronets_gen.common.numbers import percent, plural, size
from micronets_gen.plan.memory import timeline
from micronets_gen.plan.plan import Buffer, MemoryPlan
from micronets_gen.report.geometry import (
    CHARACTER_PIXELS,
    NARROW_PIXELS,
    WIDE_PIXELS,
    Tick,
    percent_text,
    pixel_text,
)
from micronets_gen.report.report import ImageInfo, LayerInfo, RegionUse, Report, StackInfo

PLOT_HEIGHT = 300
STRIP_HEIGHT = 48
LABEL_HEIGHT = 15


@dataclass(frozen=True)
class Box:
    """A rectangle: ``x`` and ``width`` in percent, ``y`` and ``height`` in pixels."""

    x: str
    width: str
    y: str
    height: str
    title: str
    style: str
    wide: str = ""
    narrow: str = ""


@dataclass(frozen=True)
class MemoryPicture:
    """Who occupies which bytes when, and how many bytes are live."""

    height: int
    strip_height: int
    boxes: tuple[Box, ...]
    bytes_ticks: tuple[Tick, ...]
    step_ticks: tuple[Tick, ...]
    live: tuple[Box, ...]
    peak_step: str
    caption: str
    has_scratch: bool
    has_rings: bool
    buffers: tuple[tuple[str, int, int, str], ...]


@dataclass(frozen=True)
class LayerBar:
    """A layer's share of the count and of the MACs; widths in percent of the longest bar."""

    index: int
    name: str
    op: str
    count_width: str
    macs_width: str
    title: str


@dataclass(frozen=True)
class Segment:
    """A piece of a stacked bar."""

    x: str
    width: str
    style: str
    title: str


@dataclass(frozen=True)
class LegendEntry:
    """A category of a region: its colour, bytes and share of the region."""

    style: str
    category: str
    size: int
    share: str


@dataclass(frozen=True)
class RegionPicture:
    """A region: how full it is, and of what."""

    region: RegionUse
    address: str
    used_width: str
    used_share: str
    over: bool
    segments: tuple[Segment, ...]
    legend: tuple[LegendEntry, ...]


@dataclass(frozen=True)
class StackBar:
    """A frame on the worst path; ``offset`` and ``width`` in percent of the whole."""

    function: str
    size: int
    total: int
    offset: str
    width: str


def _label(text: str, fallback: str, fraction: float, pixels: int) -> str:
    """Return ``text`` where ``fraction`` of ``pixels`` has room for all of it, otherwise ``fallback``, or nothing."""
    room = int((fraction * pixels - 10) / CHARACTER_PIXELS)
    return next((label for label in (text, fallback) if len(label) <= room), "")


def memory_picture(plan: MemoryPlan, layers: tuple[LayerInfo, ...]) -> MemoryPicture:
    """Return the picture of ``plan`` over the operators ``layers``."""
    steps = len(layers) + 2
    names = ["input", *(layer.name for layer in layers), "output"]
    live = timeline(plan, len(layers))
    top = max(plan.size, 1)
    peak = max(live, default=0)
    peak_step = live.index(peak) if peak else 0
    return MemoryPicture(
        height=PLOT_HEIGHT,
        strip_height=STRIP_HEIGHT,
        boxes=tuple(_buffer_box(buffer, names, top) for buffer in plan.buffers),
        bytes_ticks=tuple(
            Tick(pixel_text(PLOT_HEIGHT * (1 - value / top)), size(value)) for value in _byte_ticks(plan.size)
        ),
        step_ticks=_step_ticks(len(layers)),
        live=tuple(
            Box(
                x=percent_text(step / steps),
                width=percent_text(1 / steps),
                y=pixel_text(STRIP_HEIGHT * (1 - bytes_ / max(peak, 1))),
                height=pixel_text(STRIP_HEIGHT * bytes_ / max(peak, 1)),
                title=f"{names[step]}: {plural(bytes_, 'byte')} live",
                style="peak" if bytes_ == peak else "live",
            )
            for step, bytes_ in enumerate(live)
        ),
        peak_step=names[peak_step],
        caption=_memory_caption(plan, peak, names[peak_step]),
        has_rings=any(buffer.rows for buffer in plan.buffers),
        has_scratch=any(not buffer.tensors for buffer in plan.buffers),
        buffers=tuple(
            (_title(buffer), buffer.offset, buffer.size, _span(buffer, names))
            for buffer in sorted(plan.buffers, key=lambda buffer: (buffer.first, buffer.offset))
        ),
    )


def _memory_caption(plan: MemoryPlan, peak: int, step: str) -> str:
    text = (
        f"The arena takes {plural(plan.size, 'byte')}. At its fullest, in {step}, {peak:,} of them are live"
    )
    excess = plan.size - peak
    if plan.groups:
        return f"{text}; {plural(len(plan.groups), 'group')} of layers run row by row, each at one moment."
    return (
        f"{text}: {plural(excess, 'byte')} more than any plan needs."
        if excess
        else f"{text}: no plan is smaller."
    )


def _title(buffer: Buffer) -> str:
    return f"{buffer.name}, ring of {plural(buffer.rows, 'row')}" if buffer.rows else buffer.name


def _span(buffer: Buffer, names: list[str]) -> str:
    first, last = names[buffer.first + 1], names[buffer.last + 1]
    return first if first == last else f"{first} – {last}"


def _buffer_box(buffer: Buffer, names: list[str], top: int) -> Box:
    steps = len(names)
    fraction = (buffer.last - buffer.first + 1) / steps
    height = PLOT_HEIGHT * buffer.size / top
    labelled = height >= LABEL_HEIGHT
    step = "in" if buffer.first < 0 else str(buffer.first)
    return Box(
        x=percent_text((buffer.first + 1) / steps),
        width=percent_text(fraction),
        y=pixel_text(PLOT_HEIGHT * (1 - (buffer.offset + buffer.size) / top)),
        height=pixel_text(max(height, 1)),
        title=f"{_title(buffer)}: {plural(buffer.size, 'byte')} at {buffer.offset:,}; {_span(buffer, names)}",
        style="ring" if buffer.rows else "tensor" if buffer.tensors else "scratch",
        wide=_label(buffer.name, step, fraction, WIDE_PIXELS) if labelled else "",
        narrow=_label(buffer.name, step, fraction, NARROW_PIXELS) if labelled else "",
    )


def _byte_ticks(total: int) -> list[int]:
    """Return 0, the total and round values between them."""
    step = 1
    while total / step > 5:
        step *= 2
    inner = [value for value in range(step, total, step) if total - value > total / 14]
    return [0, *inner, total] if total else [0]


def _step_ticks(operators: int) -> tuple[Tick, ...]:
    """Return operator indices at the middle of their columns, thinned so that they never touch."""
    steps = operators + 2
    every_wide = ceil_div(operators * 26, WIDE_PIXELS) or 1
    every_narrow = every_wide * (ceil_div(operators * 22, NARROW_PIXELS * every_wide) or 1)
    inner = [
        Tick(percent_text((index + 1.5) / steps), str(index), index % every_narrow == 0)
        for index in range(0, operators, every_wide)
    ]
    ends = operators <= 10
    return (
        Tick(percent_text(0.5 / steps), "in", ends),
        *inner,
        Tick(percent_text((steps - 0.5) / steps), "out", ends),
    )


def layer_bars(report: Report) -> tuple[LayerBar, ...]:
    """Return one pair of bars a layer: shares of the count and of the MACs, on one scale."""
    total, macs = report.layers_count, report.macs
    shares = [
        ((row.count or 0) / total if total else 0.0, row.layer.macs / macs if macs else 0.0)
        for row in report.rows
    ]
    longest = max((max(pair) for pair in shares), default=0.0) or 1.0
    unit = report.run.unit if report.run else ""
    bars = []
    for row, (count_share, macs_share) in zip(report.rows, shares, strict=True):
        counted = f"{percent(row.count or 0, total)} of the {unit}, " if report.profiled else ""
        bars.append(
            LayerBar(
                index=row.layer.index,
                name=row.layer.name,
                op=row.layer.op,
                count_width=percent_text(count_share / longest),
                macs_width=percent_text(macs_share / longest),
                title=f"{row.layer.name}: {counted}{percent(row.layer.macs, macs)} of the MACs",
            )
        )
    return tuple(bars)


PARTS = {
    "tensor arena": "arena",
    "weights": "weights",
    "biases": "biases",
    "model file": "model-file",
    "quantisation and tables": "tables",
    "kernels": "kernels",
    "model code": "model-code",
    "interpreter": "interpreter",
    "test vectors": "vectors",
    "self-test": "self-test",
    "worst-case stack": "stack",
    "data": "data",
    "bss": "bss",
    "heap": "heap",
    "constants": "constants",
    "code": "code",
    "board": "board",
    "C library": "c-library",
    "application": "application",
}
"""The colour of each category, a variable of ``report.css``: the same in every report."""


def category_style(category: str) -> str:
    """Return the class of a category's colour."""
    return f"part-{PARTS.get(category, 'other')}"


def region_pictures(image: ImageInfo) -> tuple[RegionPicture, ...]:
    """Return every region of ``image`` that holds anything, and the empty ones with no segments."""
    return tuple(_region_picture(region) for region in image.regions)


def _region_picture(region: RegionUse) -> RegionPicture:
    segments = []
    start = 0
    parts = [part for part in region.parts if part.size]
    for part in parts:
        share = percent(part.size, region.used)
        segments.append(
            Segment(
                x=percent_text(start / region.used),
                width=percent_text(part.size / region.used),
                style=category_style(part.category),
                title=f"{part.category}: {plural(part.size, 'byte')}, {share} of what is used",
            )
        )
        start += part.size
    return RegionPicture(
        region=region,
        address=f"0x{region.origin:08x}",
        used_width=percent_text(min(region.used / region.size, 1.0)),
        used_share=percent(region.used, region.size),
        over=region.free < 0,
        segments=tuple(segments),
        legend=tuple(
            LegendEntry(
                category_style(part.category), part.category, part.size, percent(part.size, region.used)
            )
            for part in parts
        ),
    )


def stack_bars(stack: StackInfo) -> tuple[StackBar, ...]:
    """Return the frames of the worst path, each beginning where its caller ends."""
    bars = []
    total = 0
    whole = max(stack.worst_bytes, sum(frame.size for frame in stack.path), 1)
    for frame in stack.path:
        bars.append(
            StackBar(
                function=frame.function,
                size=frame.size,
                total=total + frame.size,
                offset=percent_text(total / whole),
                width=percent_text(frame.size / whole),
            )
        )
        total += frame.size
    return tuple(bars)
