"""Leaves out of a model what does not change its outputs."""

from __future__ import annotations

from collections.abc import Mapping

from micronets_gen.model.graph import Graph
from micronets_gen.operators import operator_specs
from micronets_gen.simplify.channels import runs
from micronets_gen.simplify.fold import fold_borders, fold_constants
from micronets_gen.simplify.known import known_channels
from micronets_gen.simplify.leave_out import without
from micronets_gen.simplify.result import Amount, Change, Savings, Simplified


def simplify(graph: Graph) -> Simplified:
    """Return an equal graph with less in it: the same outputs, bit for bit, for every input.

    Args:
        graph: A model whose ``check_model`` found no problem.
    """
    original = graph
    graph, changes = fold_constants(graph)
    graph, borders = fold_borders(graph)
    changes += borders
    while True:
        known = known_channels(graph)
        run = next(runs(graph, known), None)
        if run is None:
            break
        graph, left_out = without(graph, run, known)
        changes += left_out
    savings = Savings(_in_order(graph, changes), amount(original), amount(graph))
    return Simplified(graph, savings)


def amount(graph: Graph) -> Amount:
    """Return the work and storage of a graph."""
    specs = operator_specs()
    used = {t for op in graph.operators for t in op.inputs if t >= 0 and graph.tensor(t).is_constant}
    return Amount(
        macs=sum(specs[op.kind].macs(graph, op) for op in graph.operators),
        weight_bytes=sum(graph.tensor(t).nbytes for t in used),
        operator_count=len(graph.operators),
    )


def _in_order(graph: Graph, changes: list[Change]) -> tuple[Change, ...]:
    place: Mapping[str, int] = {op.name: op.index for op in graph.operators}
    return tuple(sorted(changes, key=lambda change: place.get(change.layer, -1)))
