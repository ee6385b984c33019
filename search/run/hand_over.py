"""The end of a run: a trained network is quantised, measured, and written as what ``build`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from micronets_gen.common.files import write_atomically, write_json
from micronets_gen.report.modelled import energy_values
from micronets_gen.search.data.tasks.base import Floats, Judgement, Task, TaskData
from micronets_gen.search.learn.int8 import run_int8
from micronets_gen.search.learn.network import Network, keras_model
from micronets_gen.search.learn.progress import Progress
from micronets_gen.search.learn.training import outputs_of
from micronets_gen.search.report import write_report
from micronets_gen.search.run_dir import RunDir
from micronets_gen.search.space.architecture import Architecture
from micronets_gen.search.space.cost import Cost, cost_of
from micronets_gen.search.space.export import write_tflite
from micronets_gen.search.space.limits import Target

_VECTORS = 1000
"""Most held-out samples that travel with a model."""


def hand_over(
    run: RunDir,
    task: Task,
    data: TaskData,
    target: Target | None,
    network: Network,
    architecture: Architecture,
    finished: bool,
    progress: Progress,
) -> dict[str, Any]:
    """Measure a network of an architecture, then write weights, models, vectors and metrics.

    The model for the board comes last: a folder without it is none for ``build``, so that a kill between two
    files never leaves a model beside another one's samples.

    Args:
        finished: Whether the training came to its end.

    Returns:
        What ``metrics.json`` holds.
    """
    progress.stage("quantising and measuring")
    flatbuffer = write_tflite(network.quantised(architecture))
    measured = _measured(data, network, flatbuffer, progress)
    metrics = _metrics(task, data, target, architecture, measured.judgements, finished)
    metrics["agreement"] = measured.agreement
    run.tflite.unlink(missing_ok=True)
    run.firmware.unlink(missing_ok=True)
    weights = {name: variable.numpy() for name, variable in network.named_variables().items()}
    write_atomically(run.weights, lambda file: np.savez_compressed(file, **weights))
    half = run.path / f".{run.keras.name}"  # Keras wants a path
    keras_model(network, architecture.input_shape).save(half)
    half.replace(run.keras)
    vectors: dict[str, Any] = {name: values[:_VECTORS] for name, values in measured.test.items()}
    vectors["classes"] = np.array(task.classes, dtype=str)
    write_atomically(run.vectors, lambda file: np.savez_compressed(file, **vectors))
    write_json(run.metrics, metrics)
    write_report(run)
    write_atomically(run.tflite, flatbuffer)
    return metrics


@dataclass(frozen=True, eq=False)
class _Measured:
    """What a network and its int8 model make of validation and test.

    Attributes:
        judgements: Of ``validation`` and ``test`` in int8, and of each with ``_fake_quantised`` and ``_float``.
        agreement: Share of the test samples that int8 and fake quantisation take for the same class.
        test: The test as golden vectors: ``input_0``, ``output_0`` and ``labels``, a row a sample.
    """

    judgements: Mapping[str, Judgement]
    agreement: float
    test: Mapping[str, npt.NDArray[Any]]


def _measured(data: TaskData, network: Network, flatbuffer: bytes, progress: Progress) -> _Measured:
    def watch(part: str) -> Callable[[int, int], None]:
        return lambda chunk, chunks: progress.step(f"int8 {part}", 0, 1, chunk, chunks)

    judgements: dict[str, Judgement] = {}
    for part, split in (("validation", data.validation), ("test", data.test)):
        outputs = outputs_of(network, split)
        inputs, quantised, labels = run_int8(flatbuffer, split, watch(part))
        probabilities: Floats = ((quantised.astype(np.float32) + 128) / 256).astype(np.float32)
        judgements[part] = data.judge(part, probabilities)
        judgements[f"{part}_fake_quantised"] = data.judge(part, outputs)
        judgements[f"{part}_float"] = data.judge(part, outputs_of(network, split, quantise=False))
    agreement = float(np.mean(probabilities.argmax(-1) == outputs.argmax(-1)))
    return _Measured(judgements, agreement, {"input_0": inputs, "output_0": quantised, "labels": labels})


def _metrics(
    task: Task,
    data: TaskData,
    target: Target | None,
    architecture: Architecture,
    results: Mapping[str, Judgement],
    finished: bool,
) -> dict[str, Any]:
    cost = target.cost(architecture) if target else cost_of(architecture)
    metrics: dict[str, Any] = {
        "task": task.name,
        "finished": finished,
        "metric": results["test"].metric,
        "validation_metric": results["validation"].metric,
        **{name: judgement.value for name, judgement in results.items()},
        "samples": {"validation": data.validation.samples, "test": data.test.samples},
        "classes": list(task.classes),
        "architecture": architecture.summary(),
        "cost": asdict(cost),
        "data": dict(data.provenance),
    }
    confusion = results["test"].confusion
    if confusion is not None:
        metrics["confusion"] = confusion.tolist()
    if results["test"].curve:
        metrics["curve"] = [list(point) for point in results["test"].curve]
    if target is not None:
        verdict = target.verdict(architecture)
        metrics["target"] = {
            "board": target.board.name,
            "runtime": target.runtime.name,
            "memory": {"flash_bytes": target.flash, "ram_bytes": target.ram},
            "limits": target.limits(architecture),
            "demand": {f"{name}_bytes": size for name, size in asdict(verdict.demand).items()},
            "fits": verdict.fits,
            "time": _time(target, cost),
        }
    return metrics


def _time(target: Target, cost: Cost) -> dict[str, Any] | None:
    """Return the time that is predicted, and what was asked for; None where it is not known."""
    estimate = target.estimate(cost)
    if estimate is None:
        return None
    asked, power = target.max_cycles, target.board.power
    energy = power.energy(estimate.milliseconds, estimate.error_percent) if power else None
    return {
        **estimate.to_json(),
        **energy_values(energy, power),
        "limit_ms": None if asked is None else asked / target.board.clock_hz * 1e3,
    }
