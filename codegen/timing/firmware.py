"""Models the time of one inference of a firmware: the exact image, booted on the virtual board and traced."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from micronets_gen.emulate.errors import EmulationError
from micronets_gen.emulate.image import Image, read_image
from micronets_gen.emulate.protocol import ProtocolReader
from micronets_gen.emulate.virtual_board import VirtualBoard
from micronets_gen.timing.bands import INDICATIVE, band_of
from micronets_gen.timing.core import Core
from micronets_gen.timing.core_trace import UNKNOWN, BlockCosts, CoreTrace
from micronets_gen.timing.cortex_m0plus import CortexM0Plus
from micronets_gen.timing.cortex_m4 import CortexM4
from micronets_gen.timing.cortex_m7 import CortexM7
from micronets_gen.timing.cortex_m33 import CortexM33
from micronets_gen.timing.cortex_m55 import CortexM55
from micronets_gen.timing.cycles import Cycles
from micronets_gen.timing.families import memory_of
from micronets_gen.timing.measured import Record
from micronets_gen.timing.memory import Memory
from micronets_gen.timing.native import has_compiler
from micronets_gen.timing.qemu_trace import blocks, decoded
from micronets_gen.timing.result import Basis, LayerTime, Spent, Timing
from micronets_gen.timing.trace import Trace

Progress = Callable[[int], None]

CORES: Mapping[str, Callable[[], Core]] = {
    "cortex-m0plus": CortexM0Plus,
    "cortex-m3": lambda: CortexM4("cortex-m3"),
    "cortex-m4": CortexM4,
    "cortex-m7": CortexM7,
    "cortex-m33": CortexM33,
    "cortex-m55": CortexM55,
}
"""The cores that time is modelled of, by GCC's name."""

_IN_QEMU = frozenset({"cortex-m55"})
"""Those of them that the virtual board lacks: they are followed in QEMU, with core timings alone."""

_COUNTER = "board_counter"  # templates/soc/common/board.h
_AFTERWARDS = "vectors_compare"  # templates/selftest: the outputs of the first inference are looked at
_LAYER_TICKS = "model_layer_ticks"  # templates/interface/model.h
_TOLD_EVERY = 100_000
"""Blocks in QEMU from one note of progress to the next."""

_BEFORE = 2
"""Readings of the counter before the one at which the first inference begins: around the initialisation."""


def can_model(board: Mapping[str, Any]) -> str:
    """Return why the time of a board's image cannot be modelled; empty where it can be."""
    if board["core"] not in CORES:
        return f"no timing is known of the {board['core']}"
    emulator = board.get("emulator")
    if not emulator:
        return "no emulator runs its image"
    if board["core"] in _IN_QEMU and emulator["kind"] != "qemu":
        return f"the {board['core']} is followed in QEMU only"
    return ""


def about(core: str, family: str, records: Sequence[Record] = ()) -> Basis | None:
    """Return what is known of the time of a core with the memories of a family; None where the core is not modelled.

    Args:
        records: Measurements of one board, where there are any.
    """
    if core not in CORES:
        return None
    # Sources are the same however the firmware sets the memories up.
    source = memory_of(family, lambda _address: 0).source
    return Basis(CORES[core]().source, source, band_of(core, family, records))


def time_firmware(
    release: Path,
    profiled: Path | None,
    board: Mapping[str, Any],
    *,
    layer_counts: Sequence[int] = (),
    records: Sequence[Record] = (),
    timeout: float = 300.0,
    progress: Progress | None = None,
) -> Timing:
    """Model the first inference of the self-test, caches cold as on a board.

    Args:
        release: The image whose time is asked for.
        profiled: The image with counters around layers; None: no layers.
        board: What :func:`micronets_gen.emulate.run.describe` gives.
        layer_counts: Instructions of each layer, as the profiled image reports them; zeros where it has not run.
        records: Measurements of the board, where there are any.
        timeout: Seconds of the host's time for each image.
        progress: Told the instructions executed so far.

    Raises:
        EmulationError: the image does not run to its first result.
        ToolError: no capstone.
    """
    traced = _trace(release, board, timeout, progress)
    layers: tuple[LayerTime, ...] = ()
    if profiled is not None:
        layers = _layers(_trace(profiled, board, timeout, progress, len(layer_counts)), layer_counts)
    return _timing(traced, board, layers, records)


