"""The arena planner: lifetimes, views, in-place results, offsets, and the proof of a plan."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from micronets_gen.model.graph import DType, Graph, NoOptions, Operator, Tensor
from micronets_gen.plan.memory import plan_memory, timeline
from micronets_gen.plan.plan import LayerCode, MemoryPlan
from micronets_gen.plan.verify import MemoryPlanError, verify


class Net:
    """Builds a graph of labels: tensors with sizes, operators with what their kernels allow."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self.layers: list[LayerCode] = []

    def tensor(self, size: int, dtype: DType = DType.INT8, *, constant: bool = False) -> int:
        data = np.zeros(size, dtype=dtype.value) if constant else None
        index = len(self.tensors)
        self.tensors.append(Tensor(index, f"t{index}", (size,), dtype, data=data))
        return index

    def op(
        self,
        inputs: tuple[int, ...],
        *sizes: int,
        over: tuple[tuple[int, int], ...] = (),
        alias: bool = False,
        scratch: int = 0,
        dtype: DType = DType.INT8,
    ) -> int:
        outputs = tuple(self.tensor(size, dtype) for size in sizes)
        index = len(self.operators)
        self.operators.append(Operator(index, "LABEL", 1, inputs, outputs, NoOptions(), f"op{index}"))
        self.layers.append(LayerCode((), (), may_overwrite=over, alias=alias, scratch_bytes=scratch))
        return outputs[0]

    def graph(self, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Graph:
        return Graph("net", tuple(self.tensors), tuple(self.operators), inputs, outputs)

    def plan(self, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> MemoryPlan:
        return plan_memory(self.graph(inputs, outputs), self.layers)


def test_chain_needs_the_two_largest_neighbours() -> None:
    net = Net()
    x = net.tensor(100)
    a = net.op((x,), 400)
    b = net.op((a,), 200)
    y = net.op((b,), 40)
    plan = net.plan((x,), (y,))
    assert (plan.size, plan.peak) == (600, 600)
    assert timeline(plan, 3) == (100, 500, 600, 240, 40)


def test_result_takes_the_bytes_of_an_operand_that_dies() -> None:
    net = Net()
    x = net.tensor(64)
    a = net.op((x,), 64)
    y = net.op((a, x), 64, over=((0, 0), (1, 0)))
    plan = net.plan((x,), (y,))
    assert plan.size == plan.peak == 128
    assert plan.offset_of(y) in {plan.offset_of(a), plan.offset_of(x)}


def test_no_overwriting_of_what_is_read_later() -> None:
    net = Net()
    x = net.tensor(64)
    a = net.op((x,), 64, over=((0, 0),))
    y = net.op((a, x), 64)
    plan = net.plan((x,), (y,))
    assert plan.offset_of(a) != plan.offset_of(x)
    assert plan.peak == 192


def test_no_overwriting_through_a_view_that_lives_on() -> None:
    net = Net()
    x = net.tensor(64)
    v = net.op((x,), 64, alias=True)
    a = net.op((x,), 64, over=((0, 0),))
    y = net.op((a, v), 8)
    plan = net.plan((x,), (y,))
    assert plan.offset_of(v) == plan.offset_of(x) != plan.offset_of(a)


def test_tensor_read_twice_is_overwritten_only_if_both_operands_allow_it() -> None:
    for over, peak in ((((0, 0),), 128), (((0, 0), (1, 0)), 64)):
        net = Net()
        x = net.tensor(64)
        y = net.op((x, x), 64, over=over)
        assert net.plan((x,), (y,)).peak == peak


def test_an_operand_is_taken_by_one_output_only() -> None:
    net = Net()
    x = net.tensor(64)
    net.op((x,), 64, 64, over=((0, 0), (0, 1)))
    plan = net.plan((x,), (1, 2))
    assert plan.size == plan.peak == 128


def test_larger_saving_is_chosen() -> None:
    net = Net()
    x, w = net.tensor(16), net.tensor(160)
    y = net.op((x, w), 160, over=((0, 0), (1, 0)))
    plan = net.plan((x, w), (y,))
    assert plan.size == plan.peak == 176
    assert plan.offset_of(y) == plan.offset_of(w)


def test_shrinking_in_place_frees_the_rest() -> None:
    net = Net()
    x = net.tensor(100)
    a = net.op((x,), 20, over=((0, 0),))
    b = net.op((a,), 60)
    y = net.op((a, b), 4)
    plan = net.plan((x,), (y,))
    assert plan.offset_of(a) == plan.offset_of(x) == 0
    assert plan.size == plan.peak == 100
    assert timeline(plan, 3) == (100, 100, 80, 84, 4)


def test_growing_in_place_does_not_enlarge_earlier_moments() -> None:
    net = Net()
    x = net.tensor(20)
    a = net.op((x,), 20, scratch=80)
    y = net.op((a,), 100, over=((0, 0),))
    plan = net.plan((x,), (y,))
    assert plan.offset_of(y) == plan.offset_of(a)
    assert plan.size == plan.peak == 120


def test_input_that_is_an_output_lives_throughout() -> None:
    net = Net()
    x = net.tensor(32)
    a = net.op((x,), 32, over=((0, 0),))
    plan = net.plan((x,), (x, a))
    (buffer,) = (b for b in plan.buffers if x in b.tensors)
    assert (buffer.first, buffer.last) == (-1, 1)
    assert plan.size == 64


def test_unused_results_and_inputs_have_bytes_while_they_are_written() -> None:
    net = Net()
    x, unused = net.tensor(8), net.tensor(100)
    net.op((x,), 8, 200)
    plan = net.plan((x, unused), (2,))
    assert timeline(plan, 1) == (108, 216, 8)
    assert plan.size == 216


def test_constants_and_views_of_constants_have_no_place() -> None:
    net = Net()
    x, w = net.tensor(8), net.tensor(1000, constant=True)
    v = net.op((w,), 1000, alias=True)
    y = net.op((x, v), 8)
    plan = net.plan((x,), (y,))
    assert plan.size == 16
    for tensor in (w, v):
        with pytest.raises(KeyError):
            plan.offset_of(tensor)


def test_omitted_operands_are_ignored() -> None:
    net = Net()
    x = net.tensor(8)
    y = net.op((x, -1), 8)
    assert net.plan((x,), (y,)).size == 16


def test_offsets_are_aligned_and_the_last_buffer_is_not_rounded_up() -> None:
    net = Net()
    x = net.tensor(7)
    y = net.op((x,), 5)
    plan = net.plan((x,), (y,))
    assert plan.peak == 12
    assert plan.size == 13
    assert sorted(b.offset for b in plan.buffers) == [0, 8]


def test_eight_byte_elements_are_aligned_to_eight() -> None:
    net = Net()
    x, w = net.tensor(4), net.tensor(2, DType.INT64)
    y = net.op((x, w), 3, dtype=DType.INT64)
    plan = net.plan((x, w), (y,))
    assert plan.offset_of(w) % 8 == plan.offset_of(y) % 8 == 0


def test_names_are_those_of_the_layers() -> None:
    net = Net()
    x = net.tensor(8)
    y = net.op((x,), 8, scratch=4)
    assert {b.name for b in net.plan((x,), (y,)).buffers} == {"t0", "op0", "op0 scratch"}


# --- random networks -----------------------------------------------------------------------------------


def random_net(rng: random.Random, operators: int, *, sizes: int = 4096) -> tuple[Graph, list[LayerCode]]:
    """Any graph: several inputs and outputs, views, in-place kernels, scratch, constants, unused tensors."""
    net = Net()
    inputs = tuple(net.tensor(rng.randint(1, sizes)) for _ in range(rng.randint(1, 3)))
    pool = list(inputs)
    for _ in range(operators):
        recent = pool[-rng.choice((1, 2, 4, 8)) :]
        chosen = tuple(rng.choice(recent) for _ in range(rng.choice((1, 1, 1, 2, 2, 3))))
        if rng.random() < 0.3:
            chosen = (*chosen, net.tensor(16, constant=True))
        size = rng.choice((rng.randint(1, sizes), net.tensors[chosen[0]].nbytes))
        if rng.random() < 0.15 and not net.tensors[chosen[0]].is_constant:
            net.op(chosen, net.tensors[chosen[0]].nbytes, alias=True)
        else:
            extra = tuple(rng.randint(1, sizes) for _ in range(rng.choice((0, 0, 0, 0, 1, 2))))
            pairs = tuple(
                (p, o) for p in range(len(chosen)) for o in range(1 + len(extra)) if rng.random() < 0.4
            )
            net.op(chosen, size, *extra, over=pairs, scratch=rng.choice((0, 0, 0, rng.randint(1, sizes))))
        pool.extend(net.operators[-1].outputs)
    outputs = (pool[-1], *rng.sample(pool, rng.choice((0, 0, 1, 2))))
    return net.graph(inputs, outputs), net.layers


def usual_net(rng: random.Random) -> tuple[Graph, list[LayerCode]]:
    """What people deploy: convolutions, residual blocks, branches that are concatenated, pooling, a head."""
    net = Net()
    side, channels = rng.choice((32, 48, 96)), rng.choice((4, 8, 16))
    inputs = (net.tensor(side * side * rng.choice((1, 3))),)
    x = net.op(inputs, side * side * channels)
    both = ((0, 0), (1, 0))
    for _ in range(rng.randint(2, 8)):
        block = rng.choice(("conv", "residual", "bottleneck", "inception", "pool"))
        area = side * side
        if block == "conv":
            channels = rng.choice((channels, channels * 2))
            x = net.op((x,), area * channels, scratch=rng.choice((0, 4 * channels)))
        elif block == "residual":
            a = net.op((x,), area * channels)
            a = net.op((a,), area * channels)
            x = net.op((a, x), area * channels, over=both)
        elif block == "bottleneck":
            a = net.op((x,), area * channels * 4)
            a = net.op((a,), area * channels * 4)
            a = net.op((a,), area * channels)
            x = net.op((a, x), area * channels, over=both)
        elif block == "inception":
            branches = []
            for _ in range(rng.randint(2, 4)):
                a = x
                for _ in range(rng.randint(1, 3)):
                    a = net.op((a,), area * channels, over=rng.choice(((), ((0, 0),))))
                branches.append(a)
            channels *= len(branches)
            x = net.op(tuple(branches), area * channels)
            channels = rng.choice((8, 16))
            x = net.op((x,), area * channels)
        elif side > 6:
            side //= 2
            x = net.op((x,), side * side * channels)
    x = net.op((x,), channels)
    x = net.op((x,), channels, alias=True)
    x = net.op((x,), 10)
    x = net.op((x,), 10)
    return net.graph(inputs, (x,)), net.layers


def test_usual_networks_need_no_more_than_their_peak() -> None:
    rng = random.Random(2)
    for _ in range(150):
        graph, layers = usual_net(rng)
        plan = plan_memory(graph, layers)
        assert plan.size == plan.peak


def test_random_networks_stay_close_to_their_peak() -> None:
    rng = random.Random(3)
    ratios = []
    for _ in range(150):
        graph, layers = random_net(rng, rng.randint(1, 40))
        plan = plan_memory(graph, layers)
        ratios.append(plan.size / plan.peak)
    assert sum(r <= 1.01 for r in ratios) >= 0.95 * len(ratios)
    assert max(ratios) < 1.15


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), operators=st.integers(1, 25), sizes=st.sampled_from((1, 9, 64, 4096)))
def test_any_plan_is_proved_and_repeatable(seed: int, operators: int, sizes: int) -> None:
    graph, layers = random_net(random.Random(seed), operators, sizes=sizes)
    plan = plan_memory(graph, layers)
    verify(plan, graph, layers)
    assert plan == plan_memory(graph, layers)
    assert max(timeline(plan, operators)) == plan.peak <= plan.size


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_working_in_place_never_costs_bytes(seed: int) -> None:
    graph, layers = random_net(random.Random(seed), 12)
    apart = [replace(layer, may_overwrite=()) for layer in layers]
    assert plan_memory(graph, layers).peak <= plan_memory(graph, apart).peak


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_order_of_first_fit_beats_the_search(seed: int) -> None:
    rng = random.Random(seed)
    net = Net()
    tensors = [net.tensor(4 * rng.randint(1, 64)) for _ in range(2)]
    for _ in range(5):
        tensors.append(net.op((rng.choice(tensors[-3:]), rng.choice(tensors)), 4 * rng.randint(1, 64)))
    graph = net.graph(tuple(tensors[:2]), (tensors[-1],))
    plan = plan_memory(graph, net.layers)
    assert plan.size == best_of_all_orders(plan)


