"""lib/model of the aot runtime: what an application finds in model.h, and names in C."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from micronets_gen.boards.load import load_board
from micronets_gen.bundled.catalogue import resolve_model
from micronets_gen.model.graph import DType, NoOptions
from micronets_gen.operators.reading import read_model, read_model_bytes
from micronets_gen.operators.slice import SplitOptions
from micronets_gen.runtimes.aot.runtime import AotRuntime
from tests.support.builder import ModelBuilder

APPLICATION = """\
#include "model.h"
_Static_assert(MODEL_INPUT_0_ZERO_POINT == -128 && MODEL_INPUT_0_ELEMENTS == 64, "input");
_Static_assert(MODEL_OUTPUT_0_ZERO_POINT == -128 && MODEL_OUTPUT_0_ELEMENTS == 10, "output");
float probability(const int8_t *output);
float probability(const int8_t *output)
{
    return MODEL_OUTPUT_0_SCALE * (float)(output[0] - MODEL_OUTPUT_0_ZERO_POINT);
}
"""


def header(model: bytes | Path) -> str:
    graph = read_model(model) if isinstance(model, Path) else read_model_bytes(model, "model.tflite")
    runtime = AotRuntime()
    files = runtime.sources(runtime.plan(graph, load_board("nucleo_f446re"), "model"), "").files
    return str(files["model.h"])


@pytest.mark.needs("gcc")
def test_quantisation_is_there_as_constants(tmp_path: Path) -> None:
    text = header(resolve_model("digits").path)
    assert "#define MODEL_INPUT_0_SCALE 0.00392156886f " in text
    assert "#define MODEL_INPUT_0_ZERO_POINT (-128)\n" in text
    (tmp_path / "model.h").write_text(text)
    (tmp_path / "main.c").write_text(APPLICATION)
    flags = ["-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "-Wconversion", "-Wdouble-promotion", "-Werror"]
    subprocess.run(["gcc", *flags, "main.c"], cwd=tmp_path, check=True)


@pytest.mark.needs("gcc")
def test_shapes_are_there_as_initialisers(tmp_path: Path) -> None:
    (tmp_path / "model.h").write_text(header(resolve_model("digits").path))
    (tmp_path / "main.c").write_text(
        '#include "model.h"\n'
        "static const int32_t in[] = MODEL_INPUT_0_SHAPE, out[] = MODEL_OUTPUT_0_SHAPE;\n"
        '_Static_assert(sizeof in == 4 * MODEL_INPUT_0_DIMS && sizeof out == 4 * MODEL_OUTPUT_0_DIMS, "dims");\n'
        "int main(void)\n{\n    return in[0] == 1 && in[1] == 8 && in[2] == 8 && in[3] == 1 && out[1] == 10;\n}\n"
    )
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Werror", "-o", "main", "main.c"], cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "main"], check=False).returncode == 1


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """lib/model of the bundled digits model."""
    runtime = AotRuntime()
    graph = read_model(resolve_model("digits").path)
    files = runtime.sources(runtime.plan(graph, load_board("nucleo_f446re"), "digits"), "").files
    for name, text in files.items():
        (tmp_path / name).write_text(str(text))
    return tmp_path


@pytest.mark.needs("gcc")
def test_the_library_needs_nothing_but_a_c11_compiler(library: Path) -> None:
    strict = ["gcc", "-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    subprocess.run([*strict, *(path.name for path in library.glob("*.c"))], cwd=library, check=True)


@pytest.mark.needs("gcc")
@pytest.mark.parametrize("flag", ["-DMODEL_ARENA_PLACE=", "-DMODEL_ARENA_BUFFER=mine"])
def test_the_arena_can_be_placed_or_given(library: Path, flag: str) -> None:
    subprocess.run(["gcc", "-std=c11", "-Werror", flag, "-c", "model.c"], cwd=library, check=True)
    symbols = subprocess.run(
        ["nm", "model.o"], cwd=library, check=True, capture_output=True, text=True
    ).stdout
    kinds = {fields[-1]: fields[-2] for fields in map(str.split, symbols.splitlines())}
    assert kinds.get("mine") == "U" if "BUFFER" in flag else kinds["arena"] in "bB"


@pytest.mark.needs("gcc")
def test_offsets_that_overlap_do_not_compile(library: Path) -> None:
    text = (library / "model.c").read_text()
    moved = re.sub(r"\bAT_STEM = \d+,", "AT_STEM = 1000,", text)
    assert moved != text
    (library / "model.c").write_text(moved)
    done = subprocess.run(
        ["gcc", "-std=c11", "-fsyntax-only", "model.c"],
        cwd=library,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "AT_STEM reaches into AT_INPUT_0" in done.stderr


def test_whole_scale_is_a_float_and_floats_have_none() -> None:
    b = ModelBuilder("ends")
    x = b.tensor((1, 4), DType.FLOAT32, name="x")
    y = b.tensor((1, 4), DType.INT8, scale=2.0, zero_point=3, name="y")
    b.operator("QUANTIZE", [x], [y], NoOptions())
    text = header(b.build())
    assert "#define MODEL_OUTPUT_0_SCALE 2.0f " in text
    assert "#define MODEL_OUTPUT_0_ZERO_POINT (3)\n" in text
    assert "MODEL_INPUT_0_SCALE" not in text


NAMES = [
    "int",
    "main",
    "model_invoke",
    "at",
    "arena",
    "input_0",
    "INPUT_0",
    "input_0_",
    "AT",
    "a" * 200,
    "1x",
    "",
    "RUN",
]


@pytest.mark.needs("gcc")
def test_any_names_of_layers_compile(tmp_path: Path) -> None:
    """Names that are keywords, functions, of other layers once in upper case, or nothing at all."""
    b = ModelBuilder("names */ %s")
    tensor = b.tensor((1, 8), DType.INT8, scale=0.5, name="*/ int main(){}")
    for name in NAMES:
        result = b.tensor((1, 8), DType.INT8, scale=0.5, name=name)
        b.operator("RELU", [tensor], [result])
        tensor = result
    halves = [b.tensor((1, 4), DType.INT8, scale=0.5, name=name) for name in ("split", "x")]
    b.operator("SPLIT", [b.constant(1), tensor], halves, SplitOptions(2))
    last = b.tensor((1, 4), DType.INT8, scale=0.5, name="split_0")
    b.operator("RELU", [halves[0]], [last])
    graph = read_model_bytes(b.build(outputs=[last, halves[1]]), "names.tflite")
    runtime = AotRuntime()
    files = runtime.sources(runtime.plan(graph, load_board("nucleo_f446re"), "names"), "").files
    for name, text in files.items():
        (tmp_path / name).write_text(str(text))
    subprocess.run(
        ["gcc", "-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "model.c"], cwd=tmp_path, check=True
    )