def time_image(
    elf: Path,
    board: Mapping[str, Any],
    *,
    layers: int = 0,
    records: Sequence[Record] = (),
    timeout: float = 300.0,
    progress: Progress | None = None,
) -> Timing:
    """Model the first inference of one image, as a whole and by layer: what a board measures of the same image.

    Args:
        elf: Release or profiled.
        board: What :func:`micronets_gen.emulate.run.describe` gives.
        layers: Of the model, where the image is profiled; 0 otherwise.
        records: Measurements of the board, where there are any.
        timeout: Seconds of the host's time.
        progress: Told the instructions executed so far.

    Raises:
        EmulationError: the image does not run to its first result.
        ToolError: no capstone.
    """
    traced = _trace(elf, board, timeout, progress, layers)
    return _timing(traced, board, _layers(traced, traced.ticks) if layers else (), records)


def _timing(
    traced: _Traced, board: Mapping[str, Any], layers: tuple[LayerTime, ...], records: Sequence[Record]
) -> Timing:
    memory, readings = traced.memory, traced.readings
    band = band_of(board["core"], board.get("family", ""), records)
    return Timing(
        core=board["core"],
        memory=memory.description,
        clock_hz=board["clock_hz"],
        band=INDICATIVE if memory is UNKNOWN else band,
        total=spent(readings[-1] - readings[0]),
        layers=layers,
        core_only=not memory.known,
    )


class _Enough(ProtocolReader):
    """Is finished once it is told so."""

    enough = False

    @property
    def finished(self) -> bool:
        return self.enough or super().finished


@dataclass(frozen=True)
class _Traced:
    """An image that ran up to its first result.

    Attributes:
        memory: As the firmware set it up.
        readings: One at each read of the counter, from the one before the first inference on.
        ticks: Instructions that the profiled image counted of each layer.
        owners: Of each pair of readings behind the first, the layer whose count changed after it; None where that
            cannot be seen.
    """

    memory: Memory
    readings: Sequence[Cycles]
    ticks: Sequence[int]
    owners: Sequence[int | None] | None = None


def _trace(
    elf: Path, board: Mapping[str, Any], timeout: float, progress: Progress | None, layers: int = 0
) -> _Traced:
    """Run an image up to its first result."""
    image, reader = read_image(elf), _Enough()
    counter, afterwards = (_entry(image, name) for name in (_COUNTER, _AFTERWARDS))
    if board["core"] in _IN_QEMU:
        readings = _trace_in_qemu(image, board, (counter, afterwards), timeout, progress)
        return _traced(image, memory_of(board.get("family", ""), lambda _address: 0), readings, [0] * layers)
    machine = VirtualBoard(image, board, reader)
    trace = _follow(machine.engine, CORES[board["core"]]())
    readings = []
    counted: list[Sequence[int]] = []

    def reached(address: int) -> None:
        if address != counter:
            reader.enough = True
            machine.engine.emu_stop()
            return
        if not readings:
            trace.configure(memory_of(board.get("family", ""), machine.register, _dtcm(board)))
        readings.append(trace.read())
        counted.append(_ticks(machine.engine, image, layers))

    trace.mark((counter, afterwards), reached)
    try:
        machine.run(timeout=timeout, progress=progress)
    finally:
        if trace.error is not None:
            raise trace.error
    traced = _traced(image, trace.memory, readings, _ticks(machine.engine, image, layers))
    # A layer's count is written behind the second reading of a pair, and so seen at the next.
    pairs = zip(counted[_BEFORE + 2 :: 2], counted[_BEFORE + 3 :: 2], strict=False)
    return replace(traced, owners=[_changed(*pair) for pair in pairs])


def _changed(before: Sequence[int], after: Sequence[int]) -> int | None:
    """Return the place of the one number that is another; None where there is not one."""
    changed = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    return changed[0] if len(changed) == 1 else None


