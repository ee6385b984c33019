"""What is trained is what is exported: fake quantisation against the file's integers, supernet against child."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.plan.reference import evaluate
from micronets_gen.search.space.architecture import Architecture, lower
from micronets_gen.search.space.backbone import Choice, Space, load_backbone
from micronets_gen.search.space.blocks import Conv, Inverted, Pool, Separable
from micronets_gen.search.space.export import write_tflite

pytestmark = pytest.mark.needs("tensorflow")
tf = pytest.importorskip("tensorflow")

ARCHITECTURE = Architecture(
    "mixed",
    (12, 10, 1),
    5,
    (
        Conv(12, (5, 3)),
        Separable(16, stride=(2, 2)),
        Inverted(16, 24),
        Inverted(20, 32, stride=(2, 2)),
        Pool((2, 2), "max"),
        Pool(),
    ),
)


def warmed(network: object, shape: tuple[int, ...], steps: int = 12) -> np.ndarray:
    """Give a network weights, statistics and ranges that are not the initial ones; return fresh features."""
    from micronets_gen.search.learn.training import cross_entropy

    rng = np.random.default_rng(1)
    optimizer = tf.keras.optimizers.Adam(0.01)
    for step in range(steps):
        features = rng.uniform(-0.5, 1.5, (64, *shape)).astype(np.float32)
        labels = tf.one_hot((features.mean((1, 2, 3)) * 37).astype(int) % 5, 5)
        if step == 2:
            network.calibrate(features)
        with tf.GradientTape() as tape:
            loss = cross_entropy(labels, network(features, training=True, quantise=step >= 2))
        gradients = tape.gradient(
            loss, network.trainable_variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
    return rng.uniform(-0.5, 1.5, (20, *shape)).astype(np.float32)


def test_every_tensor_agrees_with_the_exported_file() -> None:
    """From the same inputs each layer makes the same integers, but for rounding where two are equally near."""
    from micronets_gen.search.learn.int8 import quantise_features
    from micronets_gen.search.learn.network import Network

    network = Network(lower(ARCHITECTURE), 3, (-0.5, 1.5))
    features = warmed(network, ARCHITECTURE.input_shape)
    graph = read_model_bytes(write_tflite(network.quantised(ARCHITECTURE)), "mixed")
    source = graph.tensor(graph.inputs[0])
    written = (graph.inputs[0], *(op.outputs[0] for op in graph.operators))
    graph = replace(graph, outputs=written)
    steps: dict[str, list[np.ndarray]] = {}
    for sample in features:
        inputs = quantise_features(sample, source.scale, source.zero_point)[np.newaxis]
        real = [
            (integers.astype(np.float32) - graph.tensor(t).zero_point) * np.float32(graph.tensor(t).scale)
            for t, integers in zip(written, evaluate(graph, [inputs]), strict=True)
        ]
        for index, layer in enumerate(network.layers[:-1]):
            expected = network.run_layer(layer, [tf.constant(real[t]) for t in layer.inputs]).numpy()
            difference = np.abs(real[index + 1].reshape(expected.shape) - expected)
            steps.setdefault(layer.name, []).append(difference / graph.tensor(written[index + 1]).scale)
    assert len(steps) == len(network.layers) - 1
    for name, differences in steps.items():
        assert np.max(differences) < 1.01, name
        ties = 0.1 if name == "logits" else 0.03  # small accumulators, which the kernel rounds twice
        assert np.mean(np.array(differences) > 0.5) < ties, name


def test_the_outputs_agree_with_the_exported_file() -> None:
    from micronets_gen.search.learn.int8 import quantise_features
    from micronets_gen.search.learn.network import Network

    network = Network(lower(ARCHITECTURE), 3, (-0.5, 1.5))
    features = warmed(network, ARCHITECTURE.input_shape)
    graph = read_model_bytes(write_tflite(network.quantised(ARCHITECTURE)), "mixed")
    source = graph.tensor(graph.inputs[0])
    expected = tf.nn.softmax(network(features)).numpy()
    for sample, probabilities in zip(features, expected, strict=True):
        inputs = quantise_features(sample, source.scale, source.zero_point)[np.newaxis]
        (output,) = evaluate(graph, [inputs])
        np.testing.assert_allclose((output[0].astype(np.float64) + 128) / 256, probabilities, atol=0.05)


def test_the_keras_model_is_the_float_network() -> None:
    from micronets_gen.search.learn.network import Network, keras_model

    network = Network(lower(ARCHITECTURE), 3, (-0.5, 1.5))
    features = warmed(network, ARCHITECTURE.input_shape)
    expected = tf.nn.softmax(network(features, quantise=False)).numpy()
    np.testing.assert_allclose(keras_model(network, ARCHITECTURE.input_shape)(features), expected, atol=1e-5)


def test_a_negative_gain_and_a_dead_channel_survive_the_export() -> None:
    from micronets_gen.search.learn.int8 import quantise_features
    from micronets_gen.search.learn.network import Network

    architecture = Architecture("one", (8, 8, 2), 5, (Conv(4),))
    network = Network(lower(architecture), 4, (-0.5, 1.5))
    features = warmed(network, architecture.input_shape)
    gamma, beta, _, _ = network.norms["block00"]
    gamma.assign([-1.0, 0.0, 1e-9, 1.0])
    beta.assign([0.5, 0.5, 0.5, 0.5])
    graph = read_model_bytes(write_tflite(network.quantised(architecture)), "one")
    taps: dict[str, object] = {}
    network(features[:1], taps=taps)
    source, result = graph.tensor(graph.inputs[0]), graph.tensor(graph.operators[0].outputs[0])
    inputs = quantise_features(features[0], source.scale, source.zero_point)[np.newaxis]
    (integers,) = evaluate(replace(graph, outputs=(result.index,)), [inputs])
    real = (integers.astype(np.float64) + 128) * result.scale
    np.testing.assert_allclose(real, taps["block00"], atol=1.01 * result.scale)


@pytest.mark.parametrize(("name", "shape"), [("digits", (8, 8, 1)), ("ad", (8, 8, 1)), ("vww", (16, 16, 1))])
def test_a_certain_supernet_computes_what_the_child_does(name: str, shape: tuple[int, int, int]) -> None:
    from micronets_gen.search.learn.supernet import Supernet

    space = Space(load_backbone(name), shape, 5).validate()
    supernet = Supernet(space, 2, (-0.5, 1.5))
    features = warmed(supernet.network, shape, steps=3)
    for seed in range(3):
        rng = random.Random(seed)
        choice = Choice(
            {key: rng.choice(options) for key, options in space.widths.items()},
            {block: rng.random() < 0.5 for block in space.skips},
        )
        child = supernet.child(choice, 0)
        gates = supernet.gates_of(choice)
        expected = supernet.network(features, quantise=False, gates=gates).numpy()
        np.testing.assert_allclose(child(features, quantise=False), expected, rtol=1e-3, atol=1e-4)
        # The child's kernels are quantised by the largest of fewer weights.
        expected, actual = supernet.network(features, gates=gates).numpy(), child(features).numpy()
        assert np.mean(np.abs(actual - expected)) <= 0.1 * np.abs(expected).max()


def test_a_cold_draw_is_discrete_and_the_noise_is_the_steps() -> None:
    from micronets_gen.search.learn.supernet import Supernet

    space = Space(load_backbone("digits"), (8, 8, 1), 10).validate()
    supernet = Supernet(space, 2, (0.0, 1.0))
    first, again, other = (supernet.sample(tf.constant(n, tf.int64), tf.constant(1e-3)) for n in (7, 7, 8))
    for key, options in space.widths.items():
        mask = first.masks[key].numpy()
        assert round(float(mask.sum())) in options
        np.testing.assert_array_equal(mask, again.masks[key])
    assert any(not np.array_equal(first.masks[key], other.masks[key]) for key in space.widths)
    for probabilities in supernet.decisions(1.0).widths.values():
        assert float(tf.reduce_sum(probabilities)) == pytest.approx(1.0)


def test_a_decision_has_one_peak_that_narrows_as_it_cools() -> None:
    from micronets_gen.search.learn.supernet import Supernet

    space = Space(load_backbone("digits"), (8, 8, 1), 10).validate()
    supernet = Supernet(space, 2, (0.0, 1.0))
    assert space.widths["1"] == tuple(range(4, 65, 4))
    assert supernet.central().widths["1"] in {32, 36}, "undecided"
    supernet.width_parameters["1"].assign(np.log(0.3 / 0.7))
    supernet.kept_logits[3].assign([0.0, 1.0])
    supernet.kept_logits[4].assign([1.0, 0.0])
    central = supernet.central()
    assert central.widths["1"] == 20
    assert central.kept == {3: True, 4: False}
    shares = []
    for temperature in (5.0, 1.0, 0.5):
        probability = supernet.decisions(temperature).widths["1"].numpy()
        assert space.widths["1"][int(np.argmax(probability))] == 20
        rises = np.diff(probability)
        assert np.all(np.append(rises[:4], -rises[4:]) >= 0), "one peak"
        shares.append(float(probability.max()))
        preferences, _ = supernet.preferences(temperature)
        assert space.widths["1"][int(np.argmax(preferences["1"]))] == 20
    assert shares[0] < 0.15 < shares[1] < 0.6 < shares[2]


def test_draws_come_as_often_as_a_decision_says() -> None:
    from micronets_gen.search.learn.supernet import Supernet

    space = Space(load_backbone("digits"), (8, 8, 1), 10).validate()
    supernet = Supernet(space, 2, (0.0, 1.0))
    supernet.width_parameters["2"].assign(0.4)
    expected = supernet.decisions(2.0).widths["2"].numpy()
    drawn = np.zeros(16)
    for number in range(400):
        mask = supernet.sample(tf.constant(number, tf.int64), tf.constant(2.0)).masks["2"].numpy()
        steps = mask[::4] - np.append(mask[4::4], 0.0)
        drawn[int(np.argmax(steps))] += 1 / 400
    assert np.abs(drawn - expected).max() < 0.08


def test_a_network_of_several_devices_is_exported_as_any_other() -> None:
    from micronets_gen.search.learn.network import Network

    alone = write_tflite(Network(lower(ARCHITECTURE), 3, (-0.5, 1.5)).quantised(ARCHITECTURE))
    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        shared = Network(lower(ARCHITECTURE), 3, (-0.5, 1.5))
        assert write_tflite(shared.quantised(ARCHITECTURE)) == alone
