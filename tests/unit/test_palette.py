"""Colours of the reports: one a meaning, and seen against what lies behind them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from micronets_gen.image.elf import CATEGORIES
from micronets_gen.report.describe import _LABELS
from micronets_gen.report.pictures import PARTS, category_style
from micronets_gen.report.time_picture import cause_style
from micronets_gen.timing.result import CAUSES

PAGES = Path(__file__).resolve().parents[2] / "templates" / "report"
CSS = (PAGES / "report.css").read_text(encoding="utf-8")
BARS = (
    *PARTS.values(),
    *map(cause_style, CAUSES),
    "other",
    "scratch",
    "aot",
    "tflm",
    "count",
    "macs",
    "found",
    "compared",
    "training",
    "central",
    "good",
    "bad",
    "soft",
)


def variables(dark: bool) -> dict[str, str]:
    blocks = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[dark]))


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", BARS)
def test_bars_and_lines_are_seen(name: str, dark: bool) -> None:
    colours = variables(dark)
    assert min(contrast(colours[name], colours[behind]) for behind in ("paper", "panel")) >= 3


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_two_meanings_have_two_colours(dark: bool) -> None:
    colours = sorted(variables(dark)[name] for name in BARS)
    assert all(first != second for first, second in pairwise(colours))


def test_every_category_has_its_colour() -> None:
    linked = {rule.category for rule in CATEGORIES} | {_LABELS.get(kind, kind) for kind in _LABELS}
    assert linked | {"worst-case stack"} <= set(PARTS)
    assert category_style("padding and other") == "part-other"
    for name in (*PARTS.values(), "other"):
        assert f".part-{name} {{ fill: var(--{name}); background: var(--{name}); }}" in CSS


def test_every_cause_has_its_colour() -> None:
    for name in map(cause_style, CAUSES):
        assert f".{name} {{ fill: var(--{name}); background: var(--{name}); }}" in CSS


def test_no_page_uses_a_colour_that_is_not_there() -> None:
    for page in PAGES.iterdir():
        for name in re.findall(r"var\(--([\w-]+)\)", page.read_text(encoding="utf-8")):
            assert name in variables(dark=False), page.name
    assert set(variables(dark=True)) == set(variables(dark=False))
