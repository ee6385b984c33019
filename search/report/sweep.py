"""``report.html`` of a sweep: quality over cost, and what no other one beats.

Which run is good is judged by the validation split, which each run has already chosen its epoch by; the test split is
shown beside it and chooses nothing, so that its figures stay those of samples that no decision has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from micronets_gen.report.geometry import Axis, spanning
from micronets_gen.report.html import page_environment
from micronets_gen.search.report.charts import Chart, Series, chart
from micronets_gen.search.space.values import COSTS, percents, quantity, scale_of, score

_PLOTTED = ("ops", "cycles", "model_bytes", "working_memory")


def render_sweep(
    task: str, points: Sequence[Mapping[str, Any]], baselines: Sequence[Mapping[str, Any]] = ()
) -> str:
    """Return the page of a sweep.

    Args:
        points: Metrics of each run, as in ``metrics.json``, with ``path`` and ``limit_mops``.
        baselines: Metrics of other runs of the task, to compare with, with ``path`` and ``name``.
    """
    metric, validation_metric = str(points[0]["metric"]), str(points[0]["validation_metric"])
    named = [*((f"{p['limit_mops']:g}", p) for p in points), *((str(b["name"]), b) for b in baselines)]
    plotted = [name for name in _PLOTTED if name != "cycles" or _comparable([p for _, p in named])]
    fronts = {name: front(named, name) for name in plotted}
    return (
        page_environment()
        .get_template("sweep.html.j2")
        .render(
            task=task,
            metric=metric,
            validation_metric=validation_metric,
            board=points[0].get("target", {}).get("board", ""),
            charts=[_scatter(name, points, baselines) for name in plotted],
            titles=[COSTS[name] for name in plotted],
            baselines=bool(baselines),
            rows=[
                {
                    "name": label,
                    "found": "limit_mops" in p,
                    "path": f"{p['path']}/report.html",
                    "validation": score(validation_metric, p["validation"]),
                    "test": score(metric, p["test"]),
                    "costs": [(quantity(name, p["cost"][name]), label in fronts[name]) for name in plotted],
                    "architecture": p["architecture"],
                }
                for label, p in named
            ],
        )
    )


def _comparable(runs: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the cycles of runs are known, and those of one runtime on one board."""
    places = {
        (run["target"]["board"], run["target"]["runtime"]) if run.get("target") else None for run in runs
    }
    return len(places) == 1 and all(run["cost"].get("cycles") is not None for run in runs)


def front(named: Sequence[tuple[str, Mapping[str, Any]]], cost: str) -> set[str]:
    """Return the names of the runs that no other one beats at a cost, as validation judges them."""
    best = set(pareto((p["cost"][cost], p["validation"]) for _, p in named))
    return {label for label, p in named if (p["cost"][cost], p["validation"]) in best}


def pareto(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points (cost, quality) that no other one beats in one and equals in the other, by cost."""
    best: list[tuple[float, float]] = []
    for cost, quality in sorted(set(points), key=lambda point: (point[0], -point[1])):
        if not best or quality > best[-1][1]:
            best.append((cost, quality))
    return best


def _scatter(cost: str, points: Sequence[Mapping[str, Any]], baselines: Sequence[Mapping[str, Any]]) -> Chart:
    scale, unit = scale_of(cost)

    def at(runs: Sequence[Mapping[str, Any]], part: str) -> list[tuple[float, float]]:
        return [(run["cost"][cost] / scale, run[part]) for run in runs]

    best = pareto(at([*points, *baselines], "validation"))
    every = [*at([*points, *baselines], "validation"), *at([*points, *baselines], "test")]
    xs = [x for x, _ in every]
    wide = max(xs) > 8 * min(xs) > 0
    x = Axis(min(xs) / 1.3, max(xs) * 1.3, _short, True) if wide else spanning(xs, _short)
    metrics = points[0]["validation_metric"], points[0]["metric"]
    y = spanning([y for _, y in every], percents if metrics == ("accuracy", "accuracy") else _short)
    series = [
        *([Series("not beaten", best, "found")] if len(best) > 1 else []),
        *_marks("found", points, [f"{p['limit_mops']:g}" for p in points], at, "found"),
        *_marks("to compare with", baselines, [str(b["name"]) for b in baselines], at, "compared"),
    ]
    logarithmic = ", logarithmic" if wide else ""
    title = f"validation {metrics[0]}; hollow: test {metrics[1]}"
    return chart(title, f"{COSTS[cost]}, {unit}{logarithmic}", series, x, y, height=260)


def _marks(
    name: str,
    runs: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    at: Callable[[Sequence[Mapping[str, Any]], str], list[tuple[float, float]]],
    style: str,
) -> list[Series]:
    """Return the marks of runs: what validation says of them, and hollow what the test says."""
    dashed = style == "compared"
    return [
        Series("the same, by the test", at(runs, "test"), style, dashed, joined=False, hollow=True),
        Series(name, at(runs, "validation"), style, dashed, joined=False, labels=labels),
    ]


def _short(value: float) -> str:
    return f"{value:.4g}"
