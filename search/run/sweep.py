"""Several searches of one task under different limits, compared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from micronets_gen.common.files import write_atomically, write_json
from micronets_gen.errors import UsageError
from micronets_gen.search.data.tasks import get_task
from micronets_gen.search.learn.progress import Progress
from micronets_gen.search.report import render_sweep
from micronets_gen.search.run.pipeline import execute
from micronets_gen.search.run.request import SearchRequest
from micronets_gen.search.run_dir import RunDir


def sweep(
    request: SearchRequest,
    mops: Sequence[float],
    compare: Sequence[Path] = (),
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Run a search for each limit of operations, each in a folder of its own under ``out``.

    Args:
        compare: Folders of finished runs of the task that the report draws beside them.

    Returns:
        The metrics of each run with ``limit_mops`` and ``path``, as in ``sweep.json``; ``report.html`` shows
        what no other one beats.

    Raises:
        MicronetsError: as :func:`execute`; what is done stays and is not done again.
    """
    if request.target is None or len(set(mops)) < 2:
        raise UsageError("a sweep needs a board and at least two limits", where="--sweep")
    targets = {limit: replace(request.target, mops=limit) for limit in mops}
    for target in targets.values():
        target.resolve()
    name = get_task(request.task).name
    baselines = [_baseline(RunDir(path), name, request.out) for path in compare]
    points: list[dict[str, Any]] = []
    for limit in sorted(targets):
        folder = f"{limit:g}"
        outcome = execute(replace(request, target=targets[limit], out=request.out / folder), progress)
        points.append({"limit_mops": limit, "path": folder, **outcome.metrics})
        if not outcome.finished:
            raise KeyboardInterrupt
    if outcome.workers.is_chief:
        write_json(request.out / "sweep.json", points)
        text = render_sweep(name, points, baselines)
        write_atomically(request.out / "report.html", text)
    return points


def _baseline(run: RunDir, task: str, out: Path) -> dict[str, Any]:
    """Return the metrics of a run to compare with, with its ``name`` and its ``path`` from the sweep's folder."""
    metrics = run.read(run.metrics)
    if metrics.get("task") != task:
        raise UsageError(f"is a run of task {metrics.get('task')}, not {task}", where=f"--compare {run.path}")
    path = os.path.relpath(run.path, out)
    return {**metrics, "name": run.path.resolve().name, "path": Path(path).as_posix()}
