"""What an image holds, from its ELF file and the compiler's stack usage, in the report's terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from micronets_gen.boards.board import Board
from micronets_gen.image.elf import analyse_elf
from micronets_gen.image.stack import analyse_stack
from micronets_gen.report import describe
from micronets_gen.report.report import ImageInfo, StackInfo


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
