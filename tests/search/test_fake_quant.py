"""Fake quantisation: the values of TensorFlow's own, true gradients, and nothing that a GPU cannot repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from micronets_gen.search.space.architecture import Architecture, lower
from micronets_gen.search.space.backbone import Backbone, Element, Space
from micronets_gen.search.space.blocks import Conv, Inverted, Pool, Separable

tf = pytest.importorskip("tensorflow")

ARCHITECTURE = Architecture(
    "all",
    (8, 8, 1),
    10,
    (
        Conv(8),
        Separable(8, stride=(2, 2)),
        Inverted(8, 12),
        Inverted(8, 12, stride=(2, 2)),
        Pool((2, 2), "max"),
        Pool(),
    ),
)
SPACE = Space(
    Backbone(
        "all",
        "every kind of block",
        tuple(
            Element(block, skip=index in {1, 2, 3} and not isinstance(block, Pool))
            for index, block in enumerate(ARCHITECTURE.blocks)
        ),
    ),
    ARCHITECTURE.input_shape,
    ARCHITECTURE.classes,
).validate()

REFUSED = frozenset(
    {
        "AdjustContrast",
        "AdjustContrastv2",
        "Bincount",
        "CropAndResizeGradBoxes",
        "CropAndResizeGradImage",
        "DebugNumericSummaryV2",
        "DenseBincount",
        "Dilation2DBackpropFilter",
        "Dilation2DBackpropInput",
        "FakeQuantWithMinMaxVarsGradient",
        "FakeQuantWithMinMaxVarsPerChannelGradient",
        "MaxPoolGradWithArgmax",
        "RaggedBincount",
        "ResizeNearestNeighborGrad",
        "ScatterAdd",
        "ScatterSub",
        "ScatterUpdate",
        "SegmentMean",
        "SegmentProd",
        "SegmentSum",
        "SoftmaxCrossEntropyWithLogits",
        "SparseSoftmaxCrossEntropyWithLogits",
        "SparseTensorDenseMatMul",
        "Svd",
        "Timestamp",
        "UnsortedSegmentProd",
        "UnsortedSegmentSum",
    }
)
"""Operations that raise on a GPU where determinism is required, in TensorFlow 2.21.

