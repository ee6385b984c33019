"""Layers that run row by row: how high rings are, which layers roll, and the proof of their plans."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.micronets import micronet
from micronets_gen.model.graph import DType, Graph, Padding
from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.operators.rows import Window
from micronets_gen.plan.plan import Buffer, LayerCode, MemoryPlan
from micronets_gen.plan.schedule import RingHeights, Schedule, Stage, ring_heights
from micronets_gen.plan.verify import MemoryPlanError
from micronets_gen.plan.verify_rows import verify_rows
from micronets_gen.report.pictures import memory_picture
from micronets_gen.report.report import LayerInfo
from micronets_gen.runtimes.aot.planner import plan_layers
from tests.support.networks import Network, random_network

THREE = Window(padding=1, taps=3)


def planned(graph: Graph, optimize: str = "ram") -> tuple[list[LayerCode], MemoryPlan]:
    layers, memory = plan_layers(graph, "dsp", optimize)
    return [layer.code for layer in layers if layer.code], memory


def chain(*windows: Window, rows: int = 20) -> list[Stage]:
    return [Stage(i, rows, ((i, window),), (i + 1,)) for i, window in enumerate(windows)]


def found_fast(stages: list[Stage]) -> dict[int, int]:
    heights = RingHeights({stage.op: stage for stage in stages})
    return {t: heights.of(t, stages[-1].op) for stage in stages for t in stage.writes}


def test_a_ring_is_as_high_as_the_window_on_it() -> None:
    stages = chain(Window(), THREE, Window(taps=5, dilation=2), Window(stride=2, taps=2))
    assert ring_heights(stages, ()) == {1: 3, 2: 9, 3: 2, 4: 1}
    assert found_fast(stages) == ring_heights(stages, ())


def test_a_row_is_made_when_it_is_wanted_and_once() -> None:
    schedule = Schedule(chain(Window(), THREE, rows=3), ())
    assert [(stage.op, row) for stage, row in schedule.run()] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (0, 2),
        (1, 1),
        (1, 2),
    ]


def test_a_skip_waits_as_long_as_the_other_way_needs() -> None:
    ways = [
        Stage(0, 20, (), (1,)),
        Stage(1, 20, ((1, THREE),), (2,)),
        Stage(2, 20, ((2, THREE),), (3,)),
        Stage(3, 20, ((3, THREE),), (4,)),
        Stage(4, 20, ((1, Window()), (4, Window())), (5,)),
    ]
    # Each of three windows looks a row further down than the one behind it.
    assert ring_heights(ways, ()) == {1: 4, 2: 3, 3: 3, 4: 1, 5: 1}
    assert found_fast(ways) == ring_heights(ways, ())


def test_ways_that_meet_proceed_together() -> None:
    """None of them runs ahead, though all that it reads is there."""
    ways = [
        Stage(0, 20, ((0, THREE),), (1,)),
        Stage(1, 20, ((0, Window()),), (2,)),
        Stage(2, 20, ((1, Window()), (2, Window())), (3,)),
    ]
    assert ring_heights(ways, ()) == {1: 1, 2: 1, 3: 1}


def test_an_output_that_others_want_is_made_to_its_end() -> None:
    """A window without padding leaves the last rows out; who reads the tensor afterwards wants them all the same."""
    stages = [Stage(0, 7, (), (1,)), Stage(1, 3, ((1, Window(stride=2, taps=2)),), (2,))]
    assert len(list(Schedule(stages, ()).run())) == 6 + 3
    assert len(list(Schedule(stages, {1}).run())) == 7 + 3


def test_many_layers_are_cut_fast_and_as_they_are_played() -> None:
    """Residual blocks one after the other: each skip is played through alone."""
    ways = []
    for block in range(60):
        x, y = 3 * block + 1, 3 * block + 2
        ways += [
            Stage(3 * block, 20, ((x - 1, Window()),), (x,)),
            Stage(3 * block + 1, 20, ((x, THREE),), (y,)),
            Stage(3 * block + 2, 20, ((x, Window()), (y, Window())), (y + 1,)),
        ]
    heights = found_fast(ways)
    assert heights == ring_heights(ways, ())
    assert {heights[t] for t in range(1, 181, 3)} == {3}


def test_sums_are_the_end_of_a_chain() -> None:
    network = Network(1)
    x = network.input((1, 12, 6, 4))
    y = network.convolution(network.convolution(x, 8, (3, 3)), 16, (3, 3), name="second")
    graph = read_model_bytes(network.build([network.mean(y)]), "sums")
    _, memory = planned(graph)
    assert [(group.first, group.last) for group in memory.groups] == [(0, 2)]
    assert {b.name: (b.rows, b.size) for b in memory.buffers if b.rows or b.name.endswith("sums")} == {
        "conv": (3, 3 * 6 * 8),
        "second": (1, 6 * 16),
        "mean sums": (0, 2 * 16),
    }


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("micronet_kws_s", 12 << 10),
        ("micronet_kws_m", 17_600),
        ("micronet_kws_l", 43_020),
        ("micronet_ad_s", 41_570),
        ("micronet_ad_m", 82_980),
        ("micronet_ad_l", 89_610),
    ],
)
def test_published_networks_roll(name: str, most: int) -> None:
    _, memory = planned(read_model_bytes(micronet(name), name))
    assert memory.size <= most


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16], ids=lambda dtype: dtype.value)
def test_random_networks_never_take_more_and_often_less(dtype: DType) -> None:
    """Each plan is proved as it is made; most kinds of layers roll somewhere."""
    kinds: Counter[str] = Counter()
    smaller = 0
    for seed in range(100):
        sample = random_network(seed, dtype)
        graph = read_model_bytes(sample.model, sample.name)
        _, memory = planned(graph)
        whole = planned(graph, "speed")[1].size
        assert memory.size <= whole
        smaller += memory.size < whole
        kinds.update(graph.operators[i].kind for g in memory.groups for i in range(g.first, g.last + 1))
    assert smaller >= 30
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MUL", "CONCATENATION", "MAX_POOL_2D", "MEAN"} <= set(
        kinds
    ), kinds


# --- the proof finds what is wrong -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rolled() -> tuple[Graph, list[LayerCode], MemoryPlan]:
    network = Network(3)
    x = network.convolution(network.input((1, 16, 8, 4)), 8, (3, 3), name="stem")
    y = network.depthwise(network.convolution(x, 8, (3, 3), name="way"))
    z = network.pool("MAX_POOL_2D", network.binary("ADD", x, y), (2, 2), (2, 2), Padding.SAME)
    graph = read_model_bytes(network.build([network.mean(z)]), "rolled")
    codes, memory = planned(graph)
    assert [(group.first, group.last) for group in memory.groups] == [(0, 5)]
    return graph, codes, memory


def changed(memory: MemoryPlan, name: str, **fields: int) -> MemoryPlan:
    assert any(b.name == name for b in memory.buffers), [b.name for b in memory.buffers]
    buffers = tuple(replace(b, **fields) if b.name == name else b for b in memory.buffers)
    return replace(memory, buffers=buffers, size=memory.size + 4096)


def named(memory: MemoryPlan, name: str) -> Buffer:
    return next(b for b in memory.buffers if b.name == name)


def test_every_ring_is_as_small_as_can_be(rolled: tuple[Graph, list[LayerCode], MemoryPlan]) -> None:
    graph, codes, memory = rolled
    verify_rows(memory, graph, codes)
    rings = [b for b in memory.buffers if b.rows > 1]
    assert len(rings) >= 3
    for ring in rings:
        with pytest.raises(MemoryPlanError, match="is not there when"):
            verify_rows(changed(memory, ring.name, rows=ring.rows - 1), graph, codes)


def test_rings_on_each_other_on_scratch_and_on_sums_are_found(
    rolled: tuple[Graph, list[LayerCode], MemoryPlan],
) -> None:
    graph, codes, memory = rolled
    shared = max(code.stack_bytes for code in codes)
    codes = [replace(code, scratch_bytes=code.stack_bytes, stack_bytes=0) for code in codes]
    (group,) = memory.groups
    scratch = Buffer((), f"{group.name} scratch", memory.size, shared, group.first, group.last)
    memory = replace(memory, buffers=(*memory.buffers, scratch), size=memory.size + shared)
    verify_rows(memory, graph, codes)
    for name, other in (
        ("stem", "way"),
        ("way", scratch.name),
        ("stem", "mean sums"),
        ("mean sums", scratch.name),
    ):
        with pytest.raises(MemoryPlanError, match="is not there when"):
            verify_rows(changed(memory, name, offset=named(memory, other).offset), graph, codes)


def test_a_group_that_ends_early_is_found(rolled: tuple[Graph, list[LayerCode], MemoryPlan]) -> None:
    graph, codes, memory = rolled
    (group,) = memory.groups
    with pytest.raises(MemoryPlanError):
        verify_rows(replace(memory, groups=(replace(group, last=group.last - 1),)), graph, codes)


def test_the_picture_of_memory_shows_rings(rolled: tuple[Graph, list[LayerCode], MemoryPlan]) -> None:
    graph, _, memory = rolled
    layers = tuple(LayerInfo(op.index, op.name, op.kind, (), (), 0) for op in graph.operators)
    picture = memory_picture(memory, layers)
    assert picture.has_rings
    assert [box.title for box in picture.boxes if box.style == "ring" and box.title.startswith("stem")] == [
        f"stem, ring of 3 rows: {3 * 8 * 8} bytes at {named(memory, 'stem').offset:,}; stem – mean"
    ]
    assert "1 group of layers run row by row" in picture.caption
    whole = memory_picture(planned(graph, "speed")[1], layers)
    assert not whole.has_rings
    assert "row by row" not in whole.caption
