"""On which boards a model works and fits, before anything is compiled."""

from __future__ import annotations

from collections.abc import Sequence

from codegen.board import Board
from codegen.check import BoardFit, CheckResult, RegionUse, check_model
from codegen.errors import FitError
from codegen.graph import Graph
from codegen.operators import Problem
from codegen.placement import biggest_tensors, find_placement, place_arena
from codegen.plan import Plan
from codegen.runtimes.base import Footprint, Runtime
from codegen.runtimes.choose import choose_runtime


def check_on_boards(graph: Graph, boards: Sequence[Board], runtime: str = "auto") -> CheckResult:
    """Check every operator, then the fit on each board; golden vectors are not counted."""
    problems = check_model(graph)
    if problems:
        return CheckResult(graph.name, problems)
    chosen = choose_runtime(runtime).runtime
    plans: dict[str, tuple[Plan, Footprint]] = {}
    return CheckResult(graph.name, (), tuple(_fit(graph, chosen, board, plans) for board in boards))


def _fit(graph: Graph, runtime: Runtime, board: Board, plans: dict[str, tuple[Plan, Footprint]]) -> BoardFit:
    if board.simd not in plans:
        plan = runtime.plan(graph, board, graph.name)
        plans[board.simd] = plan, runtime.footprint(plan)
    plan, footprint = plans[board.simd]
    arena, other = plan.memory.size, footprint.static_ram + footprint.stack
    flash = footprint.constants + footprint.code
    placement = find_placement(board, arena, other, flash)
    if placement is not None:
        kinds = {region.name: region.kind for region in board.regions}
        uses = tuple(
            RegionUse(r.region, kinds.get(r.region, "ram"), r.size, r.need) for r in placement.regions
        )
        return BoardFit(board.name, True, uses)
    uses = (
        RegionUse(board.default_flash.name, "flash", board.default_flash.size, flash),
        RegionUse("all RAM", "ram", board.ram_bytes, arena + other),
    )
    try:
        place_arena(board, arena, other, flash, tensors=biggest_tensors(plan.memory))
    except FitError as error:
        problem = Problem(board.name, f"{error.what}; {error.why}", error.remedy)
    return BoardFit(board.name, False, uses, (problem,))
