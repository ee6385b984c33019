"""What an image holds, from its ELF file and the compiler's stack usage, in the report's terms."""

from __future__ import annotations

from pathlib import Path

from codegen.board import Board
from codegen.elf import ImageReport, RegionReport, analyse_elf
from codegen.report.report import Frame, ImageInfo, Part, RegionUse, Section, StackInfo, Symbol
from codegen.stack import StackReport, analyse_stack

_LARGEST = 40


def describe_image(elf: Path, board: Board) -> tuple[ImageInfo, StackInfo]:
    """Analyse an image that PlatformIO built; the ``.su`` files lie beside its objects.

    Raises:
        ToolError: it cannot be read.
    """
    stack = analyse_stack(elf, [elf.parent])
    image = analyse_elf(elf, board, stack_bytes=stack.worst_bytes)
    return _image(image), _stack(stack, image.stack_room)


def _image(image: ImageReport) -> ImageInfo:
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
        symbols=tuple(Symbol(s.name, s.section, s.category, s.size) for s in image.symbols[:_LARGEST]),
    )


def _parts(image: ImageReport, region: RegionReport) -> tuple[Part, ...]:
    """Return what a region holds: by category in the flash that holds the image, else by section."""
    inside = [s for s in image.sections if region.name in s.region.split("+")]
    if region.kind == "flash" and sum(s.size for s in image.sections if s.load_region == region.name) == image.flash_bytes:
        return tuple(Part(c.name, c.flash_bytes) for c in image.categories if c.flash_bytes)
    parts = [
        Part(s.kind, min(region.origin + region.size, s.address + s.size) - max(region.origin, s.address))
        for s in inside
        if s.size
    ]
    if region.stack:
        parts.append(Part("stack, worst case", region.stack))
    return tuple(part for part in parts if part.size > 0)


def _stack(stack: StackReport, room: int | None) -> StackInfo:
    notes = [f"{name} calls through a pointer: the bound does not include what it calls" for name in stack.unknown]
    notes += [f"{' and '.join(circle)} call each other: counted once round" for circle in stack.recursive]
    notes += [f"{name} has a frame without a fixed bound" for name in stack.dynamic]
    return StackInfo(
        worst_bytes=stack.worst_bytes,
        reserved_bytes=room,
        path=tuple(Frame(f.function, f.bytes) for f in (*stack.path, *stack.handler_path)),
        notes=tuple(notes),
    )
