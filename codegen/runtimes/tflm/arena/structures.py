"""The structures that TFLM keeps in the arena, and how large they are on a 32-bit Arm core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from micronets_gen.errors import ToolError
from micronets_gen.runtimes.tflm.arena.layout import Layout, TypeName, read_layouts

_ALLOCATOR, _PLANNER = "micro_allocator.cc", "greedy_memory_planner.cc"

ALLOCATOR = TypeName("tflite::SingleArenaBufferAllocator", "single_arena_buffer_allocator.cc")
PLANNER = TypeName("tflite::GreedyMemoryPlanner", _PLANNER)
MICRO_ALLOCATOR = TypeName("tflite::MicroAllocator", _ALLOCATOR)
BUILTIN_ALLOCATOR = TypeName("tflite::MicroBuiltinDataAllocator", _ALLOCATOR)
SUBGRAPH = TypeName("tflite::SubgraphAllocations", _ALLOCATOR)
EVAL_TENSOR = TypeName("TfLiteEvalTensor", _ALLOCATOR)
NODE = TypeName("tflite::NodeAndRegistration", _ALLOCATOR)
SCRATCH_REQUEST = TypeName("tflite::internal::ScratchBufferRequest", _ALLOCATOR)
SCRATCH_HANDLE = TypeName("tflite::ScratchBufferHandle", _ALLOCATOR)
ALLOCATION_INFO = TypeName("tflite::AllocationInfo", _ALLOCATOR)
TENSOR = TypeName("TfLiteTensor", _ALLOCATOR)
QUANTIZATION = TypeName("TfLiteAffineQuantization", _ALLOCATOR)
PLANNED_BUFFER = TypeName("tflite::GreedyMemoryPlanner::BufferRequirements", _PLANNER)
PLANNED_ENTRY = TypeName("tflite::GreedyMemoryPlanner::ListEntry", _PLANNER)

CORE = (
    ALLOCATOR,
    PLANNER,
    MICRO_ALLOCATOR,
    BUILTIN_ALLOCATOR,
    SUBGRAPH,
    EVAL_TENSOR,
    NODE,
    SCRATCH_REQUEST,
    SCRATCH_HANDLE,
    ALLOCATION_INFO,
    TENSOR,
    QUANTIZATION,
    PLANNED_BUFFER,
    PLANNED_ENTRY,
)
"""What every model needs; operators add their own (:mod:`micronets_gen.runtimes.tflm.arena.kernels`)."""


@dataclass(frozen=True)
class Structures:
    """Sizes on a target.

    Attributes:
        layouts: By the type's name as ``str`` gives it.
        source: Where they come from: an image's name, or a commit.
    """

    layouts: Mapping[str, Layout]
    source: str

    def __getitem__(self, name: TypeName) -> Layout:
        """Return a layout.

        Raises:
            ToolError: the type is not among them.
        """
        try:
            return self.layouts[str(name)]
        except KeyError:
            raise ToolError(
                f"the size of {name} on the target is not known",
                where=self.source,
                why="the debug information holds no definition of it, so another version of TFLM may be in use",
                remedy="build with the pinned sources, or measure the arena in an emulator",
            ) from None


def structures_of(elf: Path, wanted: tuple[TypeName, ...]) -> Structures:
    """Read the layouts of ``wanted`` from an image's debug information.

    Raises:
        ToolError: the image has none, or lacks one of the types.
    """
    found = read_layouts(elf, wanted)
    structures = Structures({str(name): layout for name, layout in found.items()}, elf.name)
    for name in wanted:
        structures[name]
    return structures
