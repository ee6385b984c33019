"""``report.html`` of a sweep: quality over cost, and what no other one beats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from micronets_gen.report.geometry import Axis, spanning
from micronets_gen.report.html import page_environment
from micronets_gen.search.report.charts import Chart, Series, chart
from micronets_gen.search.space.values import COSTS, percents, quantity, scale_of, score

_PLOTTED = ("ops", "model_bytes", "working_memory")


def render_sweep(
    task: str, points: Sequence[Mapping[str, Any]], baselines: Sequence[Mapping[str, Any]] = ()
) -> str:
    """Return the page of a sweep.

    Args:
        points: Metrics of each run, as in ``metrics.json``, with ``path`` and ``limit_mops``.
        baselines: Metrics of other runs of the task, to compare with, with ``path`` and ``name``.
    """
    metric = str(points[0]["metric"])
    named = [*((f"{p['limit_mops']:g}", p) for p in points), *((str(b["name"]), b) for b in baselines)]
    fronts = {name: front(named, name) for name in _PLOTTED}
    return (
        page_environment()
        .get_template("sweep.html.j2")
        .render(
            task=task,
            metric=metric,
            board=points[0].get("target", {}).get("board", ""),
            charts=[_scatter(name, points, baselines, metric) for name in _PLOTTED],
            baselines=bool(baselines),
            rows=[
                {
                    "name": label,
                    "found": "limit_mops" in p,
                    "path": f"{p['path']}/report.html",
                    "test": score(metric, p["test"]),
                    "costs": [(quantity(name, p["cost"][name]), label in fronts[name]) for name in _PLOTTED],
                    "architecture": p["architecture"],
                }
                for label, p in named
            ],
        )
    )


def front(named: Sequence[tuple[str, Mapping[str, Any]]], cost: str) -> set[str]:
    """Return the names of the runs that no other one beats at a cost."""
    best = set(pareto((p["cost"][cost], p["test"]) for _, p in named))
    return {label for label, p in named if (p["cost"][cost], p["test"]) in best}


def pareto(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points (cost, quality) that no other one beats in one and equals in the other, by cost."""
    best: list[tuple[float, float]] = []
    for cost, quality in sorted(set(points), key=lambda point: (point[0], -point[1])):
        if not best or quality > best[-1][1]:
            best.append((cost, quality))
    return best


def _scatter(
    cost: str, points: Sequence[Mapping[str, Any]], baselines: Sequence[Mapping[str, Any]], metric: str
) -> Chart:
    scale, unit = scale_of(cost)

    def at(point: Mapping[str, Any]) -> tuple[float, float]:
        return point["cost"][cost] / scale, point["test"]

    found, others = [at(p) for p in points], [at(b) for b in baselines]
    best = pareto([*found, *others])
    xs = [x for x, _ in (*found, *others)]
    wide = max(xs) > 8 * min(xs) > 0
    x = Axis(min(xs) / 1.3, max(xs) * 1.3, _short, True) if wide else spanning(xs, _short)
    y = spanning([y for _, y in (*found, *others)], percents if metric == "accuracy" else _short)
    series = [
        *([Series("not beaten", best, "found")] if len(best) > 1 else []),
        Series("found", found, "found", joined=False, labels=[f"{p['limit_mops']:g}" for p in points]),
    ]
    if baselines:
        names = [str(b["name"]) for b in baselines]
        series.append(Series("to compare with", others, "compared", dashed=True, joined=False, labels=names))
    logarithmic = ", logarithmic" if wide else ""
    return chart(f"test {metric}", f"{COSTS[cost]}, {unit}{logarithmic}", series, x, y, height=260)


def _short(value: float) -> str:
    return f"{value:.4g}"
