"""Builds and times the samples, one record a sample, so that a run that was cut off goes on where it was."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from micronets_gen.boards.board import Board
from micronets_gen.common.files import write_atomically, write_json
from micronets_gen.common.resources import data_dir, package_dir
from micronets_gen.common.version import VERSION
from micronets_gen.emulate.errors import EmulationError
from micronets_gen.emulate.run import describe
from micronets_gen.errors import FitError, RunError, UsageError
from micronets_gen.jobs.build import BuildRequest, build
from micronets_gen.jobs.execute import Images
from micronets_gen.plan.goal import Goal
from micronets_gen.plan.optimize import SPEED
from micronets_gen.search.characterise.samples import Sample
from micronets_gen.search.space.architecture import lower
from micronets_gen.search.space.cost import window_of
from micronets_gen.search.space.export import placeholder, write_tflite
from micronets_gen.timing.firmware import can_model, time_firmware
from micronets_gen.timing.native import library
from micronets_gen.timing.regression import Window, Work, work_of

Notify = Callable[[str], None]

_PATIENCE_S = 3600.0
"""Of the host's time for an image: it may be busy, and no image hangs."""


@dataclass(frozen=True)
class MeasuredLayer:
    """One layer: what it computes and the modelled cycles that it takes in the profiled image.

    Attributes:
        op: The operator's name in the schema.
        input_shape: Of the first activation, channels last.
        output_shape: Of the output, channels last.
        macs: Multiply-accumulates.
        window: Of a convolution; a point for other layers.
    """

    op: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    macs: int
    cycles: int
    window: Window

    @property
    def work(self) -> Work:
        """What its time is fitted to."""
        return work_of(self.op, self.input_shape, self.output_shape, self.macs, self.window)


@dataclass(frozen=True)
class Measured:
    """One sample on a board; ``layers`` is empty where the model does not fit it.

    Attributes:
        macs: Multiply-accumulates of an inference.
        cycles: Modelled, of one inference of the release image.
        instructions: Of the same.
        memory: The memories that were modelled, for people.
    """

    name: str
    group: str
    macs: int
    cycles: int
    instructions: int
    memory: str
    layers: tuple[MeasuredLayer, ...]


@dataclass(frozen=True)
class _Job:
    """A sample to time, and where; it goes to another process."""

    sample: Sample
    board: Board
    runtime: str
    folder: Path


def measure_all(
    samples: Sequence[Sample],
    board: Board,
    runtime: str,
    out: Path,
    notify: Notify = lambda _step: None,
    processes: int = 1,
) -> tuple[Measured, ...]:
    """Time every sample with a runtime on a board; what does not fit the board is left out.

    Args:
        samples: The models.
        board: Whose image is modelled.
        runtime: ``aot`` or ``tflm``.
        out: Folder of the records, ``<board>-<runtime>/<sample>.json``; a record that is there is not made again.
        notify: Told how far it is.
        processes: Samples that are timed at a time.

    Raises:
        UsageError: the time of the board's image cannot be modelled.
        ToolError: a compiler or the runtime's sources are missing.
        RunError: an image does not run to its first result.
    """
    if reason := can_model(describe(board)):
        raise UsageError(
            "time cannot be modelled here", where=board.name, why=reason, remedy="choose another board"
        )
    library()
    folder = out / f"{board.name}-{runtime}"
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [_Job(sample, board, runtime, folder) for sample in samples]
    found = {job.sample.name: _read(job) for job in jobs}
    missing = [job for job in jobs if found[job.sample.name] is None]
    title = f"{board.name}, {runtime}"
    notify(f"{title}: {len(jobs) - len(missing)} of {len(jobs)} models timed")
    for measured in _measured(missing, processes):
        found[measured.name] = measured
        done = sum(value is not None for value in found.values())
        notify(f"{title}: {done} of {len(jobs)} models timed, last {measured.name}")
    return tuple(measured for measured in found.values() if measured is not None and measured.layers)


