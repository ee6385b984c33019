"""From a model to the size of its arena: prediction, layout, margin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from micronets_gen.common.integers import ceil_div, round_up
from micronets_gen.model.graph import Graph
from micronets_gen.plan.arena import ArenaInfo, ArenaOperator, ArenaPart, ArenaSize, OfflinePlan
from micronets_gen.plan.plan import Buffer, MemoryPlan
from micronets_gen.runtimes.tflm.arena.cmsis_nn import Simd
from micronets_gen.runtimes.tflm.arena.embed import embed_plan
from micronets_gen.runtimes.tflm.arena.greedy import ALIGN
from micronets_gen.runtimes.tflm.arena.kernels import Target
from micronets_gen.runtimes.tflm.arena.model import Model, read_model
from micronets_gen.runtimes.tflm.arena.offline import better_plan
from micronets_gen.runtimes.tflm.arena.predict import Prediction, predict, wanted_types
from micronets_gen.runtimes.tflm.arena.structures import Structures, structures_of

_UNPROVEN_SHARE = 50
_UNPROVEN_LEAST = 64


@dataclass(frozen=True)
class Sizing:
    """An arena before it is tried out.

    Attributes:
        file: What goes into the firmware: the model's file, with a memory plan where that pays.
        prediction: The arena for that file.
        offline: None where no plan beats TFLM's planner.
    """

    file: bytes
    prediction: Prediction
    offline: OfflinePlan | None = None


def size_arena(graph: Graph, simd: str, structures: Structures) -> Sizing:
    """Predict the arena, and decide whether the file gets a memory plan.

    Args:
        graph: With its file.
        simd: ``c``, ``dsp`` or ``mve``, see :attr:`micronets_gen.boards.board.Board.simd`.
        structures: Sizes on the target.

    Raises:
        ModelError: the arena cannot be predicted.
        ToolError: a size is missing.
    """
    target = Target(Simd(simd))
    model = read_model(graph.file, graph.name)
    without = predict(model, target, structures)
    better = better_plan(model, target, structures)
    if better is None:
        return Sizing(graph.file, without)
    planned, prediction = better
    assert planned.offsets is not None
    file = embed_plan(graph.file, planned.offsets)
    growth = len(file) - len(graph.file)
    used = without.needed - prediction.needed >= growth
    offline = OfflinePlan(used, without.needed, prediction.needed, growth)
    return Sizing(file, prediction, offline) if used else Sizing(graph.file, without, offline)


def margin(needed: int, *, proven: bool) -> int:
    """Return what is added to the least arena: nothing where an emulator has tried it out, else 2 %, at least 64."""
    return 0 if proven else round_up(max(_UNPROVEN_LEAST, ceil_div(needed, _UNPROVEN_SHARE)), ALIGN)


def offline_gain(graph: Graph, simd: str, structures: Structures) -> OfflinePlan | None:
    """Return what a memory plan is worth for a file that may have got one from :func:`size_arena`.

    Raises:
        ModelError: the arena cannot be predicted.
        ToolError: a size is missing.
    """
    growth = len(graph.file) - graph.file_bytes
    if not growth:
        return size_arena(graph, simd, structures).offline
    target = Target(Simd(simd))
    model = read_model(graph.file, graph.name)
    without = predict(replace(model, offsets=None), target, structures).needed
    return OfflinePlan(True, without, predict(model, target, structures).needed, growth)


def image_structures(graph: Graph, simd: str, elf: Path) -> Structures:
    """Read the sizes that a prediction needs from a compiled image; ``graph.file`` is what is in it.

    Raises:
        ModelError: the arena cannot be predicted.
        ToolError: the image lacks debug information.
    """
    model = read_model(graph.file, graph.name)
    return structures_of(elf, wanted_types(model, Target(Simd(simd))))


def memory_plan(graph: Graph, prediction: Prediction, size: int) -> MemoryPlan:
    """Return the arena's layout for drawings, the persistent data at its end as a buffer that is always live.

    Args:
        graph: With the file that the prediction is for.
        prediction: The arena's contents.
        size: Bytes of the arena.
    """
    moments = _moments(graph, read_model(graph.file, graph.name))
    names = {tensor: op.name for op in graph.operators for tensor in op.outputs}
    names |= {tensor: graph.tensor(tensor).name for tensor in graph.inputs}
    end = len(graph.operators)
    buffers = [
        Buffer(
            tensors=() if block.tensor is None else (block.tensor,),
            name=f"{_layer(graph, moments[block.first])} scratch"
            if block.tensor is None
            else names.get(block.tensor, f"tensor {block.tensor}"),
            offset=block.offset,
            size=block.size,
            first=moments[block.first],
            last=end if block.tensor in graph.outputs else moments[block.last],
        )
        for block in prediction.blocks
        if block.first >= 0
    ]
    buffers.append(Buffer((), "TFLM's own data", size - prediction.tail, prediction.tail, -1, end))
    buffers.sort(key=lambda b: (b.offset, b.first, b.tensors))
    # What works in place is live twice and takes its bytes once.
    return MemoryPlan(tuple(buffers), size, min(prediction.live, prediction.head) + prediction.tail)


def _moments(graph: Graph, model: Model) -> list[int]:
    """For each moment of a prediction the one of the graph; what the graph left out counts for what follows it."""
    by_result = {op.outputs[0]: op.index for op in graph.operators}
    moments: list[int] = []
    following = len(graph.operators) - 1
    for node in reversed(model.nodes):
        following = by_result.get(node.outputs[0], following)
        moments.append(following)
    return [-1, *reversed(moments)]


def _layer(graph: Graph, moment: int) -> str:
    return graph.operators[moment].name if moment >= 0 else "input"


def describe_arena(
    size: int,
    prediction: Prediction | None,
    structures: str,
    measured: ArenaSize | None = None,
    passed: bool | None = None,
    offline: OfflinePlan | None = None,
) -> ArenaInfo:
    """Put together what reports say of an arena of ``size`` bytes."""
    p = prediction
    needed = measured.needed if measured else p.needed if p else size
    return ArenaInfo(
        size=size,
        margin=size - needed,
        basis="measured" if measured else "predicted" if p else "bound",
        passed=passed,
        structures=structures,
        bound_by=p.bound_by if p else "",
        activations=p.activations if p else 0,
        scratch=p.live - p.activations if p else 0,
        predicted=ArenaSize(p.head, p.tail, p.transient, p.needed) if p else None,
        measured=measured,
        parts=tuple(ArenaPart(name, share) for name, share in p.parts.items()) if p else (),
        operators=tuple(ArenaOperator(op.index, op.kind, op.persistent, op.scratch) for op in p.operators)
        if p
        else (),
        offline=offline,
    )
