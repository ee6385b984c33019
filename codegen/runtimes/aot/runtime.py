"""The ``aot`` runtime as the generator sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from micronets_gen.boards.board import Board
from micronets_gen.model.graph import Graph
from micronets_gen.operators import Problem, layer_title
from micronets_gen.plan.arena import ArenaInfo
from micronets_gen.plan.check import check_model
from micronets_gen.plan.fit import Demand, demand
from micronets_gen.plan.footprint import Footprint
from micronets_gen.plan.goal import DEFAULT, Goal, largest
from micronets_gen.plan.optimize import BALANCED, SPEED
from micronets_gen.plan.plan import Constant, Plan
from micronets_gen.runtimes.aot.code_size import least_code_bytes, most_code_bytes
from micronets_gen.runtimes.aot.planner import Layouts, Planned, arenas
from micronets_gen.runtimes.aot.registry import LOWERINGS, lowerings
from micronets_gen.runtimes.aot.source import model_files
from micronets_gen.runtimes.base import Environment, LayerKernel, Sources
from micronets_gen.simplify.result import Savings
from micronets_gen.simplify.simplify import simplify

_STATIC_RAM = 512
_STACK = 2 * 1024


@lru_cache(maxsize=8)
def _layouts(graph: Graph, simd: str, simplifies: bool) -> tuple[Layouts, Savings | None]:
    """Return the layouts of a model, made once for all boards that are alike, and what it has less than was given."""
    if not simplifies:
        return Layouts(graph, simd), None
    simplified = simplify(graph)
    return Layouts(simplified.graph, simd), simplified.savings


@dataclass(frozen=True)
class AotRuntime:
    """C generated for the one model; nothing is downloaded.

    Attributes:
        simplifies: Whether what does not change the outputs is left out.
        goal: What the arena is laid out for.
    """

    simplifies: bool = True
    goal: Goal = DEFAULT
    name: str = field(default="aot", init=False)

    def problems(self, graph: Graph) -> tuple[Problem, ...]:
        """Return the uses of operators that have no exact meaning here, or no kernel."""
        return check_model(graph) or tuple(
            Problem(
                layer_title(op),
                f"aot has no kernel for it: {LOWERINGS.why_not(op.kind) or 'nobody wrote one'}",
                "build with --runtime tflm",
            )
            for op in graph.operators
            if op.kind not in lowerings()
        )

    def optimized(self, goal: Goal) -> AotRuntime:
        """Return the runtime that lays out arenas for a goal."""
        return replace(self, goal=goal)

    @property
    def minds_ram(self) -> bool:
        """Say yes where layers roll as the RAM demands."""
        return self.goal.optimize == BALANCED

    def plan(self, graph: Graph, board: Board, model_name: str) -> Plan:
        """Choose kernels for the board's instruction set, and lay out the arena for the goal."""
        layouts, savings = _layouts(graph, board.simd, self.simplifies)
        chosen = self._chosen(layouts, board)
        return Plan(
            layouts.graph,
            board,
            self.name,
            *chosen,
            "",
            model_name,
            savings=savings,
            arenas=arenas(layouts, self.goal.optimize, chosen),
        )

    def _chosen(self, layouts: Layouts, board: Board) -> Planned:
        if self.goal.optimize != BALANCED:
            return layouts.whole if self.goal.optimize == SPEED else layouts.smallest

        def need(planned: Planned) -> Demand:
            plan = Plan(layouts.graph, board, self.name, *planned, "", "")
            return demand(plan, self.footprint(plan), board)

        whole = need(layouts.whole)
        room = largest(lambda arena: self.goal.kept_by(replace(whole, arena=arena), board), 0, whole.arena)
        return layouts.within(room or 0, lambda planned: self.goal.kept_by(need(planned), board))

    def as_given(self) -> AotRuntime:
        """Return the runtime that leaves nothing out."""
        return replace(self, simplifies=False)

    def footprint(self, plan: Plan) -> Footprint:
        """Sum the constants and bound the rest."""
        codes = [layer.code for layer in plan.layers if layer.code]
        constants = {
            value.name: value.data.nbytes
            for code in codes
            for call in code.calls
            for _, value in call.params
            if isinstance(value, Constant)
        }
        operands = {
            t: plan.graph.tensor(t).nbytes
            for code in codes
            for call in code.calls
            for t in call.inputs
            if plan.graph.tensor(t).is_constant
        }
        scratch = max((code.stack_bytes for code in codes), default=0)
        return Footprint(
            constants=sum(constants.values()) + sum(operands.values()),
            least_code=least_code_bytes(plan.layers, plan.board.simd),
            most_code=most_code_bytes(plan.layers, plan.board.simd),
            static_ram=_STATIC_RAM,
            stack=_STACK + scratch,
        )

    def sources(self, plan: Plan, mark: str) -> Sources:
        """Render the layers, the constants and the kernels in use."""
        changes = plan.savings.changes if plan.savings else ()
        files = model_files(
            plan.graph, plan.layers, plan.memory, plan.model_name, mark, plan.classes, changes
        )
        return Sources(files, flags=("-O2", "-Werror"))

    def trials(self, board: Board) -> tuple[Environment, ...]:
        """Return nothing: the arena is what the plan says."""
        return ()

    def prove(self, plan: Plan, images: Mapping[str, Path]) -> None:
        """Do nothing: there is no size that could be wrong."""

    def resized(self, plan: Plan, arena: ArenaInfo) -> None:
        """Do nothing."""

    def kernels(self, plan: Plan, elf: Path) -> tuple[LayerKernel, ...]:
        """Return the kernels of the plan: the layers call them directly, so a missing one would not link."""
        return tuple(LayerKernel(layer.index, layer.kernel) for layer in plan.layers)

    def indirect_calls(self, plan: Plan, elf: Path) -> Mapping[str, Sequence[str]]:
        """Return nothing: no layer is called through a pointer."""
        return {}
