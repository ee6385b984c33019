"""What a run of the firmware said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerCount:
    """Counter difference over one layer, in the result's unit."""

    index: int
    name: str
    op: str
    macs: int
    count: int


@dataclass(frozen=True)
class VectorResult:
    """One golden vector: whether every output byte was the expected one."""

    index: int
    passed: bool
    mismatches: int
    first_offset: int = -1
    expected: int = 0
    got: int = 0


@dataclass(frozen=True)
class RunResult:
    """One run.

    Attributes:
        passed: Every vector passed and the firmware said so.
        unit: ``instructions`` (emulators) or ``cycles`` (boards).
        count: For one invoke, in ``unit``.
        startup: For initialisation of the model, in ``unit``.
        granularity: Smallest difference the counter can show, in ``unit``.
        clock_note: Empty, or what the firmware says of its clock (a fall-back to the internal oscillator).
        correct: Labelled vectors classified as labelled, of ``labelled``.
        layers: Empty in a build without profiling.
    """

    passed: bool
    emulator: str
    board: str
    runtime: str
    model: str
    unit: str
    count: int
    startup: int
    granularity: float
    clock_hz: int
    clock_note: str
    vectors: tuple[VectorResult, ...]
    correct: int
    labelled: int
    layers: tuple[LayerCount, ...]
    output: str
