"""A run's report: one HTML file with its pictures inside, made from the run's folder alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from search.files import write_atomically
from search.run_dir import RunDir

_COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b83280", "#4a5568")
_WIDTH, _HEIGHT = 640, 240
_MARGIN = 56

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1a202c }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse } td, th { padding: .2rem .8rem .2rem 0; text-align: left }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
svg { max-width: 100%; height: auto } .legend span { margin-right: 1rem; white-space: nowrap }
@media (prefers-color-scheme: dark) { body { background: #171923; color: #e2e8f0 } svg { background: #f7fafc } }
"""

_PROBABILITIES = (
    "<h2>Choice probabilities over time</h2><p>One picture a decision: epochs from left to right, choices from the "
    "narrowest at the bottom to the widest at the top, dark where likely.</p>"
)

_COSTS = {"model_bytes": "model, bytes", "working_memory": "working memory, bytes", "ops": "operations"}


def write_report(run: RunDir) -> None:
    """Write ``report.html`` into a run's folder, from ``metrics.json``, ``history.json`` and ``run.json``."""
    text = render(run.read(run.run), run.read(run.metrics), run.read(run.history))
    write_atomically(run.path / "report.html", lambda file: file.write(text.encode("utf-8")))


def render(run: Mapping[str, Any], metrics: Mapping[str, Any], history: Mapping[str, Any]) -> str:
    """Return the report as HTML."""
    parts = [f"<h1>{escape(metrics['task'])}: {escape(metrics['architecture'])}</h1>"]
    if not metrics["finished"]:
        parts.append("<p><b>Interrupted:</b> these are the figures of the best epoch so far.</p>")
    parts += [_summary(metrics), f"<p>Made by <code>{escape(run['command'])}</code></p>"]
    if history.get("search"):
        parts += _search(history["search"])
    for phase in ("teacher", "train"):
        records = history.get(phase, [])
        if records:
            lines = {
                "training accuracy": [r["accuracy"] for r in records],
                f"validation {records[0]['metric']}": [r["validation"] for r in records],
            }
            parts += [
                f"<h2>{phase.capitalize()}ing</h2>" if phase == "train" else "<h2>Teacher</h2>",
                chart(lines),
            ]
    if "confusion" in metrics:
        parts += ["<h2>Confusion</h2>", confusion(metrics["confusion"], metrics["classes"])]
    if "curve" in metrics:
        parts += [
            "<h2>ROC</h2>",
            scatter({"ROC": metrics["curve"]}, "false positive rate", "true positive rate", True),
        ]
    return _page(metrics["task"], parts)


def render_sweep(task: str, points: Sequence[Mapping[str, Any]]) -> str:
    """Return the report of a sweep: accuracy over operations, with the points that no other one beats.

    Args:
        points: Metrics of each run, as in ``metrics.json``, with ``path`` and ``limit_mops``.
    """
    metric = str(points[0]["metric"])
    found = [(p["cost"]["ops"] / 1e6, p["test"]) for p in points]
    best = pareto(found)
    rows = "".join(
        f"<tr><td><a href='{escape(str(p['path']))}/report.html'>{p['limit_mops']:g}</a></td>"
        f"<td class=n>{p['cost']['ops'] / 1e6:.3f}</td><td class=n>{p['cost']['model_bytes']:,}</td>"
        f"<td class=n>{p['cost']['working_memory']:,}</td><td class=n>{p['test']:.4f}</td>"
        f"<td>{escape(p['architecture'])}</td></tr>"
        for p in points
    )
    heads = (
        "<th>limit, MOps</th><th class=n>MOps</th><th class=n>model, bytes</th><th class=n>memory, bytes</th>"
    )
    table = (
        f"<table><tr>{heads}<th class=n>test {escape(metric)}</th><th>architecture</th></tr>{rows}</table>"
    )
    plot = scatter({"found": found, "not beaten": best}, "MOps", f"test {metric}")
    return _page(f"{task}: sweep", [f"<h1>{escape(task)}: accuracy over operations</h1>", plot, table])