def best_of_all_orders(plan: MemoryPlan) -> int:
    """The optimum for buffers that are independent of each other, by trying every order."""
    best = 1 << 30
    for order in permutations(plan.buffers):
        placed: list[tuple[int, int, int, int]] = []
        top = 0
        for b in order:
            offset = 0
            for low, high, first, last in sorted(placed):
                if first <= b.last and b.first <= last and offset + b.size > low and offset < high:
                    offset = high
            placed.append((offset, offset + b.size, b.first, b.last))
            top = max(top, offset + b.size)
            if top >= best:
                break
        best = min(best, top)
    return best


# --- the proof notices what is wrong --------------------------------------------------------------------


def planned() -> tuple[Graph, list[LayerCode], MemoryPlan]:
    net = Net()
    x = net.tensor(64)
    a = net.op((x,), 64, scratch=32)
    b = net.op((a, x), 64)
    y = net.op((b,), 64, alias=True)
    graph = net.graph((x,), (y,))
    return graph, net.layers, plan_memory(graph, net.layers)


def with_buffer(plan: MemoryPlan, tensor: int | None, **changes: int) -> MemoryPlan:
    """The plan with one buffer changed: that of ``tensor``, or the scratch buffer."""
    return replace(
        plan,
        buffers=tuple(
            replace(b, **changes) if (tensor in b.tensors if tensor is not None else not b.tensors) else b
            for b in plan.buffers
        ),
    )