From where tensorflow/core/kernels asks OpDeterminismRequired() and returns Unimplemented, as the documentation of
tf.config.experimental.enable_op_determinism says that it does. Two more depend on their attributes:
FusedBatchNormGradV3 with is_training=False, and DepthwiseConv2dNativeBackpropFilter with cuDNN before 7.6.3.
"""


def refused(function: Any) -> set[str]:
    """Return what of a traced function, and of those that it calls, would raise."""
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]
    assert any(node.op == "Conv2DBackpropFilter" for node in nodes), "no gradient is in it"
    found = {node.op for node in nodes} & REFUSED
    batch_norms = [node for node in nodes if node.op.startswith("FusedBatchNormGrad")]
    assert batch_norms
    return found | {node.op for node in batch_norms if not node.attr["is_training"].b}


@pytest.fixture
def deterministic() -> Iterator[None]:
    """As every run has it: some functions of TensorFlow are other operations then."""
    before = (
        tf.config.experimental.is_op_determinism_enabled()
        if hasattr(tf.config.experimental, "is_op_determinism_enabled")
        else False
    )
    tf.config.experimental.enable_op_determinism()
    yield
    if not before:
        from tensorflow.python.framework.config import disable_op_determinism

        disable_op_determinism()


def draw(*shape: int, seed: int = 0, scale: float = 1.0) -> Any:
    return scale * tf.random.stateless_normal(shape, [seed, 1])


def test_values_are_those_of_tensorflows_fake_quantisation() -> None:
    from micronets_gen.search.learn.fake_quant import around, fake_quantise, symmetric, unsigned

    value, largest = draw(4, 5, 6, 7), tf.constant(1.7)
    fake = tf.quantization.fake_quant_with_min_max_vars
    for levels, expected in (
        (unsigned(), fake(value, 0.0, largest)),
        (symmetric(), fake(value, -largest, largest, narrow_range=True)),
        (around(-28), fake(value, -1.7 * 100 / 155, largest)),
    ):
        actual = fake_quantise(value, largest / levels.positive, levels)
        np.testing.assert_allclose(actual, expected, atol=1e-6)
    channels = tf.constant(np.linspace(0.3, 2.0, 7, dtype=np.float32))
    fake = tf.quantization.fake_quant_with_min_max_vars_per_channel
    actual = fake_quantise(value, channels / 127, symmetric())
    np.testing.assert_allclose(actual, fake(value, -channels, channels, narrow_range=True), atol=1e-6)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_bits_are_a_parameter(bits: int) -> None:
    from micronets_gen.search.learn.fake_quant import fake_quantise, symmetric, unsigned

    for levels, count in ((symmetric(bits), 2**bits - 1), (unsigned(bits), 2**bits)):
        assert levels.high - levels.low + 1 == count
        integers = np.unique(
            fake_quantise(draw(100_000), tf.constant(1.0) / levels.positive, levels) * levels.positive
        )
        np.testing.assert_allclose(integers, np.arange(count) + levels.low - levels.zero_point, atol=1e-4)


@pytest.mark.parametrize("channels", [False, True])
def test_the_gradients_are_those_of_what_rounding_leaves(channels: bool) -> None:
    """Against automatic differentiation of the definition, rounding passed straight through (LSQ, equations 1 to 3)."""
    from micronets_gen.search.learn.fake_quant import fake_quantise, symmetric

    value, upstream = draw(3, 4, 5, scale=2.0), draw(3, 4, 5, seed=1)
    step = tf.constant(np.linspace(0.005, 0.03, 5, dtype=np.float32) if channels else np.float32(0.01))

    def defined(value: Any, step: Any) -> Any:
        held = tf.clip_by_value(value / step, -127.0, 127.0)
        return (held + tf.stop_gradient(tf.floor(held + 0.5) - held)) * step

    def gradients(function: Callable[[Any, Any], Any]) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([value, step])
            loss = tf.reduce_sum(upstream * function(value, step))
        return tape.gradient(loss, [value, step])

    actual = gradients(lambda value, step: fake_quantise(value, step, symmetric()))
    for mine, theirs in zip(actual, gradients(defined), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=2e-3)
    assert 0.05 < np.mean(np.abs(value / step) > 127) < 0.95, "some are clipped, some are not"


def test_every_range_learns() -> None:
    """Not only where it clips: that left the ranges of nearly all weights where they began."""
    from micronets_gen.search.learn.network import Network

    network = Network(lower(ARCHITECTURE), 1, (0.0, 1.0))
    features = tf.random.stateless_uniform((32, 8, 8, 1), [0, 2])
    network.calibrate(features)
    ranges = [*network.weight_ranges.values(), *network.ranges.values(), network.input_range]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(network(features, training=True) - draw(32, 10)))
    gradients = np.concatenate([np.ravel(g) for g in tape.gradient(loss, ranges)])
    assert len(gradients) > 100
    assert np.all(np.isfinite(gradients))
    assert np.mean(gradients != 0) > 0.95


def test_means_are_rounded_as_the_kernel_does() -> None:
    from micronets_gen.search.learn.fake_quant import around, fake_quantise_mean

    rng = np.random.default_rng(0)
    step = tf.constant(0.037)
    for zero_point in (-128, 0, 17):
        integers = rng.integers(-128, 128, (500, 4))
        sums = integers.sum(1)
        expected = np.sign(sums) * ((np.abs(sums) + 2) // 4)
        real = ((integers - zero_point) * np.float32(0.037)).astype(np.float32).mean(1).reshape(-1, 1, 1, 1)
        actual = fake_quantise_mean(
            tf.constant(real), step, around(zero_point), np.full((1, 1, 1), 4, np.float32)
        )
        np.testing.assert_array_equal(np.rint(np.ravel(actual / step)) + zero_point, expected)


@pytest.mark.needs("time")
def test_no_operation_of_a_search_is_refused_on_a_gpu(deterministic: None) -> None:
    from micronets_gen.search.learn.dnas import Learner
    from micronets_gen.search.learn.recipe import SearchRecipe
    from micronets_gen.search.learn.supernet import Supernet
    from micronets_gen.search.space.cost import ExpectedCost

    learner = Learner(Supernet(SPACE, 0, (0.0, 1.0)), SearchRecipe(batch=4), 10)
    limits = {name: tf.Variable(1e4, dtype=tf.float64) for name in ("model_bytes", "working_memory", "ops")}
    for step in (learner.step(None, {}), learner.step(ExpectedCost(SPACE), limits)):
        traced = step.get_concrete_function(
            draw(4, 8, 8, 1), tf.one_hot([0, 1, 2, 3], 10), tf.constant(1, tf.int64)
        )
        assert refused(traced) == set()


@pytest.mark.needs("time")
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_no_operation_of_a_training_is_refused_on_a_gpu(
    optimizer: str, deterministic: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from micronets_gen.search.data.tasks import get_task
    from micronets_gen.search.learn import training
    from micronets_gen.search.learn.network import Network
    from micronets_gen.search.learn.recipe import TrainRecipe

    steps: list[Any] = []
    monkeypatch.setattr(training, "replicated", lambda step: steps.append(step) or tf.function(step))
    recipe = TrainRecipe(epochs=2, float_epochs=1, batch=512, distillation=0.5, optimizer=optimizer)
    network, teacher = Network(lower(ARCHITECTURE), 0), Network(lower(ARCHITECTURE), 1)
    training.train_network(
        network, get_task("digits").load(None, 0), 10, recipe, tmp_path / "t.npz", 0, teacher=teacher
    )
    assert len(steps) == 2, "without and with quantisation"
    for step in steps:
        traced = tf.function(step).get_concrete_function(
            draw(4, 8, 8, 1), tf.one_hot([0, 1, 2, 3], 10), tf.constant(1, tf.int64)
        )
        assert refused(traced) == set()


def test_what_is_refused_is_found() -> None:
    """The list and the search for it: TensorFlow's own fake quantisation is what they are for."""
    kernel, scale = tf.Variable(draw(3, 3, 1, 2)), tf.Variable(tf.ones(2))

    @tf.function
    def step(features: Any) -> Any:
        with tf.GradientTape() as tape:
            value = tf.nn.conv2d(features, kernel, 1, "SAME")
            value, *_ = tf.compat.v1.nn.fused_batch_norm(value, scale, tf.zeros(2), is_training=True)
            loss = tf.reduce_sum(tf.quantization.fake_quant_with_min_max_vars(value, -1.0, 1.0) ** 2)
        return tape.gradient(loss, [kernel, scale])

    assert refused(step.get_concrete_function(draw(1, 8, 8, 1))) == {"FakeQuantWithMinMaxVarsGradient"}
