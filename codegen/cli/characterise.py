"""The verb ``characterise``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from micronets_gen.cli.options import AUTO_RUNTIME, Json, RuntimeOption, complete_board
from micronets_gen.cli.output import console, show, show_json, status

if TYPE_CHECKING:
    from micronets_gen.search.characterise.result import Characterisation


def register(app: typer.Typer) -> None:
    """Add the verb to an application."""
    app.command()(characterise)


def characterise(
    board: Annotated[
        list[str],
        typer.Option(
            "--board",
            "-b",
            help="A board's name, or a board file (.toml); several are put side by side.",
            autocompletion=complete_board,
        ),
    ],
    runtime: RuntimeOption = AUTO_RUNTIME,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of data, page and records; a run in it goes on.")
    ] = Path("build/characterise"),
    quick: Annotated[bool, typer.Option("--quick", help="A few models: the smallest of each group.")] = False,
    record: Annotated[
        bool,
        typer.Option(
            "--record", help="Keep the regressions, by which searches and checks for the boards know times."
        ),
    ] = False,
    processes: Annotated[
        int, typer.Option("--processes", "-j", min=1, help="Models that are timed at a time.")
    ] = 2,
    as_json: Json = False,
) -> None:
    """Build and time networks and layers on boards, and find out what their time depends on."""
    from micronets_gen import api

    with status(as_json) as notify:
        found = api.characterise(
            board=board,
            runtime=runtime.value,
            out=out,
            quick=quick,
            record=record,
            processes=processes,
            notify=notify,
        )
    if as_json:
        show_json(found.to_json())
    else:
        _show(found)


def _show(found: Characterisation) -> None:
    from micronets_gen.search.characterise.tables import summary

    console().print(summary(found.results))
    show(f"\nreport:  {found.report}")
