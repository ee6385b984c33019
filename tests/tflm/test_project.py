"""Whole projects with the real sources: written, compiled without them, run in the emulator."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from micronets_gen.errors import FitError
from micronets_gen.jobs.build import BuildRequest, build
from micronets_gen.jobs.execute import run_project
from micronets_gen.operators.reading import read_model
from micronets_gen.project.pio import run_pio
from micronets_gen.runtimes.tflm.operators import OperatorUse
from micronets_gen.runtimes.tflm.source import layer_of_operators
from tests.support.builder import ModelBuilder
from tests.support.paths import shared_model
from tests.tflm.trees import require_sources

BOARD = "qemu_mps2_an386"
needs_compiler = pytest.mark.needs("c++", "qemu")


def emit(root: Path, model: Path, **options: object) -> Path:
    require_sources()
    request = BuildRequest(board=BOARD, model=str(model), runtime="tflm", out=root, vector_count=3, **options)
    return build(request).project


def files_of(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return emit(tmp_path_factory.mktemp("tflm") / "project", shared_model("ad01_int8"), compile=False)


def test_the_same_inputs_give_the_same_bytes(project: Path, tmp_path: Path) -> None:
    again = emit(tmp_path / "again", shared_model("ad01_int8"), compile=False)
    assert files_of(again) == files_of(project)


def test_every_include_of_a_library_is_in_the_project(project: Path) -> None:
    """What the real sources have under the name; the rest is the compiler's, or of another target."""
    trees = require_sources()
    upstream = [trees.tflm, trees.cmsis_nn, trees.flatbuffers / "include"]
    emitted = [
        project / "lib" / name for name in ("tflm", "cmsis_nn", "tflm/third_party/flatbuffers/include")
    ]
    include = re.compile(
        r'^\s*#\s*include\s+"((?:tensorflow|signal|flatbuffers|Include)/[^"]+)"', re.MULTILINE
    )
    checked = 0
    for library in ("tflm", "tflm_kernels", "cmsis_nn"):
        for path in (project / "lib" / library).rglob("*.[ch]*"):
            for name in include.findall(path.read_text(encoding="utf-8")):
                if any((root / name).is_file() for root in upstream):
                    assert any((root / name).is_file() for root in emitted), f"{path} includes {name}"
                    checked += 1
    assert checked > 300


def test_nothing_in_it_names_another_place(project: Path) -> None:
    sources = require_sources()
    for name, content in files_of(project).items():
        for folder in (project.parent, sources.tflm, sources.cmsis_nn):
            assert str(folder).encode() not in content, name


