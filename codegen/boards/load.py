"""``boards/*.toml`` → :class:`Board`, with exact messages for whoever writes a board file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from micronets_gen.boards.board import Board, Clock, Emulator, Region, Uart, Upload
from micronets_gen.boards.power import Power, Sleep
from micronets_gen.boards.rules import check_board
from micronets_gen.common import resources
from micronets_gen.common.documents import WRITTEN_BY_HAND, parse_toml, read_text
from micronets_gen.common.suggest import did_you_mean
from micronets_gen.common.tables import Key, Schema, checked, shown
from micronets_gen.errors import BoardError, UsageError

_PART = r"[A-Za-z0-9][A-Za-z0-9_.+/-]*"
_FILE = r"[A-Za-z0-9][A-Za-z0-9_+-]*([./][A-Za-z0-9][A-Za-z0-9_+-]*)*"
_MOST_REGIONS = 32

_BOARD = {
    "title": Key(str, longest=100),
    "vendor": Key(str, longest=100),
    "url": Key(str, longest=200, pattern=r"https?://[!#-&(-;=?-~]+"),
    "mcu": Key(str, longest=64, pattern=_PART),
    "core": Key(str),
    "fpu": Key(str, ""),
    "family": Key(str),
    "clock_hz": Key(int),
    "notes": Key("texts", (), longest=400),
    "regions": Key("tables", longest=_MOST_REGIONS),
    "clock": Key(dict, None),
    "uart": Key(dict),
    "emulator": Key(dict, None),
    "upload": Key(dict, None),
    "power": Key(dict, None),
}
_REGION = {
    "name": Key(str, longest=32),
    "kind": Key(str),
    "origin": Key(int),
    "size": Key("size"),
    "default": Key(bool, False),
    "vectors": Key(bool, False),
    "note": Key(str, "", longest=200),
}
_CLOCK = {
    "source": Key(str),
    "source_hz": Key(int),
    "pll_m": Key(int),
    "pll_n": Key(int),
    "pll_div": Key(int),
    "pll_q": Key(int, 0),
    "ahb_div": Key(int, 1),
    "apb1_div": Key(int, 1),
    "apb2_div": Key(int, 1),
    "flash_latency": Key(int),
    "boost": Key(bool, False),
}
_UART = {
    "instance": Key(str),
    "baud": Key(int),
    "tx": Key(str, ""),
    "rx": Key(str, ""),
    "alternate": Key(int, 0),
}
_EMULATOR = {
    "kind": Key(str),
    "machine": Key(str, "", longest=64, pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*"),
    "instructions_numerator": Key(int, 1),
    "instructions_denominator": Key(int, 1),
}
_UPLOAD = {
    "protocols": Key("texts"),
    "openocd_interface": Key(str, "", longest=64, pattern=_FILE),
    "openocd_target": Key(str, "", longest=64, pattern=_FILE),
    "jlink_device": Key(str, "", longest=64, pattern=_PART),
}
_POWER = {
    "active_mw": Key(float),
    "percent": Key(float),
    "supply_volts": Key(float),
    "clock_hz": Key(int),
    "conditions": Key(str, longest=400),
    "source": Key(str, longest=400),
    "sleep": Key(dict, None),
}
_SLEEP = {
    "current_ua": Key(float),
    "percent": Key(float),
    "conditions": Key(str, longest=400),
    "source": Key(str, longest=400),
}


def load_boards() -> tuple[Board, ...]:
    """Return every bundled board, in order of name.

    Raises:
        BoardError: a bundled file does not validate.
    """
    return tuple(load_board(name) for name in board_names())


def board_names() -> tuple[str, ...]:
    """Return the names of the bundled boards, sorted."""
    return tuple(sorted(path.stem for path in resources.data_dir("boards").glob("*.toml")))


def load_board(name_or_path: str | Path) -> Board:
    """Return a bundled board by its name, or the board that a TOML file describes.

    Raises:
        BoardError: unknown name, unreadable file, or a file that does not validate.
    """
    if str(name_or_path).endswith(".toml"):
        return _load_file(Path(name_or_path))
    name = str(name_or_path)
    names = board_names()
    if name not in names:
        question = did_you_mean(name.lower(), names, most=3)
        listed = "'micronets-gen boards' lists them; the path of a .toml file works, too"
        raise BoardError(
            f"there is no board '{shown(name)}'", remedy=f"{question} {listed}" if question else listed
        )
    return _load_bundled(name)


def load_several(names: Sequence[str | Path]) -> tuple[Board, ...]:
    """Return boards to choose from, as :func:`load_board` takes each.

    Raises:
        BoardError: as :func:`load_board`.
        UsageError: no board, or two of one name.
    """
    found: dict[str, Board] = {}
    for given in names:
        board = load_board(given)
        if board.name in found:
            raise UsageError(f"{board.name} is named twice", where="--boards", remedy="name each board once")
        found[board.name] = board
    if not found:
        raise UsageError("names no board", where="--boards", remedy="for example nucleo_l4r5zi,nucleo_f746zg")
    return tuple(found.values())


def bundled_file(name: str) -> str:
    """Return the file of a bundled board; empty where no board has that name."""
    return str(_bundled(name)) if name in board_names() else ""


def own_file(board: Board) -> str:
    """Return the absolute path of the file of one's own that a board was read from; empty for a bundled board."""
    return str(Path(board.path).absolute()) if board.path and Path(board.path) != _bundled(board.name) else ""


