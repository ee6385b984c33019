"""Fitting a model onto a board: what is said before and after the linker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from micronets_gen.boards.load import load_board, load_boards
from micronets_gen.errors import FitError
from micronets_gen.jobs.build import _vector_count
from micronets_gen.jobs.check import check_on_boards
from micronets_gen.model.graph import DType
from micronets_gen.operators.fully_connected import FullyConnectedOptions
from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.plan.fit import demand, overflowed, place
from micronets_gen.plan.footprint import Footprint
from micronets_gen.plan.plan import Plan
from micronets_gen.project.pio import PioRun, RegionOverflowError, failure
from micronets_gen.runtimes.aot.runtime import AotRuntime
from tests.support.builder import ModelBuilder

SMALL = "nucleo_f446re"


def dense(inputs: int, outputs: int, board: str = SMALL) -> tuple[Plan, Footprint]:
    """Plan one fully connected layer of ``inputs * outputs`` bytes of weights."""
    b = ModelBuilder("dense")
    x = b.tensor((1, inputs), DType.INT8, scale=0.05, name="samples")
    w = b.constant(np.ones((outputs, inputs), np.int8), DType.INT8, scale=0.01, name="weights")
    y = b.tensor((1, outputs), DType.INT8, scale=0.2, name="classes")
    b.operator("FULLY_CONNECTED", [x, w, -1], [y], FullyConnectedOptions())
    graph = read_model_bytes(b.build(), "dense.tflite")
    plan = AotRuntime().plan(graph, load_board(board), "dense")
    return plan, AotRuntime().footprint(plan)


def test_golden_vectors_take_only_the_flash_that_is_left() -> None:
    assert _vector_count(*dense(1024, 10), most=8) == 8
    # A vector takes 4.2 KB, as much as an output's weights; 127 of them leave no room, and one vector stays.
    counts = [_vector_count(*dense(4096, outputs), most=8) for outputs in range(104, 128)]
    assert (counts[0], counts[-1]) == (8, 1)
    assert counts == sorted(counts, reverse=True)
    assert set(counts) > {8, 1}


def test_vectors_that_do_not_fit_are_named() -> None:
    plan, footprint = dense(4096, 124)
    assert place(plan, footprint, load_boards(), vector_bytes=4220).arena_region == "SRAM1"
    with pytest.raises(FitError) as caught:
        place(plan, footprint, load_boards(), vector_bytes=8 * 4220)
    assert "the golden vectors of the self-test do not fit beside the model" in str(caught.value)
    assert "--vector-count" in caught.value.remedy


def test_larger_model_is_told_the_smallest_board() -> None:
    with pytest.raises(FitError, match="the model does not fit") as caught:
        place(*dense(4096, 300), load_boards(), vector_bytes=4220)
    assert caught.value.remedy == (
        "take nucleo_f767zi (512 KiB RAM, 2 MiB flash), the smallest that holds it, or use fewer weights"
    )


def test_check_of_one_board_names_another() -> None:
    plan, _ = dense(4096, 300)
    (fit,) = check_on_boards(plan.graph, [plan.board], "aot").boards
    assert "take nucleo_f767zi" in fit.problems[0].remedy


@pytest.mark.parametrize(("fits", "refused"), [(True, False), (False, False), (False, True)])
def test_what_the_bounds_do_not_decide_is_left_to_the_linker(fits: bool, refused: bool) -> None:
    for inputs in range(4000, 4300, 4):
        plan, footprint = dense(inputs, 124)
        need = demand(plan, footprint, plan.board)
        room = plan.board.default_flash.size
        assert need.least_flash < need.flash
        if (need.flash <= room, need.least_flash > room) == (fits, refused):
            break
    else:
        pytest.fail("no size leaves it open")
    (fit,) = check_on_boards(plan.graph, [plan.board], "aot").boards
    assert fit.fits == fits
    if refused:
        with pytest.raises(FitError, match="at least"):
            place(plan, footprint, load_boards())
    else:
        assert place(plan, footprint, load_boards()).arena_region == "SRAM1"
    if not fits and not refused:
        assert fit.problems[0].reason == (
            f"it may not fit: {need.least_flash:,} to {need.flash:,} bytes of flash, as far as that is known "
            f"before it is compiled, and FLASH has {room:,}"
        )


def test_emulated_board_is_called_so() -> None:
    with pytest.raises(FitError) as caught:
        place(*dense(4096, 700), load_boards())
    assert "take qemu_mps2_an505 (emulated, 4 MiB RAM, 4 MiB flash)" in caught.value.remedy


LINKER = """\
ld: .pio/build/x/firmware.elf section `.rodata' will not fit in region `FLASH'
ld: region `FLASH' overflowed by 916 bytes
ld: region `FLASH' overflowed by 1084 bytes
"""


def test_what_the_linker_refuses_names_tensors_and_board() -> None:
    plan, footprint = dense(4096, 127)
    error = failure(Path("project"), ["run"], PioRun(1, LINKER, Path("log")))
    assert isinstance(error, RegionOverflowError)
    assert (error.region, error.excess, error.exit_code) == ("FLASH", 1084, FitError.exit_code)
    assert str(overflowed(plan, footprint, error.region, error.excess, load_boards())) == (
        "nucleo_f446re: the image is 1,084 bytes too large for FLASH\n"
        "  why: largest: weights 520,192\n"
        "  what to do: take nucleo_f746zg (320 KiB RAM, 1 MiB flash), the smallest that holds it, "
        "or use fewer weights"
    )
    ram = overflowed(plan, footprint, "SRAM1", 200_000, load_boards())
    assert "largest: samples 4,096" in ram.why
