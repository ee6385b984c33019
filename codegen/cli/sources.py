"""The ``sources`` verbs: what the tflm runtime is built from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from micronets_gen.cli.options import Json
from micronets_gen.cli.output import console, show, show_json

if TYPE_CHECKING:
    from micronets_gen.runtimes.tflm.sources import OnProgress, Progress

sources_app = typer.Typer(help="The sources of the tflm runtime, in your cache.", no_args_is_help=True)

TflmCommit = Annotated[
    str | None,
    typer.Option(help="Another commit of TensorFlow Lite Micro.", metavar="HASH", show_default="the pin"),
]
CmsisNnCommit = Annotated[
    str | None, typer.Option(help="Another commit of CMSIS-NN.", metavar="HASH", show_default="the pin")
]
FlatbuffersCommit = Annotated[
    str | None,
    typer.Option(
        help="Another commit of FlatBuffers, as a later TFLM needs.",
        metavar="HASH",
        show_default="the pin",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verbs to an application."""
    app.add_typer(sources_app, name="sources")


@sources_app.command("fetch")
def fetch_command(
    tflm_commit: TflmCommit = None,
    cmsis_nn_commit: CmsisNnCommit = None,
    flatbuffers_commit: FlatbuffersCommit = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Restore what was changed in the cache; the changes are lost.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring what is missing into the cache with git, as git is configured: proxies, mirrors, credentials."""
    from micronets_gen.runtimes.tflm.sources import SourceSet, fetch
    from micronets_gen.runtimes.tflm.sources.pins import overrides
    from micronets_gen.runtimes.tflm.sources.status import undo_changes

    if repair:
        undo_changes(SourceSet.pinned(overrides(tflm_commit, cmsis_nn_commit, flatbuffers_commit)))
    with progress_bars(as_json) as show:
        tree = fetch(overrides(tflm_commit, cmsis_nn_commit, flatbuffers_commit), show)
    if as_json:
        rows = [
            {"name": key, "commit": commit, "path": str(getattr(tree, key))}
            for key, commit in tree.commits.items()
        ]
        show_json({"sources": rows, "warnings": list(tree.warnings)})
        return
    for key, commit in tree.commits.items():
        typer.echo(f"{key:<12} {commit[:12]}  {getattr(tree, key)}")
    for warning in tree.warnings:
        typer.echo(f"warning: {warning}", err=True)


@sources_app.command("status")
def status_command(
    tflm_commit: TflmCommit = None,
    cmsis_nn_commit: CmsisNnCommit = None,
    flatbuffers_commit: FlatbuffersCommit = None,
    as_json: Json = False,
) -> None:
    """Show what is in the cache and compare it with its commits; exit 1 if something is missing or changed."""
    from micronets_gen.common.caches import cache_root
    from micronets_gen.runtimes.tflm.sources import SourceSet
    from micronets_gen.runtimes.tflm.sources.pins import overrides
    from micronets_gen.runtimes.tflm.sources.status import status_set

    found = status_set(SourceSet.pinned(overrides(tflm_commit, cmsis_nn_commit, flatbuffers_commit)))
    if as_json:
        show_json({"cache": str(cache_root()), "sources": [s.to_json() for s in found]})
    else:
        from micronets_gen.report.table import Column, FittingTable

        titles = ("source", "commit", "licence", "state", "how it is known")
        table = FittingTable.of(
            (Column(title, wraps=title == titles[-1]) for title in titles),
            ((s.pin.title, s.pin.commit[:12], s.pin.licence, s.state, s.detail) for s in found),
        )
        show(table)
        show(f"\ncache: {cache_root() / 'sources'}")
        if any(state.state == "missing" for state in found):
            show("fetch: micronets-gen sources fetch")
        if any(state.state == "modified" for state in found):
            show("repair: micronets-gen sources fetch --repair")
    if any(state.state in {"missing", "modified"} for state in found):
        raise typer.Exit(1)


@sources_app.command("import")
def import_command(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="A checkout, bare repository or exported tree, or a folder of them."
        ),
    ],
    tflm_commit: TflmCommit = None,
    cmsis_nn_commit: CmsisNnCommit = None,
    flatbuffers_commit: FlatbuffersCommit = None,
    as_json: Json = False,
) -> None:
    """Take over sources that are on this machine, and verify that they are the commits wanted."""
    from micronets_gen.runtimes.tflm.sources import SourceSet
    from micronets_gen.runtimes.tflm.sources.importing import import_set
    from micronets_gen.runtimes.tflm.sources.pins import overrides
    from micronets_gen.runtimes.tflm.sources.tree import missing_of, names

    sources = SourceSet.pinned(overrides(tflm_commit, cmsis_nn_commit, flatbuffers_commit))
    with progress_bars(as_json) as show:
        taken = import_set(sources, directory, show)
    missing = missing_of(sources)
    if as_json:
        rows = [
            {
                "name": done.pin.key,
                "commit": done.pin.commit,
                "path": str(done.path),
                "verified": done.verified,
                "warnings": list(done.warnings),
            }
            for done in taken
        ]
        show_json({"sources": rows, "missing": [pin.key for pin in missing]})
        return
    for done in taken:
        typer.echo(f"{done.pin.title:<22} {done.pin.commit[:12]}  from {done.path}")
        for warning in done.warnings:
            typer.echo(f"warning: {warning}", err=True)
    if missing:
        typer.echo(f"still missing: {names(missing)}")


@contextmanager
def progress_bars(quiet: bool = False) -> Iterator[OnProgress]:
    """Show one bar for each repository, on stderr; nothing where a program reads."""
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    terminal = console(stderr=True)
    if quiet or not terminal.is_terminal:
        yield lambda _progress: None
        return
    columns = (
        TextColumn("{task.fields[label]:<36}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Bars(*columns, console=terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def show(progress: Progress) -> None:
            pin = progress.pin
            if pin.key not in tasks:
                tasks[pin.key] = bars.add_task("", total=1.0, label=pin.label)
            bars.update(tasks[pin.key], completed=progress.fraction, description=progress.text)

        yield show
