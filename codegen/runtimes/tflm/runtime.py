"""The ``tflm`` runtime as the generator sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from codegen.board import Board
from codegen.errors import ModelError
from codegen.graph import Graph
from codegen.guard import Expectation, layer_kernels
from codegen.memory import plan_memory
from codegen.operators import operator_specs
from codegen.plan import Layer, LayerCode, Plan
from codegen.runtimes.base import Footprint, LayerKernel, LibrarySources, Sources
from codegen.runtimes.tflm.bound import generous_arena
from codegen.runtimes.tflm.notices import notices
from codegen.runtimes.tflm.operators import OperatorUse, scan_operators
from codegen.runtimes.tflm.source import model_files
from codegen.runtimes.tflm.vendor import Vendor, Vendored
from codegen.sources import SourceTree

CORE, KERNELS, CMSIS_NN = "tflm", "tflm_kernels", "cmsis_nn"

_DEFINES = (
    "-D TF_LITE_STATIC_MEMORY",
    "-D TF_LITE_DISABLE_X86_NEON",
    "-D CMSIS_NN",
    "-D KERNELS_OPTIMIZED_FOR_SPEED",
    "-D NDEBUG",
)
# Beside what the platform gives every C++ file: no exceptions, RTTI or guarded statics.
# The standards are upstream's: the GNU dialects contract floating-point expressions, which moves bits.
_COMMON = (
    *_DEFINES,
    "-std=c17",
    "-std=c++17",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fmessage-length=0",
    "-funsigned-char",
    "-fomit-frame-pointer",
    "-Wno-unused-parameter",
    "-Wno-type-limits",
)
_FLOATLESS = ("-D ARM_NN_ENABLE_F16=0", "-D ARM_NN_ENABLE_F32=0")
_QUIET = ("-D TF_LITE_STRIP_ERROR_STRINGS",)
_THIRD_PARTY = (
    "-I third_party/flatbuffers/include",
    "-I third_party/gemmlowp",
    "-I third_party/ruy",
)
# They are the same in every environment and on every board with the core, so that one compilation serves all.
_UNFLAGS = ("-D MODEL_PROFILE", "-D MODEL_ARENA_PROBE")

# The smallest image that the tests build, less the model.
_LEAST_CODE = 24 * 1024
_STATIC_RAM = 1024
_STACK = 4 * 1024


@dataclass(frozen=True)
class TflmRuntime:
    """TensorFlow Lite Micro with CMSIS-NN.

    Attributes:
        trees: Where the sources lie.
        arena_bytes: Size of the arena; by default one that is surely large enough.
    """

    trees: SourceTree
    arena_bytes: int | None = None
    name: str = field(default="tflm", init=False)

    @cached_property
    def _vendor(self) -> Vendor:
        return Vendor(self.trees)

    def plan(self, graph: Graph, board: Board, model_name: str) -> Plan:
        """Name the registrations; the layout of the arena is TFLM's own, the one shown is without its tables.

        Raises:
            ModelError: TFLM has no kernel for an operator.
            ToolError: the sources cannot be used.
        """
        registrations = {k.entry.kind: k.entry.registration for k in self._vendored(graph).operators}
        specs = operator_specs()
        layers = tuple(
            Layer(op.index, op.name, op.kind, specs[op.kind].macs(graph, op), registrations[op.kind])
            for op in graph.operators
        )
        memory = plan_memory(graph, [LayerCode((), ()) for _ in graph.operators])
        size = generous_arena(graph) if self.arena_bytes is None else self.arena_bytes
        return Plan(graph, board, self.name, layers, replace(memory, size=size), "", model_name)

    def footprint(self, plan: Plan) -> Footprint:
        """Count the file; the rest are bounds."""
        return Footprint(len(plan.graph.file), _LEAST_CODE, _STATIC_RAM, _STACK)

    def sources(self, plan: Plan, mark: str) -> Sources:
        """Return the model's library and those of TFLM and CMSIS-NN with what the model needs of them."""
        vendored = self._vendored(plan.graph)
        licences, overview = notices(self.trees)
        core = {
            **vendored.core,
            **_under("third_party", vendored.third_party),
            **licences["tflm"],
            **{
                f"third_party/{key}/{name}": text
                for key in ("flatbuffers", "gemmlowp", "ruy")
                for name, text in licences[key].items()
            },
        }
        return Sources(
            files=model_files(plan, self._uses(plan.graph), vendored.operators, mark),
            flags=(*_COMMON, "-Os"),
            pins=dict(self.trees.commits),
            dependencies=("board", CORE, KERNELS, CMSIS_NN),
            libraries=(
                LibrarySources(
                    CORE, "TensorFlow Lite Micro: the interpreter", core, (*_COMMON, *_THIRD_PARTY, "-Os"), _UNFLAGS
                ),
                LibrarySources(
                    CMSIS_NN,
                    "CMSIS-NN: kernels for Cortex-M",
                    {**vendored.cmsis_nn, **licences["cmsis_nn"]},
                    (*_COMMON, *_FLOATLESS, "-I Include", "-O2"),
                    _UNFLAGS,
                ),
                LibrarySources(
                    KERNELS,
                    "TensorFlow Lite Micro: operators",
                    {**vendored.kernels, **licences["tflm"]},
                    (*_COMMON, *_FLOATLESS, "-O2"),
                    _UNFLAGS,
                    (CORE, CMSIS_NN),
                ),
            ),
            documents={"THIRD_PARTY_NOTICES.md": overview},
            quiet_flags=_QUIET,
        )

    def kernels(self, plan: Plan, elf: Path) -> tuple[LayerKernel, ...]:
        """Prove in the linked image which kernel executes each layer.

        Raises:
            ToolError: the image cannot be read, or lacks a kernel's registration.
        """
        expected = {
            kernel.entry.kind: Expectation(kernel.entry.registration, kernel.functions, kernel.file)
            for kernel in self._vendored(plan.graph).operators
        }
        return layer_kernels(elf, [(layer.index, layer.kind) for layer in plan.layers], expected)

    def _vendored(self, graph: Graph) -> Vendored:
        return self._vendor.collect(self._uses(graph), graph.name)

    @staticmethod
    def _uses(graph: Graph) -> tuple[OperatorUse, ...]:
        if not graph.file:
            raise ModelError(
                "the tflm runtime needs the .tflite file itself",
                where=graph.name,
                remedy="read the model from its file",
            )
        return scan_operators(graph.file, graph.name)


def _under(folder: str, files: Mapping[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in files.items()}
