"""The command line: its verbs put together, and how it ends."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from micronets_gen.cli import characterise, firmware, listing, model, search, sources
from micronets_gen.cli.output import show_error, show_json
from micronets_gen.common.version import VERSION
from micronets_gen.errors import InterruptError, MicronetsError, UsageError

# What typer raises for a mistake on the command line.
_Mistake = cast(type[Exception], typer.BadParameter.__mro__[1])
_CLOSED_PIPE = 141
"""What a shell says of a program that SIGPIPE ended."""


class _ClosedPipe(Exception):  # noqa: N818 -- no error
    """Nobody reads the rest of the output."""


@contextmanager
def _told() -> Iterator[None]:
    """Keep Ctrl-C and a closed pipe from typer, which has messages and exit codes of its own for them."""
    try:
        yield
    except (
        BrokenPipeError,
        SystemExit,
    ) as error:  # rich exits where nobody reads a help text; verbs never do
        raise _ClosedPipe from error
    except KeyboardInterrupt as error:
        raise InterruptError from error


class _Verbs(TyperGroup):
    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _told():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _told():
            return super().invoke(ctx)


app = typer.Typer(
    name="micronets-gen",
    cls=_Verbs,
    help="Turn a quantised .tflite model into Cortex-M firmware that proves itself.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: micronets-gen build --board nucleo_f746zg && "
    "micronets-gen run build/nucleo_f746zg-kws-s",
)


def _version(value: bool) -> None:
    if value:
        print(f"micronets-gen {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


for verbs in (firmware, model, listing, sources, search, characterise):
    verbs.register(app)


def main() -> None:
    """Entry point: a person's mistake is one message and an exit code, never a traceback.

    The message goes to stderr; with ``--json`` it is an object on stdout.
    """
    # The reference multiplies small matrices, for which a second thread costs more than it gives.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not a test's
            stream.reconfigure(errors="replace")  # what the terminal's encoding lacks becomes a question mark
    words = sys.argv[1 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    try:
        code = _run("--json" in words)
        if sys.stdout:
            sys.stdout.flush()
    except (_ClosedPipe, BrokenPipeError):
        _discard_output()
        code = _CLOSED_PIPE
    except OSError as error:
        _discard_output()
        show_error(_of_system(error))
        code = UsageError.exit_code
    sys.exit(code)


def _run(as_json: bool) -> int:
    """Run the verb that the command line names, tell what was wrong and return the exit code."""
    try:
        # Otherwise typer prints a mistake of the command line itself, and exits.
        return app(prog_name="micronets-gen", standalone_mode=not as_json) or 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except _Mistake as mistake:
        error: MicronetsError = _of_command_line(mistake)
    except OSError as trouble:
        error = _of_system(trouble)
    except MicronetsError as own:
        error = own
    if as_json:
        show_json(error.to_json())
    else:
        show_error(error)
    return error.exit_code


def _of_command_line(mistake: Any) -> MicronetsError:
    remedy = f"see {mistake.ctx.command_path} --help" if mistake.ctx else ""
    return UsageError(mistake.format_message(), where="the command line", remedy=remedy)


def _of_system(error: OSError) -> MicronetsError:
    return UsageError(error.strerror or str(error), where=str(error.filename or "input/output"))


def _discard_output() -> None:
    """Let nothing be written, nor complained of, when Python closes its output."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        for stream in filter(None, (sys.stdout, sys.stderr)):
            try:
                stream.flush()
            except (OSError, ValueError):
                os.dup2(nowhere.fileno(), stream.fileno())
