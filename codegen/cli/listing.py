"""The verbs that list what there is: ``boards`` and ``models``."""

from __future__ import annotations

from typing import Annotated

import typer

from micronets_gen.cli.options import Json, complete_board
from micronets_gen.cli.output import show, show_json

boards_app = typer.Typer(help="The boards that firmware can be built for.", no_args_is_help=False)
models_app = typer.Typer(help="The models that travel with micronets-gen.", no_args_is_help=False)


def register(app: typer.Typer) -> None:
    """Add the verbs to an application."""
    app.add_typer(boards_app, name="boards", invoke_without_command=True)
    app.add_typer(models_app, name="models", invoke_without_command=True)


@boards_app.callback(invoke_without_command=True)
def boards(context: typer.Context, as_json: Json = False) -> None:
    """List the boards."""
    if context.invoked_subcommand is None:
        _list_boards(as_json)
    elif as_json:
        raise typer.BadParameter("belongs after the subcommand", param_hint="'--json'")


@boards_app.command("list")
def boards_list(as_json: Json = False) -> None:
    """List the boards with core, memory and emulator."""
    _list_boards(as_json)


def _list_boards(as_json: bool) -> None:
    from micronets_gen.boards.load import load_boards
    from micronets_gen.report.listing import board_table
    from micronets_gen.report.values import board_value

    found = load_boards()
    if as_json:
        from micronets_gen.timing.firmware import about
        from micronets_gen.timing.measured import records_of

        show_json(
            {
                "boards": [
                    board_value(board, about(board.core, board.family, records_of(board))) for board in found
                ]
            }
        )
    else:
        show(board_table(found))


@boards_app.command("show")
def boards_show(
    name: Annotated[str, typer.Argument(help="A board's name or file.", autocompletion=complete_board)],
    as_json: Json = False,
) -> None:
    """Show one board: memory regions, clock, UART, upload, emulator, what its modelled time rests on."""
    from micronets_gen.boards.load import load_board
    from micronets_gen.report.listing import board_details
    from micronets_gen.report.values import board_value
    from micronets_gen.timing.firmware import about
    from micronets_gen.timing.measured import records_of

    board = load_board(name)
    basis = about(board.core, board.family, records_of(board))
    if as_json:
        show_json(board_value(board, basis))
    else:
        show(board_details(board, basis))


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: Json = False) -> None:
    """List the bundled models."""
    if context.invoked_subcommand is None:
        _list_models(as_json)
    elif as_json:
        raise typer.BadParameter("belongs after the subcommand", param_hint="'--json'")


@models_app.command("list")
def models_list(as_json: Json = False) -> None:
    """List the bundled models with their measured accuracy."""
    _list_models(as_json)


def _list_models(as_json: bool) -> None:
    from micronets_gen.bundled.catalogue import bundled_models
    from micronets_gen.report.listing import model_table, published_table
    from micronets_gen.report.values import model_value
    from micronets_gen.search.space.zoo import published_list

    found, published = bundled_models(), published_list()
    if as_json:
        show_json({"models": [model_value(model) for model in found], "published": published})
    else:
        show(model_table(found))
        show(published_table(published))
