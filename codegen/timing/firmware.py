"""Models the time of one inference of a firmware: the exact image, booted on the virtual board and traced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from micronets_gen.emulate.errors import EmulationError
from micronets_gen.emulate.image import read_image
from micronets_gen.emulate.protocol import ProtocolReader
from micronets_gen.emulate.virtual_board import VirtualBoard
from micronets_gen.timing.bands import band_of
from micronets_gen.timing.core import Core
from micronets_gen.timing.cortex_m4 import CortexM4
from micronets_gen.timing.families import memory_of
from micronets_gen.timing.result import LayerTime, Spent, Timing
from micronets_gen.timing.trace import Cycles, Trace

Progress = Callable[[int], None]

CORES: Mapping[str, Callable[[], Core]] = {
    "cortex-m3": lambda: CortexM4("cortex-m3"),
    "cortex-m4": CortexM4,
}
"""The cores that time is modelled of, by GCC's name."""

_COUNTER = "board_counter"  # templates/soc/common/board.h
_INITIALISATION = 2


def can_model(board: Mapping[str, Any]) -> str:
    """Return why the time of a board's image cannot be modelled; empty where it can be."""
    if board["core"] not in CORES:
        return f"no timing is known of the {board['core']}"
    if not board.get("emulator"):
        return "no emulator runs its image"
    return ""


def time_firmware(
    release: Path,
    profiled: Path | None,
    board: Mapping[str, Any],
    *,
    timeout: float = 300.0,
    progress: Progress | None = None,
) -> Timing:
    """Model the first inference of the self-test, caches cold as on a board.

    Args:
        release: The image whose time is asked for.
        profiled: The image with counters around layers; None: no layers.
        board: What :func:`micronets_gen.emulate.run.describe` gives.
        timeout: Seconds of the host's time for each image.
        progress: Told the instructions executed so far.

    Raises:
        EmulationError: the image does not run to its first result.
        ToolError: no compiler of the host, or no capstone.
    """
    first = _trace(release, board, timeout, progress)
    layers: tuple[LayerTime, ...] = ()
    if profiled is not None:
        layers = _layers(_trace(profiled, board, timeout, progress))
    return Timing(
        core=board["core"],
        memory=first.memory,
        clock_hz=board["clock_hz"],
        band=band_of(board["core"], board.get("family", "")),
        total=spent(first.inference),
        layers=layers,
    )


class _Traced:
    """Readings at each entry of the firmware's counter, and what it reported."""

    def __init__(self, memory: str, readings: Sequence[Cycles], reader: ProtocolReader) -> None:
        self.memory = memory
        self.readings = readings
        self.ticks = reader.layer_ticks

    @property
    def inference(self) -> Cycles:
        """The first one: the reading after it is the last before the report, the one before it the third."""
        return self.readings[-1] - self.readings[_INITIALISATION]


def _trace(elf: Path, board: Mapping[str, Any], timeout: float, progress: Progress | None) -> _Traced:
    image = read_image(elf)
    counter = next((address for address, name in image.functions if name == _COUNTER), None)
    if counter is None:
        raise EmulationError(
            f"the image has no function {_COUNTER}",
            where=str(elf),
            remedy="time is modelled of images that micronets-gen's projects build",
        )
    reader = ProtocolReader(enough_vectors=1)
    machine = VirtualBoard(image, board, reader)
    trace = Trace(machine.engine, CORES[board["core"]]())
    readings: list[Cycles] = []
    described = []

    def reached() -> None:
        if not readings:
            memory = memory_of(board.get("family", ""), machine.register)
            trace.configure(memory)
            described.append(memory.description)
        readings.append(trace.read())

    trace.mark(counter, reached)
    try:
        machine.run(timeout=timeout, progress=progress)
    finally:
        if trace.error is not None:
            raise trace.error
    if len(readings) <= _INITIALISATION + 1:
        raise EmulationError(
            "the firmware did not measure an inference",
            where=str(elf),
            remedy="set SELFTEST to 1 in src/main.c",
        )
    return _Traced(described[0], readings, reader)


def _layers(traced: _Traced) -> tuple[LayerTime, ...]:
    """Find each layer between two readings: the layer's own count says which they are."""
    spans = [after - before for before, after in pairwise(traced.readings[_INITIALISATION:])]
    layers: list[LayerTime] = []
    for index, ticks in enumerate(traced.ticks):
        while spans and spans[0].instructions != ticks:
            spans.pop(0)
        if not spans:
            return ()
        layers.append(LayerTime(index, spent(spans.pop(0))))
    return tuple(layers)


def spent(cycles: Cycles) -> Spent:
    """Return cycles with their causes by name."""
    return Spent(cycles.instructions, *cycles.by_cause)
