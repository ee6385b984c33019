"""Which layers have scratch in the arena, and how the work of planning grows."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.planner import measure
from micronets_gen.plan import scratch
from micronets_gen.plan.memory import plan_memory
from micronets_gen.plan.scratch import place_scratch
from micronets_gen.plan.verify import verify
from tests.unit.test_memory import Net, random_net


def test_scratch_goes_where_the_arena_need_not_grow_for_it() -> None:
    net = Net()
    x = net.tensor(100)
    a = net.op((x,), 400, scratch=40)
    b = net.op((a,), 200, scratch=40)
    y = net.op((b,), 300, scratch=104)
    layers, plan = place_scratch(net.graph((x,), (y,)), net.layers)
    assert [(layer.scratch_bytes, layer.stack_bytes) for layer in layers] == [(40, 0), (0, 40), (0, 104)]
    assert plan.size == plan.peak == 600
    layers, plan = place_scratch(
        net.graph((x,), (y,)), [*net.layers[:2], replace(net.layers[2], scratch_bytes=100)]
    )
    assert [layer.stack_bytes for layer in layers] == [0, 40, 0]
    assert plan.size == plan.peak == 600


def test_tensors_are_laid_out_anew_for_scratch_that_finds_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, layers = random_net(random.Random(24), 5)
    chosen, plan = place_scratch(graph, layers)
    assert [layer.stack_bytes for layer in chosen] == [0, 0, 0, 1077, 0]
    monkeypatch.setattr(scratch, "_layouts", lambda _plan: 0)
    with_gaps_only, same = place_scratch(graph, layers)
    assert [layer.stack_bytes for layer in with_gaps_only] == [0, 0, 0, 1077, 1520]
    assert same.size == plan.size


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), operators=st.integers(1, 25), sizes=st.sampled_from((9, 64, 4096)))
def test_scratch_never_enlarges_the_arena_and_none_is_lost(seed: int, operators: int, sizes: int) -> None:
    graph, layers = random_net(random.Random(seed), operators, sizes=sizes)
    chosen, plan = place_scratch(graph, layers)
    verify(plan, graph, chosen)
    assert plan.size <= plan_memory(graph, [replace(layer, scratch_bytes=0) for layer in layers]).size
    for before, after in zip(layers, chosen, strict=True):
        assert sorted((after.scratch_bytes, after.stack_bytes)) == [0, before.scratch_bytes]


@pytest.mark.parametrize(
    ("family", "placements", "pairs", "excess"),
    [
        ("chain", 200_000, 600_000, 1.0),
        ("residual", 1_000, 5_000, 1.0),
        ("fan-out", 20_000, 4_000_000, 1.01),
        ("random", 50_000, 600_000, 1.01),
    ],
)
def test_work_for_500_operators_is_bounded(family: str, placements: int, pairs: int, excess: float) -> None:
    growth = measure(family, 500)
    assert growth.placements < placements
    assert growth.pairs < pairs
    assert growth.arena <= excess * growth.peak
