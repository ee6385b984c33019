"""Every board: whole projects compile without a warning, and run to PASS in the board's emulator."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks.micronets import micronet
from micronets_gen.boards.load import load_board, load_boards
from micronets_gen.bundled.catalogue import resolve_model
from micronets_gen.image.elf import ImageReport, analyse_elf
from micronets_gen.jobs.build import BuildRequest, build
from micronets_gen.jobs.execute import run_project
from micronets_gen.model.graph import DType, Padding
from micronets_gen.plan.goal import Goal
from micronets_gen.plan.optimize import SPEED
from micronets_gen.project import pio
from micronets_gen.project.project import environments
from micronets_gen.report.report import Report
from tests.support.networks import Network

pytestmark = [
    pytest.mark.needs("compiler"),
    pytest.mark.needs("qemu"),
]

BOARDS = [board.name for board in load_boards()]
CODE = 21 * 1024
"""Most bytes of flash beside weights, biases and golden vectors."""
STATIC_RAM = 64
"""Data and bss of a release image beside the arena: drivers and the C library, nothing that grows with a model."""
PROFILING_RAM = 1024


def int16_network() -> bytes:
    """Two inputs, two outputs, 16-bit activations."""
    n = Network(seed=16, dtype=DType.INT16)
    x = n.concatenation([n.input((1, 12, 9, 2), "left"), n.input((1, 12, 9, 3), "right")])
    x = n.convolution(x, 12, (3, 3), (2, 2), name="stem")
    y = n.depthwise(x, name="residual_depthwise")
    y = n.convolution(y, 12, name="residual_pointwise")
    x = n.binary("ADD", x, y, name="residual")
    x = n.pool("MAX_POOL_2D", n.pad(x, 0, 1), (2, 2), (2, 2), Padding.VALID)
    map_ = n.activation("LOGISTIC", n.convolution(x, 1, name="map"), name="map_probabilities")
    return n.build([map_, n.softmax(n.dense(n.mean(x), 5, name="logits"))])


MODELS: dict[str, Callable[[], bytes]] = {
    "digits": resolve_model("digits").path.read_bytes,
    "int16_network": int16_network,
    "kws-s": resolve_model("kws-s").path.read_bytes,
}
PAIRS = [
    *((board, model) for board in BOARDS for model in ("digits", "int16_network")),
    *((board, "kws-s") for board in ("nucleo_f746zg", "nucleo_l4r5zi", "qemu_mps3_an547")),
]


@dataclass(frozen=True)
class Finished:
    """A project after its run."""

    folder: Path
    report: Report
    release: ImageReport
    profiled: ImageReport


def finish(folder: Path, board_name: str, model: str) -> Finished:
    """Generate, compile both environments and run both images."""
    file = folder / f"{model}.tflite"
    file.write_bytes(MODELS[model]())
    project = folder / "project"
    request = BuildRequest(board_name, str(file), runtime="aot", out=project, compile=False, vector_count=2)
    build(request)
    board = load_board(board_name)
    images = pio.build(project, environments(board))
    report = run_project(project)
    release, profiled = (analyse_elf(images[name], board) for name in environments(board))
    return Finished(project, report, release, profiled)


def test_every_board_has_an_emulator() -> None:
    assert len(BOARDS) >= 10
    assert all(board.emulator for board in load_boards())


@pytest.mark.parametrize(("board", "model"), PAIRS)
def test_board_compiles_runs_and_passes(tmp_path: Path, board: str, model: str) -> None:
    done = finish(tmp_path, board, model)
    log = (done.folder / ".pio/micronets.log").read_text()
    assert "warning:" not in log
    report, run = done.report, done.report.run
    assert run is not None
    assert run.passed
    assert [(v.passed, v.mismatches) for v in run.vectors] == [(True, 0)] * 2
    assert (run.unit, run.board, run.runtime, run.clock_note) == ("instructions", board, "aot", "")
    assert [(row.name, row.op, row.macs) for row in run.layers] == [
        (layer.name, layer.op, layer.macs) for layer in report.layers
    ]
    # The layers are all that there is to an inference; reading the counter costs a little.
    measured = sum(row.count for row in run.layers)
    assert abs(measured - run.count) < 0.01 * run.count + len(run.layers) * (30 + 2 * run.granularity)

    assert report.memory is not None
    assert report.memory.size == report.memory.peak == done.release.arena_bytes
    assert done.release.fits
    assert report.stack is not None
    assert report.stack.reserved_bytes is not None
    assert not report.stack.at_least
    assert report.stack.worst_bytes <= report.stack.reserved_bytes

    assert done.release.runtime_bytes <= CODE
    assert done.release.ram_bytes - done.release.arena_bytes <= STATIC_RAM
    assert done.profiled.ram_bytes - done.release.ram_bytes < PROFILING_RAM
    assert not [s.name for s in done.release.symbols if s.name.startswith("model_layer")]
    assert {"model_layers", "model_layer_ticks"} <= {s.name for s in done.profiled.symbols}


@pytest.mark.parametrize("model", ["digits", "int16_network"])
def test_what_is_timed_in_qemu_is_what_it_counts(tmp_path: Path, model: str) -> None:
    """Instruction by instruction, in total and by layer, up to what the counter resolves; the same every time."""
    done = finish(tmp_path, "qemu_mps3_an547", model)
    timing, run = done.report.timing, done.report.run
    assert timing
    assert run
    assert timing.core_only
    assert abs(timing.total.instructions - run.count) <= 2 * run.granularity
    assert [layer.index for layer in timing.layers] == list(range(len(run.layers)))
    for layer, row in zip(timing.layers, run.layers, strict=True):
        assert abs(layer.spent.instructions - row.count) <= 2 * run.granularity
    assert 0.5 < timing.total.issue / timing.total.instructions <= 1
    assert timing.total.cycles > timing.total.issue
    assert run_project(done.folder).timing == timing


@pytest.fixture(scope="module")
def f746(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return finish(tmp_path_factory.mktemp("f746"), "nucleo_f746zg", "digits")


def test_generated_code_is_compiled_with_warnings_as_errors(f746: Finished) -> None:
    pio.run_pio(f746.folder, ["run", "-t", "compiledb"])
    commands = json.loads((f746.folder / "compile_commands.json").read_text())
    generated = [entry for entry in commands if entry["file"].startswith("lib/")]
    assert {Path(entry["file"]).parts[1] for entry in generated} == {"board", "model", "selftest"}
    for entry in generated:
        assert {"-Wall", "-Wextra", "-Werror"} <= set(entry["command"].split()), entry["file"]


@pytest.mark.parametrize("board", ["nucleo_f746zg", "qemu_mps2_an386"])
def test_counts_are_the_same_every_time(tmp_path: Path, board: str) -> None:
    first = finish(tmp_path, board, "digits")
    again = run_project(first.folder)
    assert again.run == first.report.run


def test_a_model_that_fits_no_ram_is_refused_before_the_linker(tmp_path: Path) -> None:
    from micronets_gen.errors import FitError

    file = tmp_path / "micronet_ad_l.tflite"
    file.write_bytes(micronet("micronet_ad_l"))
    request = BuildRequest("nucleo_f446re", str(file), runtime="aot", out=tmp_path / "project")
    with pytest.raises(FitError) as caught:
        build(replace(request, goal=Goal(SPEED)))
    assert not (tmp_path / "project").exists()
    # Row by row it would fit, and the error says so.
    assert "353,280 bytes of arena" in str(caught.value)
    assert "leave --optimize at balanced" in str(caught.value)
