"""What limits in time leave of a backbone's networks on several boards, and which of these a search is for."""

from __future__ import annotations

from dataclasses import dataclass, field

from micronets_gen.common.plain import NOT_IN_JSON, Plain

ROOM = 0.1
"""Share of a backbone's networks that must meet the limits before a search has something to choose from."""


@dataclass(frozen=True)
class BoardRoom(Plain):
    """What the limits leave of a backbone's networks on one board.

    Attributes:
        board: Its name.
        clock_hz: Of its core.
        limit_ms: Most milliseconds of an inference.
        limit_cycles: Most cycles that may be predicted, so that the image keeps to ``limit_ms``.
        smallest_cycles: Predicted, of the backbone's smallest network.
        largest_cycles: The same of its largest.
        prediction_percent: The most that a prediction was off from the modelled time of a model that was left out.
        room: Share of the networks that meet every limit, those of memory, too: of networks drawn at random, always
            the same.
        shortfalls: What the smallest network misses, a sentence each; empty where it meets every limit.
    """

    board: str
    core: str
    clock_hz: int
    limit_ms: float
    limit_cycles: int
    smallest_cycles: int
    largest_cycles: int
    prediction_percent: float
    room: float
    shortfalls: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """For people: ``room``, ``tight`` or ``none``."""
        if self.shortfalls:
            return "none"
        return "room" if self.room >= ROOM else "tight"

    @property
    def why_none(self) -> str:
        """For people: what the smallest network misses."""
        return f"{self.board}: the smallest network needs {'; '.join(self.shortfalls)}"


@dataclass(frozen=True)
class BoardChoice(Plain):
    """The board that a search is for, and those that it was chosen from.

    Attributes:
        board: The smallest with room; where none has it, the one with the most.
        boards: All of them, the smallest first.
        given: How a person named :attr:`board`: its name or its file.
    """

    board: str
    boards: tuple[BoardRoom, ...]
    given: str = field(metadata=NOT_IN_JSON)

    @property
    def text(self) -> str:
        """For people: why this one."""
        chosen = next(room for room in self.boards if room.board == self.board)
        share = f"{100 * ROOM:g} % of the networks"
        if chosen.verdict == "room":
            return f"{self.board}: the smallest board on which at least {share} meet the limits"
        return f"{self.board}: on no board do {share} meet the limits, on this one the most"
