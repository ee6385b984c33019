"""Which region the arena gets, and the words where none holds it."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from micronets_gen.boards.board import Board, Region, Uart, Upload
from micronets_gen.errors import FitError
from micronets_gen.plan.placement import (
    Placement,
    biggest_tensors,
    find_placement,
    place_arena,
    smallest_board,
)
from micronets_gen.plan.plan import Buffer, MemoryPlan

KB = 1024


def make_board(
    name: str, *ram: tuple[str, int, int], flash: int = 512, default: str = "", real: bool = True
) -> Board:
    """A board of RAM regions ``(name, origin, KB)``; the first is the default unless named."""
    regions = [Region("FLASH", 0x0800_0000, flash * KB, "flash", default=True)]
    for region, origin, size in ram:
        regions.append(Region(region, origin, size * KB, "ram", default=region == (default or ram[0][0])))
    return Board(
        name=name,
        title=name,
        vendor="Vendor",
        url="",
        mcu="mcu",
        core="cortex-m4",
        fpu="",
        family="family",
        clock_hz=1,
        regions=tuple(regions),
        uart=Uart("UART1", 115200),
        emulator=None,
        upload=Upload(("stlink",)) if real else None,
    )


SMALL = make_board("small", ("SRAM", 0x2000_0000, 128))
SPLIT = make_board(
    "split", ("DTCM", 0x2000_0000, 64), ("SRAM1", 0x2001_0000, 240), ("SRAM2", 0x2004_C000, 16), flash=1024
)
LARGE = make_board("large", ("DTCM", 0x2000_0000, 128), ("AXI", 0x2400_0000, 512), flash=2048)
EMULATED = make_board("emulated", ("RAM", 0x2000_0000, 300), real=False)
BOARDS = (LARGE, SPLIT, SMALL, EMULATED)


def place(on: Board, arena: int, other: int = 8, flash: int = 100) -> Placement:
    return place_arena(on, arena * KB, other * KB, flash * KB)


def test_default_region_is_preferred() -> None:
    placement = place(SPLIT, 56)
    assert (placement.region, placement.shared, placement.origin) == ("DTCM", True, 0x2000_0000)
    assert [r.free for r in placement.regions] == [924 * KB, 0]


def test_else_another_region_that_holds_it() -> None:
    placement = place(SPLIT, 57)
    assert (placement.region, placement.shared) == ("SRAM1", False)
    assert [(r.region, r.need) for r in placement.regions[1:]] == [("DTCM", 8 * KB), ("SRAM1", 57 * KB)]


def test_else_the_shortest_span() -> None:
    assert place(SPLIT, 241).region == "DTCM+SRAM1"
    assert place(SPLIT, 241).shared
    assert place(SPLIT, 250, other=60).region == "SRAM1+SRAM2"
    assert place(SPLIT, 310).region == "DTCM+SRAM1+SRAM2"


def test_regions_with_a_gap_are_no_span() -> None:
    assert find_placement(LARGE, 513 * KB, KB, KB) is None


def test_data_in_the_middle_does_not_cut_the_arena() -> None:
    middle = make_board("middle", ("A", 0, 16), ("B", 16 * KB, 16), ("C", 32 * KB, 16), default="B")
    assert place(middle, 24).region == "A+B"
    assert find_placement(middle, 33 * KB, 8 * KB, KB) is None


def test_message_goes_region_by_region_and_names_tensors_and_a_board() -> None:
    with pytest.raises(FitError) as error:
        place_arena(
            SMALL, 200 * KB, 8 * KB, 600 * KB, tensors=(("conv1", 150 * KB), ("pool", 50 * KB)), boards=BOARDS
        )
    assert str(error.value) == (
        "small: the model does not fit: it needs 204,800 bytes of arena, 8,192 bytes of other RAM and "
        "614,400 bytes of flash\n"
        "  why: FLASH (code and constants): 614,400 of 524,288 bytes, 90,112 too many; "
        "SRAM (arena, data and stack): 212,992 of 131,072 bytes, 81,920 too many; "
        "largest at the peak: conv1 153,600, pool 51,200\n"
        "  what to do: take split (320 KiB RAM, 1 MiB flash), the smallest that holds it, or make the "
        "largest tensors smaller"
    )


def test_message_of_a_full_flash_does_not_blame_ram() -> None:
    with pytest.raises(FitError) as error:
        place_arena(SMALL, 1, 1, 600 * KB)
    assert "FLASH" in error.value.why
    assert "SRAM" not in error.value.why
    assert error.value.remedy == "use fewer weights"


def test_message_lists_regions_and_the_longest_span() -> None:
    with pytest.raises(FitError) as error:
        place(SPLIT, 400)
    places = [part.split(" (")[0] for part in error.value.why.split("; ")]
    assert places == ["DTCM", "SRAM1", "SRAM2", "DTCM+SRAM1+SRAM2"]


def test_message_when_data_alone_overflow() -> None:
    with pytest.raises(FitError) as error:
        place_arena(SMALL, 1, 130 * KB, KB)
    assert "SRAM (data and stack alone): 133,120 of 131,072 bytes, 2,048 too many" in error.value.why


def test_smallest_board_prefers_real_ones() -> None:
    assert smallest_board(BOARDS, 20 * KB, KB, KB) is SMALL
    assert smallest_board(BOARDS, 280 * KB, KB, KB) is SPLIT
    assert smallest_board((EMULATED, LARGE), 200 * KB, KB, KB) is LARGE
    assert smallest_board((EMULATED, SMALL), 200 * KB, KB, KB) is EMULATED
    assert smallest_board(BOARDS, 4000 * KB, KB, KB) is None


def test_biggest_tensors_are_those_at_the_peak() -> None:
    x, a, b = Buffer((0,), "x", 0, 90, -1, 0), Buffer((1,), "a", 90, 40, 0, 1), Buffer((2,), "b", 0, 80, 1, 2)
    assert biggest_tensors(MemoryPlan((x, a, b), 130, 130)) == (("x", 90), ("a", 40))


def test_placement_is_json() -> None:
    assert json.loads(json.dumps(asdict(place(SMALL, 1))))["region"] == "SRAM"
