"""The bundled default model: a depthwise-separable classifier of handwritten digits.

The data are the 1,797 images (8x8, 17 grey levels) that scikit-learn carries, so that training needs no
download. They are split, stratified by digit, into 60 % training, 20 % validation (which picks the epoch) and
20 % test (touched once, by the finished ``.tflite``).

``python -m micronets_gen.search.study.digits --out codegen/bundled/models`` writes:

- ``digits.tflite``: int8 throughout, batch 1;
- ``digits.npz``: the test split as the model's ``input_0`` (N, 8, 8, 1) int8, ``output_0`` (N, 10) int8 and
  ``labels`` (N,) uint8, in an order in which every ten samples hold ten digits;
- ``digits.json``: where all of it comes from and how accurate it is.

Seeded and run with deterministic kernels: the same versions on the same kind of machine give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.search.data.digits import SEED, Floats, Labels, Split, load_split

EPOCHS = 120
BATCH = 32
OUTPUT = "probabilities"

Int8 = npt.NDArray[np.int8]


def build_model(batch: int | None = None) -> Any:
    """Return the Keras model: convolution, two depthwise-separable blocks, pooling, fully connected, softmax.

    Args:
        batch: A fixed batch size, so that the converter needs no shape arithmetic; ``None`` to train.
    """
    from tensorflow import keras

    layers = keras.layers

    def normalised(x: Any, name: str) -> Any:
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    def separable(x: Any, channels: int, name: str) -> Any:
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
        x = normalised(x, f"{name}_depthwise")
        x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_pointwise")(x)
        return normalised(x, f"{name}_pointwise")

    image = keras.Input(shape=(8, 8, 1), batch_size=batch, name="image")
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="stem")(image)
    x = normalised(x, "stem")
    x = separable(x, 32, "block1")
    x = layers.MaxPooling2D(2, name="max_pool")(x)
    x = separable(x, 64, "block2")
    x = layers.AveragePooling2D(2, name="average_pool")(x)
    x = layers.Reshape((2 * 2 * 64,), name="flatten")(x)
    x = layers.Dropout(0.3, name="dropout")(x)
    x = layers.Dense(10, name="logits")(x)
    return keras.Model(image, layers.Softmax(name=OUTPUT)(x), name="digits")


def train(split: Split) -> Any:
    """Return the trained Keras model with the weights of the best validation epoch."""
    import tensorflow as tf
    from tensorflow import keras

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_inter_op_parallelism_threads(1)

    augment = keras.Sequential(
        [
            keras.layers.RandomTranslation(0.1, 0.1, fill_mode="constant", seed=SEED),
            keras.layers.RandomRotation(0.03, fill_mode="constant", seed=SEED + 1),
            keras.layers.RandomZoom(0.1, fill_mode="constant", seed=SEED + 2),
        ]
    )
    data = (
        tf.data.Dataset.from_tensor_slices((split.train.images, split.train.labels))
        .shuffle(len(split.train.labels), seed=SEED)
        .batch(BATCH, drop_remainder=True)
        .map(lambda image, label: (augment(image, training=True), label))
    )
    steps = EPOCHS * (len(split.train.labels) // BATCH)
    model = build_model()
    model.compile(
        optimizer=keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(4e-3, steps), weight_decay=1e-3
        ),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    best = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=EPOCHS, restore_best_weights=True, start_from_epoch=EPOCHS // 4
    )
    model.fit(
        data,
        epochs=EPOCHS,
        verbose=2,
        validation_data=(split.validation.images, split.validation.labels),
        callbacks=[best],
    )
    return model


def quantize(model: Any, representative: Floats) -> bytes:
    """Return ``model`` as a ``.tflite`` file with int8 weights, activations, input and output.

    Args:
        model: A trained :func:`build_model`.
        representative: Images (N, 8, 8, 1) that calibrate the activations' ranges.
    """
    import tensorflow as tf

    fixed = build_model(batch=1)
    fixed.set_weights(model.get_weights())
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[np.newaxis]] for image in representative)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return _with_plain_names(bytes(converter.convert()))


def _with_plain_names(flatbuffer: bytes) -> bytes:
    """Return the file with its activations named as the layers are, without the converter's plumbing."""
    graph = read_model_bytes(flatbuffer, "digits")
    flatbuffer = _rename_tensor(flatbuffer, graph.tensor(graph.inputs[0]).name, "image")
    for op in graph.operators:
        name = graph.tensor(op.outputs[0]).name
        layer = re.match(r"digits_1/(\w+?)(?:_relu)?_1/", name)
        flatbuffer = _rename_tensor(flatbuffer, name, layer[1] if layer else OUTPUT)
    return flatbuffer


