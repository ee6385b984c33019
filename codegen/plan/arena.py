"""What fills an interpreter's arena, as predicted and as measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ArenaSize:
    """An arena in bytes.

    Attributes:
        head: Planned tensors and scratch.
        tail: What stays as long as the model.
        transient: The most that setting up takes where tensors lie afterwards.
        needed: The least arena in which no two of them ever meet, a multiple of 16.
        smallest: The least one in which the interpreter reported no error, tried out; None where nothing ran.
    """

    head: int
    tail: int
    transient: int
    needed: int
    smallest: int | None = None


@dataclass(frozen=True)
class ArenaPart:
    """A kind of persistent data and its bytes."""

    name: str
    size: int


@dataclass(frozen=True)
class ArenaOperator:
    """An operator of the file.

    Attributes:
        persistent: Bytes that stay: options, kernel data, multipliers, sums of weights.
        scratch: Bytes while it runs, each buffer rounded up to 16.
    """

    index: int
    kind: str
    persistent: int
    scratch: int


@dataclass(frozen=True)
class OfflinePlan:
    """A layout of tensors that the file brings along, and what it is worth.

    Attributes:
        used: Whether the firmware has it: it saves at least as much RAM as it costs flash.
        needed_without: The least arena with the interpreter's own planner.
        needed_with: The least arena with the layout.
        flash_bytes: By how much the file grows.
    """

    used: bool
    needed_without: int
    needed_with: int
    flash_bytes: int


@dataclass(frozen=True)
class ArenaInfo:
    """The arena of an image, and why it has that size.

    Attributes:
        size: Bytes in the image.
        margin: Bytes of it beyond what is needed.
        basis: ``measured`` (the image ran in an emulator), ``predicted``, or ``bound`` (neither was possible).
        passed: Whether the golden vectors passed in the least arena; None where nothing ran.
        structures: Where the sizes of the interpreter's structures come from.
        bound_by: What decides the size: ``tensors``, ``planning`` or ``preparing operator ...``.
        activations: The largest sum of live tensors, each rounded up to 16.
        scratch: What scratch adds to it at the moment at which most is live.
        predicted: None where an operator's requests are not known; then nothing is known of what is in the arena.
        parts: Of the tail.
        offline: None where no layout beats the interpreter's planner.
    """

    size: int
    margin: int
    basis: str
    passed: bool | None
    structures: str
    bound_by: str
    activations: int
    scratch: int
    predicted: ArenaSize | None
    measured: ArenaSize | None
    parts: tuple[ArenaPart, ...]
    operators: tuple[ArenaOperator, ...]
    offline: OfflinePlan | None = None
