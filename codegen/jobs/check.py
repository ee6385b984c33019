"""Whether a model works and on which boards it fits, before anything is compiled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from micronets_gen.boards.board import Board
from micronets_gen.boards.load import load_boards
from micronets_gen.errors import FitError
from micronets_gen.model.graph import Graph
from micronets_gen.operators import Problem
from micronets_gen.plan.check import BoardFit, CheckResult, RegionUse
from micronets_gen.plan.fit import demand, place
from micronets_gen.plan.footprint import Footprint
from micronets_gen.plan.plan import Plan
from micronets_gen.runtimes.base import Runtime
from micronets_gen.runtimes.choose import choose_runtime

_Plans = dict[tuple[str, bool], tuple[Plan, Footprint]]


def check_on_boards(graph: Graph, boards: Sequence[Board], runtime: str = "aot") -> CheckResult:
    """Check every operator, then the fit on each board; golden vectors are not counted.

    Raises:
        SourcesError: the runtime's sources cannot be had.
    """
    chosen = choose_runtime(runtime).runtime
    problems = chosen.problems(graph)
    if problems:
        return CheckResult(graph.name, problems, runtime=chosen.name)
    plans: _Plans = {}
    fits = tuple(_fit(graph, chosen, board, plans) for board in boards)
    return CheckResult(graph.name, (), fits, chosen.name)


def _fit(graph: Graph, runtime: Runtime, board: Board, plans: _Plans) -> BoardFit:
    # What a plan takes of the board: its instructions, and whether the size of an arena can be tried out.
    like = board.simd, board.emulator is None
    if like not in plans:
        plan = runtime.plan(graph, board, graph.name)
        plans[like] = plan, runtime.footprint(plan)
    plan, footprint = plans[like]
    need = demand(plan, footprint, board)
    placement = need.placement(board)
    if placement is not None:
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
