"""From the generator's own types to the report's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from micronets_gen.boards.board import Board
from micronets_gen.boards.load import own_file
from micronets_gen.common.integers import overlap
from micronets_gen.image.demangle import readable
from micronets_gen.image.elf import ARENA, BSS, CODE, DATA, HEAP, OTHER, RODATA, ImageReport, RegionReport
from micronets_gen.image.stack import StackReport
from micronets_gen.model.graph import Graph, Operator, Tensor
from micronets_gen.plan.plan import Plan
from micronets_gen.report.report import (
    BoardInfo,
    Frame,
    ImageInfo,
    LayerInfo,
    ModelInfo,
    Part,
    RegionUse,
    Section,
    StackInfo,
    Symbol,
    TensorInfo,
)
from micronets_gen.runtimes.base import LayerKernel

_LARGEST_SYMBOLS = 24
_LISTED = 6
_LABELS = {CODE: "code", RODATA: "constants", DATA: "data", BSS: "bss", ARENA: "tensor arena", HEAP: "heap"}


def describe_model(graph: Graph) -> ModelInfo:
    """Return what a report says of ``graph``."""
    return ModelInfo(
        name=graph.name,
        sha256=graph.sha256,
        file_bytes=graph.file_bytes,
        inputs=tuple(_tensor(graph.tensor(index)) for index in graph.inputs),
        outputs=tuple(_tensor(graph.tensor(index)) for index in graph.outputs),
    )


def describe_board(board: Board) -> BoardInfo:
    """Return what a report says of ``board``."""
    return BoardInfo(
        name=board.name,
        title=board.title,
        mcu=board.mcu,
        core=board.core,
        clock_hz=board.clock_hz,
        simd=board.simd,
        power=board.power,
        file=own_file(board),
    )


def describe_layers(plan: Plan) -> tuple[LayerInfo, ...]:
    """Return the layers of ``plan``, which are the graph's operators in order, with their shapes."""
    graph = plan.graph
    return tuple(
        LayerInfo(
            index=layer.index,
            name=layer.name,
            op=layer.kind,
            input_shape=_first_activation(graph, graph.operators[layer.index]),
            output_shape=graph.tensor(graph.operators[layer.index].outputs[0]).shape,
            macs=layer.macs,
            kernel=layer.kernel,
        )
        for layer in plan.layers
    )


def describe_image(image: ImageReport) -> ImageInfo:
    """Return what a report says of ``image``; the parts of a region add up to its ``used`` and ``stack``."""
    return ImageInfo(
        flash_bytes=image.flash_bytes,
        ram_bytes=image.ram_bytes,
        arena_bytes=image.arena_bytes,
        runtime_bytes=image.runtime_bytes,
        regions=tuple(
            RegionUse(region.name, region.kind, region.origin, region.size, _parts(image, region))
            for region in image.regions
        ),
        sections=tuple(Section(s.name, s.region, s.size) for s in image.sections),
        symbols=tuple(
            Symbol(readable(s.name), s.section, s.category, s.size) for s in image.symbols[:_LARGEST_SYMBOLS]
        ),
        sha256=image.sha256,
    )


def _parts(image: ImageReport, region: RegionReport) -> tuple[Part, ...]:
    stored = [section for section in image.sections if section.load_region]
    loaded = sum(
        overlap(section.load_address, section.size, region.origin, region.size) for section in stored
    )
    if loaded == image.flash_bytes:
        parts = [Part(category.name, category.flash_bytes) for category in image.categories]
    else:
        parts = _stored_parts(image, region, loaded)
    running = Counter[str]()
    for section in image.sections:
        if not section.load_region or section.address != section.load_address:
            running[_LABELS.get(section.kind, section.kind)] += overlap(
                section.address, section.size, region.origin, region.size
            )
    parts += [Part(label, size) for label, size in running.items()]
    if region.stack:
        parts.append(Part("worst-case stack", region.stack))
    return tuple(part for part in parts if part.size)


def _stored_parts(image: ImageReport, region: RegionReport, loaded: int) -> list[Part]:
    """Split what ``region`` stores by its symbols' categories, where several regions store something.

    Symbols may overlap (aliases): each byte counts for the first.
    """
    sizes = Counter[str]()
    for section in image.sections:
        if not section.load_region or not overlap(
            section.load_address, section.size, region.origin, region.size
        ):
            continue
        end = section.address
        inside = (symbol for symbol in image.symbols if symbol.section == section.name)
        for symbol in sorted(inside, key=lambda symbol: (symbol.address, -symbol.size)):
            fresh = symbol.address + symbol.size - max(end, symbol.address)
            if fresh > 0:
                sizes[symbol.category] += fresh
                end = symbol.address + symbol.size
    sizes[OTHER] += loaded - sizes.total()
    return [Part(category, size) for category, size in sizes.most_common()]


def describe_stack(stack: StackReport, reserved: int | None = None) -> StackInfo:
    """Return what a report says of ``stack``.

    Args:
        stack: The analysis of the call graph.
        reserved: Bytes that are left for it.
    """
    notes = []
    if stack.handler_path:
        depth = sum(frame.bytes for frame in stack.handler_path)
        notes.append(f"An exception at the deepest point is counted: {depth} bytes.")
    if stack.unknown:
        notes.append(f"Calls through pointers without known targets: {_listed(stack.unknown)}.")
    notes += [
        f"Recursive, counted once round: {' → '.join(map(readable, cycle))}." for cycle in stack.recursive
    ]
    if stack.dynamic:
        notes.append(f"Frames without a fixed bound: {_listed(stack.dynamic)}.")
    return StackInfo(
        worst_bytes=stack.worst_bytes,
        reserved_bytes=reserved,
        path=tuple(
            Frame(readable(frame.function), frame.bytes) for frame in (*stack.path, *stack.handler_path)
        ),
        at_least=stack.at_least,
        notes=tuple(notes),
    )


def _listed(functions: Iterable[str]) -> str:
    """Name a few functions and count the others."""
    names = sorted({readable(function) for function in functions})
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _first_activation(graph: Graph, op: Operator) -> tuple[int, ...]:
    operands = (graph.operand(op, position) for position in range(len(op.inputs)))
    return next((tensor.shape for tensor in operands if tensor and not tensor.is_constant), ())


def _tensor(tensor: Tensor) -> TensorInfo:
    quantized = tensor.quantization is not None
    return TensorInfo(
        name=tensor.name,
        shape=tensor.shape,
        dtype=tensor.dtype.value,
        scale=tensor.scale if quantized else None,
        zero_point=tensor.zero_point if quantized else None,
    )


def with_kernels(layers: Sequence[LayerInfo], kernels: Iterable[LayerKernel]) -> tuple[LayerInfo, ...]:
    """Return the layers with the kernels that were found."""
    names = {kernel.layer: kernel.kernel for kernel in kernels}
    return tuple(replace(layer, kernel=names.get(layer.index, layer.kernel)) for layer in layers)
