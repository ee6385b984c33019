"""``report.html`` of a run: what it found, how it came there, and from what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from micronets_gen.common.files import write_atomically
from micronets_gen.report.confusion import confusion
from micronets_gen.report.geometry import Axis, spanning
from micronets_gen.report.html import page_environment
from micronets_gen.search.report.charts import Chart, Series, chart, heat_image, level_image
from micronets_gen.search.run_dir import RunDir
from micronets_gen.search.space.values import (
    COSTS,
    modelled_time,
    percents,
    predicted_time,
    quantity,
    scale_of,
    score,
    share,
)

_FIRMWARE_REPORT = "firmware/report.html"

_Records = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Figure:
    """A figure at the head of the page."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Bar:
    """A width of a block: percentages of the widest one of the network.

    Attributes:
        text: The width, and what it was chosen from.
    """

    name: str
    text: str
    chosen: float
    full: float


@dataclass(frozen=True)
class BlockRow:
    """A block of the architecture's picture.

    Attributes:
        kept: False where it was left out.
        note: What that means.
    """

    title: str
    detail: str
    kept: bool
    note: str
    bars: tuple[Bar, ...]
    output: tuple[int, ...]
    ops: int
    parameters: int


@dataclass(frozen=True)
class Decision:
    """A decision over the epochs.

    Attributes:
        image: Probabilities, see :func:`micronets_gen.search.report.charts.heat_image`.
        height: Of the image on the page, in pixels.
        top: The choice at the top; empty where there is but one row.
        pick: Where the final choice lies, in percent from the top; None where there is but one row.
        result: The final choice.
    """

    title: str
    what: str
    image: str
    height: int
    top: str
    bottom: str
    pick: float | None
    result: str
    note: str


@dataclass(frozen=True)
class Proof:
    """What the firmware did.

    Attributes:
        link: Its own report, from the run's folder.
    """

    passed: bool
    text: str
    link: str


def write_report(run: RunDir) -> None:
    """Write ``report.html`` into a run's folder, from the JSON files there."""
    firmware = run.read(run.firmware) if run.firmware.exists() else None
    text = render(run.read(run.run), run.read(run.metrics), run.read(run.history), firmware)
    write_atomically(run.path / "report.html", text)


def render(
    run: Mapping[str, Any],
    metrics: Mapping[str, Any],
    history: Mapping[str, Any],
    firmware: Mapping[str, Any] | None = None,
) -> str:
    """Return the page; what is not known is left out.

    Args:
        firmware: As in ``firmware.json``; None where none was built.
    """
    blocks, records = history.get("blocks", ()), history.get("search", ())
    return (
        page_environment()
        .get_template("search.html.j2")
        .render(
            command=run.get("command", ""),
            metrics=metrics,
            target=metrics.get("target"),
            searched=bool(records),
            figures=_figures(metrics, firmware),
            proof=_proof(firmware) if firmware else None,
            blocks=_block_rows(blocks),
            total_ops=sum(block["ops"] for block in blocks),
            costs=_cost_charts(records),
            progress=_search_charts(records),
            epochs=len(records),
            decisions=_decisions(records, blocks),
            trainings=[
                (title, _training_charts(history[phase], run))
                for phase, title in (("teacher", "Training of the teacher"), ("train", "Training"))
                if history.get(phase)
            ],
            confusion=confusion(metrics["confusion"], metrics["classes"]) if "confusion" in metrics else None,
            roc=_roc(metrics),
            facts=_facts(run, metrics),
            settings=_settings(run.get("recipe", {})),
        )
    )


def _proof(firmware: Mapping[str, Any]) -> Proof:
    error = firmware.get("error")
    if error:
        return Proof(False, f"The firmware did not run to its end: {error['what']}", _FIRMWARE_REPORT)
    vectors, right = firmware["vector_count"], firmware["vectors_passed"]
    outputs = "every output is" if right == vectors else f"{right:,} of {vectors:,} outputs are"
    text = (
        f"{outputs} the model's on {firmware['board']} in the emulator; "
        f"{firmware['correct']:,} of {firmware['labelled']:,} samples right"
    )
    return Proof(firmware["passed"], text, _FIRMWARE_REPORT)