def _rename_tensor(flatbuffer: bytes, old: str, new: str) -> bytes:
    """Rename one tensor in place.

    A flatbuffer string is its length in 32 bits, its bytes and a zero, so that a shorter one fits.
    """

    def stored(text: str) -> bytes:
        return len(text).to_bytes(4, "little") + text.encode() + b"\0"

    assert len(new) <= len(old)
    assert flatbuffer.count(stored(old)) == 1
    return flatbuffer.replace(stored(old), stored(new).ljust(len(stored(old)), b"\0"))


def run_reference(model: bytes, images: Floats) -> tuple[Int8, Int8]:
    """Quantise ``images`` (N, 8, 8, 1) for ``model`` and run LiteRT's reference kernels on them.

    Returns:
        Quantised inputs (N, 8, 8, 1) and outputs (N, 10), both int8.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = source["quantization"]
    inputs = np.clip(np.round(images / scale) + zero_point, -128, 127).astype(np.int8)
    outputs = []
    for image in inputs:
        interpreter.set_tensor(source["index"], image[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result["index"])[0])
    return inputs, np.stack(outputs)


def _measured(result: npt.NDArray[Any], labels: Labels) -> dict[str, Any]:
    correct = int(np.count_nonzero(result.argmax(axis=-1) == labels))
    return {"correct": correct, "samples": len(labels), "accuracy": round(correct / len(labels), 4)}


def _data(split: Split) -> dict[str, Any]:
    return {
        "source": "sklearn.datasets.load_digits: Optical Recognition of Handwritten Digits, test part",
        "citation": "E. Alpaydin, C. Kaynak (1998), UCI Machine Learning Repository, doi:10.24432/C50P49",
        "licence": "CC BY 4.0",
        "split": {
            "train": len(split.train.labels),
            "validation": len(split.validation.labels),
            "test": len(split.test.labels),
        },
        "changes": "scaled to 0..1, split; the test split quantised to int8",
    }


def _training(model: Any) -> dict[str, Any]:
    return {
        "command": "python -m micronets_gen.search.study.digits --out codegen/bundled/models",
        "seed": SEED,
        "epochs": EPOCHS,
        "parameters": int(model.count_params()),
        "quantization": "post-training int8, calibrated on the training split",
        "python": platform.python_version(),
        "versions": {
            name: version(name) for name in ("ai-edge-litert", "keras", "numpy", "scikit-learn", "tensorflow")
        },
    }


def export(out: Path) -> dict[str, Any]:
    """Train, quantise, measure and write the three files into ``out``.

    Returns:
        The provenance, as in ``digits.json``.
    """
    split = load_split()
    model = train(split)
    float_outputs = model.predict(split.test.images, verbose=0)
    flatbuffer = quantize(model, split.train.images)
    inputs, outputs = run_reference(flatbuffer, split.test.images)
    _, validation = run_reference(flatbuffer, split.validation.images)
    provenance = {
        "name": "digits",
        "title": "Handwritten digits",
        "task": "image classification, 10 classes, 8x8 grey",
        "metric": "top-1 accuracy of the int8 model on the test split, LiteRT reference kernels",
        "test": _measured(outputs, split.test.labels),
        "validation": _measured(validation, split.validation.labels),
        "test_float": _measured(float_outputs, split.test.labels),
        "data": _data(split),
        "training": _training(model),
        "licence": "Apache-2.0",
        "vectors": len(split.test.labels),
        "vectors_correct": _measured(outputs, split.test.labels)["correct"],
        "sha256": hashlib.sha256(flatbuffer).hexdigest(),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "digits.tflite").write_bytes(flatbuffer)
    np.savez_compressed(out / "digits.npz", input_0=inputs, output_0=outputs, labels=split.test.labels)
    (out / "digits.json").write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")
    return provenance


def main() -> None:
    """Entry point of ``python -m micronets_gen.search.study.digits``."""
    parser = argparse.ArgumentParser(
        prog="python -m micronets_gen.search.study.digits", description="Train the bundled model."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for digits.tflite, .npz and .json")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    print(json.dumps(export(arguments.out)["test"]))


if __name__ == "__main__":
    main()
