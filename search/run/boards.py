"""Which of several boards a search is for: the smallest one on which a limit in time leaves room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from micronets_gen.boards.board import Board
from micronets_gen.boards.load import load_several
from micronets_gen.errors import FitError, UsageError
from micronets_gen.jobs.estimate import UNKNOWN, regression_on, unknown_time
from micronets_gen.runtimes.choose import choose_runtime
from micronets_gen.search.run.request import SearchRequest, TargetRequest, searched_space
from micronets_gen.search.space.limits import excess
from micronets_gen.search.space.room import ROOM, BoardChoice, BoardRoom

_DRAWN = 500


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
