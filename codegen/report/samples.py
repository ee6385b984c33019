"""What became of the golden vectors: which failed, and as what labelled ones were classified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from micronets_gen.emulate.result import RunResult, VectorResult
from micronets_gen.report.confusion import Confusion, confusion

MOST_CLASSES = 40
"""Of a matrix that can be read."""


@dataclass(frozen=True)
class Sample:
    """A vector as the page shows it.

    Attributes:
        state: ``pass``, ``wrong`` (byte-exact, but not the sample's class) or ``fail`` (an output differs).
        label: The sample's class, by its name where that is known; empty without a label.
        predicted: The class that the model found, likewise.
        title: All of it as a sentence.
    """

    vector: VectorResult
    state: str
    label: str
    predicted: str
    title: str


def samples(run: RunResult, classes: Sequence[str]) -> tuple[Sample, ...]:
    """Return every vector, with names of classes where they are known."""
    return tuple(_sample(vector, classes) for vector in run.vectors)


def _sample(vector: VectorResult, classes: Sequence[str]) -> Sample:
    state = "fail" if not vector.passed else "wrong" if vector.correct is False else "pass"
    label, predicted = _name(vector.label, classes), _name(vector.predicted, classes)
    told = [f"vector {vector.index}: {'byte-exact' if vector.passed else 'an output differs'}"]
    if label:
        told.append(f"{label} taken for {predicted}" if vector.correct is False else f"{label}, as labelled")
    return Sample(vector, state, label, predicted, "; ".join(told))


def _name(number: int | None, classes: Sequence[str]) -> str:
    if number is None:
        return ""
    return classes[number] if 0 <= number < len(classes) else str(number)


def vector_confusion(run: RunResult, classes: Sequence[str]) -> Confusion | None:
    """Return the confusion matrix of the labelled vectors; None where none is labelled, or classes are too many."""
    pairs = [
        (vector.label, vector.predicted)
        for vector in run.vectors
        if vector.label is not None and vector.predicted is not None
    ]
    known = max([len(classes), *(max(pair) + 1 for pair in pairs)])
    if not pairs or min(map(min, pairs)) < 0 or not 2 <= known <= MOST_CLASSES:
        return None
    counts = [[0] * known for _ in range(known)]
    for label, predicted in pairs:
        counts[label][predicted] += 1
    return confusion(counts, [_name(number, classes) for number in range(known)])
