"""What a report says, as data: facts of one image on one board, and of one run of it.

Assembled from artefacts (ELF, stack usage, the run's output) after ``pio run``; every picture, table and JSON
document is a function of a :class:`Report`. What is not known yet (not compiled, not run, not profiled) is
``None`` or empty, and is left out of what is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from micronets_gen.boards.power import Energy, Power
from micronets_gen.emulate.result import ApplicationRun, Run, RunResult
from micronets_gen.plan.arena import ArenaInfo
from micronets_gen.plan.check import Alternative
from micronets_gen.plan.plan import Arenas, MemoryPlan
from micronets_gen.simplify.result import Savings
from micronets_gen.timing.result import Spent, Timing


@dataclass(frozen=True)
class TensorInfo:
    """A graph input or output."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class ModelInfo:
    """The model that the image holds.

    Attributes:
        about: In sentences, what it is and how good; empty where that is not known.
        classes: Names of the classes from 0; empty where they are not known.
    """

    name: str
    sha256: str
    file_bytes: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    about: str = ""
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class BoardInfo:
    """The board that the image is linked for.

    Attributes:
        simd: ``c``, ``dsp`` or ``mve``.
        power: None where no figure is known.
        file: That ``build`` read the board from; empty for a bundled board.
    """

    name: str
    title: str
    mcu: str
    core: str
    clock_hz: int
    simd: str
    power: Power | None = None
    file: str = ""


@dataclass(frozen=True)
class LayerInfo:
    """One operator in execution order; shapes are those of the first activation input and output."""

    index: int
    name: str
    op: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    macs: int
    kernel: str = ""


@dataclass(frozen=True)
class Part:
    """Bytes of one category (weights, kernels, arena, ...) in one region."""

    category: str
    size: int


