"""Options that several verbs take, and what a shell completes of them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from micronets_gen.plan.optimize import BALANCED, OPTIMIZE
from micronets_gen.runtimes.registry import AUTO, runtime_help, runtime_names

if TYPE_CHECKING:
    RuntimeName = StrEnum
    OptimizeName = StrEnum
else:
    OptimizeName = StrEnum("OptimizeName", {name: name for name in OPTIMIZE})
    RuntimeName = StrEnum("RuntimeName", {name: name for name in (AUTO, *runtime_names())})

RuntimeOption = Annotated[RuntimeName, typer.Option("--runtime", "-r", help=runtime_help())]
AUTO_RUNTIME = RuntimeName(AUTO)


def complete_board(incomplete: str) -> list[str]:
    """Return the names of the package's boards that begin so."""
    from micronets_gen.boards.load import load_boards

    return [board.name for board in load_boards() if board.name.startswith(incomplete)]


def complete_boards(incomplete: str) -> list[str]:
    """Return a list with commas between boards, with each board that its last name begins."""
    before, comma, last = incomplete.rpartition(",")
    named = before.split(",")
    return [before + comma + name for name in complete_board(last) if name not in named]


def complete_model(incomplete: str) -> list[str]:
    """Return the names of bundled and published models that begin so."""
    from micronets_gen.bundled.catalogue import bundled_models, published_names

    names = (*(model.name for model in bundled_models()), *published_names())
    return [name for name in names if name.startswith(incomplete)]


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
BoardOption = Annotated[
    str,
    typer.Option(
        "--board", "-b", help="A board's name, or a board file (.toml).", autocompletion=complete_board
    ),
]
BoardsOption = Annotated[
    str | None,
    typer.Option(
        "--boards",
        help="Several, with commas: which is the smallest that meets the limit of time or energy?",
        autocompletion=complete_boards,
    ),
]
NoSimplify = Annotated[
    bool,
    typer.Option(
        "--no-simplify", help="Compute all of the model, what does not change its outputs too (aot)."
    ),
]
OptimizeOption = Annotated[
    OptimizeName,
    typer.Option(
        "--optimize",
        metavar="GOAL",
        help="balanced: layers run row by row only as far as the RAM demands; ram: the smallest arena; "
        "speed: every tensor whole (aot).",
    ),
]
FOR_BALANCE = OptimizeName(BALANCED)
RamOption = Annotated[
    str | None,
    typer.Option(
        "--ram",
        help="Most bytes of RAM for arena, data and stack, such as 64K.",
        show_default="what the board has",
    ),
]
ModelArgument = Annotated[
    str,
    typer.Argument(help="A .tflite file, or a bundled model's name.", autocompletion=complete_model),
]
