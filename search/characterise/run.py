"""Characterises boards: measures, fits, and writes data and a page into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from micronets_gen.boards.board import Board
from micronets_gen.common.files import write_atomically, write_json
from micronets_gen.errors import UsageError
from micronets_gen.report.values import REPORT_HTML
from micronets_gen.runtimes.choose import choose_runtime
from micronets_gen.search.characterise.fit import require_scipy
from micronets_gen.search.characterise.measure import Notify, measure_all
from micronets_gen.search.characterise.page import render
from micronets_gen.search.characterise.result import (
    CHARACTERISATION_JSON,
    Characterisation,
    Result,
    Subject,
    document,
)
from micronets_gen.search.characterise.samples import Sample
from micronets_gen.timing.regression import recorded_for, write_recorded


def characterise(
    boards: Sequence[Board],
    runtime: str,
    out: Path,
    samples: Sequence[Sample],
    *,
    record: bool = False,
    processes: int = 1,
    notify: Notify = lambda _step: None,
) -> Characterisation:
    """Build and time samples on boards, fit a regression each, and write what was found.

    Args:
        boards: In the order in which they are put side by side.
        runtime: ``aot``, ``tflm`` or ``auto``.
        out: The folder; records of samples in it are used again.
        samples: The models.
        record: Keep each regression, beside its board file or in the cache, where estimates find it.
        processes: Samples that are timed at a time.
        notify: Told how far it is.

    Raises:
        MicronetsError: what is wrong with the boards, the folder or the tools.
    """
    require_scipy()
    if len({board.name for board in boards}) < len(boards):
        raise UsageError("a board is named twice", where="--board")
    name = choose_runtime(runtime, notify=notify).runtime.name
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError("cannot be written", where=str(out), why=str(error.strerror)) from error
    results = []
    for board in boards:
        measured = measure_all(samples, board, name, out, notify, processes)
        results.append(Result.of(Subject.of(board, name), measured))
        if record:
            write_recorded(recorded_for(board.path), results[-1].regression)
    write_json(out / CHARACTERISATION_JSON, document(results))
    write_atomically(out / REPORT_HTML, render(results))
    return Characterisation(out, out / REPORT_HTML, tuple(results))
