"""Whether a model works and on which boards it fits, before anything is compiled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from micronets_gen.boards.board import Board
from micronets_gen.boards.load import load_boards
from micronets_gen.errors import FitError
from micronets_gen.jobs.estimate import UNLIMITED, TimeLimit, estimate_on, unknown_time
from micronets_gen.jobs.fitting import OtherRuntimes, Plans
from micronets_gen.model.graph import Graph
from micronets_gen.operators import Problem
from micronets_gen.plan.check import BoardFit, CheckResult, RegionUse, check_model
from micronets_gen.plan.fit import demand, place
from micronets_gen.plan.goal import DEFAULT, Goal
from micronets_gen.runtimes.choose import choose_for_model
from micronets_gen.runtimes.kind import Notify
from micronets_gen.runtimes.registry import AUTO


def check_on_boards(
    graph: Graph,
    boards: Sequence[Board],
    runtime: str = AUTO,
    notify: Notify = lambda _step: None,
    limit: TimeLimit = UNLIMITED,
    *,
    goal: Goal = DEFAULT,
    simplify: bool = True,
) -> CheckResult:
    """Check every operator, then the fit on each board, with other runtimes, too; golden vectors are not counted.

    Args:
        graph: The model.
        boards: Where it is to run.
        runtime: As ``build`` takes it.
        notify: Told what is fetched.
        limit: Of time or energy.
        goal: As ``build`` takes it.
        simplify: As ``build`` takes it.

    Raises:
        UsageError: a limit where no board's time, or power, is known.
        SourcesError: the runtime's sources cannot be had.
    """
    # What no runtime can execute is told before anything is fetched.
    if problems := check_model(graph):
        return CheckResult(graph.name, problems, runtime=runtime)
    choice = choose_for_model(graph, runtime, notify=notify)
    chosen = (choice.runtime if simplify else choice.runtime.as_given()).optimized(goal)
    if problems := chosen.problems(graph):
        return CheckResult(graph.name, problems, (), chosen.name, choice.reason)
    plans, others = Plans(graph, chosen), OtherRuntimes(graph, chosen.name)
    fits = tuple(
        replace(_timed(_fit(plans, board, goal), plans, board, limit), alternatives=others.on(board))
        for board in boards
    )
    result = CheckResult(
        graph.name, (), fits, chosen.name, choice.reason, limit.milliseconds, limit.energy_uj
    )
    if not limit.given:
        return result
    _require_known(result, boards, limit)
    return replace(result, smallest=_smallest(result, boards))


def _require_known(result: CheckResult, boards: Sequence[Board], limit: TimeLimit) -> None:
    """Raise where a limit cannot be compared with anything on any board."""
    if not boards or any(fit.meets is not None for fit in result.boards):
        return
    for board, fit in zip(boards, result.boards, strict=True):
        if fit.time is None:
            instead = "build and run it, which models the time of the image"
            raise unknown_time(board, result.runtime, fit.timing_note, instead)
        limit.seconds(board)


def _timed(fit: BoardFit, plans: Plans, board: Board, limit: TimeLimit) -> BoardFit:
    time, note = estimate_on(board, plans.on(board)[0])
    if time is None:
        return replace(fit, timing_note=note)
    seconds = limit.seconds(board) if limit.known_of(board) else None
    energy = board.power.energy(time.milliseconds, time.error_percent) if board.power else None
    return replace(
        fit,
        time=time,
        energy_uj=energy.microjoules if energy else None,
        energy_error_percent=energy.percent if energy else None,
        meets=None if seconds is None else time.within(seconds),
    )


def _smallest(result: CheckResult, boards: Sequence[Board]) -> str | None:
    """Return the smallest board that suits; one that is emulated only cannot be had."""
    suiting = {fit.board for fit in result.boards if result.suits(fit)}
    real = [board for board in boards if board.name in suiting and board.upload is not None]
    return min(real, key=lambda board: board.extent).name if real else None


def _fit(plans: Plans, board: Board, goal: Goal) -> BoardFit:
    plan, footprint = plans.on(board)
    need = demand(plan, footprint, board)
    placement = need.placement(board)
    if placement is not None and goal.kept_by(need, board):
        kinds = {region.name: region.kind for region in board.regions}
        uses = tuple(
            RegionUse(r.region, kinds.get(r.region, "ram"), r.size, r.need) for r in placement.regions
        )
        return BoardFit(board.name, True, uses)
    uses = (
        RegionUse(board.default_flash.name, "flash", board.default_flash.size, need.flash),
        RegionUse("all RAM", "ram", board.ram_bytes, need.ram),
    )
    try:
        goal.require(need, board, plan.arenas.smallest_bytes if plan.arenas else None)
        place(replace(plan, board=board), footprint, load_boards())
    except FitError as error:
        problem = Problem(board.name, f"{error.what}; {error.why}", error.remedy)
    else:
        problem = Problem(
            board.name,
            f"it may not fit: {need.least_flash:,} to {need.flash:,} bytes of flash, as far as that is known "
            f"before it is compiled, and {board.default_flash.name} has {board.default_flash.size:,}",
            "build it to find out, or use fewer weights",
        )
    return BoardFit(board.name, False, uses, (problem,))
