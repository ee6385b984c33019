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
class Difference:
    """A byte of the outputs that is not the expected one; ``offset`` counts over all outputs."""

    offset: int
    expected: int
    got: int


@dataclass(frozen=True)
class VectorResult:
    """One golden vector.

    Attributes:
        passed: Every output byte was the expected one.
        mismatches: Bytes that were not.
        differences: The first of them.
        label: The sample's class; None where it is unknown.
        predicted: The class that the model found; None where ``label`` is.
    """

    index: int
    passed: bool
    mismatches: int
    differences: tuple[Difference, ...] = ()
    label: int | None = None
    predicted: int | None = None

    @property
    def correct(self) -> bool | None:
        """Whether the model found the sample's class; None where that is unknown."""
        return None if self.label is None else self.label == self.predicted


@dataclass(frozen=True)
class RunResult:
    """One run of the self-test.

    Attributes:
        passed: There were vectors, every one passed and the firmware said so.
        ran_on: The emulator, or the serial port of a board.
        build: Identity of the build, a hash; empty where the firmware has none.
        unit: ``instructions`` (emulators) or ``cycles`` (boards).
        count: For one invoke, in ``unit``.
        startup: For initialisation of the model, in ``unit``.
        granularity: Smallest difference the counter can show, in ``unit``.
        clock_note: Empty, or what the firmware says of its clock (a fall-back to the internal oscillator).
        layers: Empty in a build without profiling.
        output: What the firmware wrote.
    """

    passed: bool
    ran_on: str
    board: str
    runtime: str
    model: str
    build: str
    unit: str
    count: int
    startup: int
    granularity: float
    clock_hz: int
    clock_note: str
    vectors: tuple[VectorResult, ...]
    layers: tuple[LayerCount, ...]
    output: str

    @property
    def measured(self) -> bool:
        """Whether ``count`` is time: cycles, which a board's own counter counts."""
        return self.unit == "cycles"

    @property
    def correct(self) -> int:
        """Labelled vectors that were classified as labelled."""
        return sum(vector.correct is True for vector in self.vectors)

    @property
    def labelled(self) -> int:
        """Vectors whose class is known."""
        return sum(vector.label is not None for vector in self.vectors)


SELF_TEST_INSTEAD = "set SELFTEST to 1 at the top of src/main.c (and not to 0 in user.ini)"
"""What makes the self-test of an application."""


@dataclass(frozen=True)
class ApplicationRun:
    """One run of a firmware that left through ``board_exit()`` without a word of the protocol: an application.

    Attributes:
        ran_on: The emulator.
        status: What it gave to ``board_exit()``, as an exit status of 0 to 255.
        output: What it wrote.
    """

    ran_on: str
    board: str
    status: int
    output: str

    @property
    def passed(self) -> bool:
        """It ended with status 0."""
        return self.status == 0


Run = RunResult | ApplicationRun


@dataclass(frozen=True)
class Identity:
    """What the self-test of a project's firmware says of itself.

    Attributes:
        vectors: Number of golden vectors.
        builds: Identities of the project's images; empty: any.
    """

    board: str
    model: str
    runtime: str
    vectors: int
    builds: tuple[str, ...] = ()
