"""What is known of a runtime before one is opened: enough for options, help and a choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from micronets_gen.runtimes.base import Runtime

Notify = Callable[[str], None]


@dataclass(frozen=True)
class RuntimeKind:
    """A runtime to choose; a package of :mod:`micronets_gen.runtimes` has one in its module ``kind``, as ``KIND``.

    Attributes:
        name: As ``--runtime`` takes it; its package's name.
        title: Its name for people.
        summary: What firmware then holds, as a phrase.
        preference: ``auto`` takes the least whose needs are met.
        instructions_per_mac: No network takes more on any core, as docs/benchmarks.md has them.
        available: Whether what it is made of can be had, given commits of sources by key, and a reason as a
            sentence that people read.
        at_hand: Whether it can be opened without fetching anything, given the same.
        lacking: What the tools on this computer lack to compile it, as a clause; empty where they do not.
        open: Return it, given the same commits and whom to tell what is fetched. Raises ``SourcesError`` where what
            it is made of cannot be had.
    """

    name: str
    title: str
    summary: str
    preference: int
    instructions_per_mac: int
    available: Callable[[Mapping[str, str] | None], tuple[bool, str]]
    at_hand: Callable[[Mapping[str, str] | None], bool]
    lacking: Callable[[], str]
    open: Callable[[Mapping[str, str] | None, Notify], Runtime]
