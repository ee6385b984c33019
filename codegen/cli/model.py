"""The verbs that look at a model: ``inspect`` and ``check``."""

from __future__ import annotations

from typing import Annotated

import typer

from micronets_gen.cli.options import (
    AUTO_RUNTIME,
    FOR_BALANCE,
    BoardsOption,
    Json,
    ModelArgument,
    NoSimplify,
    OptimizeOption,
    RamOption,
    RuntimeOption,
    complete_board,
)
from micronets_gen.cli.output import console, show, show_json, status


def register(app: typer.Typer) -> None:
    """Add the verbs to an application."""
    app.command()(inspect)
    app.command()(check)


def inspect(model: ModelArgument, as_json: Json = False) -> None:
    """Show a model: operators, shapes, quantisation, MACs, weights, memory over time."""
    from micronets_gen import api
    from micronets_gen.report.inspect import render

    summary = api.inspect(model)
    if as_json:
        show_json(summary.to_json())
    else:
        render(summary, console())


def check(
    model: ModelArgument,
    board: Annotated[
        str | None,
        typer.Option("--board", "-b", help="Check this board only.", autocompletion=complete_board),
    ] = None,
    boards: BoardsOption = None,
    runtime: RuntimeOption = AUTO_RUNTIME,
    fps: Annotated[
        float | None, typer.Option("--fps", help="Inferences a second: which boards are fast enough?")
    ] = None,
    latency_ms: Annotated[
        float | None, typer.Option("--latency-ms", help="Most milliseconds of an inference, likewise.")
    ] = None,
    energy_uj: Annotated[
        float | None,
        typer.Option("--energy-uj", help="Most microjoules of an inference, at the board's published power."),
    ] = None,
    optimize: OptimizeOption = FOR_BALANCE,
    ram: RamOption = None,
    no_simplify: NoSimplify = False,
    as_json: Json = False,
) -> None:
    """Check that every operator works, where the model fits and how fast it is; exit 1 if something does not."""
    from micronets_gen import api
    from micronets_gen.report.listing import check_table

    with status(as_json) as notify:
        result = api.check(
            model,
            board=board,
            boards=boards,
            runtime=runtime.value,
            fps=fps,
            latency_ms=latency_ms,
            energy_uj=energy_uj,
            optimize=optimize.value,
            ram=ram,
            no_simplify=no_simplify,
            notify=notify,
        )
    if as_json:
        show_json(result.to_json())
    else:
        show(check_table(result))
    if not result.passed:
        raise typer.Exit(1)
