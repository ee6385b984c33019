"""What memory costs: caches, wait states and where they apply, as plain data for one image on one part."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cache:
    """A cache, or a buffer of flash words, which is one of few lines.

    Attributes:
        line: Bytes, a power of two.
        sets: Sets of lines.
        ways: Lines of a set.
        random: Replacement: pseudo-random, or the line that was not used for longest.
    """

    line: int
    sets: int
    ways: int
    random: bool = False

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return self.line * self.sets * self.ways


@dataclass(frozen=True)
class Span:
    """A span of addresses that share their costs, in core clock cycles beyond those of the pipeline.

    Attributes:
        first: First address.
        last: Last address.
        fetch: Index in :attr:`Memory.caches` of the one that instructions come through; None: they cost nothing more.
        data: The same for data; with None each load costs ``data_miss``.
        fetch_miss: Of a line of instructions that the cache lacks.
        fetch_next: The same for the line behind the one fetched before: less where the flash fetches ahead.
        data_miss: Of a load.
        store_miss: Of a store.
    """

    first: int
    last: int
    fetch: int | None = None
    data: int | None = None
    fetch_miss: int = 0
    fetch_next: int = 0
    data_miss: int = 0
    store_miss: int = 0


@dataclass(frozen=True)
class Memory:
    """The memories of a part as its firmware has set them up; addresses in no span cost nothing more.

    Attributes:
        caches: At most four.
        spans: At most sixteen; the first that holds an address counts.
        description: For people: caches, wait states, bus.
        source: Manuals and measurements that the numbers come from.
    """

    caches: tuple[Cache, ...] = ()
    spans: tuple[Span, ...] = ()
    description: str = "no wait states"
    source: str = ""

    @property
    def known(self) -> bool:
        """Whether anything of the memory is modelled, so that more than the core is timed."""
        return bool(self.caches or self.spans)


IDEAL = Memory(description="core timings only, as if no memory made it wait")
"""Every access is done in the cycles of the pipeline."""
