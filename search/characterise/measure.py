"""Builds and times the samples, one record a sample, so that a run that was cut off goes on where it was."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from micronets_gen.boards.board import Board
from micronets_gen.common.files import write_atomically, write_json
from micronets_gen.common.version import VERSION
from micronets_gen.emulate.run import describe
from micronets_gen.errors import FitError, UsageError
from micronets_gen.jobs.build import BuildRequest, build
from micronets_gen.jobs.execute import Images
from micronets_gen.search.characterise.samples import Sample
from micronets_gen.search.space.export import placeholder, write_tflite
from micronets_gen.timing.firmware import can_model, time_firmware
from micronets_gen.timing.regression import Work, work_of

Notify = Callable[[str], None]


@dataclass(frozen=True)
class MeasuredLayer:
    """One layer: what it computes and the modelled cycles that it takes."""

    work: Work
    cycles: int


@dataclass(frozen=True)
class Measured:
    """One sample on a board; ``layers`` is empty where the model does not fit it.

    Attributes:
        cycles: Modelled, of one inference of the release image.
        instructions: Of the same.
    """

    name: str
    group: str
    macs: int
    cycles: int
    instructions: int
    layers: tuple[MeasuredLayer, ...]


def measure_all(
    samples: Sequence[Sample], board: Board, runtime: str, out: Path, notify: Notify = lambda _step: None
) -> tuple[Measured, ...]:
    """Time every sample with a runtime on a board; what does not fit the board is left out.

    Args:
        samples: The models.
        board: Whose image is modelled.
        runtime: ``aot`` or ``tflm``.
        out: Folder of the records, ``<board>-<runtime>/<sample>.json``; a record that is there is not made again.
        notify: Told what is under way.

    Raises:
        UsageError: the time of the board's image cannot be modelled.
    """
    if reason := can_model(describe(board)):
        raise UsageError(
            "time cannot be modelled here", where=board.name, why=reason, remedy="choose another board"
        )
    folder = out / f"{board.name}-{runtime}"
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for index, sample in enumerate(samples):
        notify(f"{board.name}, {runtime}: {sample.name} ({index + 1} of {len(samples)})")
        record = folder / f"{sample.name}.json"
        key = _key(sample, board, runtime)
        measured = _read(record, key)
        if measured is None:
            measured = _measure(sample, board, runtime, folder / "project")
            write_json(record, {"key": key, **asdict(measured)})
        if measured.layers:
            found.append(measured)
    shutil.rmtree(folder / "project", ignore_errors=True)
    return tuple(found)


def _key(sample: Sample, board: Board, runtime: str) -> str:
    """Return what a record depends on, as a hash."""
    facts = [VERSION, sample.architecture.to_json(), describe(board), runtime]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _read(record: Path, key: str) -> Measured | None:
    try:
        value = json.loads(record.read_text(encoding="utf-8"))
        return measured_from(value) if value.pop("key") == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def measured_from(value: dict[str, Any]) -> Measured:
    """Return a record as data."""
    layers = tuple(MeasuredLayer(Work(**layer["work"]), layer["cycles"]) for layer in value["layers"])
    return Measured(**{**value, "layers": layers})


def _measure(sample: Sample, board: Board, runtime: str, project: Path) -> Measured:
    shutil.rmtree(project, ignore_errors=True)
    model = project.parent / "model.tflite"
    write_atomically(model, write_tflite(placeholder(sample.architecture)))
    try:
        built = build(
            BuildRequest(
                board=board.path or board.name,
                model=str(model),
                runtime=runtime,
                out=project,
                force=True,
                vector_count=1,
            )
        )
    except FitError:
        return Measured(sample.name, sample.group, 0, 0, 0, ())
    report, images = built.report, Images.of(project, board.name)
    images.compile(project)
    timing = time_firmware(
        images.release, images.profiled, describe(board), layer_counts=[0] * len(report.layers)
    )
    layers = tuple(
        MeasuredLayer(
            work_of(layer.op, layer.input_shape, layer.output_shape, layer.macs),
            timing.layers[index].spent.cycles,
        )
        for index, layer in enumerate(report.layers)
    )
    total = timing.total
    return Measured(sample.name, sample.group, report.macs, total.cycles, total.instructions, layers)