def _figures(metrics: Mapping[str, Any], firmware: Mapping[str, Any] | None) -> list[Figure]:
    limits = metrics.get("target", {}).get("limits", {})
    figures = [
        Figure(
            f"{part} {metric}, int8",
            score(metric, metrics[part]),
            f"{score(metric, metrics[f'{part}_float'])} in float; {metrics['samples'][part]:,} samples",
        )
        for part, metric in (("test", metrics["metric"]), ("validation", metrics["validation_metric"]))
    ]
    target = metrics.get("target")
    figures += [Figure(*line) for line in (*predicted_time(target), *modelled_time(target, firmware))]
    for name, title in COSTS.items():
        if name == "cycles":  # told as time
            continue
        value, limit = metrics["cost"][name], limits.get(name)
        note = f"{share(value, limit)} of the limit, {quantity(name, limit)}" if limit else ""
        figures.append(Figure(title, quantity(name, value), note))
    if firmware and "unit" in firmware:
        unit = firmware["unit"]
        figures.append(
            Figure(
                f"{unit} an inference", f"{firmware['count']:,}", f"{firmware['runtime']} firmware, counted"
            )
        )
    return figures


_TITLES = {
    "conv": "convolution",
    "separable": "separable",
    "inverted": "bottleneck",
    "pool": "pooling",
    "classifier": "classifier",
}


def _block_rows(blocks: Sequence[Mapping[str, Any]]) -> list[BlockRow]:
    widest = max((w["options"][-1] for block in blocks for w in block["widths"]), default=1)
    rows = []
    for block in blocks:
        kept = block["kept"]
        note = "" if kept else "left out"
        if not kept and tuple(block["stride"]) != (1, 1):
            note += f": {_times(block['stride'])} average pooling in its place"
        rows.append(
            BlockRow(
                _TITLES[block["type"]],
                _detail(block),
                kept,
                note,
                tuple(_bar(width, widest, kept) for width in block["widths"]),
                tuple(block["output"]),
                block["ops"],
                block["parameters"],
            )
        )
    return rows


def _detail(block: Mapping[str, Any]) -> str:
    if block["type"] == "classifier":
        return "fully connected, softmax"
    if block["type"] == "pool":
        return "whole map" if tuple(block["kernel"]) == (0, 0) else _times(block["kernel"])
    stride = "" if tuple(block["stride"]) == (1, 1) else f", stride {_times(block['stride'])}"
    return f"{_times(block['kernel'])}{stride}{', optional' if block['optional'] else ''}"


def _times(pair: Sequence[int]) -> str:
    return f"{pair[0]}×{pair[1]}"


def _bar(width: Mapping[str, Any], widest: int, kept: bool) -> Bar:
    chosen, full = width["chosen"], width["options"][-1]
    text = f"{chosen} of {full}" if len(width["options"]) > 1 else str(full)
    scale = 99.6 / widest
    return Bar(
        width["name"],
        text if kept else "",
        round(scale * chosen if kept else 0.0, 2),
        round(scale * max(full, chosen), 2),
    )


def _whole(value: float) -> str:
    return f"{value:g}"


def _epoch_axis(count: int) -> Axis:
    return Axis(1, max(count, 2), _whole, least=1)


def _over_epochs(values: Sequence[float], name: str, style: str, dashed: bool = False) -> Series:
    return Series(name, list(enumerate(values, 1)), style, dashed)


def _cost_charts(records: _Records) -> list[Chart]:
    charts = []
    for name, title in COSTS.items():
        if not records or name not in records[0]["limits"]:
            continue
        scale, unit = scale_of(name)
        series = [_over_epochs([r["expected"][name] / scale for r in records], "expected", "found")]
        if "central" in records[0]:
            middle = [r["central"][name] / scale for r in records]
            series.insert(0, _over_epochs(middle, "network in the middle", "central", dashed=True))
        limit = records[-1]["limits"][name] / scale
        values = [y for line in series for _, y in line.points]
        near = limit < 3 * max(values)
        axis = spanning([*values, limit] if near else values, _whole, from_zero=True)
        note = "" if near else f"The limit, {limit:,.4g} {unit}, lies far above."
        levels = [(limit, "limit")] if near else []
        charts.append(
            chart(f"{title}, {unit}", "epoch", series, _epoch_axis(len(records)), axis, levels, note=note)
        )
    return charts


def _search_charts(records: _Records) -> list[Chart]:
    if not records:
        return []
    x = _epoch_axis(len(records))

    def one(title: str, name: str, text: Any = _whole, zero: bool = True) -> Chart:
        values = [r[name] for r in records]
        top = 1.0 if text is percents else None
        axis = spanning(values, text, from_zero=zero, top=top)
        training = name in {"loss", "accuracy"}
        line = _over_epochs(values, name, "training" if training else "found", dashed=training)
        return chart(title, "epoch", [line], x, axis)

    return [
        one("cross-entropy", "loss"),
        one("training accuracy", "accuracy", percents, zero=False),
        one("penalty for costs above limits", "penalty"),
        one("temperature", "temperature"),
    ]