def test_proof_accepts_the_planner_s_plan() -> None:
    graph, layers, plan = planned()
    verify(plan, graph, layers)
    assert plan.size == 192


@pytest.mark.parametrize("tensor", [0, 1, 2, None])
def test_proof_finds_a_buffer_moved_onto_another(tensor: int | None) -> None:
    graph, layers, plan = planned()
    (mine,) = (b for b in plan.buffers if (tensor in b.tensors if tensor is not None else not b.tensors))
    others = [b for b in plan.buffers if b != mine and b.first <= mine.last and mine.first <= b.last]
    assert others
    for other in others:
        with pytest.raises(MemoryPlanError, match="share"):
            verify(with_buffer(plan, tensor, offset=other.offset), graph, layers)


def test_proof_finds_tensors_that_overwrite_each_other_though_their_buffers_do_not_overlap() -> None:
    graph, layers, plan = planned()
    short = with_buffer(with_buffer(plan, 0, last=0), 2, offset=plan.offset_of(0))
    live = max(timeline(short, 3))
    with pytest.raises(MemoryPlanError, match=r"no buffer|overwrit"):
        verify(replace(short, peak=live), graph, layers)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 60}, "larger than its buffer"),
        ({"offset": 130}, "outside|misaligned"),
        ({"first": 3, "last": 1}, "ends before it begins"),
        ({"last": 0}, "no buffer"),
    ],
)
def test_proof_names_the_defect(changes: dict[str, int], message: str) -> None:
    graph, layers, plan = planned()
    broken = with_buffer(plan, 1, **changes)
    with pytest.raises(MemoryPlanError, match=message):
        verify(replace(broken, peak=max(timeline(broken, 3))), graph, layers)


def test_proof_rejects_sharing_that_the_kernel_does_not_allow() -> None:
    net = Net()
    x = net.tensor(64)
    y = net.op((x,), 64, over=((0, 0),))
    graph = net.graph((x,), (y,))
    plan = plan_memory(graph, net.layers)
    with pytest.raises(MemoryPlanError, match="may not overwrite"):
        verify(plan, graph, [replace(net.layers[0], may_overwrite=())])


def test_proof_rejects_a_wrong_peak() -> None:
    graph, layers, plan = planned()
    with pytest.raises(MemoryPlanError, match="the peak is 192 bytes, not 100"):
        verify(replace(plan, peak=100), graph, layers)


def test_proof_finds_a_tensor_without_a_place() -> None:
    graph, layers, plan = planned()
    for tensor in (0, 1, 2):
        rest = tuple(b for b in plan.buffers if tensor not in b.tensors)
        without = replace(plan, buffers=rest)
        with pytest.raises(MemoryPlanError, match=f"tensor {tensor} has no place in the arena"):
            verify(replace(without, peak=max(timeline(without, 3))), graph, layers)
