"""``boards/*.toml`` → :class:`Board`, with exact messages for whoever writes a board file."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from micronets_gen.boards.board import Board, Clock, Emulator, Latency, Region, Uart, Upload
from micronets_gen.boards.family import AHB_FIELDS, APB_FIELDS, family_names, frequencies, load_family
from micronets_gen.common import resources
from micronets_gen.errors import BoardError

FPUS: Mapping[str, tuple[str, ...]] = {
    "cortex-m3": ("",),
    "cortex-m4": ("", "fpv4-sp-d16"),
    "cortex-m7": ("", "fpv5-sp-d16", "fpv5-d16"),
    "cortex-m33": ("", "fpv5-sp-d16"),
    "cortex-m55": ("auto",),
}
"""Cores and the ``-mfpu`` values that go with them; the Cortex-M55's ``auto`` is its FPU with MVE."""

PROTOCOLS = ("blackmagic", "cmsis-dap", "jlink", "stlink")
_REQUIRED = object()
_TYPES = {
    str: "a text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    dict: "a table",
    list: "an array",
}


@dataclass(frozen=True)
class _Key:
    """What a key holds: a type, or ``size`` (bytes, or a text such as ``64K``), ``texts`` or ``tables``."""

    kind: type | str
    default: Any = _REQUIRED


_BOARD = {
    "title": _Key(str),
    "vendor": _Key(str),
    "url": _Key(str),
    "mcu": _Key(str),
    "core": _Key(str),
    "fpu": _Key(str, ""),
    "family": _Key(str),
    "clock_hz": _Key(int),
    "notes": _Key("texts", ()),
    "regions": _Key("tables"),
    "clock": _Key(dict, None),
    "uart": _Key(dict),
    "emulator": _Key(dict, None),
    "upload": _Key(dict, None),
    "latency": _Key(dict, None),
}
_REGION = {
    "name": _Key(str),
    "kind": _Key(str),
    "origin": _Key(int),
    "size": _Key("size"),
    "default": _Key(bool, False),
    "vectors": _Key(bool, False),
    "note": _Key(str, ""),
}
_CLOCK = {
    "source": _Key(str),
    "source_hz": _Key(int),
    "pll_m": _Key(int),
    "pll_n": _Key(int),
    "pll_div": _Key(int),
    "pll_q": _Key(int, 0),
    "ahb_div": _Key(int, 1),
    "apb1_div": _Key(int, 1),
    "apb2_div": _Key(int, 1),
    "flash_latency": _Key(int),
    "boost": _Key(bool, False),
}
_UART = {
    "instance": _Key(str),
    "baud": _Key(int),
    "tx": _Key(str, ""),
    "rx": _Key(str, ""),
    "alternate": _Key(int, 0),
}
_EMULATOR = {
    "kind": _Key(str),
    "machine": _Key(str, ""),
    "instructions_numerator": _Key(int, 1),
    "instructions_denominator": _Key(int, 1),
}
_UPLOAD = {
    "protocols": _Key("texts"),
    "openocd_interface": _Key(str, ""),
    "openocd_target": _Key(str, ""),
    "jlink_device": _Key(str, ""),
}
_LATENCY = {"seconds_per_op": _Key(float), "offset_s": _Key(float, 0.0), "source": _Key(str)}


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
        close = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
        meant = f"Did you mean {_either(close)}? " if close else ""
        raise BoardError(
            f"there is no board '{name}'",
            remedy=f"{meant}'micronets-gen boards' lists them; the path of a .toml file works, too.",
        )
    return _load_bundled(name)


@cache
def _load_bundled(name: str) -> Board:
    return _load_file(resources.data_dir("boards") / f"{name}.toml")


