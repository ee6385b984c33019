"""Modelled time of one inference of an image, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from micronets_gen.common.numbers import plural


@dataclass(frozen=True)
class Spent:
    """Instructions and the modelled cycles that they take, by what the cycles go to.

    Attributes:
        instructions: Executed.
        issue: Cycles in which instructions issue.
        dependencies: Waiting for a result that is not a load's, and computing for longer than a cycle.
        loads: Of loads and stores beyond the cycle in which they issue.
        branches: Refilling the pipeline, and predictions that failed.
        alignment: Of 32-bit instructions that are not word-aligned.
        fetch: Waiting for instructions: flash, caches.
        data: Waiting for data: flash, caches.
    """

    instructions: int
    issue: int
    dependencies: int
    loads: int
    branches: int
    alignment: int
    fetch: int
    data: int

    @property
    def cycles(self) -> int:
        """All modelled cycles."""
        return sum(self.by_cause().values())

    def by_cause(self) -> dict[str, int]:
        """Return the cycles of each cause, by its name, in the order in which they are drawn."""
        return {name: getattr(self, name) for name in CAUSES}


CAUSES = ("issue", "dependencies", "loads", "branches", "alignment", "fetch", "data")
"""What cycles go to: the fields of :class:`Spent` and, in their order, the numbers of ``core.Cause``."""


@dataclass(frozen=True)
class Band:
    """How far modelled time may be from what a board takes.

    Attributes:
        percent: Either way.
        images: Images measured on boards with this core and memory that it rests on; 0: none, it is a judgement.
    """

    percent: float
    images: int = 0

    @property
    def text(self) -> str:
        """For people: ``±4 %, 9 measured images`` or ``indicative, ±15 %``."""
        if not self.images:
            return f"indicative, ±{self.percent:g} %"
        return f"±{self.percent:g} %, {plural(self.images, 'measured image')}"


@dataclass(frozen=True)
class Basis:
    """What is known of the time of a core with the memories of a family.

    Attributes:
        core_source: Manuals and measurements that the core's timings come from.
        memory_source: The same of its memories; empty where none are modelled.
        band: How far time may be off.
    """

    core_source: str
    memory_source: str
    band: Band


@dataclass(frozen=True)
class LayerTime:
    """One layer of a profiled image."""

    index: int
    spent: Spent


@dataclass(frozen=True)
class Timing:
    """Modelled time of one inference.

    Attributes:
        core: GCC's name of the core that was modelled.
        memory: For people: caches and wait states that were modelled, or that none were.
        clock_hz: Of the core.
        band: How far it may be off.
        total: Of one inference of the release image.
        layers: Of the profiled image; empty where it was not run.
        core_only: No memory is modelled, so that cycles are fewer than a board with wait states takes.
    """

    core: str
    memory: str
    clock_hz: int
    band: Band
    total: Spent
    layers: tuple[LayerTime, ...] = ()
    core_only: bool = False

    @property
    def milliseconds(self) -> float:
        """Of one inference at the board's clock."""
        return self.milliseconds_of(self.total)

    def milliseconds_of(self, spent: Spent) -> float:
        """Return the time of a part."""
        return spent.cycles / self.clock_hz * 1e3
