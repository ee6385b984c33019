"""Texts that people or other programs wrote, TOML and JSON: read with bounds, so that one error tells what is wrong."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path
from typing import Any

from micronets_gen.errors import MicronetsError, UsageError

WRITTEN_BY_HAND = 64 << 10
"""Most bytes of a file that a person writes."""

WRITTEN_BY_PROGRAM = 64 << 20
"""Most bytes of a file that a program writes for the next one."""


def read_text(path: Path, *, most: int, error: type[MicronetsError] = UsageError) -> str:
    """Return the text of a regular file.

    Args:
        most: Bytes that such a file has at most.
        error: What to raise.

    Raises:
        MicronetsError: of the given kind: there is none, it is no regular file, too large, or no UTF-8.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            what = "is a folder, not a file" if path.is_dir() else "is no regular file"
            raise error(what, where=str(path), remedy="give a file")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except FileNotFoundError:
        raise error("the file does not exist", where=str(path), remedy="check the path") from None
    except (OSError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or str(problem)
        raise error("the file cannot be read", where=str(path), why=why) from problem
    if len(content) > most:
        raise error("the file is too large", where=str(path), why=f"such a file has {most:,} bytes at most")
    try:
        return content.decode()
    except UnicodeDecodeError as problem:
        raise error("the file is no text in UTF-8", where=str(path), why=str(problem)) from problem


def parse_toml(text: str, where: str, error: type[MicronetsError] = UsageError) -> dict[str, Any]:
    """Return what a TOML text says.

    Raises:
        MicronetsError: of the given kind: it is not valid.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        why = "its values are nested too deep"
    except ValueError as problem:
        why = str(problem)
    raise error("is not valid TOML", where=where, why=why)


def load_toml(path: Path, error: type[MicronetsError] = UsageError, *, where: str = "") -> dict[str, Any]:
    """Return what a TOML file that a person wrote says.

    Args:
        where: What messages about its content call the file; by default its path.

    Raises:
        MicronetsError: of the given kind: it cannot be read, or is not valid.
    """
    return parse_toml(read_text(path, most=WRITTEN_BY_HAND, error=error), where or str(path), error)


def parse_json(text: str, where: str, error: type[MicronetsError] = UsageError) -> Any:
    """Return what a JSON text says.

    Raises:
        MicronetsError: of the given kind: it is not valid.
    """
    try:
        value = json.loads(text)
        if "\\ud" in text.lower():  # half a character in an escape, which nothing could print
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except RecursionError:
        why = "its values are nested too deep"
    except ValueError as problem:
        why = str(problem)
    raise error("is not valid JSON", where=where, why=why)


def load_json(path: Path, error: type[MicronetsError] = UsageError) -> Any:
    """Return what a JSON file says.

    Raises:
        MicronetsError: of the given kind: it cannot be read, or is not valid.
    """
    return parse_json(read_text(path, most=WRITTEN_BY_PROGRAM, error=error), str(path), error)