def _trace_in_qemu(
    image: Image,
    board: Mapping[str, Any],
    marks: tuple[int, int],
    timeout: float,
    progress: Progress | None,
) -> list[Cycles]:
    """Run an image up to its first result in QEMU, and return a reading at each read of the counter."""
    costs = BlockCosts(CORES[board["core"]](), partial(decoded, image))
    readings: list[Cycles] = []
    finished = False

    def reached(address: int) -> None:
        nonlocal finished
        if address == marks[0]:
            readings.append(costs.read())
        else:
            finished = True

    costs.mark(marks, reached)
    with closing(blocks(image, board["emulator"]["machine"], timeout)) as entered:
        for number, (address, size) in enumerate(entered):
            costs.enter(address, size)
            if finished:
                break
            if progress is not None and number % _TOLD_EVERY == 0:
                progress(costs.read().instructions)
    return readings


def _traced(image: Image, memory: Memory, readings: Sequence[Cycles], ticks: Sequence[int]) -> _Traced:
    if len(readings) < _BEFORE + 2:
        raise EmulationError(
            "the firmware did not measure an inference",
            where=str(image.path),
            remedy="set SELFTEST to 1 in src/main.c",
        )
    return _Traced(memory, readings[_BEFORE:], ticks)


def _ticks(engine: Any, image: Image, layers: int) -> Sequence[int]:
    """Return what the firmware's own counters of layers hold; zeros where it has none."""
    address = image.objects.get(_LAYER_TICKS)
    if address is None:
        return [0] * layers
    return struct.unpack(f"<{layers}I", bytes(engine.mem_read(address, 4 * layers)))


def _dtcm(board: Mapping[str, Any]) -> int:
    """Bytes of the memory that a Cortex-M7 reads past its cache."""
    return sum(int(region["size"]) for region in board["regions"] if region["name"] == "DTCM")


def _follow(engine: Any, core: Core) -> Trace | CoreTrace:
    return Trace(engine, core) if has_compiler() else CoreTrace(engine, core)


def _entry(image: Image, function: str) -> int:
    for address, name in image.functions:
        if name == function:
            return address
    raise EmulationError(
        f"the image has no function {function}()",
        where=str(image.path),
        remedy="time is modelled of images that a project's own build makes, without link-time optimisation",
    )


def _layers(traced: _Traced, counts: Sequence[int]) -> tuple[LayerTime, ...]:
    """Return the time of each layer: two readings each time it runs; nothing where they are not what it counted."""
    readings, owners = traced.readings, traced.owners
    if owners is None:
        return _layers_in_order(readings, counts)
    nothing = readings[0] - readings[0]
    layers = [nothing] * len(counts)
    for start, end, owner in zip(readings[1:-1:2], readings[2:-1:2], owners, strict=False):
        if owner is None:
            return ()
        layers[owner] += end - start
    if any(counts) and [cycles.instructions for cycles in layers] != list(counts):
        return ()
    return tuple(LayerTime(index, spent(cycles)) for index, cycles in enumerate(layers))


def _layers_in_order(readings: Sequence[Cycles], counts: Sequence[int]) -> tuple[LayerTime, ...]:
    """Return the time of each layer: two readings an operator, and one operator or more a layer."""
    starts, ends = readings[1:-1:2], readings[2:-1:2]
    operators = [after - before for before, after in zip(starts, ends, strict=False)]
    if len(operators) == len(counts):
        return tuple(LayerTime(index, spent(cycles)) for index, cycles in enumerate(operators))
    layers: list[LayerTime] = []
    for index, count in enumerate(counts):
        total = operators.pop(0) if operators else None
        while operators and total is not None and total.instructions < count:
            total += operators.pop(0)
        if total is None or total.instructions != count:
            return ()
        layers.append(LayerTime(index, spent(total)))
    return tuple(layers)


def spent(cycles: Cycles) -> Spent:
    """Return cycles with their causes by name."""
    return Spent(cycles.instructions, *cycles.by_cause)
