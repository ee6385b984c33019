"""What verbs return and ``--json`` prints: one name for one thing in all of them (docs/json.md).

Sizes are bytes. A size *of* the object at hand is ``size``, one of a part of it ends in ``_bytes``. Counts of one
inference are ``count``, in ``unit``: instructions in an emulator, cycles on a board. ``cycles`` are modelled ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from micronets_gen.boards.board import Board
from micronets_gen.boards.power import DutyCycle
from micronets_gen.bundled.catalogue import BundledModel
from micronets_gen.common.plain import NOT_IN_JSON, Plain, plain
from micronets_gen.emulate.result import ApplicationRun, VectorResult
from micronets_gen.plan.check import Alternative, RegionUse
from micronets_gen.report.measured import total_difference
from micronets_gen.report.measurement import LayerResult, Result, layer_results
from micronets_gen.report.modelled import total_values
from micronets_gen.report.report import Report
from micronets_gen.timing.result import Band, Basis

REPORT_HTML = "report.html"
"""The page of a project, a search's run or a sweep, in its folder."""


@dataclass(frozen=True)
class FirmwareBuild(Plain):
    """What ``build`` made; figures of the image are None without compilation.

    Attributes:
        project: Folder of the PlatformIO project.
        elf: The release image.
        report: The page with pictures; ``report.json`` beside it holds all of ``details``.
        board: Its name.
        runtime: ``aot`` or ``tflm``, and ``runtime_reason`` why.
        model: Its name.
        macs: Multiply-accumulates of one inference.
        flash_bytes: What the image stores, golden vectors included.
        runtime_bytes: Of it, all but weights, biases and golden vectors.
        ram_bytes: Static RAM: data, bss and arena.
        arena_bytes: Tensors, scratch and, for an interpreter, its own data.
        peak_live_bytes: The least that any plan of the tensors takes.
        stack_bytes: Worst case.
        regions: Every memory region and what the image takes of it, the worst-case stack included.
        alternatives: What other runtimes would need of the board.
        details: Everything known about the project.
    """

    project: Path
    elf: Path | None
    report: Path
    board: str
    runtime: str
    runtime_reason: str
    model: str
    macs: int
    flash_bytes: int | None
    runtime_bytes: int | None
    ram_bytes: int | None
    arena_bytes: int | None
    peak_live_bytes: int | None
    stack_bytes: int | None
    regions: tuple[RegionUse, ...]
    alternatives: tuple[Alternative, ...]
    details: Report = field(repr=False, metadata=NOT_IN_JSON)

    @classmethod
    def of(cls, project: Path, elf: Path | None, report: Report) -> FirmwareBuild:
        """Return the values of a report after ``build``."""
        image, stack, memory = report.image, report.stack, report.memory
        return cls(
            project=project,
            elf=elf,
            report=project / REPORT_HTML,
            board=report.board.name,
            runtime=report.runtime,
            runtime_reason=report.runtime_reason,
            model=report.model.name,
            macs=report.macs,
            flash_bytes=image.flash_bytes if image else None,
            runtime_bytes=image.runtime_bytes if image else None,
            ram_bytes=image.ram_bytes if image else None,
            arena_bytes=memory.size if memory else None,
            peak_live_bytes=memory.peak if memory else None,
            stack_bytes=stack.worst_bytes if stack else None,
            regions=tuple(
                RegionUse(region.name, region.kind, region.size, region.used) for region in image.regions
            )
            if image
            else (),
            alternatives=report.alternatives,
            details=report,
        )


@dataclass(frozen=True)
class _Ran(Plain):
    """What both kinds of run say of themselves."""

    kind: str
    passed: bool
    project: Path
    report: Path
    board: str
    runtime: str
    model: str


def _ran(kind: str, passed: bool, project: Path, report: Report) -> dict[str, Any]:
    """Return the values of :class:`_Ran` by name."""
    return {
        "kind": kind,
        "passed": passed,
        "project": project,
        "report": project / REPORT_HTML,
        "board": report.board.name,
        "runtime": report.runtime,
        "model": report.model.name,
    }