def test_licences_and_commits_travel_with_it(project: Path) -> None:
    commits = require_sources().commits
    overview = (project / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8")
    for key, place in {
        "tflm": "lib/tflm",
        "cmsis_nn": "lib/cmsis_nn",
        "flatbuffers": "lib/tflm/third_party/flatbuffers",
        "gemmlowp": "lib/tflm/third_party/gemmlowp",
        "ruy": "lib/tflm/third_party/ruy",
    }.items():
        assert (project / place / "LICENSE").is_file()
        assert commits[key] in overview
    lock = (project / "micronets.lock").read_text(encoding="utf-8")
    assert all(commit in lock for commit in commits.values())


def test_flags_are_those_of_upstream(project: Path) -> None:
    flags = {
        name: json.loads((project / "lib" / name / "library.json").read_text())["build"]["flags"]
        for name in ("tflm", "tflm_kernels", "cmsis_nn", "model", "model_interpreter")
    }
    assert flags["tflm"][-1] == flags["model"][-1] == flags["model_interpreter"][-1] == "-Os"
    assert flags["tflm_kernels"][-1] == flags["cmsis_nn"][-1] == "-O2"
    for of in flags.values():
        assert {"-D TF_LITE_STATIC_MEMORY", "-D CMSIS_NN", "-D KERNELS_OPTIMIZED_FOR_SPEED"} <= set(of)
        assert "-funsigned-char" in of
        assert not {"-fno-builtin", "-ffreestanding"} & set(of)


def test_what_takes_long_to_compile_serves_every_environment(project: Path) -> None:
    heavy = re.compile(r'#include "tensorflow/lite/(?:micro/micro_(?:interpreter|mutable)|schema/)')
    including = {
        path.relative_to(project / "lib").as_posix()
        for name in ("model", "model_interpreter")
        for path in (project / "lib" / name).iterdir()
        if heavy.search(path.read_text(encoding="utf-8"))
    }
    # That of the arena is the same for every model, and empty without its macro.
    assert including == {"model_interpreter/model_interpreter.cc", "model/model_arena.cc"}
    manifest = json.loads((project / "lib/model_interpreter/library.json").read_text(encoding="utf-8"))
    assert {"-D MODEL_PROFILE", "-D MODEL_ARENA_PROBE"} <= set(manifest["build"]["unflags"])


def test_the_model_is_in_it_byte_for_byte(project: Path) -> None:
    text = (project / "lib/model/model_data.c").read_text(encoding="utf-8")
    body = text[text.index("{") + 1 : text.rindex("}")]
    assert (
        bytes(map(int, body.replace("\n", "").rstrip(",").split(",")))
        == shared_model("ad01_int8").read_bytes()
    )
    assert "_Alignas(16)" in text


def test_operators_that_are_no_layers_count_for_the_next_one(tmp_path: Path) -> None:
    b = ModelBuilder()
    x = b.tensor((1, 4), "int8", scale=0.5)
    unused = b.tensor((2,), "int32")
    y = b.tensor((1, 4), "int8", scale=0.25)
    b.operator("SHAPE", [x], [unused])
    b.operator("QUANTIZE", [x], [y])
    path = tmp_path / "m.tflite"
    path.write_bytes(b.build(inputs=[x], outputs=[y]))
    graph = read_model(path)
    assert len(graph.operators) == 1
    uses = [OperatorUse("SHAPE", "INT8", "", "INT32", unused), OperatorUse("QUANTIZE", "INT8", "", "INT8", y)]
    assert layer_of_operators(graph, uses) == (0, 0)
    assert layer_of_operators(graph, [*uses, uses[0]]) == (0, 0, 0)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return emit(tmp_path_factory.mktemp("built") / "project", shared_model("ad01_int8"))


@needs_compiler
def test_the_image_runs_exactly_as_fast_as_upstream_and_is_byte_exact(built: Path) -> None:
    report = run_project(built)
    assert report.run is not None
    assert report.run.passed
    # Measured with TFLM's own build: 582,937 instructions.
    assert report.run.count == pytest.approx(582_937, rel=0.01)
    assert len(report.run.layers) == len(report.layers)
    assert sum(layer.count for layer in report.run.layers) == pytest.approx(report.run.count, rel=0.01)


@needs_compiler
def test_the_report_names_the_kernels_in_the_image(built: Path) -> None:
    layers = json.loads((built / "report.json").read_text(encoding="utf-8"))["layers"]
    assert {layer["kernel"] for layer in layers} == {
        "arm_convolve_1x1_s8_fast / arm_fully_connected_wrapper_s8"
    }


@needs_compiler
def test_it_builds_without_micronets_gen_and_sources(built: Path, tmp_path: Path) -> None:
    moved = tmp_path / "a folder with spaces"
    shutil.copytree(built, moved, ignore=shutil.ignore_patterns(".pio"))
    environment = {"MICRONETS_CACHE": str(tmp_path / "none"), "PYTHONPATH": os.devnull}
    run_pio(moved, ["run"], environment=environment)
    name = f".pio/build/{BOARD}/firmware.elf"
    assert (moved / name).read_bytes() == (built / name).read_bytes()


@needs_compiler
def test_too_small_an_arena_ends_in_a_sentence(built: Path, tmp_path: Path) -> None:
    from micronets_gen.errors import RunError

    small = tmp_path / "small"
    shutil.copytree(built, small, ignore=shutil.ignore_patterns(".pio"))
    header = small / "lib/model/model.h"
    text, changes = re.subn(r"(#define MODEL_ARENA_BYTES) \d+", r"\1 1024", header.read_text())
    assert changes == 1
    header.write_text(text)
    with pytest.raises(RunError, match="the tensors could not be laid out in the arena"):
        run_project(small)


@needs_compiler
def test_its_application_prints_without_a_heap(built: Path, tmp_path: Path) -> None:
    project = tmp_path / "application"
    shutil.copytree(built, project)
    main = project / "src/main.c"
    main.write_text(main.read_text().replace("#define SELFTEST 1", "#define SELFTEST 0"))
    application = run_project(project).application
    assert application is not None
    assert application.passed
    assert re.fullmatch(r"the largest of the outputs is number \d+\n", application.output)


@needs_compiler
def test_strict_kernels_refuse_a_reference_kernel(tmp_path: Path) -> None:
    b = ModelBuilder()
    x = b.tensor((1, 8), "int8", scale=0.0625)
    y = b.tensor((1, 8), "int8", scale=1 / 128)
    b.operator("TANH", [x], [y])
    path = tmp_path / "tanh.tflite"
    path.write_bytes(b.build(inputs=[x], outputs=[y]))
    with pytest.raises(FitError, match="1 of 1 layers run on reference kernels") as caught:
        emit(tmp_path / "project", path, strict_kernels=True)
    assert "TANH has a reference kernel only (tanh.cc)" in caught.value.why
    # The project is complete all the same.
    report = run_project(tmp_path / "project")
    assert report.run is not None
    assert report.run.passed


@needs_compiler
def test_a_run_keeps_the_stack_that_build_found(tmp_path: Path) -> None:
    project = emit(tmp_path / "project", shared_model("ad01_int8"))
    before = json.loads((project / "report.json").read_text(encoding="utf-8"))["stack"]
    run_project(project)
    assert json.loads((project / "report.json").read_text(encoding="utf-8"))["stack"] == before
