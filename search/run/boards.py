"""Which of several boards a search is for: the smallest one on which a limit in time leaves room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from micronets_gen.boards.board import Board
from micronets_gen.boards.load import load_several
from micronets_gen.common.plain import NOT_IN_JSON, Plain
from micronets_gen.errors import FitError, UsageError
from micronets_gen.jobs.estimate import UNKNOWN, regression_on, unknown_time
from micronets_gen.runtimes.choose import choose_runtime
from micronets_gen.search.run.request import SearchRequest, TargetRequest, searched_space
from micronets_gen.search.space.limits import excess

ROOM = 0.1
"""Share of a backbone's networks that must meet the limits before a search has something to choose from."""

_DRAWN = 500


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


def choose_board(request: SearchRequest, boards: Sequence[str]) -> BoardChoice:
    """Return which of several boards a search is for.

    Args:
        request: What is asked for; of its target, all but the board.
        boards: Names or board files.

    Raises:
        UsageError: no limit in time, a board that is named twice, or one whose time or power is not known.
        FitError: the smallest network misses a limit on every board.
        MicronetsError: the task, the backbone or a board cannot be read.
    """
    assert request.target is not None
    target = request.target
    if not target.time_limit.given:
        raise UsageError(
            "needs a limit in time or energy, by which a board is chosen",
            where="--boards",
            remedy="give --fps, --latency-ms or --energy-uj, or name one board with --board",
        )
    named = zip(load_several(boards), boards, strict=True)
    ordered = sorted(named, key=lambda pair: pair[0].extent)
    rooms = tuple(_room(request, replace(target, board=given), board) for board, given in ordered)
    feasible = [index for index, room in enumerate(rooms) if not room.shortfalls]
    if not feasible:
        raise FitError(
            "no architecture of this backbone meets the limits on any of these boards",
            where=", ".join(room.board for room in rooms),
            why="; ".join(room.why_none for room in rooms),
            remedy="relax the limit, add a larger board, or take a smaller backbone",
        )
    roomy = [index for index in feasible if rooms[index].room >= ROOM]
    index = roomy[0] if roomy else max(feasible, key=lambda index: (rooms[index].room, index))
    return BoardChoice(rooms[index].board, rooms, ordered[index][1])


def _room(request: SearchRequest, wanted: TargetRequest, board: Board) -> BoardRoom:
    runtime = choose_runtime(wanted.runtime).runtime.name
    if regression_on(board, runtime) is None:
        raise unknown_time(board, runtime, UNKNOWN, instead="leave it out of --boards")
    target = wanted.resolve()
    space = searched_space(request, board)
    smallest = space.architecture(space.smallest())
    verdict, limits = target.verdict(smallest), target.limits(smallest)
    largest = target.cost(space.largest)
    assert target.regression is not None
    assert target.max_cycles is not None
    generator = np.random.default_rng(0)
    drawn = (target.cost(space.architecture(space.drawn(generator))) for _ in range(_DRAWN))
    figures: dict[str, Any] = {
        "limit_ms": target.max_cycles / board.clock_hz * 1e3,
        "limit_cycles": target.predicted_cycles,
        "smallest_cycles": verdict.cost.cycles,
        "largest_cycles": largest.cycles,
        "prediction_percent": target.regression.worst_percent,
        "room": sum(excess(cost, limits) == 0 for cost in drawn) / _DRAWN,
    }
    return BoardRoom(board.name, board.core, board.clock_hz, **figures, shortfalls=verdict.shortfalls)
