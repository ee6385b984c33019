"""What an image holds, from its ELF file and the compiler's stack usage, in the report's terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from codegen.board import Board
from codegen.elf import analyse_elf
from codegen.report import describe
from codegen.report.report import ImageInfo, StackInfo
from codegen.stack import analyse_stack


def describe_image(
    elf: Path, board: Board, indirect: Mapping[str, Iterable[str]] | None = None
) -> tuple[ImageInfo, StackInfo]:
    """Analyse an image that PlatformIO built; the ``.su`` files lie beside its objects.

    Args:
        elf: The image.
        board: Whose regions it was linked for.
        indirect: For functions that call through pointers: every function that they may reach.

    Raises:
        ToolError: it cannot be read.
    """
    stack = analyse_stack(elf, [elf.parent], indirect=indirect)
    image = analyse_elf(elf, board, stack_bytes=stack.worst_bytes)
    return describe.describe_image(image), describe.describe_stack(stack, image.stack_room)
