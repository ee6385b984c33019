"""lib/model of the aot runtime: what an application finds in model.h, and names in C."""

from __future__ import annotations

import subprocess
from pathlib import Path

from micronets_gen.boards.load import load_board
from micronets_gen.bundled.catalogue import resolve_model
from micronets_gen.model.graph import DType, NoOptions, SplitOptions
from micronets_gen.model.reader import read_model, read_model_bytes
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


def test_quantisation_is_there_as_constants(tmp_path: Path) -> None:
    text = header(resolve_model("digits").path)
    assert "#define MODEL_INPUT_0_SCALE 0.00392156886f " in text
    assert "#define MODEL_INPUT_0_ZERO_POINT (-128)\n" in text
    (tmp_path / "model.h").write_text(text)
    (tmp_path / "main.c").write_text(APPLICATION)
    flags = ["-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "-Wconversion", "-Wdouble-promotion", "-Werror"]
    subprocess.run(["gcc", *flags, "main.c"], cwd=tmp_path, check=True)


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
