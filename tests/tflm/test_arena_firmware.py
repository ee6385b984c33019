"""The arena of real images: what is predicted is what the image finds, on every kind of core."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks.micronets import ARCHITECTURES, micronet
from micronets_gen.boards.load import load_board
from micronets_gen.emulate import qemu
from micronets_gen.image.elf import analyse_elf
from micronets_gen.jobs.build import BuildRequest, Built, build
from micronets_gen.jobs.execute import run_project
from micronets_gen.operators.reading import read_model
from micronets_gen.plan.arena import ArenaSize
from micronets_gen.plan.fit import demand, sample_bytes
from micronets_gen.project.pio import build as compile_project
from micronets_gen.project.pio import image_of
from micronets_gen.project.project import environments, project_files
from micronets_gen.project.soc_files import soc_files
from micronets_gen.project.vectors import vectors_for
from micronets_gen.runtimes.tflm.arena.cmsis_nn import Simd
from micronets_gen.runtimes.tflm.arena.kernels import Target
from micronets_gen.runtimes.tflm.arena.model import read_model as read_allocations
from micronets_gen.runtimes.tflm.arena.pinned import LAYOUTS, PINNED
from micronets_gen.runtimes.tflm.arena.predict import predict
from micronets_gen.runtimes.tflm.arena.probe import ARENA, parse_arena, try_arena
from micronets_gen.runtimes.tflm.arena.sizing import image_structures
from micronets_gen.runtimes.tflm.runtime import TflmRuntime
from tests.support.networks import BLOCKS, HEADS, Network, random_network
from tests.tflm.trees import require_sources, shared_models

pytestmark = pytest.mark.needs("c++", "qemu")

BOARDS = ("qemu_mps2_an386", "qemu_mps2_an500", "qemu_mps3_an547")


def every_kind_of_block() -> bytes:
    """A network in which every block and head of :mod:`tests.support.networks` occurs, and what those draw from."""
    n = Network(seed=5)
    x = n.convolution(n.input((1, 10, 8, 3)), 8, (3, 3))
    for kind in ("RELU", "RELU6", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH"):
        x = n.activation(kind, x)
    x = n.binary("SUB", n.crop(x, 1), n.concatenation(n.split(x, 2)))
    x = n.extremum("MAXIMUM", n.extremum("MINIMUM", x, x), x)
    for block in BLOCKS:
        x = block(n, x)
        if x.shape[1] * x.shape[2] * x.shape[3] > 2_000:
            x = n.pool("MAX_POOL_2D", x, (2, 2), (2, 2))
    return n.build([y for head in HEADS for y in head(n, x)])


def many_models() -> dict[str, bytes]:
    """The real models, the paper's networks and random ones, by name."""
    models = {name: micronet(name) for name in ARCHITECTURES}
    models |= {f"random {seed}": random_network(seed).model for seed in range(40)}
    models |= {path.stem: path.read_bytes() for path in shared_models()}
    return models


def _kinds(data: bytes) -> set[str]:
    return {node.kind for node in read_allocations(data, "model").nodes}


@dataclass(frozen=True)
class Case:
    built: Built
    model: Path