@dataclass(frozen=True)
class RegionUse:
    """A memory region of the part and what the image puts there.

    Attributes:
        kind: ``flash`` or ``ram``.
        parts: Disjoint, in the order in which they are drawn.
    """

    name: str
    kind: str
    origin: int
    size: int
    parts: tuple[Part, ...]

    @property
    def used(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def free(self) -> int:
        """Bytes left; negative where the image does not fit."""
        return self.size - self.used


@dataclass(frozen=True)
class Section:
    """An ELF section that occupies memory."""

    name: str
    region: str
    size: int


@dataclass(frozen=True)
class Symbol:
    """One of the largest symbols."""

    name: str
    section: str
    category: str
    size: int


@dataclass(frozen=True)
class ImageInfo:
    """Where every byte of the linked image lies.

    Attributes:
        flash_bytes: Load size: code, constants and the initial values of data.
        ram_bytes: Static RAM: data, bss, arena and heap, without the stack.
        arena_bytes: Tensors' share of ``ram_bytes``.
        runtime_bytes: Flash without weights, biases and golden vectors.
        symbols: The largest first; need not be all.
        sha256: Of what is loaded and where; empty in reports of earlier versions.
    """

    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    runtime_bytes: int
    regions: tuple[RegionUse, ...]
    sections: tuple[Section, ...] = ()
    symbols: tuple[Symbol, ...] = ()
    sha256: str = ""


@dataclass(frozen=True)
class Frame:
    """A function on the deepest call path and the stack it takes, in bytes."""

    function: str
    size: int


@dataclass(frozen=True)
class StackInfo:
    """The worst case that the compiler's stack usage and the call graph give.

    Attributes:
        worst_bytes: Including what an exception adds.
        reserved_bytes: What is left for the stack; ``None`` where the image does not say.
        path: From the entry point to the deepest function, then an exception and its handler.
        at_least: Whether something on the way has no known bound.
        notes: What the bound rests on, for example an indirect call.
    """

    worst_bytes: int
    reserved_bytes: int | None
    path: tuple[Frame, ...]
    at_least: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """A line of the layer table: a layer and, in a profiled run, its count and its modelled cycles."""

    layer: LayerInfo
    count: int | None
    spent: Spent | None = None

    @property
    def per_mac(self) -> float | None:
        """Counts per MAC; ``None`` where either is not known or there are no MACs."""
        if self.count is None or not self.layer.macs:
            return None
        return self.count / self.layer.macs

    @property
    def cycles_per_mac(self) -> float | None:
        """Modelled cycles per MAC; ``None`` where either is not known or there are no MACs."""
        if self.spent is None or not self.layer.macs:
            return None
        return self.spent.cycles / self.layer.macs


@dataclass(frozen=True)
class Report:
    """Everything known about one project.

    Attributes:
        runtime: ``aot`` or ``tflm``.
        runtime_reason: Why this runtime.
        layers: In execution order.
        run: What the self-test said.
        application: That the firmware ran and was no self-test; ``run`` is ``None`` then.
        memory: The arena's layout over time.
        arena: Why the arena has its size, where an interpreter fills it.
        lock: Inputs, versions and hashes as (name, value).
        alternatives: What other runtimes would need of the board.
        timing: Modelled time of the image that ``run`` tells of.
        timing_note: Why there is none after a run.
        arenas: What the arena was chosen from; None where the runtime has no choice.
        savings: What is computed less than the model says; None where the runtime takes the model as it is.
    """

    model: ModelInfo
    board: BoardInfo
    runtime: str
    runtime_reason: str
    generator: str
    layers: tuple[LayerInfo, ...]
    memory: MemoryPlan | None = None
    image: ImageInfo | None = None
    stack: StackInfo | None = None
    run: RunResult | None = None
    lock: tuple[tuple[str, str], ...] = ()
    arena: ArenaInfo | None = None
    alternatives: tuple[Alternative, ...] = ()
    application: ApplicationRun | None = None
    timing: Timing | None = None
    timing_note: str = ""
    savings: Savings | None = None
    arenas: Arenas | None = None

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)

    @property
    def profiled(self) -> bool:
        return self.run is not None and bool(self.run.layers)

    @property
    def rows(self) -> tuple[Row, ...]:
        counts = {layer.index: layer.count for layer in self.run.layers} if self.run else {}
        spent = {layer.index: layer.spent for layer in self.timing.layers} if self.timing else {}
        return tuple(Row(layer, counts.get(layer.index), spent.get(layer.index)) for layer in self.layers)

    @property
    def timed(self) -> bool:
        """Whether the time of every layer is modelled."""
        return self.timing is not None and bool(self.timing.layers)

    @property
    def measured_milliseconds(self) -> float | None:
        """Of one inference, as a board measured it; None in an emulator, or without a clock."""
        run = self.run
        return run.count / run.clock_hz * 1e3 if run and run.measured and run.clock_hz else None

    @property
    def time(self) -> tuple[float, float] | None:
        """Milliseconds of one inference, and how many percent they may be off: measured, else modelled."""
        if self.measured_milliseconds is not None:
            return self.measured_milliseconds, 0.0
        return (self.timing.milliseconds, self.timing.band.percent) if self.timing else None

    @property
    def energy(self) -> Energy | None:
        """Of one inference; None where neither time is known, or not the board's power at the clock in use."""
        power, time = self.board.power, self.time
        if self.run is not None and self.run.clock_note:
            return None
        return power.energy(*time) if power and time else None

    @property
    def layers_count(self) -> int:
        """Sum over the layers of a profiled run."""
        return sum(row.count or 0 for row in self.rows)

    @property
    def outside_layers(self) -> int | None:
        """What an inference counts beyond the sum of its layers.

        Negative where the layers were counted in a profiled image, whose counter reads cost something, and
        the inference in the release image.
        """
        return self.run.count - self.layers_count if self.run and self.profiled else None

    @property
    def outside_cycles(self) -> int | None:
        """Modelled cycles of an inference beyond the sum of its layers.

        Two images: where code lies differs, and so does what alignment and caches cost, either way.
        """
        if self.timing is None or not self.timed:
            return None
        return self.timing.total.cycles - sum(layer.spent.cycles for layer in self.timing.layers)

    @property
    def outside_label(self) -> str:
        """What :attr:`outside_layers` and :attr:`outside_cycles` are."""
        less = min(self.outside_layers or 0, self.outside_cycles or 0) < 0
        return "effect of measuring" if less else "outside layers"

    def with_run(self, run: Run, timing: Timing | None = None, timing_note: str = "") -> Report:
        """Return the report of the same image with ``run``, and with the time of it."""
        known = replace(self, timing=timing, timing_note=timing_note)
        if isinstance(run, ApplicationRun):
            return replace(known, run=None, application=run)
        return replace(known, run=run, application=None)
