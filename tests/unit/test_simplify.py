"""What is left out of a model, and that its outputs stay the same bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from micronets_gen.model.graph import Activation, Array, DType, Graph, Padding
from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.plan.reference import evaluate
from micronets_gen.simplify.result import Simplified
from micronets_gen.simplify.simplify import simplify
from tests.support.networks import Flow, Network, random_network

DEAD = (0, 3, 4, 7, 9, 12, 13, 14)


def same_outputs(graph: Graph, simplified: Simplified, draws: int = 4) -> None:
    """Compare the outputs of random inputs, and of ones at either end of the range."""
    rng = np.random.default_rng(0)
    for draw in range(draws):
        values = [_drawn(rng, graph, t, draw) for t in graph.inputs]
        for wanted, got in zip(evaluate(graph, values), evaluate(simplified.graph, values), strict=True):
            np.testing.assert_array_equal(got, wanted)


def _drawn(rng: np.random.Generator, graph: Graph, t: int, draw: int) -> Array:
    tensor = graph.tensor(t)
    low, high = tensor.dtype.limits
    if draw < 2:
        return np.full(tensor.shape, (low, high)[draw], dtype=tensor.dtype.value)
    return rng.integers(low, high + 1, tensor.shape).astype(tensor.dtype.value)


def zeroed(graph: Graph, name: str, channels: tuple[int, ...], bias: int = 0) -> Graph:
    """Return the graph with filters of an operator set to zero, their biases to ``bias``."""
    op = next(op for op in graph.operators if op.name == name)
    tensors = list(graph.tensors)
    for position, value in ((1, 0), (2, bias)):
        tensor = graph.tensor(op.inputs[position])
        assert tensor.data is not None
        data = tensor.data.copy()
        axis = 3 if op.kind == "DEPTHWISE_CONV_2D" and position == 1 else 0
        np.moveaxis(data, axis, 0)[list(channels)] = value
        tensors[tensor.index] = replace(tensor, data=data)
    return replace(graph, tensors=tuple(tensors))


def chain(middle: Callable[[Network, Flow], Flow], last: tuple[int, int] = (1, 1)) -> Graph:
    """Return a convolution of 16 channels, something, and a convolution of 6."""
    n = Network(1)
    x = n.convolution(n.input((1, 7, 6, 3)), 16, (3, 3), name="first")
    n.convolution(middle(n, x), 6, last, name="last")
    return n.graph()


KEEPING_APART: dict[str, Callable[[Network, Flow], Flow]] = {
    "nothing": lambda _n, x: x,
    "depthwise": lambda n, x: n.depthwise(x, stride=(2, 2)),
    "maximum": lambda n, x: n.pool("MAX_POOL_2D", x, (2, 2), (2, 2)),
    "average": lambda n, x: n.pool("AVERAGE_POOL_2D", x, (3, 3), (1, 1), Padding.SAME),
    "mean": lambda n, x: n.mean(x, keep=True),
    "border": lambda n, x: n.depthwise(n.pad(x, 1, 1), padding=Padding.VALID),
    "sigmoid": lambda n, x: n.activation("LOGISTIC", x),
}


@pytest.mark.parametrize("middle", KEEPING_APART)
def test_constant_channels_go_from_every_layer_that_keeps_channels_apart(middle: str) -> None:
    graph = zeroed(chain(KEEPING_APART[middle]), "first", DEAD, bias=-(2**29))
    simplified = simplify(graph)
    same_outputs(graph, simplified)
    first, *between, last = simplified.graph.operators
    assert simplified.graph.tensor(first.outputs[0]).shape[-1] == 8
    assert all(simplified.graph.tensor(op.outputs[0]).shape[-1] == 8 for op in between)
    assert simplified.graph.tensor(last.outputs[0]).shape[-1] == 6
    assert any("8 of its 16 channels" in change.what for change in simplified.savings.changes)
    assert simplified.savings.after.macs < simplified.savings.before.macs
    assert simplified.savings.after.weight_bytes < simplified.savings.before.weight_bytes


def test_a_constant_goes_to_the_bias_where_no_window_leaves_the_input() -> None:
    graph = zeroed(chain(KEEPING_APART["nothing"]), "first", DEAD, bias=9000)
    simplified = simplify(graph)
    same_outputs(graph, simplified)
    assert simplified.savings.after.macs < simplified.savings.before.macs


def test_a_constant_that_is_not_zero_stays_where_windows_see_padding() -> None:
    graph = zeroed(chain(KEEPING_APART["nothing"], last=(3, 3)), "first", DEAD, bias=9000)
    simplified = simplify(graph)
    same_outputs(graph, simplified)
    assert simplified.savings.changes == ()


def test_channels_that_nothing_weighs_go() -> None:
    graph = chain(KEEPING_APART["depthwise"])
    last = graph.operators[-1]
    weights = graph.tensor(last.inputs[1])
    assert weights.data is not None
    data = weights.data.copy()
    data[..., list(DEAD)] = 0
    graph = replace(graph, tensors=tuple(replace(t, data=data) if t is weights else t for t in graph.tensors))
    simplified = simplify(graph)
    same_outputs(graph, simplified)
    assert simplified.graph.tensor(simplified.graph.operators[0].outputs[0]).shape[-1] == 8


def test_what_is_added_must_be_constant_on_both_sides() -> None:
    n = Network(2)
    x = n.convolution(n.input((1, 5, 5, 2)), 16, (3, 3), name="first")
    y = n.convolution(x, 16, (3, 3), activation=Activation.RELU, name="second")
    n.convolution(n.binary("ADD", x, y), 4, name="last")
    low = -(2**29)
    one = zeroed(n.graph(), "first", DEAD, low)
    assert simplify(one).savings.changes == ()
    both = zeroed(one, "second", DEAD, low)
    simplified = simplify(both)
    same_outputs(both, simplified)
    # The sum of two zeros is 0 in its own scale, which the next layer sees as no padding.
    assert simplified.graph.tensor(simplified.graph.operators[0].outputs[0]).shape[-1] == 8


def test_what_ends_in_the_output_or_in_an_operator_that_mixes_channels_stays() -> None:
    n = Network(3)
    x = n.convolution(n.input((1, 4, 4, 2)), 8, name="first")
    n.transpose(x, (0, 3, 1, 2))
    graph = zeroed(n.graph(), "first", (1, 2, 3, 4), -(2**29))
    assert simplify(graph).savings.changes == ()


@pytest.mark.parametrize("shape", [(), (6,), (1, 3, 2), (2, 3)])
def test_a_matrix_whose_output_has_another_shape_is_left_alone(shape: tuple[int, ...]) -> None:
    n = Network(8)
    units = int(np.prod(shape))
    x = n.dense(n.input((1, 10)), units, Activation.RELU, name="first")
    n.dense(n.reshape(x, (1, units)) if shape == () else x, 4, name="last")
    graph = zeroed(n.graph(), "first", tuple(range(units // 2)), bias=-(2**29))
    first = graph.operators[0].outputs[0]
    tensors = tuple(replace(t, shape=shape) if t.index == first else t for t in graph.tensors)
    shaped = replace(graph, tensors=tensors)
    simplified = simplify(shaped)
    same_outputs(shaped, simplified)
    if shape != (6,):
        assert simplified.savings.changes == ()


def test_a_channel_stays_where_all_are_constant() -> None:
    graph = zeroed(chain(KEEPING_APART["nothing"]), "first", tuple(range(16)), -(2**29))
    simplified = simplify(graph)
    same_outputs(graph, simplified)
    assert simplified.graph.tensor(simplified.graph.operators[0].outputs[0]).shape[-1] == 4


@pytest.mark.parametrize("kernel", [(3, 3), (4, 2)])
@pytest.mark.parametrize("padding", list(Padding))
@pytest.mark.parametrize("depthwise", [False, True])
def test_a_border_folds_into_the_convolution_that_sees_it(
    kernel: tuple[int, int], padding: Padding, depthwise: bool
) -> None:
    n = Network(4)
    x = n.pad(n.input((1, 9, 8, 4)), 1, 1)
    if depthwise:
        n.depthwise(x, kernel, (2, 2), padding=padding)
    else:
        n.convolution(x, 5, kernel, (2, 2), padding=padding)
    graph = n.graph()
    simplified = simplify(graph)
    same_outputs(graph, simplified)
    folds = padding is Padding.VALID or kernel == (3, 3)
    assert (len(simplified.graph.operators) == 1) == folds or padding is Padding.SAME


def test_a_border_wider_than_the_filter_stays() -> None:
    n = Network(5)
    n.convolution(n.pad(n.input((1, 5, 5, 2)), 3, 3), 4, (3, 3), padding=Padding.VALID)
    assert simplify(n.graph()).savings.changes == ()


def test_a_model_without_dead_weight_is_as_it_was() -> None:
    sample = random_network(7)
    graph = read_model_bytes(sample.model, "random")
    n = Network(6)
    n.dense(n.mean(n.convolution(n.input((1, 6, 6, 3)), 8, (3, 3))), 4)
    plain = n.graph()
    simplified = simplify(plain)
    assert simplified.savings.changes == ()
    assert simplified.savings.before == simplified.savings.after
    assert [op.name for op in simplified.graph.operators] == [op.name for op in plain.operators]
    same_outputs(graph, simplify(graph))


@pytest.mark.parametrize("seed", range(60))
def test_random_networks_with_dead_filters_stay_equal(seed: int) -> None:
    sample = random_network(seed, DType.INT16 if seed % 5 == 4 else DType.INT8, dead=0.4)
    graph = read_model_bytes(sample.model, "random")
    same_outputs(graph, simplify(graph))


def test_enough_random_networks_lose_channels_for_the_test_to_mean_something() -> None:
    graphs = [read_model_bytes(random_network(seed, dead=0.4).model, "random") for seed in range(20)]
    assert sum(bool(simplify(graph).savings.changes) for graph in graphs) >= 5
