"""A run's model as firmware: built and run in the emulator, with as many held-out samples as flash has room for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from micronets_gen.jobs.build import Request, build
from micronets_gen.jobs.execute import run_project
from micronets_gen.search.run_dir import RunDir
from micronets_gen.search.space.limits import EMBEDDED_VECTORS, sample_bytes


def prove(
    run: RunDir, metrics: Mapping[str, Any], board: str, runtime: str, notify: Callable[[str], None]
) -> dict[str, Any]:
    """Build a finished run's model into ``firmware`` of its folder, and run it.

    Args:
        metrics: As in ``metrics.json``, with the target that the run was for.
        board: Name or file.
        runtime: ``auto``, ``aot`` or ``tflm``.
        notify: Told what is done next.

    Returns:
        Plain values: the project's path, whether every output was right, how many samples were classified correctly.

    Raises:
        MicronetsError: as ``build`` and ``run``.
    """
    project = run.path / "firmware"
    request = Request(
        board=board,
        model=str(run.path),
        runtime=runtime,
        out=project,
        force=True,
        vector_count=_embeddable(run, metrics["target"]),
    )
    notify("building the firmware")
    build(request)
    notify("running the firmware in the emulator")
    result = run_project(project).run
    assert result is not None
    return {
        "project": str(project),
        "passed": result.passed,
        "vectors": len(result.vectors),
        "correct": result.correct,
        "labelled": result.labelled,
        result.unit: result.count,
    }


def _embeddable(run: RunDir, target: Mapping[str, Any]) -> int:
    """Return how many held-out samples fit into the flash that there is beside the model."""
    with np.load(run.vectors) as vectors:
        samples = len(vectors["labels"])
        each = sample_bytes(vectors["input_0"][0].size, vectors["output_0"][0].size)
    free = target["memory"]["flash"] - target["demand"]["flash"]
    return max(1, min(samples, EMBEDDED_VECTORS + int(free // each)))
