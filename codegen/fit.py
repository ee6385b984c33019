"""Where a model fits, before anything is compiled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from codegen.board import Board
from codegen.check import BoardFit, CheckResult, RegionUse, check_model
from codegen.errors import FitError
from codegen.graph import Graph
from codegen.operators import Problem
from codegen.placement import biggest_tensors, find_placement, place_arena
from codegen.plan import Plan
from codegen.runtimes.base import Footprint, Runtime
from codegen.runtimes.choose import choose_runtime
from codegen.soc import lost_bytes


@dataclass(frozen=True)
class _Demand:
    """Bytes that an image needs on a board: the arena, other RAM, flash."""

    arena: int
    other_ram: int
    flash: int


def _demand(plan: Plan, footprint: Footprint, board: Board, vector_bytes: int = 0) -> _Demand:
    return _Demand(
        plan.memory.size,
        footprint.static_ram + footprint.stack + lost_bytes(board),
        footprint.constants + footprint.code + vector_bytes,
    )


def place(plan: Plan, footprint: Footprint, boards: Sequence[Board], *, vector_bytes: int = 0) -> Plan:
    """Return the plan with the arena's region.

    Args:
        boards: Where to look for one that would hold what the plan's board does not.
        vector_bytes: Golden vectors in flash.

    Raises:
        FitError: the model does not fit, with the biggest tensors and the smallest board that would hold it.
    """
    need = _demand(plan, footprint, plan.board, vector_bytes)
    placement = place_arena(
        plan.board,
        need.arena,
        need.other_ram,
        need.flash,
        tensors=biggest_tensors(plan.memory),
        boards=boards,
    )
    return replace(plan, arena_region=placement.region)


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
    need = _demand(plan, footprint, board)
    placement = find_placement(board, need.arena, need.other_ram, need.flash)
    if placement is not None:
        kinds = {region.name: region.kind for region in board.regions}
        uses = tuple(
            RegionUse(r.region, kinds.get(r.region, "ram"), r.size, r.need) for r in placement.regions
        )
        return BoardFit(board.name, True, uses)
    uses = (
        RegionUse(board.default_flash.name, "flash", board.default_flash.size, need.flash),
        RegionUse("all RAM", "ram", board.ram_bytes, need.arena + need.other_ram),
    )
    try:
        place(replace(plan, board=board), footprint, ())
    except FitError as error:
        problem = Problem(board.name, f"{error.what}; {error.why}", error.remedy)
    return BoardFit(board.name, False, uses, (problem,))
