"""What one build and one run of a model measured, for comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from micronets_gen.common.plain import Plain
from micronets_gen.report.measured import layer_difference
from micronets_gen.report.modelled import part_values
from micronets_gen.report.report import Report


@dataclass(frozen=True)
class LayerResult:
    """One layer of a run.

    Attributes:
        index: In execution order, from 0.
        op: The operator.
        count: Instructions or cycles of one inference; None where the run was not profiled.
        kernel: What executes it; empty where that is not known.
        instructions: Executed, where time was modelled; None otherwise, and so are those that follow.
        cycles: Modelled.
        milliseconds: They take, at the board's clock.
        error_percent: How far they may be off, either way.
        cycles_by_cause: What they go to.
        difference_percent: How far ``cycles`` are from what a board measured, in percent of that.
    """

    index: int
    name: str
    op: str
    macs: int
    count: int | None
    kernel: str
    instructions: int | None = None
    cycles: int | None = None
    milliseconds: float | None = None
    error_percent: float | None = None
    cycles_by_cause: Mapping[str, int] | None = None
    difference_percent: float | None = None


@dataclass(frozen=True)
class Result(Plain):
    """One model with one runtime on one board; sizes are bytes.

    Attributes:
        passed: Every output byte was right.
        count: Of one inference, in ``unit``.
        startup: What initialising the model takes, in ``unit``.
        arena_bytes: Tensors, scratch and, for an interpreter, its own data.
        peak_live_bytes: The least that the tensors' bytes could be.
        ram_bytes: Static RAM: data, bss and arena.
        stack_bytes: Worst case.
        stack_at_least: Whether a call on the way has no known target, so that it may be more.
        deployed_bytes: Flash of the image without golden vectors.
        code_bytes: Of it, what is neither weights nor metadata.
        weight_bytes: Of it, weights and biases.
        metadata_bytes: Of it, quantisation and look-up tables; for an interpreter the rest of the model file.
        problem: Why there are no figures; empty where there are.
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
    """

    derived: ClassVar = ("per_mac", "cycles_per_mac", "other_ram_bytes")

    model: str
    board: str
    runtime: str
    passed: bool = False
    macs: int = 0
    count: int = 0
    unit: str = "instructions"
    startup: int = 0
    arena_bytes: int = 0
    peak_live_bytes: int = 0
    ram_bytes: int = 0
    stack_bytes: int = 0
    stack_at_least: bool = False
    deployed_bytes: int = 0
    code_bytes: int = 0
    weight_bytes: int = 0
    metadata_bytes: int = 0
    layers: tuple[LayerResult, ...] = ()
    problem: str = ""
    instructions: int | None = None
    cycles: int | None = None
    milliseconds: float | None = None
    error_percent: float | None = None
    measured_images: int | None = None
    cycles_by_cause: Mapping[str, int] | None = None
    energy_uj: float | None = None
    energy_error_percent: float | None = None
    power_mw: float | None = None
    power_source: str = ""
    modelled: str = ""
    timing_note: str = ""

    @property
    def per_mac(self) -> float | None:
        return self.count / self.macs if self.macs and not self.problem else None

    @property
    def cycles_per_mac(self) -> float | None:
        """Modelled cycles a MAC."""
        return self.cycles / self.macs if self.macs and self.cycles is not None else None

    @property
    def other_ram_bytes(self) -> int:
        """Static RAM beside the arena."""
        return self.ram_bytes - self.arena_bytes


def layer_results(report: Report) -> tuple[LayerResult, ...]:
    """Return the lines of a report's layer table."""
    return tuple(
        LayerResult(
            row.layer.index,
            row.layer.name,
            row.layer.op,
            row.layer.macs,
            row.count,
            row.layer.kernel,
            **part_values(report.timing, row.spent),
            difference_percent=layer_difference(report, row),
        )
        for row in report.rows
    )