def _bundled(name: str) -> Path:
    return resources.data_dir("boards") / f"{name}.toml"


@cache
def _load_bundled(name: str) -> Board:
    return _load_file(_bundled(name))


def _load_file(path: Path) -> Board:
    text = read_text(path, most=WRITTEN_BY_HAND, error=BoardError)
    return replace(parse_board(text, name=path.stem, where=path.name), path=str(path))


def parse_board(text: str, *, name: str, where: str) -> Board:
    """Return the board that a TOML text describes.

    Args:
        text: The file's content.
        name: The board's name: lower-case letters, digits and underscores.
        where: What messages call the file.

    Raises:
        BoardError: the text is no TOML, or no valid board.
    """
    data = parse_toml(text, where, BoardError)
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
        raise BoardError(
            f"'{shown(name)}' cannot be a board's name",
            where=where,
            remedy="name the file with lower-case letters, digits and underscores, a letter first",
        )
    values = checked(data, _BOARD, where, BoardError)
    tables = values.pop("regions")
    if not tables:
        raise BoardError("the board has no memory", where=where, remedy="add [[regions]] tables")
    board = Board(
        name=name,
        **{
            key: values[key]
            for key in ("title", "vendor", "url", "mcu", "core", "fpu", "family", "clock_hz", "notes")
        },
        regions=tuple(_region(table, f"{where}: [[regions]] {i + 1}") for i, table in enumerate(tables)),
        clock=_optional(Clock, values["clock"], _CLOCK, f"{where}: [clock]"),
        uart=Uart(**checked(values["uart"], _UART, f"{where}: [uart]", BoardError)),
        emulator=_optional(Emulator, values["emulator"], _EMULATOR, f"{where}: [emulator]"),
        upload=_optional(Upload, values["upload"], _UPLOAD, f"{where}: [upload]"),
        power=_power(values["power"], where),
    )
    check_board(board, where)
    return board


def _optional(make: Any, table: Any, schema: Schema, where: str) -> Any:
    return None if table is None else make(**checked(table, schema, where, BoardError))


def _power(table: Mapping[str, Any] | None, where: str) -> Power | None:
    if table is None:
        return None
    values = checked(table, _POWER, f"{where}: [power]", BoardError)
    sleep = _optional(Sleep, values.pop("sleep"), _SLEEP, f"{where}: [power.sleep]")
    return Power(**values, sleep=sleep)


def _region(table: Mapping[str, Any], where: str) -> Region:
    if isinstance(table.get("name"), str):
        where = f"{where} ({shown(table['name'], 20)})"
    return Region(**checked(table, _REGION, where, BoardError))
