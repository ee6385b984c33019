"""A whole project around a hand-written board (QEMU's mps2-an386) and a hand-written model."""

from __future__ import annotations

import numpy as np

from micronets_gen.boards.board import Board, Emulator, Region, Uart
from micronets_gen.model.graph import DType, Graph, NoOptions, Operator, Quantization, Tensor
from micronets_gen.plan.plan import Layer, MemoryPlan, Plan
from micronets_gen.project.project import Project, project_files
from micronets_gen.project.soc_files import soc_files
from micronets_gen.project.vectors import Vectors
from micronets_gen.runtimes.base import Sources

FLAGS = ("-O2", "-Werror")
"""Of the model's library, as the aot runtime has them."""

BOARD = Board(
    name="tiny_mps2",
    title="Tiny MPS2",
    vendor="QEMU",
    url="https://www.qemu.org/docs/master/system/arm/mps2.html",
    mcu="mps2-an386",
    core="cortex-m4",
    fpu="fpv4-sp-d16",
    family="mps2",
    clock_hz=25_000_000,
    regions=(
        Region("FLASH", 0x00000000, 4 << 20, "flash", default=True),
        Region("RAM", 0x20000000, 4 << 20, "ram", default=True),
    ),
    uart=Uart("UART0", 115200),
    emulator=Emulator("qemu", "mps2-an386", 40, 1),
    upload=None,
)

MODEL_H = """\
#ifndef MODEL_H
#define MODEL_H
#include <stdint.h>
#define MODEL_NAME "tiny"
#define MODEL_INPUTS 1
#define MODEL_OUTPUTS 1
#define MODEL_INPUT_0_BYTES 8
#define MODEL_INPUT_0_ELEMENTS 8
#define MODEL_OUTPUT_0_BYTES 8
#define MODEL_OUTPUT_0_ELEMENTS 8
#define MODEL_ARENA_BYTES 4096
#define MODEL_LAYERS 1
void model_init(void);
int8_t *model_input_0(void);
void model_invoke(void);
const int8_t *model_output_0(void);
#ifdef MODEL_PROFILE
struct model_layer_info { const char *name; const char *op; uint32_t macs; };
extern const struct model_layer_info model_layers[MODEL_LAYERS];
extern uint32_t model_layer_ticks[MODEL_LAYERS];
#endif
#endif
"""

MODEL_C = """\
#include "model.h"

#include "board.h"

static int8_t arena[MODEL_ARENA_BYTES] __attribute__((section(".arena"), aligned(16)));

#ifdef MODEL_PROFILE
const struct model_layer_info model_layers[MODEL_LAYERS] = {{"relu", "RELU", 0}};
uint32_t model_layer_ticks[MODEL_LAYERS];
#endif

void model_init(void)
{
    arena[0] = 0;
}

int8_t *model_input_0(void)
{
    return arena;
}

const int8_t *model_output_0(void)
{
    return arena + 8;
}

void model_invoke(void)
{
#ifdef MODEL_PROFILE
    const uint32_t start = board_counter();
#endif
    for (uint32_t i = 0; i < 8u; i++) {
        arena[8 + i] = arena[i] < 0 ? 0 : arena[i];
    }
#ifdef MODEL_PROFILE
    model_layer_ticks[0] = board_counter() - start;
#endif
}
"""


def tiny_plan(board: Board = BOARD) -> Plan:
    """Return the plan of one RELU over 8 elements; its arena lies in the default region."""
    quantization = Quantization((0.5,), (0,))
    graph = Graph(
        name="tiny",
        tensors=(
            Tensor(0, "in", (1, 8), DType.INT8, quantization),
            Tensor(1, "out", (1, 8), DType.INT8, quantization),
        ),
        operators=(Operator(0, "RELU", 1, (0,), (1,), NoOptions(), "relu"),),
        inputs=(0,),
        outputs=(1,),
        sha256="5a" * 32,
    )
    return Plan(
        graph,
        board,
        "aot",
        (Layer(0, "relu", "RELU", 0, "mn_relu"),),
        MemoryPlan((), 4096, 16),
        "RAM",
        "tiny",
    )


def tiny_vectors(wrong: int = 0) -> Vectors:
    """Return three labelled vectors; ``wrong`` expected bytes of the second one are not right."""
    generator = np.random.default_rng(1)
    inputs = [generator.integers(-128, 128, (1, 8), dtype=np.int8) for _ in range(3)]
    expected = [np.maximum(array, 0) for array in inputs]
    labels = tuple(int(np.argmax(array)) for array in expected)
    expected[1].reshape(-1)[:wrong] += 1
    return Vectors(tuple((a,) for a in inputs), tuple((a,) for a in expected), labels, "three of a kind")


def tiny_project(vectors: Vectors | None = None, **model_files: str) -> Project:
    """Return the project; ``model_files`` replaces or adds files of ``lib/model`` (``__`` for ``.``)."""
    files = {"model.h": MODEL_H, "model.c": MODEL_C}
    files |= {name.replace("__", "."): text for name, text in model_files.items()}
    return project_files(tiny_plan(), vectors or tiny_vectors(), Sources(files, FLAGS), _board_files(BOARD))


def tiny_project_for(board: Board) -> Project:
    """Return the project for one of the package's boards, with that board's own start-up code."""
    files = {"model.h": MODEL_H, "model.c": MODEL_C}
    return project_files(tiny_plan(board), tiny_vectors(), Sources(files, FLAGS), _board_files(board))


def _board_files(board: Board) -> dict[str, str]:
    return soc_files(board, arena_region=board.default_ram.name, stack_bytes=2048)
