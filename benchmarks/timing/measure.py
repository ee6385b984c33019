"""One warm inference of a published image: its instructions, its cycles by the model, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from benchmarks.timing import protocol, results
from benchmarks.timing.boards import Board
from benchmarks.timing.machine import Machine
from benchmarks.timing.published import Image
from micronets_gen.emulate.counting import BlockCounter
from micronets_gen.emulate.thumb import count_instructions
from micronets_gen.timing.families import memory_of
from micronets_gen.timing.firmware import CORES, spent
from micronets_gen.timing.trace import Trace


class Snapshot(Protocol):
    """What was executed since a probe was attached."""

    @property
    def instructions(self) -> int:
        """How many."""

    @property
    def cycles(self) -> Mapping[str, float]:
        """By cause; empty where they are not modelled."""

    @property
    def misses(self) -> int:
        """Of all caches that are modelled."""


class Probe(Protocol):
    """Follows an engine."""

    def snapshot(self) -> Snapshot:
        """Return what was executed so far."""


Attach = Callable[[Machine], Probe]


@dataclass(frozen=True)
class Counts:
    """A snapshot."""

    instructions: int
    cycles: Mapping[str, float] = field(default_factory=dict)
    misses: int = 0


class Counter:
    """Counts instructions, and models nothing."""

    def __init__(self, machine: Machine) -> None:
        def measure(address: int, size: int) -> int:
            return count_instructions(machine.engine.mem_read(address, size))

        self._counter = BlockCounter(machine.engine, measure)
        machine.engine.ctl_flush_tb()

    def snapshot(self) -> Counts:
        """Return what was executed so far.

        Raises:
            Exception: whatever has gone wrong in counting.
        """
        if self._counter.error is not None:
            raise self._counter.error
        return Counts(self._counter.entered)


class Model:
    """The cycle model, with memories as the firmware has set them up.

    Raises:
        ToolError: no compiler of the host for the helper in C.
    """

    def __init__(self, machine: Machine) -> None:
        board = machine.board
        machine.engine.ctl_flush_tb()
        memory = memory_of(board.family, machine.register, board.dtcm)
        self._trace = Trace(machine.engine, CORES[board.core](), memory)

    def snapshot(self) -> Counts:
        """Return what was executed so far, and the cycles that it takes."""
        read = self._trace.read()
        return Counts(read.instructions, spent(read).by_cause(), sum(read.misses))


@dataclass(frozen=True)
class Sample:
    """One image, measured and run.

    Attributes:
        image: Maker, board and task.
        board: Name of the board.
        core: ``cortex-m4`` and so on.
        clock_hz: Of the core.
        task: ``kws``, ``ic``, ``vww`` or ``ad``.
        microseconds: Of one inference on the board.
        instructions: Of one warm inference.
        cycles: Modelled, by cause; empty without a model.
        misses: Of the modelled caches.
        results: What the firmware printed as its result: images of one task print nearly the same.
    """

    image: str
    board: str
    core: str
    clock_hz: int
    task: str
    microseconds: float
    instructions: int
    cycles: Mapping[str, float]
    misses: int
    results: str

    @property
    def measured_cycles(self) -> float:
        """Cycles of the core that the measured time is."""
        return self.microseconds * self.clock_hz / 1e6

    @property
    def modelled_cycles(self) -> float | None:
        """The model's cycles, or None without a model."""
        return sum(self.cycles.values()) if self.cycles else None


def measure(image: Image, board: Board, attach: Attach = Model) -> Sample:
    """Run an image and isolate one warm inference.

    Some images set up the flash when they infer for the first time, so that is done before the engine is followed.
    The next inference warms the modelled caches; then a command for one and a command for two differ by one, in the
    printing around them in nothing.

    Args:
        image: Which.
        board: The board it was made for.
        attach: Makes what follows the engine.

    Raises:
        EmulationError: the firmware crashes or hangs.
        RunError: the firmware does not do as it is told.
        UsageError: the record of the measurement cannot be read.
    """
    measured = results.read(image.log)
    machine = Machine(board, image.path.read_bytes())
    protocol.boot(machine)
    protocol.load(machine, made_input(measured.input_bytes))
    said = protocol.infer(machine, 1)
    probe = attach(machine)
    protocol.infer(machine, 1)
    start = probe.snapshot()
    protocol.infer(machine, 1)
    one = probe.snapshot()
    protocol.infer(machine, 2)
    two = probe.snapshot()
    return Sample(
        image=image.name,
        board=board.name,
        core=board.core,
        clock_hz=board.clock_hz,
        task=image.task,
        microseconds=measured.microseconds,
        instructions=two.instructions - 2 * one.instructions + start.instructions,
        cycles={
            cause: value - 2 * one.cycles.get(cause, 0) + start.cycles.get(cause, 0)
            for cause, value in two.cycles.items()
        },
        misses=two.misses - 2 * one.misses + start.misses,
        results=said,
    )


def made_input(size: int) -> bytes:
    """Return an input that was made up, always the same for a size: time hardly depends on it.

    Pixels and features are bytes. The detection of anomalies takes 640 numbers in float32, which are logarithms.
    """
    random = np.random.default_rng(0)
    if size == 640 * 4:
        return random.uniform(-40, 20, size=640).astype("<f4").tobytes()
    return random.integers(0, 256, size=size, dtype=np.uint8).tobytes()
