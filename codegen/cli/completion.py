"""What a shell completes."""

from __future__ import annotations


def complete_board(incomplete: str) -> list[str]:
    """Return the names of the package's boards that begin so."""
    from micronets_gen.boards.load import load_boards

    return [board.name for board in load_boards() if board.name.startswith(incomplete)]
