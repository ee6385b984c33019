"""Reads what a project says of its board and of its firmware: two JSON files beside the copy of this package."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .errors import EmulationError
from .image import read_image
from .result import Identity

BOARD_JSON = "board.json"
IDENTITY_JSON = "identity.json"
_BOARD = {"name", "core", "regions", "emulator"}
_IDENTITY = {"board": str, "model": str, "runtime": str, "vectors": int}


def read_board(path: Path) -> dict[str, Any]:
    """Reads what :func:`.run.describe` gave.

    Raises:
        EmulationError: The file is missing or something else.
    """
    data = _read(path)
    if not data.keys() >= _BOARD:
        raise _foreign(path)
    return data


def read_identity(path: Path, elfs: Iterable[Path] = ()) -> Identity:
    """Reads what a project's self-test says of itself; its builds are those of the images.

    Raises:
        EmulationError: A file is missing or something else.
    """
    data = _read(path)
    if any(type(data.get(key)) is not kind for key, kind in _IDENTITY.items()):
        raise _foreign(path)
    builds = (read_image(elf).build for elf in elfs)
    return Identity(
        data["board"],
        data["model"],
        data["runtime"],
        data["vectors"],
        tuple(dict.fromkeys(filter(None, builds))),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EmulationError(
            f"cannot be read: {error}", where=str(path), remedy="generate the project again"
        ) from None
    if not isinstance(data, dict):
        raise _foreign(path)
    return data


def _foreign(path: Path) -> EmulationError:
    return EmulationError(
        "is not what micronets-gen wrote", where=str(path), remedy="generate the project again"
    )