def _measured(jobs: Sequence[_Job], processes: int) -> Iterator[Measured]:
    count = min(processes, len(jobs))
    try:
        if count <= 1:
            yield from map(_measure, jobs)
            return
        with multiprocessing.get_context("spawn").Pool(count, _apart) as pool:
            yield from pool.imap_unordered(_measure, jobs)
            pool.close()
            pool.join()  # to end idle workers by a signal may hang: one that comes just before they wait is not seen
    finally:
        for project in {path for job in jobs for path in job.folder.glob("project-*")}:
            shutil.rmtree(project, ignore_errors=True)


def _apart() -> None:
    """Keep Ctrl-C from a worker: who started it ends it, and with it the builds that it started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setsid"):
        os.setsid()
        signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))


@cache
def _code() -> str:
    """Return a hash of what decides how many cycles a model takes: kernels, runtimes and the model of time."""
    folders = (
        *(data_dir("templates") / name for name in ("aot", "platform", "soc")),
        package_dir("runtimes"),
    )
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix != ".pyc"]
    files += [
        path for path in package_dir("timing").iterdir() if path.stem not in {"regression", "regressions"}
    ]
    digest = hashlib.sha256(VERSION.encode())
    for path in sorted(filter(Path.is_file, files)):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _key(job: _Job) -> str:
    """Return what a record depends on, as a hash."""
    facts = [_code(), job.sample.architecture.to_json(), describe(job.board), job.runtime]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _record(job: _Job) -> Path:
    return job.folder / f"{job.sample.name}.json"


def _read(job: _Job) -> Measured | None:
    """Return the record of a sample; None where there is none, it is cut off, or of other code."""
    try:
        value = json.loads(_record(job).read_text(encoding="utf-8"))
        return measured_from(value) if value.pop("key") == _key(job) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def measured_from(value: dict[str, Any]) -> Measured:
    """Return a record as data.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    layers = tuple(
        MeasuredLayer(
            **{
                **layer,
                "input_shape": tuple(layer["input_shape"]),
                "output_shape": tuple(layer["output_shape"]),
                "window": Window(**{name: tuple(pair) for name, pair in layer["window"].items()}),
            }
        )
        for layer in value["layers"]
    )
    return Measured(**{**value, "layers": layers})


def _measure(job: _Job) -> Measured:
    measured = _timed(job)
    write_json(_record(job), {"key": _key(job), **asdict(measured)})
    return measured


def _timed(job: _Job) -> Measured:
    sample, board = job.sample, job.board
    project = job.folder / f"project-{os.getpid()}"
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir()
    model = project / "model.tflite"
    write_atomically(model, write_tflite(placeholder(sample.architecture)))
    request = BuildRequest(
        board=board.path or board.name,
        model=str(model),
        runtime=job.runtime,
        out=project,
        force=True,
        vector_count=1,
        goal=Goal(SPEED),  # rows cost time of their own
        simplify=False,  # random weights leave channels dead
    )
    try:
        report = build(request).report
    except FitError:
        return Measured(sample.name, sample.group, 0, 0, 0, "", ())
    images = Images.of(project, board.name)
    counts = [0] * len(report.layers)
    try:
        timing = time_firmware(
            images.release, images.profiled, describe(board), layer_counts=counts, timeout=_PATIENCE_S
        )
    except EmulationError as error:
        raise RunError(error.what, where=sample.name, why=error.why, remedy=error.remedy) from error
    layers = tuple(
        MeasuredLayer(
            layer.op, layer.input_shape, layer.output_shape, layer.macs, time.spent.cycles, window_of(own)
        )
        for layer, time, own in zip(report.layers, timing.layers, lower(sample.architecture), strict=True)
    )
    total = timing.total
    return Measured(
        sample.name, sample.group, report.macs, total.cycles, total.instructions, timing.memory, layers
    )
