"""``report.html`` of a characterisation: what time depends on, in pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from micronets_gen.common.numbers import energy, frequency
from micronets_gen.report.geometry import Axis, spanning
from micronets_gen.report.html import page_environment
from micronets_gen.search.characterise.measure import Measured, MeasuredLayer
from micronets_gen.search.characterise.result import (
    Result,
    Subject,
    band_text,
    mops_per_second,
    sweep,
    time_ratios,
)
from micronets_gen.search.characterise.samples import BACKBONES, PUBLISHED
from micronets_gen.search.characterise.tables import beside_text, prediction_text
from micronets_gen.search.report.charts import Chart, Series, chart

_LOOKS = (
    ("found", False, False),
    ("compared", True, False),
    ("training", False, True),
    ("central", True, True),
)
"""Style, diamond, hollow: told apart without colour."""

_LAYER_KINDS = (
    "CONV_2D",
    "CONV_2D_1X1",
    "DEPTHWISE_CONV_2D_3X3",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
)
_NETWORKS = (*(name for name, _, _ in BACKBONES), PUBLISHED)
_TALL = 300


@dataclass(frozen=True)
class Key:
    """What a mark stands for."""

    name: str
    style: str
    shape: str
    hollow: bool


@dataclass(frozen=True)
class Part:
    """A board's pictures and tables."""

    result: Result
    about: str
    layers: tuple[Chart, ...]
    layer_key: tuple[Key, ...]
    widths: Chart | None
    networks: tuple[Chart, ...]
    network_key: tuple[Key, ...]
    lines: tuple[tuple[str, ...], ...]
    prediction: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Beside:
    """Boards beside the first one."""

    chart: Chart
    key: tuple[Key, ...]
    sentences: tuple[str, ...]


def render(results: Sequence[Result]) -> str:
    """Return the page; what was not measured is left out."""
    return (
        page_environment()
        .get_template("characterise.html.j2")
        .render(
            parts=[_part(result) for result in results],
            beside=_beside(results),
            runtime=results[0].subject.runtime,
            boards=[result.subject.board for result in results],
        )
    )


def _part(result: Result) -> Part:
    subject = result.subject
    kinds = [kind for kind in _LAYER_KINDS if any(layer.work.kind == kind for layer in result.layers)]
    groups = [name for name in _NETWORKS if result.group(name)]
    return Part(
        result,
        f"{subject.title}: {subject.core} at {frequency(subject.clock_hz)}; {result.memory_model}. "
        f"Time is modelled ({band_text(subject)}), of the exact images.{_power_text(subject)}",
        (_layer_chart(result, kinds, per_mac=False), _layer_chart(result, kinds, per_mac=True))
        if kinds
        else (),
        _keys(kinds),
        _width_chart(result),
        (_network_chart(result, groups), _prediction_chart(result, groups)) if groups else (),
        _keys(groups),
        tuple(
            (
                line.name,
                str(line.networks),
                f"{line.cycles_per_op:.2f}",
                f"{mops_per_second(line, subject):.1f}",
                f"{line.r2:.4f}",
            )
            for line in result.lines
        ),
        prediction_text(result),
        tuple(_row(result, model) for model in result.measured),
    )


def _power_text(subject: Subject) -> str:
    if subject.power_mw is None:
        return ""
    return (
        f" Energy is time at {subject.power_mw:g} mW ({subject.power_source}), "
        f"±{subject.energy_error_percent:.0f} %."
    )


def _keys(names: Sequence[str]) -> tuple[Key, ...]:
    return tuple(
        Key(name, style, "diamond" if diamond else "circle", hollow)
        for name, (style, diamond, hollow) in zip(names, _LOOKS, strict=False)
    )


def _row(result: Result, model: Measured) -> tuple[str, ...]:
    error, joules = result.prediction.get(model.name), result.subject.energy_uj(model.cycles)
    return (
        model.name,
        f"{2 * model.macs / 1e6:.2f}",
        f"{model.cycles:,}",
        _short(result.subject.milliseconds(model.cycles)),
        "" if joules is None else energy(joules),
        f"{model.cycles / model.macs:.2f}" if model.macs else "",
        "" if error is None else f"{100 * error:+.1f} %",
    )


