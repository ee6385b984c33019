"""What verbs print, and how: tables and JSON on stdout, progress on stderr."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from micronets_gen.errors import InterruptError, MicronetsError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# Wide enough for every table: a pipe has no width to keep to.
_PIPE_WIDTH = 140


def console(stderr: bool = False) -> Console:
    """Return a console for tables; a closed pipe is the caller's to hear of."""
    from rich.console import Console

    class Terminal(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    found = Terminal(stderr=stderr, highlight=False)
    if not found.is_terminal:
        found.width = _PIPE_WIDTH
    return found


def show(what: RenderableType) -> None:
    """Print a table, or a text as it is: commands and paths are for pasting, and never broken."""
    console().print(what, markup=False, soft_wrap=True) if isinstance(what, str) else console().print(what)


def show_json(value: Any) -> None:
    """Print one JSON object on stdout."""
    print(json.dumps(value, indent=2))


def show_error(error: MicronetsError) -> None:
    """Print an error on stderr; what a person typed cannot steer the terminal."""
    from micronets_gen.emulate.lines import shown

    text = "\n".join(map(shown, str(error).split("\n")))
    print(text if isinstance(error, InterruptError) else f"error: {text}", file=sys.stderr)


def argument(path: Path) -> str:
    """Return a path as a shell takes it for an argument: one that begins with a dash is no option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def tell(sentence: str) -> None:
    """Print what a person must see although a program may read the output."""
    console(stderr=True).print(sentence, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def status(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show what goes on, on stderr; nothing where a program reads."""
    terminal = console(stderr=True)
    if quiet or not terminal.is_terminal:
        yield lambda _text: None
        return
    with terminal.status("") as shown:
        yield shown.update
