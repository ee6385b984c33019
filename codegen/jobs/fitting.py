"""What a model needs on boards, with the runtime that is asked for and with the others."""

from __future__ import annotations

from collections.abc import Mapping

from micronets_gen.boards.board import Board
from micronets_gen.errors import MicronetsError
from micronets_gen.model.graph import Graph
from micronets_gen.plan.check import Alternative
from micronets_gen.plan.fit import Demand, demand
from micronets_gen.plan.footprint import Footprint
from micronets_gen.plan.plan import Plan
from micronets_gen.runtimes.base import Runtime
from micronets_gen.runtimes.kind import RuntimeKind
from micronets_gen.runtimes.registry import runtime_kinds


class Plans:
    """Plans of a model with one runtime, one for all boards that are alike to it."""

    def __init__(self, graph: Graph, runtime: Runtime) -> None:
        self._graph = graph
        self._runtime = runtime
        self._made: dict[tuple[object, ...], tuple[Plan, Footprint]] = {}

    def on(self, board: Board) -> tuple[Plan, Footprint]:
        """Return the plan for a board like this one."""
        # What a plan takes of the board: its instructions, whether the size of an arena can be tried out, and its RAM.
        like = (board.simd, board.emulator is None, *(board.ram if self._runtime.minds_ram else ()))
        if like not in self._made:
            plan = self._runtime.plan(self._graph, board, self._graph.name)
            self._made[like] = plan, self._runtime.footprint(plan)
        return self._made[like]

    def demand(self, board: Board, vector_bytes: int = 0) -> Demand:
        """Return what the model needs on a board."""
        return demand(*self.on(board), board, vector_bytes)


class OtherRuntimes:
    """What a model would need with the runtimes that were not taken; nothing is fetched to know it."""

    def __init__(self, graph: Graph, taken: str, commits: Mapping[str, str] | None = None) -> None:
        self._plans = {
            kind.name: _plans(graph, kind, commits) for kind in runtime_kinds() if kind.name != taken
        }

    def on(self, board: Board, vector_bytes: int = 0) -> tuple[Alternative, ...]:
        """Return what each would need on a board."""
        return tuple(_alternative(name, plans, board, vector_bytes) for name, plans in self._plans.items())


def _plans(graph: Graph, kind: RuntimeKind, commits: Mapping[str, str] | None) -> Plans | str:
    """Return the plans with a runtime, or why there are none."""
    if not kind.at_hand(commits):
        return "its sources are not on this computer"
    if lacking := kind.lacking():
        return lacking
    try:
        runtime = kind.open(commits, lambda _step: None)
        problem = next(iter(runtime.problems(graph)), None)
    except MicronetsError as error:
        return error.what
    return f"{problem.layer}: {problem.reason}" if problem else Plans(graph, runtime)


def _alternative(name: str, plans: Plans | str, board: Board, vector_bytes: int) -> Alternative:
    if isinstance(plans, str):
        return Alternative(name, problem=plans)
    try:
        need = plans.demand(board, vector_bytes)
    except MicronetsError as error:
        return Alternative(name, problem=error.what)
    fits = need.placement(board) is not None
    return Alternative(name, fits, need.least_flash, need.flash, need.ram)
