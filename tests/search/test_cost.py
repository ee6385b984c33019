"""Expected costs are the costs of the exported file wherever every decision is certain, and differentiable."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest

from micronets_gen.search.space.architecture import lower
from micronets_gen.search.space.backbone import Choice, Space, load_backbone
from micronets_gen.search.space.cost import Decisions, ExpectedCost, cost_of, work
from micronets_gen.search.space.export import placeholder, write_tflite
from tests.support.regression import INVENTED

pytestmark = pytest.mark.needs("tensorflow")
tf = pytest.importorskip("tensorflow")

SPACES = {
    "digits": Space(load_backbone("digits"), (8, 8, 1), 10),
    "kws": Space(load_backbone("kws"), (49, 10, 1), 12),
    "kws-small": Space(load_backbone("kws-small"), (49, 10, 1), 12),
    "kws-strided": Space(load_backbone("kws-strided"), (49, 10, 1), 12),
    "ad": Space(load_backbone("ad"), (32, 32, 1), 4),
    "vww": Space(load_backbone("vww"), (50, 50, 1), 2),
}


def certain(space: Space, choice: Choice) -> Decisions:
    return Decisions(
        {
            key: tf.one_hot(options.index(choice.widths[key]), len(options), dtype=tf.float64)
            for key, options in space.widths.items()
        },
        {block: tf.constant(float(kept), tf.float64) for block, kept in choice.kept.items()},
    )


def drawn(space: Space, seed: int) -> Choice:
    rng = random.Random(seed)
    widths = {key: rng.choice(options) for key, options in space.widths.items()}
    return Choice(widths, {block: rng.random() < 0.5 for block in space.skips})


def around(space: Space, base: Choice) -> Iterator[Choice]:
    """Yield every choice of every decision, the others as in ``base``."""
    for key, options in space.widths.items():
        for option in options:
            yield Choice({**base.widths, key: option}, base.kept)
    for block in space.skips:
        for kept in (False, True):
            yield Choice(base.widths, {**base.kept, block: kept})


def compiled(space: Space) -> Callable[[Decisions], dict[str, Any]]:
    expected = ExpectedCost(space, INVENTED)
    function = tf.function(lambda widths, kept: expected(Decisions(widths, kept)))
    return lambda decisions: function(dict(decisions.widths), dict(decisions.kept))


def assert_exact(expected: Callable[[Decisions], dict[str, Any]], space: Space, choice: Choice) -> None:
    figures = {name: float(value) for name, value in expected(certain(space, choice)).items()}
    architecture = space.architecture(choice)
    cycles = INVENTED.model([work(layer) for layer in lower(architecture)])
    assert figures.pop("cycles") == pytest.approx(cycles, rel=1e-12)
    cost = asdict(cost_of(architecture, INVENTED))
    assert cost.pop("cycles") == round(cycles or 0)
    assert figures == cost


@pytest.mark.parametrize("name", SPACES)
def test_exact_at_every_choice_of_every_decision(name: str) -> None:
    """`cost_of` in turn is compared with exported files in test_export and below."""
    space = SPACES[name]
    expected = compiled(space)
    assert_exact(expected, space, space.full())
    assert_exact(expected, space, space.smallest())
    for choice in around(space, drawn(space, 1)):
        assert_exact(expected, space, choice)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("seed", range(5))
def test_exact_against_the_exported_file(name: str, seed: int) -> None:
    from micronets_gen.boards.load import load_board
    from micronets_gen.jobs.estimate import works_of
    from micronets_gen.operators.reading import read_model_bytes
    from micronets_gen.report.inspect import inspect_model
    from micronets_gen.runtimes.choose import choose_runtime

    space = SPACES[name]
    choice = drawn(space, seed)
    file = write_tflite(placeholder(space.architecture(choice)))
    graph = read_model_bytes(file, "model")
    summary = inspect_model(graph)
    costs = ExpectedCost(space, INVENTED)(certain(space, choice))
    figures = {key: float(value) for key, value in costs.items()}
    plan = choose_runtime("aot").runtime.as_given().plan(graph, load_board("nucleo_f446re"), "model")
    assert figures.pop("cycles") == pytest.approx(INVENTED.model(works_of(plan)), rel=1e-12)
    assert figures == {
        "parameters": summary.parameters,
        "model_bytes": len(file),
        "working_memory": summary.peak_live_bytes,
        "ops": 2 * summary.macs,
    }


def test_gradients_are_those_of_finite_differences() -> None:
    space = SPACES["digits"]
    expected = ExpectedCost(space, INVENTED)
    logits = {key: tf.Variable(tf.random.stateless_normal([len(o)], [1, i], dtype=tf.float64))
              for i, (key, o) in enumerate(space.widths.items())}  # fmt: skip
    keeps = {block: tf.Variable(0.3 * block - 1.0, dtype=tf.float64) for block in space.skips}

    def costs() -> dict[str, object]:
        return expected(
            Decisions(
                {key: tf.nn.softmax(v) for key, v in logits.items()},
                {block: tf.sigmoid(v) for block, v in keeps.items()},
            )
        )

    variables = [*logits.values(), *keeps.values()]
    for name in ("parameters", "model_bytes", "working_memory", "ops", "cycles"):
        with tf.GradientTape() as tape:
            value = costs()[name]
        gradients = tape.gradient(value, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        for variable, gradient in zip(variables, gradients, strict=True):
            step = tf.reshape(tf.one_hot(0, tf.size(variable), dtype=tf.float64), variable.shape) * 1e-4
            variable.assign_add(step)
            above = float(costs()[name])
            variable.assign_sub(2 * step)
            below = float(costs()[name])
            variable.assign_add(step)
            assert float(tf.reshape(gradient, [-1])[0]) == pytest.approx(
                (above - below) / 2e-4, rel=1e-4, abs=1e-3
            )


def test_there_are_no_cycles_where_a_layer_is_not_known() -> None:
    space = SPACES["digits"]
    decisions = certain(space, space.full())
    assert "cycles" not in ExpectedCost(space)(decisions)
    for kind in ("AVERAGE_POOL_2D", "CONV_2D_1X1"):
        weights = {name: w for name, w in INVENTED.weights.items() if name != kind}
        lacking = replace(INVENTED, weights=weights)
        assert "cycles" not in ExpectedCost(space, lacking)(decisions)
        assert cost_of(space.largest, lacking).cycles is None