@dataclass(frozen=True)
class FirmwareRun(_Ran):
    """What ``run`` saw of the self-test.

    Attributes:
        kind: ``self-test``.
        passed: Every byte of every golden vector was right.
        project: Folder of the PlatformIO project.
        report: The page with pictures; ``report.json`` beside it holds all of ``details``.
        board: Its name.
        runtime: ``aot`` or ``tflm``.
        model: Its name.
        build: Identity of the image, a hash.
        ran_on: The emulator, or the serial port of a board.
        unit: ``instructions`` in an emulator, ``cycles`` on a board.
        count: Of one inference.
        startup: Of initialising the model.
        granularity: The least difference that the counter can show.
        macs: Multiply-accumulates of one inference.
        clock_hz: The core's clock, as the firmware reports it.
        clock_note: What the firmware says of it; empty where all is well.
        instructions: Of one inference, where time was modelled; None otherwise, and so are those that follow.
        cycles: Modelled.
        milliseconds: They take, at the board's clock.
        error_percent: How far they may be off, either way.
        measured_images: Images measured on boards that this rests on; 0: it is a judgement.
        cycles_by_cause: What they go to.
        energy_uj: Microjoules of one inference; None where time or the board's power is not known.
        energy_error_percent: How far they may be off, either way.
        power_mw: Milliwatts of the microcontroller while it computes, and ``power_source`` who published them.
        modelled: Core and memories that the model has; empty without it.
        timing_note: Why time was not modelled; empty where it was.
        measured_milliseconds: That a board measured; None in an emulator.
        difference_percent: How far ``cycles`` are from what the board measured, in percent of that.
        duty_cycle: What an inference every so often takes on average; None where nobody asked.
        vector_count: Golden vectors in the image, and ``vectors_passed`` of them byte-exact.
        vectors: Each of them.
        labelled: Vectors with a label, and ``correct`` of them classified as labelled.
        layers: In execution order; their counts are None where the image was not profiled.
        details: Everything known about the project.
    """

    build: str
    ran_on: str
    unit: str
    count: int
    startup: int
    granularity: float
    macs: int
    clock_hz: int
    clock_note: str
    instructions: int | None
    cycles: int | None
    milliseconds: float | None
    error_percent: float | None
    measured_images: int | None
    cycles_by_cause: Mapping[str, int] | None
    energy_uj: float | None
    energy_error_percent: float | None
    power_mw: float | None
    power_source: str
    modelled: str
    timing_note: str
    measured_milliseconds: float | None
    difference_percent: float | None
    duty_cycle: DutyCycle | None
    vector_count: int
    vectors_passed: int
    vectors: tuple[VectorResult, ...]
    labelled: int
    correct: int
    layers: tuple[LayerResult, ...]
    details: Report = field(repr=False, metadata=NOT_IN_JSON)

    @classmethod
    def of(cls, project: Path, report: Report, duty_cycle: DutyCycle | None = None) -> FirmwareRun:
        """Return the values of a report after ``run``."""
        run = report.run
        assert run is not None
        return cls(
            **_ran("self-test", run.passed, project, report),
            build=run.build,
            ran_on=run.ran_on,
            unit=run.unit,
            count=run.count,
            startup=run.startup,
            granularity=run.granularity,
            macs=report.macs,
            clock_hz=run.clock_hz,
            clock_note=run.clock_note,
            vector_count=len(run.vectors),
            vectors_passed=sum(vector.passed for vector in run.vectors),
            vectors=run.vectors,
            labelled=run.labelled,
            correct=run.correct,
            layers=layer_results(report),
            **total_values(report),
            measured_milliseconds=report.measured_milliseconds,
            difference_percent=total_difference(report),
            duty_cycle=duty_cycle,
            details=report,
        )