def _layer_chart(result: Result, kinds: Sequence[str], *, per_mac: bool) -> Chart:
    def value(layer: MeasuredLayer) -> float:
        return layer.cycles / layer.macs if per_mac else result.subject.milliseconds(layer.cycles)

    marks = [
        _layer_marks((layer for layer in result.layers if layer.work.kind == kind), value) for kind in kinds
    ]
    points = [point for kind in marks for point in kind]
    title = "cycles a multiply-accumulate" if per_mac else "time of a layer, ms"
    return chart(
        f"{title}, logarithmic",
        "multiply-accumulates of the layer, logarithmic",
        _scatter(kinds, marks),
        _logarithmic(x for x, _ in points),
        _logarithmic(y for _, y in points),
        note="Marks that would lie on one another are drawn once.",
        height=_TALL,
    )


def _layer_marks(
    layers: Iterable[MeasuredLayer], value: Callable[[MeasuredLayer], float]
) -> list[tuple[float, float]]:
    drawn = {
        (f"{layer.macs:.1e}", f"{value(layer):.1e}"): (float(layer.macs), value(layer)) for layer in layers
    }
    return sorted(drawn.values())


def _scatter(names: Sequence[str], marks: Sequence[Sequence[tuple[float, float]]]) -> list[Series]:
    return [
        Series(name, points, style, diamond, joined=False, hollow=hollow)
        for (style, diamond, hollow), name, points in zip(_LOOKS, names, marks, strict=False)
    ]


def _width_chart(result: Result) -> Chart | None:
    points = [(float(width), result.subject.milliseconds(cycles)) for width, cycles in sweep(result)]
    if len(points) < 2:
        return None
    marks = Series(
        "convolution", points, joined=False, labels=[f"{x:g}" if x % 4 == 0 else "" for x, _ in points]
    )
    x = Axis(points[0][0] - 0.5, points[-1][0] + 0.5, _short, least=1)
    y = spanning([y for _, y in points], _short, from_zero=True)
    return chart("time, ms", "channels in and out", [Series("joined", points), marks], x, y)


def _network_chart(result: Result, groups: Sequence[str]) -> Chart:
    marks = [
        [(2 * m.macs / 1e6, result.subject.milliseconds(m.cycles)) for m in result.group(name)]
        for name in groups
    ]
    points = [point for group in marks for point in group]
    lines = []
    for line in result.lines:
        style, dashed, _ = _LOOKS[groups.index(line.name)]
        ends = [f(x for x, _ in marks[groups.index(line.name)]) for f in (min, max)]
        over = [
            (x, result.subject.milliseconds(line.offset_cycles + 1e6 * x * line.cycles_per_op)) for x in ends
        ]
        lines.append(Series(line.name, over, style, dashed))
    return chart(
        "time of an inference, ms",
        "operations, millions",
        [*lines, *_scatter(groups, marks)],
        spanning([x for x, _ in points], _short, from_zero=True),
        spanning([y for _, y in points], _short, from_zero=True),
        height=_TALL,
    )


def _prediction_chart(result: Result, groups: Sequence[str]) -> Chart:
    errors = result.prediction
    marks = [
        [(2 * m.macs / 1e6, 100 * errors[m.name]) for m in result.group(name) if m.name in errors]
        for name in groups
    ]
    points = [point for group in marks for point in group]
    most = max([1.0, *(abs(y) for _, y in points)])
    return chart(
        "predicted against modelled, %",
        "operations, millions",
        _scatter(groups, marks),
        spanning([x for x, _ in points] or [1.0], _short, from_zero=True),
        Axis(-1.1 * most, 1.1 * most, lambda value: f"{value:+g}" if value else "0"),
        height=_TALL,
    )


def _beside(results: Sequence[Result]) -> Beside | None:
    first, *others = results
    marks, sentences = [], []
    for other in others:
        ratios = time_ratios(first, other)
        ops = {model.name: 2 * model.macs / 1e6 for model in first.networks}
        marks.append([(ops[name], ratio) for name, ratio in ratios.items()])
        if sentence := beside_text(first, other):
            sentences.append(sentence)
    points = [point for board in marks for point in board]
    if not points:
        return None
    names = [other.subject.board for other in others]
    picture = chart(
        f"time over that on {first.subject.board}",
        "operations, millions",
        _scatter(names, marks),
        spanning([x for x, _ in points], _short, from_zero=True),
        spanning([y for _, y in points], _short, from_zero=True),
    )
    return Beside(picture, _keys(names), tuple(sentences))


def _logarithmic(values: Iterable[float]) -> Axis:
    known = list(values)
    return Axis(min(known) / 1.3, max(known) * 1.3, _short, logarithmic=True)


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value / 1e6:g}M" if value >= 1e6 else f"{value / 1e3:g}K"
