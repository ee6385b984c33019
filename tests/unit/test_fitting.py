"""What is said of a model with the runtimes that were not taken."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import micronets_gen
from micronets_gen.boards.load import load_board, load_boards
from micronets_gen.bundled.catalogue import resolve_model
from micronets_gen.jobs.check import check_on_boards
from micronets_gen.jobs.fitting import OtherRuntimes, Plans
from micronets_gen.operators.reading import read_model
from micronets_gen.plan.check import Alternative, in_words
from micronets_gen.runtimes.aot.runtime import AotRuntime
from micronets_gen.search.space.zoo import write_untrained

DIGITS = read_model(resolve_model("digits").path)
BOARD = load_board("nucleo_f446re")


def test_build_and_check_take_the_same_runtime_by_default() -> None:
    build, check = (
        inspect.signature(verb).parameters["runtime"] for verb in (micronets_gen.build, micronets_gen.check)
    )
    assert build.default == check.default == "auto"


def test_the_other_runtime_is_bounded_as_if_it_were_taken() -> None:
    (other,) = OtherRuntimes(DIGITS, "tflm").on(BOARD, vector_bytes=1000)
    need = Plans(DIGITS, AotRuntime()).demand(BOARD, vector_bytes=1000)
    assert other == Alternative("aot", True, need.least_flash, need.flash, need.ram)
    assert in_words([other]) == (
        f"with aot instead: {need.least_flash:,} to {need.flash:,} bytes of flash, at most {need.ram:,} of RAM"
    )


def test_nothing_is_fetched_to_know_of_another_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MICRONETS_CACHE", str(tmp_path))
    (other,) = OtherRuntimes(DIGITS, "aot").on(BOARD)
    assert in_words([other]) == "with tflm instead: no figures, its sources are not on this computer"
    assert not list(tmp_path.iterdir())


def test_a_model_that_may_not_fit_with_another_runtime_is_said_to(tmp_path: Path) -> None:
    graph = read_model(write_untrained("micronet-ad-l", tmp_path))
    fits = [OtherRuntimes(graph, "tflm").on(board)[0] for board in load_boards()]
    assert in_words(fits).endswith(f"; fits {sum(fit.fits for fit in fits)} of {len(fits)} boards")
    (small,) = OtherRuntimes(graph, "aot").on(BOARD)
    if not small.problem:
        assert not small.fits
        assert in_words([small]).endswith(" of RAM, which may not fit")


def test_check_says_of_each_board_what_others_would_need() -> None:
    boards = load_boards()[:2]
    result = check_on_boards(DIGITS, boards, "aot")
    assert [[other.runtime for other in fit.alternatives] for fit in result.boards] == [["tflm"], ["tflm"]]
    assert result.runtime_reason == "as asked for"
