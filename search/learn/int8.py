"""Runs an int8 model on a split with LiteRT's reference kernels, whose bytes are those that firmware must produce.

LiteRT's fast kernels are off by one here and there, and the reference kernels take as long for a batch as for its
samples one by one; what helps is that every core runs an interpreter of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from micronets_gen.search.data.tasks.base import Floats, Split

Int8s = npt.NDArray[np.int8]

_CHUNK = 64


def run_int8(
    model: bytes, split: Split, watch: Callable[[int, int], None] = lambda _chunk, _chunks: None
) -> tuple[Int8s, Int8s, npt.NDArray[np.uint8]]:
    """Run a model of one input and one output, batch size 1.

    Args:
        model: The ``.tflite`` file.
        watch: Called with the number of a chunk of samples that is done, counted from 0, and that of all.

    Returns:
        Inputs (samples, height, width, channels), outputs (samples, classes), both int8, and labels (samples,).
    """
    scale, zero_point = _interpreter(model).get_input_details()[0]["quantization"]
    batches = [
        (quantise_features(features, scale, zero_point), labels.astype(np.uint8))
        for features, labels in split.dataset.batch(_CHUNK).as_numpy_iterator()
    ]
    inputs, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    outputs = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk, output in enumerate(pool.map(lambda batch: _run(model, batch[0]), batches)):
            outputs.append(output)
            watch(chunk, len(batches))
    return inputs, np.concatenate(outputs), labels


def quantise_features(features: Floats, scale: float, zero_point: int) -> Int8s:
    """Return features as the model's int8 input."""
    steps = np.floor(features / np.float32(scale) + 0.5) + zero_point
    quantised: Int8s = np.clip(steps, -128, 127).astype(np.int8)
    return quantised


def _interpreter(model: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    return interpreter


def _run(model: bytes, inputs: Int8s) -> Int8s:
    interpreter = _interpreter(model)
    source, result = (
        details[0]["index"] for details in (interpreter.get_input_details(), interpreter.get_output_details())
    )
    outputs = []
    for sample in inputs:
        interpreter.set_tensor(source, sample[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result)[0])
    return np.stack(outputs)