@dataclass(frozen=True)
class FirmwareApplication(_Ran):
    """What ``run`` saw of a firmware that is no self-test.

    Attributes:
        kind: ``application``.
        passed: It ended with status 0.
        project: Folder of the PlatformIO project.
        report: The page with pictures; ``report.json`` beside it holds all of ``details``.
        board: Its name.
        runtime: ``aot`` or ``tflm``.
        model: Its name.
        ran_on: The emulator.
        status: What it gave to ``board_exit()``, as an exit status of 0 to 255.
        output: What it wrote.
        details: Everything known about the project.
    """

    ran_on: str
    status: int
    output: str
    details: Report = field(repr=False, metadata=NOT_IN_JSON)

    @classmethod
    def of(cls, project: Path, report: Report, run: ApplicationRun) -> FirmwareApplication:
        """Return the values of a report after ``run``."""
        return cls(
            **_ran("application", run.passed, project, report),
            ran_on=run.ran_on,
            status=run.status,
            output=run.output,
            details=report,
        )


@dataclass(frozen=True)
class BandValue(Plain):
    """How far modelled time may be off.

    Attributes:
        error_percent: Either way.
        measured_images: Images measured on boards that this rests on; 0: it is a judgement.
    """

    error_percent: float
    measured_images: int

    @classmethod
    def of(cls, band: Band) -> BandValue:
        """Return the values of a band."""
        return cls(band.percent, band.images)

    @property
    def text(self) -> str:
        """For people."""
        return Band(self.error_percent, self.measured_images).text


@dataclass(frozen=True)
class Calibration(Plain):
    """What ``calibrate`` measured and recorded.

    Attributes:
        records: The file.
        record_count: Images of the board, at its clock, that were recorded; this one included.
        replaced: There was a record of the same build.
        band_before: How far modelled time may be off on the board, without this record.
        band_after: The same with it.
        mean_factor: Measured cycles to a modelled one, on average over the records; None of too few networks. The
            model is not scaled by it.
        firmware: The run.
    """

    records: Path
    record_count: int
    replaced: bool
    band_before: BandValue
    band_after: BandValue
    mean_factor: float | None
    firmware: FirmwareRun


@dataclass(frozen=True)
class BenchResult(Plain):
    """What ``bench`` measured.

    Attributes:
        passed: Something was measured, and every output was right.
        out: Folder of the projects.
        report: The page with pictures.
        results: One a model and runtime, model by model.
    """

    passed: bool
    out: Path
    report: Path
    results: tuple[Result, ...]


def board_value(board: Board, basis: Basis | None) -> dict[str, Any]:
    """Return everything about a board as a JSON object.

    ``flash_size`` and ``ram_size`` are what it has, ``timing`` what modelled time rests on; None: it is not modelled.
    """
    value: dict[str, Any] = plain(board)
    del value["path"]
    for region in value["regions"]:
        region["vector_table"] = region.pop("vectors")
    timing = (
        {
            "core_source": basis.core_source,
            "memory_source": basis.memory_source,
            "error_percent": basis.band.percent,
            "measured_images": basis.band.images,
        }
        if basis
        else None
    )
    return {**value, "flash_size": board.flash_bytes, "ram_size": board.ram_bytes, "timing": timing}


def model_value(model: BundledModel) -> dict[str, Any]:
    """Return what is known of a bundled model as a JSON object; ``samples`` are those behind ``accuracy``."""
    return {
        "name": model.name,
        "title": model.title,
        "task": model.task,
        "accuracy": model.accuracy,
        "samples": {"test": model.samples},
        "path": str(model.path),
        "provenance": dict(model.provenance),
    }


def search_value(
    out: Path,
    metrics: Mapping[str, Any],
    firmware: Mapping[str, Any] | None,
    choice: Plain | None = None,
) -> dict[str, Any]:
    """Return what ``search`` and ``train`` print: ``metrics.json``, with ``firmware`` as ``run`` prints it.

    Args:
        choice: Of the board, where there were several.
    """
    value = {"out": str(out), "report": str(out / REPORT_HTML), **metrics, "firmware": firmware}
    return value if choice is None else {**value, "choice": choice.to_json()}


def sweep_value(out: Path, points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what ``search --sweep`` prints: a point a limit."""
    return {"out": str(out), "report": str(out / REPORT_HTML), "points": list(points)}
