"""What an image holds, from its ELF file and the compiler's stack usage, in the report's terms."""

from __future__ import annotations

from pathlib import Path

from codegen.board import Board
from codegen.elf import analyse_elf
from codegen.report import describe
from codegen.report.report import ImageInfo, StackInfo
from codegen.stack import analyse_stack


def describe_image(elf: Path, board: Board) -> tuple[ImageInfo, StackInfo]:
    """Analyse an image that PlatformIO built; the ``.su`` files lie beside its objects.

    Raises:
        ToolError: it cannot be read.
    """
    stack = analyse_stack(elf, [elf.parent])
    image = analyse_elf(elf, board, stack_bytes=stack.worst_bytes)
    return describe.describe_image(image), describe.describe_stack(stack, image.stack_room)
