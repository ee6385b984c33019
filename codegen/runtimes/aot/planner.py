"""From a graph to layers of kernel calls and an arena."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

from micronets_gen.model.graph import Graph
from micronets_gen.operators import operator_specs
from micronets_gen.plan.grouping import Grouping
from micronets_gen.plan.optimize import SPEED
from micronets_gen.plan.plan import Arenas, Layer, LayerCode, MemoryPlan
from micronets_gen.plan.rolling import plan_rolled
from micronets_gen.plan.scratch import place_scratch
from micronets_gen.runtimes.aot.registry import lowerings
from micronets_gen.runtimes.aot.rows import rolling

Planned = tuple[tuple[Layer, ...], MemoryPlan]


def plan_layers(graph: Graph, simd: str, optimize: str = SPEED) -> Planned:
    """Choose kernels and lay out the arena for ``speed`` or ``ram``; see :class:`Layouts`."""
    layouts = Layouts(graph, simd)
    return layouts.whole if optimize == SPEED else layouts.smallest


class Layouts:
    """The layouts that there are of a model's arena, made when they are asked for.

    Args:
        graph: A model whose ``check_model`` found no problem.
        simd: ``c``, ``dsp`` or ``mve``: the kernels' instruction set.
    """

    def __init__(self, graph: Graph, simd: str) -> None:
        self.graph = graph
        self._simd = simd
        self._codes = [lowerings()[op.kind](graph, op, simd) for op in graph.operators]

    @cached_property
    def whole(self) -> Planned:
        """The layout in which every tensor is whole."""
        codes, memory = place_scratch(self.graph, self._codes)
        return _layers(self.graph, codes), memory

    @cached_property
    def smallest(self) -> Planned:
        """The smallest one that was found."""
        codes, memory = plan_rolled(self.graph, self._rolling, self._grouping.best())
        if self.whole[1].size <= memory.size:
            return self.whole
        return _layers(self.graph, codes), memory

    def within(self, limit: int, fits: Callable[[Planned], bool]) -> Planned:
        """Return the layout with the least rolling that fits, or the smallest where none does.

        Args:
            limit: Bytes of the largest arena that there is room for.
            fits: Whether a layout does.
        """
        if fits(self.whole):
            return self.whole
        for segments in self._grouping.ever_less(limit):
            codes, memory = plan_rolled(self.graph, self._rolling, segments)
            found = _layers(self.graph, codes), memory
            if fits(found):
                return found
        return self.smallest

    @cached_property
    def _rolling(self) -> list[LayerCode]:
        """The layers with how they roll, where they can."""
        return [
            replace(code, rolling=rolling(self.graph, op, self._simd, lowerings()[op.kind], code))
            for op, code in zip(self.graph.operators, self._codes, strict=True)
        ]

    @cached_property
    def _grouping(self) -> Grouping:
        return Grouping(self.graph, self._rolling)


def arenas(layouts: Layouts, optimize: str, chosen: Planned) -> Arenas:
    """Return what a layout was chosen from."""
    layers, memory = chosen
    rolled = [layer for layer in layers if layer.code and layer.code.rolling and layer.code.calls]
    steps = [layer.code.rolling.steps for layer in rolled if layer.code and layer.code.rolling]
    sizes = (layouts.whole[1].size, layouts.smallest[1].size)
    return Arenas(optimize, memory.size, *sizes, len(rolled), sum(steps))


def _layers(graph: Graph, codes: Sequence[LayerCode]) -> tuple[Layer, ...]:
    specs = operator_specs()
    return tuple(
        Layer(
            index=op.index,
            name=op.name,
            kind=op.kind,
            macs=specs[op.kind].macs(graph, op),
            kernel=code.calls[0].function if code.calls else "(none: shares bytes)",
            code=code,
        )
        for op, code in zip(graph.operators, codes, strict=True)
    )
