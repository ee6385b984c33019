"""What is said of an aot image's flash before it is compiled, against the kernels and images themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import code_sizes
from micronets_gen.boards.board import Board
from micronets_gen.boards.load import load_board
from micronets_gen.bundled.catalogue import resolve_model
from micronets_gen.common.integers import round_up
from micronets_gen.errors import FitError
from micronets_gen.image.elf import analyse_elf
from micronets_gen.jobs.build import BuildRequest, build
from micronets_gen.model.graph import DType
from micronets_gen.operators.reading import read_model
from micronets_gen.plan.fit import demand
from micronets_gen.plan.goal import DEFAULT, Goal
from micronets_gen.project import pio
from micronets_gen.project.project import environments
from micronets_gen.runtimes.aot.runtime import AotRuntime
from tests.support.networks import random_network

BOARDS = Path(__file__).resolve().parents[2] / "boards"
WITHIN = {"nucleo_h743zi": 512, "nucleo_f446re": 1024, "qemu_mps2_an505": 1536, "qemu_mps3_an547": 1536}
"""Bytes by which the bound may exceed the image; the code of a board differs, and counts as that of the largest."""
needs_gcc = pytest.mark.needs("compiler")


def model_file(folder: Path, name: str) -> Path:
    """Return a bundled model, or a random network: type and seed."""
    kind, _, seed = name.partition("-")
    if not seed.isdigit():
        return resolve_model(name).path
    file = folder / f"{name}.tflite"
    file.write_bytes(random_network(int(seed), DType(kind)).model)
    return file


def flash_bounds(model: Path, board: Board, goal: Goal = DEFAULT) -> tuple[int, int]:
    """Return what is said before compiling, with one golden vector: at least and at most."""
    graph, runtime = read_model(model), AotRuntime().optimized(goal)
    plan = runtime.plan(graph, board, "model")
    vector = sum(graph.tensor(t).nbytes for t in (*graph.inputs, *graph.outputs))
    need = demand(plan, runtime.footprint(plan), board, vector)
    return need.least_flash, need.flash


@needs_gcc
@pytest.mark.parametrize("simd", code_sizes.FLAGS)
def test_record_is_of_these_kernels(simd: str) -> None:
    record = json.loads(code_sizes.RECORD.read_text(encoding="utf-8"))
    if record["compiler"] != code_sizes.compiler():
        pytest.skip(f"the record is of {record['compiler']}")
    assert code_sizes.measure(simd) == record["sizes"][simd], "run `python -m benchmarks.code_sizes`"


@needs_gcc
@pytest.mark.parametrize(
    ("name", "board", "optimize"),
    [
        *((name, board, "balanced") for name in ("kws-s", "int8-3", "int16-1") for board in WITHIN),
        *((name, board, "ram") for name in ("kws-s", "int8-12") for board in WITHIN),
    ],
)
def test_image_lies_within_the_bounds_and_near_the_upper(
    tmp_path: Path, name: str, board: str, optimize: str
) -> None:
    file, target, goal = model_file(tmp_path, name), load_board(board), Goal(optimize)
    project = tmp_path / "project"
    build(
        BuildRequest(board, str(file), runtime="aot", out=project, compile=False, vector_count=1, goal=goal)
    )
    images = pio.build(project, environments(target))
    release, profiled = (analyse_elf(images[name], target).flash_bytes for name in environments(target))
    least, most = flash_bounds(file, target, goal)
    assert 0 <= most - profiled <= WITHIN[board]
    assert least <= release <= profiled


@needs_gcc
def test_what_is_said_to_fit_links(tmp_path: Path) -> None:
    model = resolve_model("digits").path
    # Regions are multiples of 32 bytes.
    least, most = flash_bounds(model, load_board("nucleo_h743zi"))
    for name, size in (("exact", round_up(most, 32)), ("short", round_up(least, 32) - 32)):
        text = (BOARDS / "nucleo_h743zi.toml").read_text(encoding="utf-8")
        assert text.count('size = "2M"') == 1
        (tmp_path / f"{name}.toml").write_text(
            text.replace('size = "2M"', f"size = {size}"), encoding="utf-8"
        )

    def request(name: str) -> BuildRequest:
        return BuildRequest(
            str(tmp_path / f"{name}.toml"), str(model), runtime="aot", out=tmp_path / name, vector_count=1
        )

    assert build(request("exact")).elf is not None
    with pytest.raises(FitError, match="do not fit beside the model"):
        build(request("short"))