@pytest.fixture(scope="module", params=BOARDS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    require_sources()
    root = tmp_path_factory.mktemp(request.param)
    model = root / "blocks.tflite"
    model.write_bytes(every_kind_of_block())
    return Case(
        build(
            BuildRequest(
                board=request.param, model=str(model), runtime="tflm", out=root / "project", vector_count=2
            )
        ),
        model,
    )


def test_the_image_has_what_is_needed_and_the_prediction_said_so(case: Case) -> None:
    arena = case.built.report.arena
    assert arena is not None
    assert arena.measured is not None
    assert arena.predicted == replace(arena.measured, smallest=None)
    assert (arena.basis, arena.passed, arena.margin) == ("measured", True, 0)
    assert arena.size == arena.measured.needed == arena.measured.smallest
    assert case.built.report.image is not None
    assert case.built.report.image.arena_bytes == arena.size


def test_the_image_lies_within_the_bounds_of_its_runtime(case: Case) -> None:
    board = load_board(case.built.report.board.name)
    runtime = TflmRuntime(require_sources())
    plan = runtime.plan(read_model(case.model), board, "blocks")
    values = sum(plan.graph.tensor(t).nbytes for t in (*plan.graph.inputs, *plan.graph.outputs))
    need = demand(plan, runtime.footprint(plan), board, 2 * sample_bytes(values))
    for name in environments(board):
        image = analyse_elf(image_of(case.built.project, name), board)
        assert need.least_flash <= image.flash_bytes <= need.flash
        assert image.ram_bytes <= need.ram


def test_the_pinned_sizes_are_those_of_the_image(case: Case) -> None:
    assert case.built.elf is not None
    report = case.built.report
    structures = image_structures(read_model(case.model), report.board.simd, case.built.elf)
    assert len(structures.layouts) > 25
    assert {name: LAYOUTS[name] for name in structures.layouts} == structures.layouts


def test_the_release_passes_in_it(case: Case) -> None:
    report = run_project(case.built.project)
    assert report.run is not None
    assert report.run.passed


def test_predictions_are_the_truth_on_many_models(case: Case, tmp_path: Path) -> None:
    # One image, which reads the models: operators, kernels and structures are those of the emitted project.
    board = load_board(case.built.report.board.name)
    assert board.emulator is not None
    project = tmp_path / "project"
    shutil.copytree(case.built.project, project, ignore=shutil.ignore_patterns(".pio"))
    model = (project / "lib/model_interpreter/model_interpreter.cc").read_text(encoding="utf-8")
    source = (Path(__file__).parent / "firmware" / "many_models.cc").read_text(encoding="utf-8")
    for mark, text in {
        "@HEADERS@": "\n".join(re.findall(r'^#include "tensorflow/.*$', model, re.MULTILINE)),
        "@OPERATORS@": "; ".join(re.findall(r"resolver\.Add\w+\(.*?\)(?= != )", model)) + ";",
        "@FOLDER@": str(tmp_path),
    }.items():
        source = source.replace(mark, text)
    (project / "lib/model/many_models.cc").write_text(source, encoding="utf-8")
    # PlatformIO links the libraries whose headers it finds here.
    main = (
        '#include "board.h"\n#include "model.h"\n'
        "void many_models(void);\n\nint main(void)\n{\n    many_models();\n}\n"
    )
    (project / "src/main.c").write_text(main, encoding="utf-8")
    kinds = {node.kind for node in read_allocations(case.model.read_bytes(), "blocks").nodes}
    models = {name: data for name, data in many_models().items() if _kinds(data) <= kinds}
    assert len(models) > 40
    for number, data in enumerate(models.values()):
        (tmp_path / f"{number:02}.tflite").write_bytes(data)

    name = ARENA.name(board.name)
    elf = compile_project(project, [name])[name]
    # The models come from the host's files, which QEMU's usual command line keeps away from a firmware.
    command = [
        part.replace("target=gdb", "target=native") for part in qemu.command(board.emulator.machine, elf)
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
    lines = done.stdout.decode().replace("\r", "").splitlines()

    target = Target(Simd(board.simd))
    found = [parse_arena(line) for line in lines if line.startswith("MN,arena")]
    for (label, data), truth in zip(models.items(), found, strict=True):
        assert truth is not None, label
        p = predict(read_allocations(data, label), target, PINNED)
        assert ArenaSize(p.head, p.tail, p.transient, p.needed, p.needed) == truth, label


def test_a_memory_plan_passes_and_saves_what_is_said(tmp_path: Path) -> None:
    require_sources()
    model = tmp_path / "planned.tflite"
    model.write_bytes(random_network(13).model)
    built = build(
        BuildRequest(board=BOARDS[0], model=str(model), runtime="tflm", out=tmp_path / "p", vector_count=2)
    )
    arena = built.report.arena
    assert arena is not None
    assert arena.offline is not None
    assert arena.offline.used
    assert (arena.offline.needed_with, arena.passed) == (arena.size, True)
    assert arena.offline.needed_without > 1.2 * arena.size


def test_the_image_says_when_its_arena_is_too_small_or_too_large(case: Case, tmp_path: Path) -> None:
    arena = case.built.report.arena
    assert arena is not None
    assert arena.measured is not None
    graph = read_model(case.model)
    board = load_board(case.built.report.board.name)
    for size in (arena.size - 16, arena.size + 4_000):
        runtime = TflmRuntime(require_sources(), arena_bytes=size)
        plan = replace(runtime.plan(graph, board, "blocks"), arena_region=board.default_ram.name)
        sources = runtime.sources(plan, "")
        folder = tmp_path / str(size)
        project_files(
            plan,
            vectors_for(graph, None, count=1),
            sources,
            soc_files(board, arena_region=plan.arena_region, stack_bytes=runtime.footprint(plan).stack),
        ).write(folder)
        name = ARENA.name(board.name)
        trial = try_arena(compile_project(folder, [name])[name], board)
        if size < arena.size:
            assert (trial.size, trial.passed) == (None, False)
        else:
            assert (trial.size, trial.passed) == (arena.measured, True)
