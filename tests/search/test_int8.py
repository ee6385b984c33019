"""The held-out samples on the host: order and bytes are those of one inference after the other."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from micronets_gen.search.data.tasks.base import Split
from micronets_gen.search.learn.int8 import quantise_features, run_int8
from micronets_gen.search.space.architecture import Architecture, lower
from micronets_gen.search.space.backbone import Space, load_backbone
from micronets_gen.search.space.export import write_tflite
from tests.search.test_limits import EVERY_LAYER

pytestmark = pytest.mark.needs("tensorflow")
tf = pytest.importorskip("tensorflow")

SAMPLES = 150


@pytest.mark.parametrize(
    "architecture",
    [EVERY_LAYER, Space(load_backbone("digits"), (8, 8, 1), 10).largest],
    ids=["every", "digits"],
)
def test_outputs_are_those_of_one_inference_after_the_other(architecture: Architecture) -> None:
    from micronets_gen.search.learn.network import Network

    rng = np.random.default_rng(0)
    features = rng.uniform(-1, 1, (SAMPLES, *architecture.input_shape)).astype(np.float32)
    labels = rng.integers(0, architecture.classes, SAMPLES).astype(np.int32)
    network = Network(lower(architecture))
    network.calibrate(features)
    model = write_tflite(network.quantised(architecture))
    seen: list[tuple[int, int]] = []
    split = Split(tf.data.Dataset.from_tensor_slices((features, labels)), SAMPLES)
    inputs, outputs, truth = run_int8(model, split, lambda chunk, chunks: seen.append((chunk, chunks)))
    assert truth.tolist() == labels.tolist()
    assert seen == [(0, 3), (1, 3), (2, 3)]
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    for index in range(SAMPLES):
        sample = quantise_features(features[index], *source["quantization"])
        interpreter.set_tensor(source["index"], sample[np.newaxis])
        interpreter.invoke()
        np.testing.assert_array_equal(inputs[index], sample)
        np.testing.assert_array_equal(outputs[index], interpreter.get_tensor(result["index"])[0])
    assert len(np.unique(outputs, axis=0)) > SAMPLES // 3, "samples that could be mixed up unseen"