def pareto(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points (cost, quality) that no other one beats in one and equals in the other, by cost."""
    front: list[tuple[float, float]] = []
    for cost, quality in sorted(set(points), key=lambda point: (point[0], -point[1])):
        if not front or quality > front[-1][1]:
            front.append((cost, quality))
    return front


def _page(title: str, parts: Sequence[str]) -> str:
    head = f"<meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _summary(metrics: Mapping[str, Any]) -> str:
    rows = [
        (f"{part} {metrics['metric']}, int8", f"{metrics[part]:.4f}", f"{metrics['samples'][part]:,} samples")
        for part in ("validation", "test")
    ]
    rows.append((f"test {metrics['metric']}, float", f"{metrics['test_float']:.4f}", ""))
    limits = metrics.get("target", {}).get("limits", {})
    for name, title in {**_COSTS, "parameters": "parameters"}.items():
        value, limit = metrics["cost"][name], limits.get(name)
        note = f"{value / limit:.0%} of the limit of {limit:,.0f}" if limit else ""
        rows.append((title, f"{value:,}", note))
    if "target" in metrics:
        latency = metrics["target"]["latency_s"]
        where = f"{metrics['target']['board']}, {metrics['target']['runtime']}"
        rows.append(
            ("latency by the board's line", f"{1000 * latency:.1f} ms" if latency else "not measured", where)
        )
    cells = (
        f"<tr><td>{escape(a)}</td><td class=n>{escape(b)}</td><td>{escape(c)}</td></tr>" for a, b, c in rows
    )
    return f"<table>{''.join(cells)}</table>"


def _search(records: Sequence[Mapping[str, Any]]) -> list[str]:
    parts = ["<h2>Costs against their limits during the search</h2>"]
    lines = {
        title: [r["expected"][name] / r["limits"][name] for r in records]
        for name, title in _COSTS.items()
        if name in records[0]["limits"] and min(r["limits"][name] for r in records) > 0
    }
    parts += [chart(lines, mark=1.0), "<h2>Loss, penalty and temperature</h2>"]
    parts.append(chart({name: [r[name] for r in records] for name in ("loss", "penalty", "temperature")}))
    if records[0]["widths"] or records[0]["kept"]:
        parts += [_PROBABILITIES]
    for key in records[0]["widths"]:
        parts.append(_heat(f"width {key}", [r["widths"][key] for r in records]))
    for block in records[0]["kept"]:
        rows = [[1 - r["kept"][block], r["kept"][block]] for r in records]
        parts.append(_heat(f"block {block}: left out, kept", rows))
    return parts


def chart(lines: Mapping[str, Sequence[float]], mark: float | None = None) -> str:
    """Return lines over epochs as SVG; ``mark`` draws a dashed level."""
    values = [v for line in lines.values() for v in line] + ([mark] if mark is not None else [])
    if not values:
        return ""
    low, high = min(0.0, *values), max(values) or 1.0
    count = max(len(line) for line in lines.values())
    x = _scale(0, max(1, count - 1), _MARGIN, _WIDTH - 8)
    y = _scale(low, high, _HEIGHT - 28, 8)
    parts = [_axes(low, high, y, "1", str(count))]
    if mark is not None:
        parts.append(
            f"<path d='M{_MARGIN} {y(mark):.1f}H{_WIDTH - 8}' stroke='#e53e3e' stroke-dasharray='5 4'/>"
        )
    for (_, line), colour in zip(lines.items(), _COLOURS, strict=False):
        points = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(line))
        parts.append(f"<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='2'/>")
    return _svg(_WIDTH, _HEIGHT, parts, ", ".join(lines)) + _legend(lines)


def scatter(
    groups: Mapping[str, Sequence[Sequence[float]]], x_title: str, y_title: str, unit: bool = False
) -> str:
    """Return points (x, y), each group joined in its order, as SVG; ``unit`` spans 0 to 1."""
    xs = [p[0] for points in groups.values() for p in points]
    ys = [p[1] for points in groups.values() for p in points]
    pad = 0.05 * (max(ys) - min(ys)) or 0.05
    low, high = (0.0, 1.0) if unit else (min(ys) - pad, min(1.0, max(ys) + pad))
    left, right = (0.0, 1.0) if unit else (0.0, max(xs) or 1.0)
    x, y = _scale(left, right, _MARGIN, _WIDTH - 16), _scale(low, high, _HEIGHT - 28, 8)
    parts = [_axes(low, high, y, f"{left:g}", f"{right:g} {x_title}")]
    for (_, points), colour in zip(groups.items(), _COLOURS, strict=False):
        path = " ".join(f"{x(p[0]):.1f},{y(p[1]):.1f}" for p in points)
        if len(groups) == 1 or points is list(groups.values())[-1]:
            parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}'/>")
        parts += [
            f"<circle cx='{x(p[0]):.1f}' cy='{y(p[1]):.1f}' r='4' fill='{colour}'/>" for p in points[:200]
        ]
    return _svg(_WIDTH, _HEIGHT, parts, f"{y_title} over {x_title}") + _legend(groups)


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """Return a confusion matrix as SVG, rows true and columns predicted."""
    cell, left = 34, 110
    size = cell * len(counts)
    parts = []
    for i, row in enumerate(counts):
        total = sum(row) or 1
        name = escape(str(classes[i]))
        parts.append(
            f"<text x='{left - 6}' y='{i * cell + 22}' text-anchor='end' font-size='12'>{name}</text>"
        )
        middle = left + (i + 0.5) * cell
        turned = f"rotate(60 {middle} {size + 12})"
        parts.append(f"<text x='{middle}' y='{size + 12}' font-size='12' transform='{turned}'>{name}</text>")
        for j, count in enumerate(row):
            share = count / total
            colour = "43,108,176" if i == j else "229,62,62"
            parts.append(
                f"<rect x='{left + j * cell}' y='{i * cell}' width='{cell - 1}' height='{cell - 1}' "
                f"fill='rgba({colour},{0.06 + 0.9 * share if count else 0.03:.3f})'/>"
            )
            if count:
                parts.append(
                    f"<text x='{left + (j + 0.5) * cell}' y='{i * cell + 21}' text-anchor='middle' font-size='11' "
                    f"fill='{'#fff' if share > 0.6 else '#1a202c'}'>{count}</text>"
                )
    return _svg(left + size + 60, size + 80, parts, "confusion matrix")


def _heat(title: str, epochs: Sequence[Sequence[float]]) -> str:
    choices, cell = len(epochs[0]), max(4.0, min(14.0, 560 / len(epochs)))
    row = max(2.0, min(12.0, 120 / choices))
    parts = [f"<text x='0' y='12' font-size='12'>{escape(title)}</text>"]
    for i, values in enumerate(epochs):
        top = max(values)
        for j, value in enumerate(values):
            opacity = value / top if top else 0
            if opacity > 0.02:
                parts.append(
                    f"<rect x='{i * cell:.1f}' y='{18 + (choices - 1 - j) * row:.1f}' width='{cell:.1f}' "
                    f"height='{row:.1f}' fill='rgba(43,108,176,{opacity:.2f})'/>"
                )
    return f"<p>{_svg(int(len(epochs) * cell) + 4, int(22 + choices * row), parts, title)}</p>"


def _scale(low: float, high: float, first: float, last: float) -> Any:
    span = (high - low) or 1.0
    return lambda value: first + (value - low) / span * (last - first)


def _axes(low: float, high: float, y: Any, left: str, right: str) -> str:
    ticks = [low + (high - low) * k / 4 for k in range(5)]
    parts = [
        f"<path d='M{_MARGIN} {y(t):.1f}H{_WIDTH - 8}' stroke='#cbd5e0'/>"
        f"<text x='{_MARGIN - 6}' y='{y(t) + 4:.1f}' text-anchor='end' font-size='11'>{t:.4g}</text>"
        for t in ticks
    ]
    parts.append(f"<text x='{_MARGIN}' y='{_HEIGHT - 8}' font-size='11'>{escape(left)}</text>")
    parts.append(
        f"<text x='{_WIDTH - 8}' y='{_HEIGHT - 8}' text-anchor='end' font-size='11'>{escape(right)}</text>"
    )
    return "".join(parts)


def _legend(names: Iterable[str]) -> str:
    spans = (
        f"<span><b style='color:{colour}'>&#9632;</b> {escape(name)}</span>"
        for name, colour in zip(names, _COLOURS, strict=False)
    )
    return f"<p class=legend>{''.join(spans)}</p>"


def _svg(width: int, height: int, parts: Sequence[str], label: str) -> str:
    return (
        f"<svg viewBox='0 0 {width} {height}' width='{width}' height='{height}' role='img' "
        f"aria-label='{escape(label)}'>{''.join(parts)}</svg>"
    )
