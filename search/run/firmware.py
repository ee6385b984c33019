"""A run's model as firmware: built, and proved in the emulator on held-out samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from micronets_gen.common.files import write_json
from micronets_gen.errors import MicronetsError
from micronets_gen.jobs.build import BuildRequest, build
from micronets_gen.jobs.execute import run_project, self_test_of
from micronets_gen.plan.fit import sample_bytes
from micronets_gen.report.values import FirmwareRun
from micronets_gen.runtimes.registry import runtime_kind
from micronets_gen.search.learn.progress import Progress
from micronets_gen.search.report import write_report
from micronets_gen.search.run_dir import RunDir
from micronets_gen.search.space.limits import EMBEDDED_VECTORS

_INSTRUCTIONS_PER_SECOND = 49_000_000
"""Of the virtual board on one core that does nothing else; QEMU is faster."""

_BUDGET_S = 60
"""How long an image is meant to run, at most, on such a core."""

_PATIENCE = 10
"""A busy or slow computer may take so many times as long before it is a failure."""

_LEAST_TIMEOUT_S = 300.0

_INSTRUCTIONS_BESIDE = 500_000


@dataclass(frozen=True)
class Workload:
    """What a proof executes.

    Attributes:
        samples: Embedded held-out samples; the images run the model once for each.
        timeout: Seconds after which an image has failed.
    """

    samples: int
    timeout: float


def workload(metrics: Mapping[str, Any], samples: int, each: int, timeout: float | None = None) -> Workload:
    """Return how many samples a proof takes: those that flash has room for and an emulator gets through.

    Args:
        metrics: As in ``metrics.json``, with the target that the run was for.
        samples: Held-out samples that there are.
        each: Bytes of flash that one takes.
        timeout: What a person allows, in seconds; None for ten times what the work is meant to take, and at least
            five minutes.
    """
    target = metrics["target"]
    free = target["memory"]["flash_bytes"] - target["demand"]["flash_bytes"]
    macs = metrics["cost"]["ops"] // 2
    inference = _INSTRUCTIONS_BESIDE + macs * runtime_kind(target["runtime"]).instructions_per_mac
    within_budget = int(_BUDGET_S * _INSTRUCTIONS_PER_SECOND / inference)
    taken = max(1, min(samples, EMBEDDED_VECTORS + int(free // each), within_budget))
    needed = taken * inference / _INSTRUCTIONS_PER_SECOND
    return Workload(taken, max(_LEAST_TIMEOUT_S, _PATIENCE * needed) if timeout is None else timeout)


def prove(
    run: RunDir,
    metrics: Mapping[str, Any],
    board: str,
    runtime: str,
    progress: Progress,
    timeout: float | None = None,
) -> dict[str, Any]:
    """Build a finished run's model into ``firmware`` of its folder, run it, and show the result in the run's report.

    Args:
        metrics: As in ``metrics.json``, with the target that the run was for.
        board: Name or file.
        runtime: ``auto``, ``aot`` or ``tflm``.
        timeout: Seconds for each image; see :func:`workload`.

    Returns:
        What ``firmware.json`` holds: what ``micronets-gen run --json`` prints; or ``passed``, ``project`` and ``error``
        with what ended it.
    """
    try:
        proof = _prove(run, metrics, board, runtime, progress, timeout)
    except MicronetsError as error:
        proof = {"passed": False, "project": str(run.path / "firmware"), **error.to_json()}
    write_json(run.firmware, proof)
    write_report(run)
    return proof


def _prove(
    run: RunDir,
    metrics: Mapping[str, Any],
    board: str,
    runtime: str,
    progress: Progress,
    timeout: float | None,
) -> dict[str, Any]:
    with np.load(run.vectors) as vectors:
        each = sample_bytes(vectors["input_0"][0].size + vectors["output_0"][0].size)
        work = workload(metrics, len(vectors["labels"]), each, timeout)
    project = run.path / "firmware"
    request = BuildRequest(
        board=board,
        model=str(run.path),
        runtime=runtime,
        out=project,
        force=True,
        vector_count=work.samples,
    )
    progress.stage("building the firmware")
    build(request, tell=progress.stage)
    progress.stage(f"running the firmware in the emulator with {work.samples:,} samples")

    def watch(image: str, _instructions: int, done: int) -> None:
        if done:
            progress.step(image, 0, 1, done - 1, work.samples)

    report = run_project(project, timeout=work.timeout, progress=watch, tell=progress.stage)
    self_test_of(report, project)
    return FirmwareRun.of(project, report).to_json()
