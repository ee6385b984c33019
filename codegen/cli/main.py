"""The command line: verbs, options and help; the work is done elsewhere."""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from micronets_gen import __version__
from micronets_gen.cli.completion import complete_board
from micronets_gen.cli.search import register as register_search
from micronets_gen.cli.sources import CmsisNnCommit, FlatbuffersCommit, TflmCommit, overrides, sources_app
from micronets_gen.errors import MicronetsError, UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

app = typer.Typer(
    name="micronets-gen",
    help="Turn a quantised .tflite model into Cortex-M firmware that proves itself.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: micronets-gen build --board nucleo_f746zg && "
    "micronets-gen run build/nucleo_f746zg-kws-s",
)
boards_app = typer.Typer(help="The boards that firmware can be built for.", no_args_is_help=False)
app.add_typer(boards_app, name="boards", invoke_without_command=True)
models_app = typer.Typer(help="The models that travel with micronets-gen.", no_args_is_help=False)
app.add_typer(models_app, name="models", invoke_without_command=True)
app.add_typer(sources_app, name="sources")


# Wide enough for every table: a pipe has no width to keep to.
_PIPE_WIDTH = 140


class RuntimeName(StrEnum):
    """Values of ``--runtime``."""

    AUTO = "auto"
    TFLM = "tflm"
    AOT = "aot"


def _complete_model(incomplete: str) -> list[str]:
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
ModelArgument = Annotated[
    str,
    typer.Argument(help="A .tflite file, or a bundled model's name.", autocompletion=_complete_model),
]


def main() -> None:
    """Entry point: a person's mistake is one message on stderr and an exit code, never a traceback."""
    # The reference multiplies small matrices, for which a second thread costs more than it gives.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not a test's
            stream.reconfigure(errors="replace")  # what the terminal's encoding lacks becomes a question mark
    try:
        app()
    except MicronetsError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        print(f"error: {error.filename or 'input/output'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(UsageError.exit_code)


def _version(value: bool) -> None:
    if value:
        print(f"micronets-gen {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def build(
    board: BoardOption,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="A .tflite file, a bundled or published model's name, or a search's folder.",
            show_default="the bundled keyword spotter, kws-s",
            autocompletion=_complete_model,
        ),
    ] = None,
    runtime: Annotated[
        RuntimeName, typer.Option("--runtime", "-r", help="tflm: TensorFlow Lite Micro; aot: generated C.")
    ] = RuntimeName.AUTO,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The project's folder.", show_default="build/<board>-<model>"),
    ] = None,
    no_compile: Annotated[bool, typer.Option("--no-compile", help="Write the project only.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite generated files that were edited; use any folder.")
    ] = False,
    vectors: Annotated[
        Path | None,
        typer.Option(
            help="Golden inputs: a .npz with input_0, ... and optionally labels.",
            show_default="the model's, or random",
        ),
    ] = None,
    vector_count: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many golden vectors to embed, at most.", show_default="32 samples or 8 random"
        ),
    ] = None,
    strict_kernels: Annotated[
        bool, typer.Option("--strict-kernels", help="Fail where a layer runs on a reference kernel.")
    ] = False,
    tflm_commit: TflmCommit = None,
    cmsis_nn_commit: CmsisNnCommit = None,
    flatbuffers_commit: FlatbuffersCommit = None,
    as_json: Json = False,
) -> None:
    """Turn a model into a PlatformIO project and compile it."""
    from micronets_gen.jobs.build import Request
    from micronets_gen.jobs.build import build as build_project

    request = Request(
        board=board,
        model=model,
        runtime=runtime.value,
        commits=overrides(tflm_commit, cmsis_nn_commit, flatbuffers_commit),
        out=out,
        compile=not no_compile,
        force=force,
        vectors=vectors,
        vector_count=vector_count,
        strict_kernels=strict_kernels,
    )
    with _status(as_json) as notify:
        built = build_project(request, notify, _tell)
    report = built.report
    image, stack = report.image, report.stack
    if as_json:
        _print_json(
            {
                "project": str(built.project),
                "elf": str(built.elf) if built.elf else None,
                "board": report.board.name,
                "runtime": report.runtime,
                "runtime_reason": report.runtime_reason,
                "model": report.model.name,
                "macs": report.macs,
                "flash_bytes": image.flash_bytes if image else None,
                "runtime_bytes": image.runtime_bytes if image else None,
                "ram_bytes": image.ram_bytes if image else None,
                "arena_bytes": report.memory.size if report.memory else None,
                "peak_live_bytes": report.memory.peak if report.memory else None,
                "stack_bytes": stack.worst_bytes if stack else None,
                "regions": [
                    {"name": r.name, "kind": r.kind, "size": r.size, "used": r.used, "free": r.free}
                    for r in (image.regions if image else ())
                ],
                "report": str(built.project / "report.html"),
            }
        )
        return
    from micronets_gen.report.terminal import build_summary

    _print(build_summary(report))
    quoted = shlex.quote(str(built.project))
    if built.elf:
        _print(
            f"\nrun it:   micronets-gen run {quoted}\n"
            f"upload:   cd {quoted} && pio run -t upload\n"
            f"report:   {built.project / 'report.html'}"
        )
    else:
        _print(f"\ncompile:  cd {quoted} && pio run")


