"""Arenas of the networks of docs/rolling.md: TFLM's, and aot's with every tensor whole and with layers that roll.

``python -m benchmarks.rolling [MODEL.tflite ...]`` prints the table; the MicroNets come without files.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.micronets import ARCHITECTURES, micronet
from micronets_gen.model.graph import Graph
from micronets_gen.operators.reading import read_model, read_model_bytes
from micronets_gen.runtimes.aot.planner import Layouts
from micronets_gen.runtimes.tflm.arena.pinned import PINNED
from micronets_gen.runtimes.tflm.arena.sizing import size_arena
from micronets_gen.simplify.simplify import simplify

SIMD = "dsp"


def rows(files: Sequence[Path]) -> Iterator[tuple[str, int, int, int, int]]:
    """Yield name, TFLM's arena, aot's with whole tensors, its smallest, and how many layers then roll."""
    for graph in _graphs(files):
        layouts = Layouts(simplify(graph).graph, SIMD)
        layers, memory = layouts.smallest
        rolled = sum(bool(layer.code and layer.code.rolling) for layer in layers)
        tflm = size_arena(graph, SIMD, PINNED).prediction.needed
        yield graph.name, tflm, layouts.whole[1].size, memory.size, rolled


def _graphs(files: Sequence[Path]) -> Iterator[Graph]:
    for name in ARCHITECTURES:
        yield read_model_bytes(micronet(name), name)
    yield from map(read_model, files)


if __name__ == "__main__":
    print("| model | tflm | `speed` | `ram` | layers that roll |\n|---|---:|---:|---:|---:|")
    for name, *figures in rows([Path(argument) for argument in sys.argv[1:]]):
        print(f"| {name} | " + " | ".join(f"{figure:,}" for figure in figures) + " |")
