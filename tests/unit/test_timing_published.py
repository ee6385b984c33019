"""Published measurements: what is fetched, how their logs are read, how tables compare them with a model."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.timing import published
from benchmarks.timing.boards import BOARDS, board_of
from benchmarks.timing.measure import Sample, made_input
from benchmarks.timing.registers import Registers
from benchmarks.timing.results import parse
from benchmarks.timing.table import (
    error_percent,
    fit_bus_cycles,
    fit_cycles_per_instruction,
    leave_out,
    summary,
    to_json,
    to_markdown,
    with_bus_cycles,
)
from micronets_gen.errors import ToolError, UsageError
from micronets_gen.timing.families import BUS_CYCLES

SENT = "00000.100 parser: Sending 490 bytes\n"


def run(inferences: int, start: int, end: int) -> str:
    return f"""\
00000.200 dut: m-warmup-start-1
00000.300 dut: m-warmup-done
00000.300 dut: m-infer-start-{inferences}
00000.300 dut: m-lap-us-{start}
00010.300 dut: m-lap-us-{end}
00010.300 dut: m-infer-done
00010.300 dut: m-results-[0.000,1.000]
00010.300 dut: m-ready
"""


def test_time_is_the_median_of_the_runs() -> None:
    asked = "00000.001 dut: m-lap-us-77\n"
    found = parse(asked + SENT + run(100, 1000, 2000) + run(10, 5000, 5120) + run(100, 0, 1100))
    assert (found.microseconds, found.runs, found.input_bytes) == (11.0, 3, 490)
    assert found.spread_percent == pytest.approx(100 * 2 / 11)


def test_the_counter_of_microseconds_may_begin_again() -> None:
    assert parse(SENT + run(100, (1 << 32) - 400, 600)).microseconds == 10.0


def test_an_interrupted_run_does_not_count() -> None:
    broken = run(100, 1000, 2000).replace("00010.300 dut: m-lap-us-2000\n", "")
    assert parse(SENT + broken + run(100, 0, 700)).microseconds == 7.0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there is no complete run (m-infer-start, two m-lap-us, m-infer-done)"),
        (run(100, 0, 700), "it does not say how many bytes were sent"),
    ],
)
def test_what_is_no_record_is_an_error(text: str, why: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text, where="log.txt")
    assert str(error.value) == (
        f"log.txt: is no record of a measurement\n  why: {why}\n  what to do: take log.txt of a folder 'performance'"
    )


def test_boards_are_known_by_the_folders_of_results() -> None:
    names = {
        "NUCLEO_L4R5ZI_int8_max_performance": "NUCLEO-L4R5ZI",
        "NUCLEO_U575ZI_int8": "NUCLEO-U575ZI-Q",
        "NUCLEO_H7A3ZI_Q": "NUCLEO-H7A3ZI-Q",
        "DISCO_F746NG_int8": "DISCO-F746NG",
    }
    for folder, name in names.items():
        board = board_of(folder)
        assert board is not None
        assert board.name == name
    assert board_of("CY8CPROTO_062_4343W_int8") is None


def test_regions_are_whole_pages_and_do_not_overlap() -> None:
    for board in BOARDS:
        ends = 0
        for region in board.regions:
            assert region.origin >= ends
            assert not (region.origin | region.size) & 0xFFF
            ends = region.origin + region.size


def test_an_input_is_made_up_of_the_right_kind() -> None:
    assert made_input(490) == made_input(490)
    assert len(set(made_input(27648))) == 256
    values = struct.unpack("<640f", made_input(2560))
    assert all(-40 <= value <= 20 for value in values)


# Registers


def registers() -> tuple[Registers, bytearray]:
    said = bytearray()
    return Registers(BOARDS[0], said.append, lambda: None), said


def test_a_register_that_is_waited_for_gives_in() -> None:
    found, _ = registers()
    found.write(0x40012344, 4, 0x12)
    values = {found.read(0x40012344, 4) for _ in range(30)}
    assert values == {0x12, 0, 0xFFFFFFFF}
    found.write(0x40012348, 4, 0)
    assert [found.read(0x40012344, 4) for _ in range(10)] == [0x12] * 10


def test_a_byte_raises_an_interrupt_where_it_is_enabled_and_the_uart_has_spoken() -> None:
    found, said = registers()
    uart = 0x40008000
    found.pending.append(ord("x"))
    found.write(0xE000E100 + 8, 4, 1 << 70 - 64)
    found.write(uart, 4, 0x2D)
    assert found.interrupt is None
    found.write(uart + 0x28, 4, ord("!"))
    assert said == b"!"
    assert found.interrupt == 70
    assert found.read(uart + 0x1C, 4) & 0x20
    found.write(0xE000E180 + 8, 4, 1 << 70 - 64)
    assert found.interrupt is None
    assert found.read(uart + 0x24, 4) == ord("x")
    assert not found.read(uart + 0x1C, 4) & 0x20


def test_regions_of_the_mpu_are_kept() -> None:
    found, _ = registers()
    found.write(0xE000ED98, 4, 3)
    found.write(0xE000ED9C, 4, 0x20000000)
    found.write(0xE000EDA0, 4, 0x0303001F)
    found.write(0xE000ED9C, 4, 0x08000015)
    found.write(0xE000EDA0, 4, 0x1)
    assert found.mpu == {3: (0x20000000, 0x0303001F), 5: (0x08000015, 0x1)}


# Tables


def sample(image: str, instructions: int, measured: float, modelled: float, **changes: object) -> Sample:
    return replace(
        Sample(
            image=image,
            board="B",
            core="cortex-m4",
            clock_hz=1_000_000,
            task="kws",
            microseconds=measured,
            instructions=instructions,
            cycles={"issue": modelled} if modelled else {},
            misses=0,
            results="[1.000]",
        ),
        **changes,  # type: ignore[arg-type]
    )


SAMPLES = (sample("a/B/kws", 100, 150, 153), sample("a/B/ic", 200, 300, 294), sample("b/B/ad", 100, 300, 309))


def test_errors_are_relative_to_what_was_measured() -> None:
    assert [round(error_percent(s) or 0, 9) for s in SAMPLES] == [2, -2, 3]
    assert error_percent(sample("a/B/kws", 1, 1, 0)) is None


def test_a_constant_is_fitted_to_the_others_alone() -> None:
    errors = leave_out(SAMPLES, fit_cycles_per_instruction, lambda s, constant: constant * s.instructions)
    # Without the last one the constant is 1.5, which is half of what the last one takes.
    assert errors[2] == pytest.approx(-50)
    assert errors[0] > 0
    by_maker = leave_out(
        SAMPLES, fit_cycles_per_instruction, lambda s, c: c * s.instructions, lambda s: s.image[0]
    )
    assert by_maker == pytest.approx([100, 100, -50])


def test_cycles_of_the_bus_are_found_again() -> None:
    truth = BUS_CYCLES - 2
    found = [
        sample(
            "a/B/kws", 1, 1000 + misses * truth, 1000 + misses * BUS_CYCLES, misses=misses, core="cortex-m7"
        )
        for misses in (10, 40, 90)
    ]
    assert fit_bus_cycles(found) == pytest.approx(truth)
    assert [with_bus_cycles(s, truth) for s in found] == [s.measured_cycles for s in found]


def test_a_table_has_a_row_an_image_and_the_errors_of_each_core() -> None:
    text = to_markdown(SAMPLES)
    assert "| a/B/kws | cortex-m4 | 1 | 0.150 | 100 | 1.500 | 0.153 | +2.0 |" in text
    assert "| cortex-m4 | model | 3 | 2.3 | +3.0 | b/B/ad |" in text
    assert [(e.model, e.images, e.worst_image) for e in summary(SAMPLES)][1] == (
        "instructions times a constant fitted to the other images",
        3,
        "b/B/ad",
    )
    unmodelled = to_markdown([sample("a/B/kws", 100, 150, 0)])
    assert "| 1.500 | – | – |" in unmodelled


def test_json_has_the_cycles_by_cause() -> None:
    document = to_json(SAMPLES)
    assert document["images"][0]["cycles"] == {"issue": 153}
    assert document["images"][0]["measured_cycles"] == 150
    assert document["errors"][0]["mean_percent"] == pytest.approx(7 / 3)


# What is fetched


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.invalid")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in the form of the published ones, behind a URL that git's configuration leads there."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "served" / "results"
    files = {
        "closed/bosch/code/NUCLEO_L4R5ZI_int8/kws/image.bin": "one",
        "closed/bosch/code/NUCLEO_L4R5ZI_int8/kws/source.c": "no",
        "closed/bosch/code/NUCLEO_L4R5ZI_int8/ad/unmeasured.bin": "two",
        "closed/bosch/results/NUCLEO_L4R5ZI_int8/kws/performance/log.txt": SENT + run(100, 0, 700),
        "closed/bosch/results/NUCLEO_L4R5ZI_int8/kws/accuracy/log.txt": "no",
        "closed/STMicroelectronics/code/NUCLEO_L4R5ZI/anomaly_detection/Binaries/AD01-Performance.bin": "three",
        "closed/STMicroelectronics/code/NUCLEO_L4R5ZI/anomaly_detection/Binaries/AD01-Energy.bin": "no",
        "closed/STMicroelectronics/results/NUCLEO_L4R5ZI/ad/performance/log.txt": SENT + run(100, 0, 700),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "init", "--quiet", "--template=")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "published")
    config = tmp_path / "gitconfig"
    config.write_text(f'[url "{folder.parent.as_uri()}/"]\n    insteadOf = https://published.invalid/\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("MICRONETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(published, "REPOSITORY", "https://published.invalid/results")
    monkeypatch.setattr(published, "COMMIT", git(folder, "rev-parse", "HEAD"))
    return folder


def test_what_is_needed_is_fetched_and_nothing_else(origin: Path) -> None:
    told: list[str] = []
    assert published.lacking() == "the published images are not in the cache"
    place = published.fetch(told.append)
    assert told == ["fetching https://published.invalid/results"]
    assert published.lacking() == ""
    images = published.images(place)
    assert [image.name for image in images] == ["bosch/NUCLEO_L4R5ZI_int8/kws", "ST/NUCLEO_L4R5ZI/ad"]
    assert [image.path.read_text() for image in images] == ["one", "three"]
    unwanted = git(origin, "rev-parse", "HEAD:closed/bosch/code/NUCLEO_L4R5ZI_int8/kws/source.c")
    held = git(place, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    assert unwanted not in held
    published.fetch(told.append)
    assert len(told) == 1


def test_a_repository_out_of_reach_is_one_error(origin: Path) -> None:
    origin.rename(origin.with_name("elsewhere"))
    with pytest.raises(ToolError) as error:
        published.fetch(lambda _: None)
    assert error.value.what == "the published images cannot be fetched"
    assert error.value.where == "https://published.invalid/results"
    assert error.value.why
    assert published.lacking()
    origin.with_name("elsewhere").rename(origin)
    published.fetch(lambda _: None)
    assert not published.lacking()