def _load_file(path: Path) -> Board:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BoardError(
            "the board file does not exist",
            where=str(path),
            remedy="Check the path, or name a bundled board.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BoardError("the board file cannot be read", where=str(path), why=str(error)) from None
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
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BoardError("the file is not valid TOML", where=where, why=str(error)) from None
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise BoardError(
            f"'{name}' cannot be a board's name",
            where=where,
            remedy="Name the file with lower-case letters, digits and underscores, a letter first.",
        )
    values = _read(data, _BOARD, where)
    tables = values.pop("regions")
    if not tables:
        raise BoardError("the board has no memory", where=where, remedy="Add [[regions]] tables.")
    board = Board(
        name=name,
        **{
            key: values[key]
            for key in ("title", "vendor", "url", "mcu", "core", "fpu", "family", "clock_hz", "notes")
        },
        regions=tuple(_region(table, f"{where}: [[regions]] {i + 1}") for i, table in enumerate(tables)),
        clock=_optional(Clock, values["clock"], _CLOCK, f"{where}: [clock]"),
        uart=Uart(**_read(values["uart"], _UART, f"{where}: [uart]")),
        emulator=_optional(Emulator, values["emulator"], _EMULATOR, f"{where}: [emulator]"),
        upload=_optional(Upload, values["upload"], _UPLOAD, f"{where}: [upload]"),
        latency=_optional(Latency, values["latency"], _LATENCY, f"{where}: [latency]"),
    )
    _check_core(board, where)
    _check_regions(board, where)
    _check_clock(board, where)
    _check_uart(board, where)
    _check_emulator(board, where)
    _check_upload(board, where)
    return board


def _optional(make: Any, table: Any, schema: Mapping[str, _Key], where: str) -> Any:
    return None if table is None else make(**_read(table, schema, where))


def _region(table: Mapping[str, Any], where: str) -> Region:
    if isinstance(table.get("name"), str):
        where = f"{where} ({table['name']})"
    return Region(**_read(table, _REGION, where))


def _read(table: Mapping[str, Any], schema: Mapping[str, _Key], where: str) -> dict[str, Any]:
    for key in table:
        if key not in schema:
            close = difflib.get_close_matches(key, schema, n=1)
            meant = f"Did you mean '{close[0]}'? " if close else ""
            raise BoardError(
                f"unknown key '{key}'", where=where, remedy=f"{meant}Keys are: {', '.join(sorted(schema))}."
            )
    values = {}
    for name, spec in schema.items():
        if name in table:
            values[name] = _value(table[name], spec.kind, name, where)
        elif spec.default is _REQUIRED:
            raise BoardError(
                f"the key '{name}' is missing", where=where, remedy=f"Add {_example(name, spec)}."
            )
        else:
            values[name] = spec.default
    return values


def _value(value: Any, kind: type | str, name: str, where: str) -> Any:
    if kind == "size":
        size = parse_size(value)
        if size is not None:
            return size
    elif kind == "texts":
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif kind == "tables":
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return value
    elif kind is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif type(value) is kind:
        return value
    raise BoardError(
        f"'{name}' must be {_wanted(kind)}, not {_TYPES.get(type(value), type(value).__name__)}",
        where=where,
        why=f"it is {value!r}",
    )


def _example(name: str, spec: _Key) -> str:
    if spec.kind is dict:
        return f"a table [{name}]"
    return f"[[{name}]] tables" if spec.kind == "tables" else f"{name} = {_wanted(spec.kind)}"


def _wanted(kind: type | str) -> str:
    if isinstance(kind, type):
        return _TYPES[kind]
    return {
        "size": 'a number of bytes or a text such as "64K" or "2M"',
        "texts": "an array of texts",
        "tables": "an array of tables",
    }[kind]


def parse_size(value: Any) -> int | None:
    """Return the bytes that a number or a text such as ``64K`` or ``2M`` says; None where it says none."""
    if type(value) is int:
        return value
    match = re.fullmatch(r"(\d+)([KM]?)", value) if isinstance(value, str) else None
    return int(match[1]) * {"": 1, "K": 1 << 10, "M": 1 << 20}[match[2]] if match else None


def _check_core(board: Board, where: str) -> None:
    _choice("core", board.core, FPUS, where)
    _choice("family", board.family, family_names(), where)
    if board.fpu not in FPUS[board.core]:
        choices = [f"'{fpu}'" if fpu else "none" for fpu in FPUS[board.core]]
        raise BoardError(
            f"the {board.core} has no FPU '{board.fpu}'" if board.fpu else f"the {board.core} needs an FPU",
            where=where,
            remedy=f"Set fpu to one of: {', '.join(choices)}.",
        )
    family = load_family(board.family)
    if board.core not in family.cores:
        raise BoardError(
            f"the family {board.family} has no {board.core}",
            where=where,
            remedy=f"Its cores are: {', '.join(family.cores)}.",
        )
    if board.clock_hz <= 0:
        raise BoardError("'clock_hz' must be positive", where=where)


def _check_regions(board: Board, where: str) -> None:
    names: set[str] = set()
    for region in board.regions:
        place = f"{where}: region {region.name}"
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", region.name):
            raise BoardError(
                f"'{region.name}' cannot be a region's name",
                where=where,
                remedy="Use capital letters, digits and underscores, a letter first.",
            )
        if region.name in names:
            raise BoardError(f"two regions are called {region.name}", where=where)
        names.add(region.name)
        _choice("kind", region.kind, ("code", "flash", "ram"), place)
        if region.size <= 0:
            raise BoardError("the size must be positive", where=place)
        if region.origin < 0 or region.end > 1 << 32:
            raise BoardError("the region does not lie within 32-bit addresses", where=place)
        if region.origin % 32 or region.size % 32:
            raise BoardError("origin and size must be multiples of 32 bytes", where=place)
    ordered = sorted(board.regions, key=lambda region: region.origin)
    for left, right in pairwise(ordered):
        if right.origin < left.end:
            raise BoardError(
                f"the regions {left.name} and {right.name} overlap",
                where=where,
                why=f"{left.name} ends at 0x{left.end:08X}, {right.name} begins at 0x{right.origin:08X}",
                remedy="List memory once, at the address that the program uses.",
            )
    for kind, holds in (("flash", "code"), ("ram", "data and stack")):
        defaults = [region.name for region in board.regions if region.kind == kind and region.default]
        if len(defaults) != 1:
            found = (
                f"{len(defaults)} regions of kind '{kind}' are"
                if defaults
                else f"no region of kind '{kind}' is"
            )
            raise BoardError(
                f"{found} the default",
                where=where,
                remedy=f"Set default = true in the one region of kind '{kind}' that takes {holds}.",
            )
    for region in board.regions:
        if region.default and region.kind == "code":
            raise BoardError(f"the region {region.name} of kind 'code' cannot be a default", where=where)
    if sum(region.vectors for region in board.regions) > 1:
        raise BoardError("more than one region has vectors = true", where=where)


def _check_clock(board: Board, where: str) -> None:
    family = load_family(board.family)
    clock, limits = board.clock, family.clock
    place = f"{where}: [clock]"
    if limits is None:
        if clock is not None:
            raise BoardError(f"the clock of {family.title} is fixed", where=place, remedy="Remove the table.")
        return
    if clock is None:
        raise BoardError(
            "the table [clock] is missing",
            where=where,
            remedy=f"{family.title} starts from a clock tree; add it.",
        )
    _choice("source", clock.source, limits.sources, place)
    _within("pll_m", clock.pll_m, limits.pll_m, place)
    _within("pll_n", clock.pll_n, limits.pll_n, place)
    _one_of("pll_div", clock.pll_div, limits.pll_div, place)
    _within("pll_q", clock.pll_q, limits.pll_q, place)
    _one_of("ahb_div", clock.ahb_div, tuple(AHB_FIELDS), place)
    _one_of("apb1_div", clock.apb1_div, tuple(APB_FIELDS), place)
    _one_of("apb2_div", clock.apb2_div, tuple(APB_FIELDS), place)

    made = frequencies(clock, core_before_ahb=limits.core_before_ahb)
    _frequency("the source", clock.source_hz, limits.source_hz, family.title, place)
    _frequency("the PLL's input", made.pll_input, limits.pll_input_hz, family.title, place)
    _frequency("the VCO", made.vco, limits.vco_hz, family.title, place)
    _frequency("the 48 MHz domain", made.usb, (0, limits.usb_hz), family.title, place)
    if clock.boost and not limits.core_boost_hz:
        raise BoardError(f"{family.title} has no boost", where=place, remedy="Remove boost.")
    if made.core > limits.core_hz and not clock.boost and made.core <= limits.core_boost_hz:
        raise BoardError(
            f"the core is at {_mhz(made.core)}, {family.title} reaches {_mhz(limits.core_hz)} without boost",
            where=place,
            remedy="Set boost = true.",
        )
    core_hz = limits.core_boost_hz if clock.boost else limits.core_hz
    _frequency("the core", made.core, (0, core_hz), family.title, place)
    _frequency("the AHB", made.ahb, (0, limits.ahb_hz), family.title, place)
    _frequency("APB1", made.apb1, (0, limits.apb1_hz), family.title, place)
    _frequency("APB2", made.apb2, (0, limits.apb2_hz), family.title, place)
    if made.core != board.clock_hz:
        raise BoardError(
            f"the clock tree gives {_mhz(made.core)}, clock_hz says {_mhz(board.clock_hz)}",
            where=place,
            why=f"{_mhz(clock.source_hz)} / {clock.pll_m} * {clock.pll_n} / {clock.pll_div}"
            + ("" if limits.core_before_ahb else f" / {clock.ahb_div}"),
        )
    needed = (made.ahb - 1) // limits.wait_state_hz
    if clock.flash_latency < needed:
        raise BoardError(
            f"{clock.flash_latency} wait states are too few for the flash at {_mhz(made.ahb)}",
            where=place,
            remedy=f"Set flash_latency = {needed}.",
        )
    _within("flash_latency", clock.flash_latency, (needed, 15), place)


def _check_uart(board: Board, where: str) -> None:
    family = load_family(board.family)
    place = f"{where}: [uart]"
    _choice("instance", board.uart.instance, family.uarts, place)
    _within("baud", board.uart.baud, (9600, 1_000_000), place)
    if family.clock is None:
        return
    for key, pin in (("tx", board.uart.tx), ("rx", board.uart.rx)):
        match = re.fullmatch(r"P[A-K](\d{1,2})", pin)
        if match is None or int(match[1]) > 15:
            raise BoardError(f"'{key}' must be a pin such as PD8, not '{pin}'", where=place)
    _within("alternate", board.uart.alternate, (0, 15), place)


def _check_emulator(board: Board, where: str) -> None:
    emulator = board.emulator
    if emulator is None:
        return
    place = f"{where}: [emulator]"
    _choice("kind", emulator.kind, ("qemu", "virtual"), place)
    if emulator.kind == "qemu" and not emulator.machine:
        raise BoardError(
            "the key 'machine' is missing", where=place, remedy="Add QEMU's name of the machine."
        )
    if emulator.kind == "virtual" and emulator.machine:
        raise BoardError("the virtual board has no 'machine'", where=place, remedy="Remove the key.")
    if emulator.kind == "virtual" and board.core == "cortex-m55":
        raise BoardError("the virtual board has no cortex-m55", where=place, remedy="Use a machine of QEMU.")
    if emulator.instructions_numerator <= 0 or emulator.instructions_denominator <= 0:
        raise BoardError("the instructions per tick must be positive", where=place)


def _check_upload(board: Board, where: str) -> None:
    if board.upload is None:
        return
    place = f"{where}: [upload]"
    if not board.upload.protocols:
        raise BoardError("'protocols' is empty", where=place, remedy="List the default protocol first.")
    for protocol in board.upload.protocols:
        _choice("protocols", protocol, PROTOCOLS, place)
    through_openocd = {"stlink", "cmsis-dap"} & set(board.upload.protocols)
    if through_openocd and not board.upload.openocd_target:
        raise BoardError(
            "the key 'openocd_target' is missing",
            where=place,
            remedy="Add the name of OpenOCD's target file, such as stm32f7x.",
        )
    if "jlink" in board.upload.protocols and not board.upload.jlink_device:
        raise BoardError(
            "the key 'jlink_device' is missing", where=place, remedy="Add SEGGER's name of the chip."
        )


def _choice(key: str, value: str, choices: Iterable[str], where: str) -> None:
    choices = sorted(choices)
    if value in choices:
        return
    close = difflib.get_close_matches(value, choices, n=1)
    meant = f"Did you mean '{close[0]}'? " if close else ""
    raise BoardError(
        f"'{key}' cannot be '{value}'", where=where, remedy=f"{meant}Choices are: {', '.join(choices)}."
    )


def _one_of(key: str, value: int, choices: tuple[int, ...], where: str) -> None:
    if value not in choices:
        raise BoardError(
            f"'{key}' cannot be {value}", where=where, remedy=f"Choices are: {', '.join(map(str, choices))}."
        )


def _within(key: str, value: int, limits: tuple[int, int], where: str) -> None:
    if not limits[0] <= value <= limits[1]:
        raise BoardError(f"'{key}' must be from {limits[0]} to {limits[1]}, not {value}", where=where)


def _frequency(what: str, hertz: int, limits: tuple[int, int], family: str, where: str) -> None:
    if not limits[0] <= hertz <= limits[1]:
        allowed = f"{_mhz(limits[0])} to {_mhz(limits[1])}" if limits[0] else f"at most {_mhz(limits[1])}"
        raise BoardError(f"{what} is at {_mhz(hertz)}, {family} allows {allowed}", where=where)


def _mhz(hertz: int) -> str:
    return f"{hertz / 1e6:g} MHz"


def _either(names: Sequence[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return " or ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))
