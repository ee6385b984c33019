"""Reads what a project says of its board and of its firmware: two JSON files beside the copy of this package."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .errors import EmulationError
from .image import read_image, read_regular
from .result import Identity

BOARD_JSON = "board.json"
IDENTITY_JSON = "identity.json"
BOARD = {"name": str, "title": str, "core": str, "fpu": str, "family": str, "clock_hz": int}
REGION = {"name": str, "origin": int, "size": int, "kind": str, "default": bool, "vectors": bool}
UART = {"instance": str, "baud": int, "tx": str, "rx": str, "alternate": int}
EMULATOR = {"kind": str, "machine": str, "instructions_numerator": int, "instructions_denominator": int}
"""What is told of a board, of a region, of the UART and of the emulator: :func:`.run.describe`."""

_IDENTITY = {"board": str, "model": str, "runtime": str, "vectors": int}
_MOST_BYTES = 1 << 20
_LARGEST = 0xFFFF_FFFF


def read_board(path: Path) -> dict[str, Any]:
    """Reads what :func:`.run.describe` gave.

    Raises:
        EmulationError: The file is missing or something else.
    """
    data = _read(path)
    regions, emulator = data.get("regions"), data.get("emulator")
    whole = (
        _has(data, BOARD)
        and isinstance(regions, list)
        and all(_has(region, REGION) for region in regions)
        and any(region["kind"] == "flash" for region in regions)
        and _has(data.get("uart"), UART)
        and (emulator is None or (_has(emulator, EMULATOR) and emulator["instructions_denominator"] > 0))
    )
    if not whole:
        raise _foreign(path)
    return data


def read_identity(path: Path, elfs: Iterable[Path] = ()) -> Identity:
    """Reads what a project's self-test says of itself; its builds are those of the images.

    Raises:
        EmulationError: A file is missing or something else.
    """
    data = _read(path)
    if not _has(data, _IDENTITY):
        raise _foreign(path)
    builds = (read_image(elf).build for elf in elfs)
    return Identity(
        data["board"],
        data["model"],
        data["runtime"],
        data["vectors"],
        tuple(dict.fromkeys(filter(None, builds))),
    )


def _has(value: object, kinds: Mapping[str, type]) -> bool:
    """Whether a value is a table with all these keys, of these types; numbers are those of 32 bits."""
    return isinstance(value, dict) and all(
        type(value.get(key)) is kind and (kind is not int or 0 <= value[key] <= _LARGEST)
        for key, kind in kinds.items()
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_regular(path, most=_MOST_BYTES))
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