@app.command()
def run(
    project: Annotated[Path, typer.Argument(help="A project that build made.", metavar="PROJECT_DIR")],
    port: Annotated[
        str | None, typer.Option("--port", "-p", help="Read a real board on this serial port instead.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for each image.")] = 300.0,
    clock_fails: Annotated[
        bool, typer.Option("--clock-fails", help="Virtual board: the external oscillator does not start.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the image in the board's emulator, check its output byte for byte and show where the time goes."""
    from micronets_gen.jobs.execute import progress_text, run_project

    with _status(as_json) as notify:
        report = run_project(
            project,
            timeout=timeout,
            port=port,
            clock_fails=clock_fails,
            progress=lambda *done: notify(progress_text(*done)),
            tell=_tell,
        )
    result = report.run
    assert result is not None
    if as_json:
        _print_json(
            {
                "passed": result.passed,
                result.unit: result.count,
                "unit": result.unit,
                "granularity": result.granularity,
                "startup": result.startup,
                "emulator": result.emulator,
                "board": report.board.name,
                "runtime": report.runtime,
                "model": report.model.name,
                "clock_hz": result.clock_hz,
                "clock_note": result.clock_note,
                "vectors": len(result.vectors),
                "vectors_passed": sum(v.passed for v in result.vectors),
                "correct": result.correct,
                "labelled": result.labelled,
                "macs": report.macs,
                "layers": [
                    {
                        "name": row.layer.name,
                        "op": row.layer.op,
                        "macs": row.layer.macs,
                        result.unit: row.count,
                    }
                    for row in report.rows
                ],
                "report": str(project / "report.html"),
            }
        )
    else:
        from micronets_gen.report.terminal import run_summary

        _print(run_summary(report))
        _print(f"report:   {project / 'report.html'}")
    if not result.passed:
        raise typer.Exit(1)


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
    from micronets_gen.report.listing import board_list, board_table

    found = load_boards()
    if as_json:
        _print_json({"boards": board_list(found)})
    else:
        _print(board_table(found))


@boards_app.command("show")
def boards_show(
    name: Annotated[str, typer.Argument(help="A board's name or file.", autocompletion=complete_board)],
    as_json: Json = False,
) -> None:
    """Show one board: memory regions, clock, UART, upload, emulator."""
    from micronets_gen.boards.load import load_board
    from micronets_gen.report.listing import board_details, board_value

    board = load_board(name)
    if as_json:
        _print_json(board_value(board))
    else:
        _print(board_details(board))


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
    from micronets_gen.report.listing import model_list, model_table, published_table
    from micronets_gen.search.space.zoo import published_list

    found, published = bundled_models(), published_list()
    if as_json:
        _print_json({"models": model_list(found), "published": published})
    else:
        _print(model_table(found))
        _print(published_table(published))


@app.command()
def inspect(model: ModelArgument, as_json: Json = False) -> None:
    """Show a model: operators, shapes, quantisation, MACs, weights, memory over time."""
    from micronets_gen.bundled.catalogue import resolve_model
    from micronets_gen.operators.reading import read_model
    from micronets_gen.report.inspect import inspect_model, render

    summary = inspect_model(read_model(resolve_model(model).path))
    if as_json:
        _print_json(summary.to_json())
    else:
        render(summary, _console())


@app.command()
def check(
    model: ModelArgument,
    board: Annotated[
        str | None,
        typer.Option("--board", "-b", help="Check this board only.", autocompletion=complete_board),
    ] = None,
    runtime: Annotated[
        RuntimeName, typer.Option("--runtime", "-r", help="What is to execute it, as for build.")
    ] = RuntimeName.AOT,
    as_json: Json = False,
) -> None:
    """Check that every operator works and where the model fits; exit 1 if something does not."""
    from micronets_gen.boards.load import load_board, load_boards
    from micronets_gen.bundled.catalogue import resolve_model
    from micronets_gen.jobs.check import check_on_boards
    from micronets_gen.operators.reading import read_model
    from micronets_gen.report.listing import check_table

    graph = read_model(resolve_model(model).path)
    result = check_on_boards(graph, [load_board(board)] if board else load_boards(), runtime.value)
    passed = not result.problems and any(fit.fits for fit in result.fits)
    if as_json:
        _print_json({**result.to_json(), "passed": passed})
    else:
        _print(check_table(result))
    if not passed:
        raise typer.Exit(1)


@app.command()
def bench(
    board: BoardOption,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="A .tflite file, or a bundled model's name; repeatable. [default: kws-s]",
            autocompletion=_complete_model,
        ),
    ] = None,
    runtimes: Annotated[
        str, typer.Option(help="Runtimes, separated by commas; ratios are to the first.")
    ] = "tflm,aot",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the projects and of bench.html.")
    ] = Path("build/bench"),
    as_json: Json = False,
) -> None:
    """Build and run models with several runtimes and put them side by side; exit 1 if an output is wrong."""
    from micronets_gen.bundled.catalogue import DEFAULT_MODEL
    from micronets_gen.common.files import write_if_changed
    from micronets_gen.jobs.bench import measure_all
    from micronets_gen.report.comparison import comparison_page, comparison_tables

    names = [name.strip() for name in runtimes.split(",") if name.strip()]
    with _status(as_json) as notify:
        results = measure_all(model or [DEFAULT_MODEL], board, names, out, notify)
    page = out / "bench.html"
    write_if_changed(page, comparison_page(results).encode())
    if as_json:
        _print_json({"results": [result.to_json() for result in results], "page": str(page)})
    else:
        _print(comparison_tables(results))
        _print(f"pictures: {page}")
    if not all(result.passed or result.problem for result in results) or all(r.problem for r in results):
        raise typer.Exit(1)


register_search(app)


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def _print(what: RenderableType) -> None:
    # Commands and paths are for pasting: never broken.
    _console().print(what, markup=False, soft_wrap=True) if isinstance(what, str) else _console().print(what)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def _tell(sentence: str) -> None:
    """Print what a person must see although a program may read the output."""
    _console(stderr=True).print(sentence, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _status(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show what goes on, on stderr; nothing where a program reads."""
    console = _console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _text: None
        return
    with console.status("") as status:
        yield status.update
