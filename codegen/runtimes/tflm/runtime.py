"""The ``tflm`` runtime as the generator sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from micronets_gen.boards.board import Board
from micronets_gen.emulate.errors import EmulationError
from micronets_gen.errors import ModelError
from micronets_gen.model.graph import Graph
from micronets_gen.operators import Problem, operator_specs
from micronets_gen.plan.arena import ArenaInfo
from micronets_gen.plan.check import check_model
from micronets_gen.plan.footprint import Footprint
from micronets_gen.plan.goal import Goal
from micronets_gen.plan.memory import plan_memory
from micronets_gen.plan.plan import Layer, LayerCode, MemoryPlan, Plan
from micronets_gen.runtimes.base import PROFILE, RELEASE, Environment, LayerKernel, LibrarySources, Sources
from micronets_gen.runtimes.tflm.arena.cmsis_nn import Simd
from micronets_gen.runtimes.tflm.arena.kernels import Target
from micronets_gen.runtimes.tflm.arena.model import read_model
from micronets_gen.runtimes.tflm.arena.pinned import COMMIT, PINNED
from micronets_gen.runtimes.tflm.arena.predict import predict
from micronets_gen.runtimes.tflm.arena.probe import ARENA, Trial, try_arena
from micronets_gen.runtimes.tflm.arena.sizing import (
    describe_arena,
    image_structures,
    margin,
    memory_plan,
    offline_gain,
    size_arena,
)
from micronets_gen.runtimes.tflm.bound import generous_arena, most_code_bytes
from micronets_gen.runtimes.tflm.guard import Expectation, layer_kernels, operator_calls
from micronets_gen.runtimes.tflm.limits import missing, refusals
from micronets_gen.runtimes.tflm.notices import notices
from micronets_gen.runtimes.tflm.operators import OperatorUse, scan_operators, scan_signatures
from micronets_gen.runtimes.tflm.source import model_sources
from micronets_gen.runtimes.tflm.sources import SourceTree
from micronets_gen.runtimes.tflm.vendor import Vendor, Vendored

CORE, KERNELS, CMSIS_NN, INTERPRETER = "tflm", "tflm_kernels", "cmsis_nn", "model_interpreter"

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
# With Helium, GCC 12 makes conditional conversions (vcvtne.f32.s32) that its assembler takes for something else.
_WORKAROUNDS = {"mve": ("-fno-if-conversion2",)}
_QUIET = ("-D TF_LITE_STRIP_ERROR_STRINGS",)
_ENVIRONMENTS = (
    *(replace(environment, flags=(*_QUIET, *environment.flags)) for environment in (RELEASE, PROFILE, ARENA)),
    Environment(
        "talkative", "Talkative: TensorFlow Lite Micro says over the serial port why it refuses a model."
    ),
)
_THIRD_PARTY = (
    "-I third_party/flatbuffers/include",
    "-I third_party/gemmlowp",
    "-I third_party/ruy",
)
# They are the same in every environment and on every board with the core, so that one compilation serves all.
_UNFLAGS = ("-D F_CPU", "-D MODEL_PROFILE", "-D MODEL_ARENA_PROBE")

# The smallest image that the tests build, less the model.
_LEAST_CODE = 24 * 1024
_STATIC_RAM = 1024
_STACK = 4 * 1024


@dataclass(frozen=True)
class TflmRuntime:
    """TensorFlow Lite Micro with CMSIS-NN.

    Attributes:
        trees: Where the sources lie.
        arena_bytes: Size of the arena; by default what is predicted, with a margin where no emulator can prove it.
    """

    trees: SourceTree
    arena_bytes: int | None = None
    name: str = field(default="tflm", init=False)

    @cached_property
    def _vendor(self) -> Vendor:
        return Vendor(self.trees)

    def as_given(self) -> TflmRuntime:
        """Return itself: the interpreter executes the model as it is."""
        return self

    def optimized(self, _goal: Goal) -> TflmRuntime:
        """Return itself: the interpreter keeps every tensor whole."""
        return self

    @property
    def minds_ram(self) -> bool:
        """Say no: its arena is what the interpreter takes."""
        return False

    def problems(self, graph: Graph) -> tuple[Problem, ...]:
        """Return the uses of operators without exact meaning, and what TFLM's kernels refuse.

        The interpreter executes every operator of the file, those too that the graph leaves out.

        Raises:
            ToolError: the sources cannot be used.
        """
        return check_model(graph) or self._refusals(graph)

    def _refusals(self, graph: Graph) -> tuple[Problem, ...]:
        names = {op.outputs[0]: op.name for op in graph.operators}
        found: list[Problem] = []
        for signature in scan_signatures(self._file(graph), graph.name):
            layer = f"{names.get(signature.result, signature.name)} ({signature.kind})"
            limits = self._vendor.limits(signature.kind)
            found += [missing(layer)] if limits is None else refusals(signature, limits, layer)
        return tuple(found)

    def plan(self, graph: Graph, board: Board, model_name: str) -> Plan:
        """Name the registrations, predict the arena, and add a memory plan to the file where that pays.

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
        planned, memory = self._arena(graph, board)
        return Plan(planned, board, self.name, layers, memory, "", model_name)

    def _arena(self, graph: Graph, board: Board) -> tuple[Graph, MemoryPlan]:
        """Return the graph, its file with a memory plan where that pays, and the arena for it."""
        try:
            sizing = size_arena(graph, board.simd, PINNED)
        except ModelError:  # an operator that only the file has, and no rule knows: the image finds out
            memory = plan_memory(graph, [LayerCode((), ()) for _ in graph.operators])
            return graph, replace(memory, size=self.arena_bytes or generous_arena(graph))
        needed = sizing.prediction.needed
        # Whatever is compiled is tried out; with other sources the first trial may need room.
        known = board.emulator is not None and self.trees.commits.get("tflm") == COMMIT
        size = self.arena_bytes or needed + margin(needed, proven=known)
        planned = replace(graph, file=sizing.file)
        return planned, memory_plan(planned, sizing.prediction, size)

    def trials(self, board: Board) -> tuple[Environment, ...]:
        """Return the environment whose image tries out its arena, where an emulator can run it."""
        return (ARENA,) if board.emulator else ()

    def prove(self, plan: Plan, images: Mapping[str, Path]) -> ArenaInfo:
        """Predict with the structures of the image, and let the image try it out where an emulator covers it."""
        graph, board = plan.graph, plan.board
        trial = self._trial(plan, images)
        measured, passed = (trial.size, trial.passed) if trial else (None, None)
        try:
            structures = image_structures(graph, board.simd, images[board.name])
        except ModelError:
            return describe_arena(plan.memory.size, None, "", measured, passed)
        prediction = predict(read_model(graph.file, graph.name), Target(Simd(board.simd)), structures)
        offline = offline_gain(graph, board.simd, structures)
        return describe_arena(plan.memory.size, prediction, structures.source, measured, passed, offline)

    def resized(self, plan: Plan, arena: ArenaInfo) -> TflmRuntime | None:
        """Return the runtime with what is needed, measured or else predicted with a margin."""
        if arena.measured:
            wanted = arena.measured.needed
        elif arena.passed is not None:
            wanted = max(generous_arena(plan.graph), 2 * arena.size)
        elif arena.predicted:
            wanted = arena.predicted.needed + margin(arena.predicted.needed, proven=False)
        else:
            return None
        return None if wanted == arena.size else replace(self, arena_bytes=wanted)

    @staticmethod
    def _trial(plan: Plan, images: Mapping[str, Path]) -> Trial | None:
        """What the image finds; None where no emulator can run it, here or at all."""
        if plan.board.emulator is None:
            return None
        try:
            return try_arena(images[ARENA.name(plan.board.name)], plan.board)
        except EmulationError:
            return None

    def footprint(self, plan: Plan) -> Footprint:
        """Count the file and bound the rest."""
        kinds = [use.kind for use in self._uses(plan.graph)]
        return Footprint(
            constants=len(plan.graph.file),
            least_code=_LEAST_CODE,
            most_code=most_code_bytes(kinds),
            static_ram=_STATIC_RAM,
            stack=_STACK,
        )

    def sources(self, plan: Plan, mark: str) -> Sources:
        """Return the model's library and those of TFLM and CMSIS-NN with what the model needs of them."""
        vendored = self._vendored(plan.graph)
        licences, overview = notices(self.trees)
        model = model_sources(plan, self._uses(plan.graph), vendored.operators, mark)
        interpreter = LibrarySources(
            INTERPRETER,
            f"The interpreter of the model {plan.model_name}",
            model.interpreter,
            (*_COMMON, "-Os"),
            _UNFLAGS,
            ("board", CORE, KERNELS, CMSIS_NN),
        )
        return Sources(
            files=model.model,
            flags=(*_COMMON, "-Os"),
            pins=dict(self.trees.commits),
            dependencies=("board", INTERPRETER, CORE, KERNELS, CMSIS_NN),
            libraries=(*_third_party(vendored, licences, plan.board.simd), interpreter),
            documents={"THIRD_PARTY_NOTICES.md": overview},
            environments=_ENVIRONMENTS,
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

    def indirect_calls(self, plan: Plan, elf: Path) -> Mapping[str, Sequence[str]]:
        """Return the functions of the operators for those of the interpreter that call them.

        Raises:
            ToolError: the image cannot be read.
        """
        kernels = self._vendored(plan.graph).operators
        return operator_calls(elf, [kernel.entry.registration for kernel in kernels])

    def _vendored(self, graph: Graph) -> Vendored:
        return self._vendor.collect(self._uses(graph), graph.name)

    @classmethod
    def _uses(cls, graph: Graph) -> tuple[OperatorUse, ...]:
        return scan_operators(cls._file(graph), graph.name)

    @staticmethod
    def _file(graph: Graph) -> bytes:
        if not graph.file:
            raise ModelError(
                "the tflm runtime needs the .tflite file itself",
                where=graph.name,
                remedy="read the model from its file",
            )
        return graph.file


def _third_party(
    vendored: Vendored, licences: Mapping[str, Mapping[str, str]], simd: str
) -> tuple[LibrarySources, ...]:
    """Return the libraries of what others wrote: the interpreter, CMSIS-NN, the operators."""
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
    return (
        LibrarySources(
            CORE,
            "TensorFlow Lite Micro: the interpreter",
            core,
            (*_COMMON, *_THIRD_PARTY, "-Os"),
            _UNFLAGS,
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
            (*_COMMON, *_FLOATLESS, *_WORKAROUNDS.get(simd, ()), "-O2"),
            _UNFLAGS,
            (CORE, CMSIS_NN),
        ),
    )


def _under(folder: str, files: Mapping[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in files.items()}
