"""The board on which published firmware is timed: with a small firmware of our own, and with published ones."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path

import pytest

from benchmarks.timing import protocol, published
from benchmarks.timing.boards import Board, board_of
from benchmarks.timing.machine import Machine
from benchmarks.timing.measure import Counter, Model, Sample, made_input, measure
from benchmarks.timing.published import Image
from micronets_gen.emulate.errors import EmulationError
from micronets_gen.errors import RunError

PROGRAMS = Path(__file__).parent / "programs"
LOG = """\
00001.000 parser: Sending 100 bytes
00001.100 dut: m-infer-start-1000
00001.101 dut: m-lap-us-10
00004.459 dut: m-lap-us-3368
00004.460 dut: m-infer-done
"""

needs_compiler = pytest.mark.needs("compiler")
needs_gcc = pytest.mark.needs("gcc")
needs_published = pytest.mark.needs("published", "gcc")
in_main = pytest.mark.parametrize("flags", [(), ("-DIN_MAIN",)], ids=["in the handler", "in main"])


def l4r5() -> Board:
    board = board_of("NUCLEO_L4R5ZI_int8")
    assert board is not None
    return board


@cache
def talker(folder: Path, *flags: str) -> bytes:
    elf, image = folder / f"talker{''.join(flags)}.elf", folder / f"talker{''.join(flags)}.bin"
    command = [
        "arm-none-eabi-gcc",
        "-mthumb",
        "-mcpu=cortex-m4",
        "-O1",
        "-std=gnu11",
        "-Wall",
        "-Wextra",
        "-Werror",
    ]
    source = PROGRAMS / "talker.c"
    subprocess.run([*command, "-nostdlib", *flags, source, "-T", PROGRAMS / "bare.ld", "-o", elf], check=True)
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", elf, image], check=True)
    return image.read_bytes()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("talker")


@needs_compiler
@in_main
def test_firmware_boots_by_interrupts_and_answers(folder: Path, flags: tuple[str, ...]) -> None:
    machine = Machine(l4r5(), talker(folder, *flags), patience=60)
    protocol.boot(machine)
    assert protocol.name(machine) == "dut-[a test]"
    assert protocol.model(machine) == "kws01"
    data = made_input(100)
    protocol.load(machine, data)
    assert protocol.infer(machine, 1) == str(sum(data))


@needs_compiler
@needs_gcc
@in_main
def test_one_inference_is_isolated_exactly(folder: Path, tmp_path: Path, flags: tuple[str, ...]) -> None:
    path, log = tmp_path / "image.bin", tmp_path / "log.txt"
    path.write_bytes(talker(folder, *flags))
    log.write_text(LOG)
    image = Image("somebody", "NUCLEO_L4R5ZI_int8", "kws", path, log)
    counted = measure(image, l4r5(), Counter)
    assert counted.instructions == 203
    assert counted.modelled_cycles is None
    modelled = measure(image, l4r5(), Model)
    assert modelled.instructions == 203
    # 203 instructions, and two cycles more for each of 99 + 1 branches that are taken; the loops lie in the cache.
    assert modelled.modelled_cycles == 203 + 2 * 100
    assert modelled.microseconds == 3.358


@needs_compiler
def test_registers_are_as_the_firmware_has_left_them(folder: Path) -> None:
    machine = Machine(l4r5(), talker(folder), patience=60)
    assert machine.register(0x40022000) == 0x600
    protocol.boot(machine)
    protocol.infer(machine, 1)
    assert machine.register(0x40022000) == 0x700
    assert machine.register(0xE000E014) == 119_999


@needs_compiler
def test_what_the_firmware_refuses_is_an_error(folder: Path) -> None:
    machine = Machine(l4r5(), talker(folder), patience=60)
    protocol.boot(machine)
    with pytest.raises(RunError, match="the firmware reports an error") as reported:
        protocol.infer(machine, 0)
    assert reported.value.why == "e-[Inference iterations must be >0]"
    with pytest.raises(RunError, match="the firmware does not take its input"):
        protocol.load(machine, b"")


@needs_compiler
def test_a_crash_says_where_and_why(folder: Path) -> None:
    machine = Machine(l4r5(), talker(folder, "-DCRASH"), patience=60)
    with pytest.raises(EmulationError) as error:
        protocol.boot(machine)
    assert error.value.what == "the firmware accesses 4 bytes at 0x60000000, where there is nothing"
    assert error.value.where.startswith("NUCLEO-L4R5ZI at 0x0800")


@needs_compiler
def test_firmware_that_hangs_is_stopped(folder: Path) -> None:
    machine = Machine(l4r5(), talker(folder), patience=0.3)
    protocol.boot(machine)
    with pytest.raises(EmulationError, match=r"^NUCLEO.*the firmware is not done after 0\.3 s"):
        machine.execute(b"name%", "never said")


@cache
def sample(name: str) -> Sample:
    image = next(image for image in published.images(published.folder()) if image.name == name)
    board = board_of(image.board)
    assert board is not None
    return measure(image, board)


@needs_published
@pytest.mark.parametrize(("maker", "most"), [("bosch/NUCLEO_L4R5ZI_int8", 3.0), ("ST/NUCLEO_L4R5ZI", 3.0)])
def test_modelled_time_of_a_published_image(maker: str, most: float) -> None:
    found = sample(f"{maker}/kws")
    assert found.modelled_cycles is not None
    assert abs(100 * (found.modelled_cycles / found.measured_cycles - 1)) < most


@needs_published
def test_images_of_two_makers_say_the_same_of_one_input() -> None:
    one, other = (
        json.loads(sample(f"{maker}/kws").results)
        for maker in ("bosch/NUCLEO_L4R5ZI_int8", "ST/NUCLEO_L4R5ZI")
    )
    assert len(one) == 12
    assert max(abs(a - b) for a, b in zip(one, other, strict=True)) < 0.005