def _training_charts(records: _Records, run: Mapping[str, Any]) -> list[Chart]:
    x = _epoch_axis(len(records))
    metric = records[0]["metric"]
    quantised = min(run.get("recipe", {}).get("train", {}).get("float_epochs", 0) + 1, len(records))
    moments = [(quantised, "quantised")] if 1 < quantised <= len(records) else []
    best = max(
        (r for r in records if r.get("eligible", True)),
        key=lambda r: (r["validation"], r["epoch"]),
        default=records[-1],
    )
    mark = Series(
        f"best: {score(metric, best['validation'])}",
        [(best["epoch"] + 1, best["validation"])],
        "found",
        joined=False,
        labels=[f"best: {score(metric, best['validation'])}"],
    )
    values = [r[name] for r in records for name in ("accuracy", "validation")]
    text = percents if metric == "accuracy" else _whole
    lines = [
        _over_epochs([r["accuracy"] for r in records], "training accuracy", "training", dashed=True),
        _over_epochs([r["validation"] for r in records], f"validation {metric}", "found"),
        mark,
    ]
    losses = [r["loss"] for r in records]
    return [
        chart(metric, "epoch", lines, x, spanning(values, text, top=1.0), moments=moments),
        chart(
            "loss, training",
            "epoch",
            [_over_epochs(losses, "loss", "training", dashed=True)],
            x,
            spanning(losses, _whole, from_zero=True),
            moments=moments,
        ),
    ]


def _decisions(records: _Records, blocks: Sequence[Mapping[str, Any]]) -> list[Decision]:
    if not records:
        return []
    found = []
    for number, block in enumerate(blocks):
        title = f"{number} {_TITLES[block['type']]}"
        key = str(block["index"])
        if block["optional"] and key in records[0]["kept"]:
            odds = [r["kept"][key] for r in records]
            result = "kept" if block["kept"] else "left out"
            note = f"kept at {100 * odds[-1]:.0f} %"
            found.append(Decision(title, "kept?", level_image(odds), 14, "", "", None, result, note))
        for width in block["widths"]:
            if width["decision"] in records[0]["widths"]:
                found.append(_width_decision(title, width, records, block["kept"]))
    return found


def _width_decision(title: str, width: Mapping[str, Any], records: _Records, kept: bool) -> Decision:
    options = width["options"]
    epochs = [r["widths"][width["decision"]] for r in records]
    rows = len(options)
    pick = 100 * (1 - (options.index(width["chosen"]) + 0.5) / rows) if width["chosen"] in options else None
    return Decision(
        title,
        width["name"],
        heat_image(epochs),
        max(36, min(96, 5 * rows)),
        str(options[-1]),
        str(options[0]),
        round(pick, 1) if pick is not None and kept else None,
        str(width["chosen"]) if kept else "–",
        f"of {options[0]} to {options[-1]}",
    )


def _roc(metrics: Mapping[str, Any]) -> Chart | None:
    if "curve" not in metrics:
        return None
    unit = Axis(0.0, 1.0, percents)
    points = [(x, y) for x, y in metrics["curve"]]
    line = Series("ROC", points, "found")
    return chart(
        "true positive rate",
        "false positive rate",
        [line],
        unit,
        unit,
        diagonal=True,
        height=320,
        note=f"{metrics['metric']} {metrics['test']:.4f}; the dashed line is chance.",
    )


def _facts(run: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = []
    target = metrics.get("target")
    if target:
        facts.append(("Board", f"{target['board']}, {target['runtime']} runtime"))
        demand = target.get("demand")
        if demand:
            facts.append(("Flash needed", f"{demand['flash_bytes']:,} bytes, with code and 32 samples"))
            ram = demand["arena_bytes"] + demand["other_ram_bytes"]
            facts.append(("RAM needed", f"{ram:,} bytes, {demand['arena_bytes']:,} of them the arena"))
    if run.get("task"):
        facts.append(("Backbone", run.get("backbone") or "the task's"))
    if run.get("architecture"):
        facts[-1] = ("Architecture", run["architecture"])
    if "agreement" in metrics:
        facts.append(
            ("Fake-quantised and int8", f"agree on {100 * metrics['agreement']:.2f} % of the test samples")
        )
    facts.append(("Seed", str(run.get("seed", ""))))
    source = metrics.get("data", {}).get("source")
    if isinstance(source, Mapping):
        facts.append(("Data", "; ".join(str(value) for value in source.values())))
    if run.get("data"):
        facts.append(("Data folder", str(run["data"])))
    split = metrics.get("data", {}).get("split")
    if isinstance(split, Mapping):
        facts.append(("Samples", ", ".join(f"{v:,} {k}" for k, v in split.items() if isinstance(v, int))))
    versions = run.get("versions", {})
    if versions:
        facts.append(("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())))
    return facts


def _settings(recipe: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [
        (f"{table}.{key}", str(value)) for table, entries in recipe.items() for key, value in entries.items()
    ]
