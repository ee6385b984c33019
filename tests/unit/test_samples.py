"""What the report says of golden vectors: which went wrong, and as what."""

from __future__ import annotations

import io
import re
from dataclasses import replace

from rich.console import Console

from micronets_gen.emulate.result import Difference, RunResult, VectorResult
from micronets_gen.report.html import to_html
from micronets_gen.report.report import Report
from micronets_gen.report.samples import samples, vector_confusion
from micronets_gen.report.terminal import run_summary
from tests.unit.test_report import graph_report

CLASSES = ("cat", "dog", "<b>")
VECTORS = (
    VectorResult(0, True, 0, (), 0, 0),
    VectorResult(1, True, 0, (), 0, 1),
    VectorResult(2, False, 3, (Difference(5, -7, 8),), 2, 1),
    VectorResult(3, True, 0),
)


def report(vectors: tuple[VectorResult, ...], classes: tuple[str, ...]) -> Report:
    known = graph_report()
    assert known.run
    passed = all(vector.passed for vector in vectors)
    run = replace(known.run, vectors=vectors, passed=passed)
    return replace(known, run=run, model=replace(known.model, classes=classes))


def run(vectors: tuple[VectorResult, ...] = VECTORS) -> RunResult:
    found = report(vectors, CLASSES).run
    assert found
    return found


def test_each_vector_is_told_by_the_names_of_its_classes() -> None:
    told = [(s.state, s.label, s.predicted, s.title) for s in samples(run(), CLASSES)]
    assert told == [
        ("pass", "cat", "cat", "vector 0: byte-exact; cat, as labelled"),
        ("wrong", "cat", "dog", "vector 1: byte-exact; cat taken for dog"),
        ("fail", "<b>", "dog", "vector 2: an output differs; <b> taken for dog"),
        ("pass", "", "", "vector 3: byte-exact"),
    ]
    assert [s.label for s in samples(run(), ())] == ["0", "0", "2", ""]


def test_labelled_vectors_make_a_confusion_matrix() -> None:
    matrix = vector_confusion(run(), CLASSES)
    assert matrix
    assert matrix.classes == CLASSES
    assert [cell.count for cell in matrix.cells] == [1, 1, 0, 0, 0, 0, 0, 1, 0]
    assert matrix.recalls == ("50.0 %", "–", "0.0 %")
    unnamed = vector_confusion(run(), ())
    assert unnamed
    assert unnamed.classes == ("0", "1", "2")


def test_without_labels_or_with_too_many_classes_there_is_none() -> None:
    assert vector_confusion(run(VECTORS[3:]), CLASSES) is None
    assert vector_confusion(run((VectorResult(0, True, 0, (), 0, 999),)), ()) is None
    assert vector_confusion(run((VectorResult(0, True, 0, (), 0, 0),)), ()) is None


def test_the_page_shows_which_samples_went_wrong_and_as_what() -> None:
    page = to_html(report(VECTORS, CLASSES))
    rows = re.findall(
        r'<tr><th class="number" scope="row">(\d)</th><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td>', page
    )
    assert rows == [("1", "cat", "dog", "byte-exact"), ("2", "&lt;b&gt;", "dog", "3 bytes differ")]
    assert "Confusion matrix" in page
    assert "Taken for" not in to_html(report((VectorResult(0, False, 1, (Difference(0, 1, 2),)),), ()))
    assert "Confusion matrix" not in to_html(report(VECTORS[3:], CLASSES))


def test_the_terminal_names_a_few_of_those_that_went_wrong() -> None:
    many = (*(replace(VECTORS[1], index=index) for index in range(7)), replace(VECTORS[2], index=7))
    console = Console(file=io.StringIO(), width=100)
    console.print(run_summary(report(many, CLASSES)))
    told = [line.strip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    first = told.index("vector 7: an output differs; <b> taken for dog")
    assert told[first - 1].startswith("FAIL")
    assert told[first + 1] == "vector 0: byte-exact; cat taken for dog"
    assert told[first + 5] == "and 3 more"
