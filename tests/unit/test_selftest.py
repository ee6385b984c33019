"""The self-test's C, compiled for the host around models with many kinds of tensors."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from micronets_gen.model.graph import Array, DType, Graph, Tensor
from micronets_gen.plan.plan import MemoryPlan, Plan
from micronets_gen.project.selftest import selftest_files
from micronets_gen.project.soc_files import soc_files
from micronets_gen.project.vectors import Vectors
from tests.support.tiny_project import BOARD

pytestmark = pytest.mark.needs("gcc")

BOARD_C = """
#include <stdio.h>
#include "board.h"
#include "selftest.h"
const char board_counter_unit[] = "cycles";
const uint32_t board_counter_numerator = 4000000000u, board_counter_denominator = 1;
static uint32_t ticks = 4294967290u;
uint32_t board_counter(void) { return ticks += 7u; }
uint32_t board_clock_hz(void) { return 216000000u; }
bool board_clock_fallback(void) { return true; }
void board_write(const char *data, size_t length) { fwrite(data, 1, length, stdout); }
const uint8_t board_build_id[20] = {0x00, 0xa1, 0xff};
int main(void) { return selftest_run(); }
"""


def many_types() -> tuple[Graph, Vectors]:
    """A model whose outputs are its inputs, one of each type, and two vectors with the types' extremes."""
    kinds = list(DType)
    tensors = tuple(Tensor(i, f"t{i}", (1, 3), kind) for i, kind in enumerate(kinds))
    indices = tuple(range(len(kinds)))
    graph = Graph("many", tensors, (), indices, indices)

    def extremes(kind: DType) -> Array:
        if kind is DType.FLOAT32:
            return np.array([[np.float32(0.1), -0.0, np.inf]], np.float32)
        if kind is DType.BOOL:
            return np.array([[True, False, True]])
        limits = np.iinfo(kind.value)
        return np.array([[limits.min, limits.max, 1]], kind.value)

    rows = tuple(tuple(extremes(kind)[:, ::step] for kind in kinds) for step in (1, -1))
    return graph, Vectors(rows, rows, None, "extremes")


def identity_model(graph: Graph) -> tuple[str, str]:
    """Return model.h and model.c of a model that copies each input to the output of the same index."""
    header = ["#include <stdint.h>", "void model_init(void);", "void model_invoke(void);"]
    header += [f"#define MODEL_OUTPUTS {len(graph.outputs)}"]
    source, copies = ["#include <string.h>", '#include "model.h"', "void model_init(void) { }"], []
    for i, tensor in enumerate(graph.tensors):
        header += [
            f"{tensor.dtype.c} *model_input_{i}(void);",
            f"const {tensor.dtype.c} *model_output_{i}(void);",
        ]
        source += [
            f"static {tensor.dtype.c} in_{i}[{tensor.elements}], out_{i}[{tensor.elements}];",
            f"{tensor.dtype.c} *model_input_{i}(void) {{ return in_{i}; }}",
            f"const {tensor.dtype.c} *model_output_{i}(void) {{ return out_{i}; }}",
        ]
        copies.append(f"memcpy(out_{i}, in_{i}, sizeof out_{i});")
    source.append(f"void model_invoke(void) {{ {' '.join(copies)} }}")
    return "\n".join(header) + "\n", "\n".join(source) + "\n"


def run(folder: Path, graph: Graph, vectors: Vectors) -> tuple[int, list[str]]:
    plan = Plan(graph, BOARD, "aot", (), MemoryPlan((), 0, 0), "RAM", graph.name)
    header, source = identity_model(graph)
    files = selftest_files(plan, vectors)
    for name, text in {
        "board.h": soc_files(BOARD, arena_region="RAM", stack_bytes=2048)["board.h"],
        "model.h": header,
        "host.c": BOARD_C,
        "model.c": source,
        **files,
    }.items():
        (folder / name).write_text(text)
    strict = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wpedantic"]
    checked = [str(folder / name) for name in files if name.endswith(".c")]
    for path in checked:
        subprocess.run(["gcc", *strict, "-c", path, "-o", f"{path}.o"], check=True)
    objects = [f"{path}.o" for path in checked]
    others = [str(folder / "host.c"), str(folder / "model.c")]
    subprocess.run(["gcc", "-fsanitize=undefined", "-o", str(folder / "test"), *others, *objects], check=True)
    done = subprocess.run([str(folder / "test")], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.split("\n")


def test_every_type_passes_with_its_extremes(tmp_path: Path) -> None:
    graph, vectors = many_types()
    status, lines = run(tmp_path, graph, vectors)
    assert status == 0
    assert lines == [
        "MN,begin,2",
        "MN,board,tiny_mps2,216000000,fallback",
        "MN,model,many,aot",
        "MN,build,00a1ff" + 17 * "00",
        "MN,counter,cycles,4000000000,1",
        # The counter wraps between the two readings.
        "MN,startup,7",
        "MN,invoke,7",
        "MN,vector,0,PASS,0",
        "MN,vector,1,PASS,0",
        "MN,result,PASS,2,2",
        "MN,end",
        "",
    ]


def test_offsets_count_over_all_outputs(tmp_path: Path) -> None:
    graph, vectors = many_types()
    # The last element of the third output, an int32 of 1: one byte, and one more in the fifth.
    wrong = [array.copy() for array in vectors.expected[0]]
    wrong[2][0, 2] = 3
    wrong[4][0, 0] = 9
    offset = 3 * 1 + 3 * 2 + 2 * 4
    status, lines = run(
        tmp_path, graph, Vectors(vectors.inputs, (tuple(wrong), vectors.expected[1]), None, "wrong")
    )
    assert status == 1
    first = lines.index(f"MN,byte,{offset},3,1")
    assert lines[first + 1].startswith("MN,byte,")
    assert lines[first + 2] == "MN,vector,0,FAIL,2"
    assert "MN,result,FAIL,1,2" in lines


def test_no_more_than_the_first_eight_bytes_are_told(tmp_path: Path) -> None:
    tensor = Tensor(0, "bytes", (1, 20), DType.INT8)
    graph = Graph("bytes", (tensor,), (), (0,), (0,))
    rows = ((np.arange(20, dtype=np.int8).reshape(1, 20),),)
    _, lines = run(tmp_path, graph, Vectors(rows, ((rows[0][0] + np.int8(1),),), None, "wrong"))
    told = [line for line in lines if line.startswith(("MN,byte", "MN,vector"))]
    assert told == [*(f"MN,byte,{i},{i + 1},{i}" for i in range(8)), "MN,vector,0,FAIL,20"]


def test_labelled_vectors_tell_label_and_prediction(tmp_path: Path) -> None:
    scores = Tensor(0, "scores", (1, 4), DType.INT8)
    graph = Graph("scores", (scores,), (), (0,), (0,))
    rows = tuple(
        (np.array([row], np.int8),)
        for row in ([-128, 5, -1, 5], [1, 2, 3, 4], [4, 3, 2, 1], [-5, -4, -6, -7])
    )
    # Ties go to the first; the second is unlabelled, the third is wrong.
    status, lines = run(tmp_path, graph, Vectors(rows, rows, (1, -1, 3, 1), "scores"))
    assert status == 0
    assert [line for line in lines if line.startswith("MN,vector")] == [
        "MN,vector,0,PASS,0,1,1",
        "MN,vector,1,PASS,0",
        "MN,vector,2,PASS,0,3,0",
        "MN,vector,3,PASS,0,1,1",
    ]
