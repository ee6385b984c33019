"""A board's start-up code, drivers and linker script, from ``templates/soc``.

A family is a folder with a ``family.toml``: the cores, UARTs and clock limits of its parts, which board files
are checked against, and the files that a project's ``lib/board`` gets. Those ending in ``.j2`` take board
data.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen import resources
from codegen.board import Board, Clock, Region

if TYPE_CHECKING:
    import jinja2

COMMON = {
    "board.h": "common/board.h",
    "board.ld": "common/board.ld.j2",
    "board_config.h": "common/board_config.h.j2",
    "cortex_m.h": "common/cortex_m.h",
    "faults.c": "common/faults.c",
    "soc_internal.h": "common/soc_internal.h",
    "startup.c": "common/startup.c",
    "vectors.c": "common/vectors.c.j2",
}
"""Files of every board: name in ``lib/board`` to path in ``templates/soc``."""

AHB_FIELDS = {1: 0, 2: 8, 4: 9, 8: 10, 16: 11, 64: 12, 128: 13, 256: 14, 512: 15}
"""Divider to the field HPRE of the STM32's clock configuration (for example RM0385, section 5.3.3)."""

APB_FIELDS = {1: 0, 2: 4, 4: 5, 8: 6, 16: 7}
"""Divider to the fields PPRE1 and PPRE2."""

STACK_GUARD_BYTES = 128
"""What the MPU locks below the stack of an ARMv7-M core; ARMv8-M checks the stack pointer instead."""

_ARENA_ALIGN = 16
_ARMV7M = ("cortex-m3", "cortex-m4", "cortex-m7")


@dataclass(frozen=True)
class ClockLimits:
    """What a family's data sheet allows; pairs are (lowest, highest), frequencies are in hertz.

    Attributes:
        pll_input_hz: Behind ``pll_m``.
        usb_hz: Highest frequency behind ``pll_q``.
        core_hz: Highest core clock without ``boost``.
        core_boost_hz: Highest core clock with it; 0 where the family has no such mode.
        core_before_ahb: Whether ``ahb_div`` slows the buses only and not the core.
        wait_state_hz: A wait state of the flash for every step of this size begun in its clock.
    """

    sources: tuple[str, ...]
    source_hz: tuple[int, int]
    pll_m: tuple[int, int]
    pll_n: tuple[int, int]
    pll_div: tuple[int, ...]
    pll_q: tuple[int, int]
    pll_input_hz: tuple[int, int]
    vco_hz: tuple[int, int]
    usb_hz: int
    core_hz: int
    core_boost_hz: int
    ahb_hz: int
    apb1_hz: int
    apb2_hz: int
    wait_state_hz: int
    core_before_ahb: bool = False


@dataclass(frozen=True)
class Frequencies:
    """Every frequency of a clock tree in hertz, rounded down where a divider leaves a rest."""

    pll_input: int
    vco: int
    core: int
    ahb: int
    apb1: int
    apb2: int
    usb: int


@dataclass(frozen=True)
class Family:
    """A SoC family.

    Attributes:
        cores: Cores that its start-up code knows.
        uarts: Instances that its driver knows.
        apb2_uarts: Those that the APB2 clock feeds; APB1 feeds the others.
        interrupts: Vectors behind the core's own.
        files: As :data:`COMMON`.
        clock: None where the clock is fixed.
    """

    name: str
    title: str
    cores: tuple[str, ...]
    uarts: tuple[str, ...]
    interrupts: int
    files: Mapping[str, str]
    apb2_uarts: tuple[str, ...] = ()
    clock: ClockLimits | None = None


def frequencies(clock: Clock, *, core_before_ahb: bool) -> Frequencies:
    """Return what a clock tree gives."""
    pll_input = clock.source_hz // clock.pll_m
    vco = clock.source_hz * clock.pll_n // clock.pll_m
    system = vco // clock.pll_div
    ahb = system // clock.ahb_div
    return Frequencies(
        pll_input=pll_input,
        vco=vco,
        core=system if core_before_ahb else ahb,
        ahb=ahb,
        apb1=ahb // clock.apb1_div,
        apb2=ahb // clock.apb2_div,
        usb=vco // clock.pll_q if clock.pll_q else 0,
    )


def family_names() -> tuple[str, ...]:
    """Return the names of all families, sorted."""
    return tuple(sorted(path.parent.name for path in _folder().glob("*/family.toml")))


@cache
def load_family(name: str) -> Family:
    """Return a family.

    Raises:
        KeyError: there is none of that name.
    """
    if name not in family_names():
        raise KeyError(name)
    data: dict[str, Any] = tomllib.loads((_folder() / name / "family.toml").read_text(encoding="utf-8"))
    clock = data.get("clock")
    return Family(
        name=name,
        title=data["title"],
        cores=tuple(data["cores"]),
        uarts=tuple(data["uarts"]),
        interrupts=data["interrupts"],
        files=data["files"],
        apb2_uarts=tuple(data.get("apb2_uarts", ())),
        clock=ClockLimits(**{key: _frozen(value) for key, value in clock.items()}) if clock else None,
    )


def soc_files(board: Board, *, arena_region: str, stack_bytes: int) -> dict[str, str]:
    """Return the files of a project's ``lib/board``.

    Args:
        board: The board.
        arena_region: RAM region of the section ``.arena``, or a span of adjacent ones written ``A+B``. Where
            the span holds the default RAM, data, bss and stack share it with the arena.
        stack_bytes: The linker refuses an image that leaves less for the stack.

    Returns:
        File name to text, sorted by name.

    Raises:
        KeyError: ``arena_region`` is no place of the board's RAM.
        ValueError: ``stack_bytes`` is not positive.
    """
    if stack_bytes <= 0:
        raise ValueError(f"stack_bytes is {stack_bytes}, which is not positive")
    family = load_family(board.family)
    sources = {**COMMON, **family.files}
    values: dict[str, dict[str, Any]] = {
        "board.ld": _linker_values(board, board.place(arena_region), stack_bytes),
        "board_config.h": _config_values(board, family),
        "vectors.c": {"mcu": board.mcu, "interrupts": family.interrupts},
    }
    files = {}
    for name, source in sorted(sources.items()):
        if source.endswith(".j2"):
            files[name] = _environment().get_template(source).render(values[name])
        else:
            files[name] = (_folder() / source).read_text(encoding="utf-8")
    return files


def lost_bytes(board: Board) -> int:
    """Return the most bytes of the default RAM that alignment and the guard of the stack can take."""
    return max(2 * _stack_guard(board), 8) + _ARENA_ALIGN - 2


def _stack_guard(board: Board) -> int:
    return STACK_GUARD_BYTES if board.core in _ARMV7M else 0


def _folder() -> Path:
    return resources.data_dir("templates") / "soc"


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_folder()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _config_values(board: Board, family: Family) -> dict[str, Any]:
    emulator = board.emulator
    return {
        "name": board.name,
        "title": board.title,
        "clock_hz": board.clock_hz,
        "clock": _clock_values(board, family),
        "uart": _uart_values(board),
        "counter_numerator": emulator.instructions_numerator if emulator else 1,
        "counter_denominator": emulator.instructions_denominator if emulator else 1,
    }


def _clock_values(board: Board, family: Family) -> dict[str, Any] | None:
    clock, limits = board.clock, family.clock
    if clock is None or limits is None:
        return None
    made = frequencies(clock, core_before_ahb=limits.core_before_ahb)
    uart_hz = made.apb2 if board.uart.instance in family.apb2_uarts else made.apb1
    return {
        "summary": f"{clock.source} {_mhz(clock.source_hz)} -> VCO {_mhz(made.vco)} -> "
        f"core {_mhz(made.core)}, AHB {_mhz(made.ahb)}, APB1 {_mhz(made.apb1)}, APB2 {_mhz(made.apb2)}",
        "source_macro": clock.source.replace("-", "_").upper(),
        "pll_input_hz": made.pll_input,
        "pll_m": clock.pll_m,
        "pll_n": clock.pll_n,
        "pll_div": clock.pll_div,
        "pll_q": clock.pll_q,
        "ahb_div": clock.ahb_div,
        "ahb_field": AHB_FIELDS[clock.ahb_div],
        "apb1_div": clock.apb1_div,
        "apb1_field": APB_FIELDS[clock.apb1_div],
        "apb2_div": clock.apb2_div,
        "apb2_field": APB_FIELDS[clock.apb2_div],
        "flash_latency": clock.flash_latency,
        "boost": int(clock.boost),
        "uart_hz": uart_hz,
    }


def _uart_values(board: Board) -> dict[str, Any]:
    uart = board.uart
    values: dict[str, Any] = {"instance": uart.instance, "baud": uart.baud, "tx": uart.tx, "rx": uart.rx}
    if uart.tx:
        values["tx_port"], values["tx_pin"] = _pin(uart.tx)
        values["rx_port"], values["rx_pin"] = _pin(uart.rx)
        values["alternate"] = uart.alternate
    return values


def _pin(name: str) -> tuple[int, int]:
    match = re.fullmatch(r"P([A-K])(\d{1,2})", name)
    if match is None:
        raise ValueError(f"'{name}' is not the name of a pin")
    return ord(match[1]) - ord("A"), int(match[2])


def _linker_values(board: Board, arena: Region, stack_bytes: int) -> dict[str, Any]:
    merged = arena.name.split("+")
    data = arena if board.default_ram.name in merged else board.default_ram
    kept = [region for region in board.regions if region.name not in merged]
    flash = board.default_flash
    vectors = next((region for region in board.regions if region.vectors), flash)
    memory = sorted([*kept, arena], key=lambda region: region.origin)
    return {
        "title": board.title,
        "mcu": board.mcu,
        "regions": [
            {
                "name": region.name,
                "origin": f"0x{region.origin:08X}",
                "size_text": f"{size_text(region.size):>6}",
                "note": region.note,
            }
            for region in board.regions
        ],
        "memory": [
            {
                "name": _identifier(region),
                "access": {"flash": "rx", "code": "rwx", "ram": "rw"}[region.kind],
                "origin": f"0x{region.origin:08X}",
                "length": f"0x{region.size:X}",
            }
            for region in memory
        ],
        "flash": _identifier(flash),
        "vectors": _identifier(vectors),
        "data": _identifier(data),
        "arena": _identifier(arena),
        "spare": [_identifier(r) for r in memory if r.kind == "ram" and r not in (data, arena)],
        "below_stack": "_arena_end" if arena == data else "_bss_end",
        "stack_guard": _stack_guard(board),
        "stack_bytes": stack_bytes,
        "checks": _linker_checks(board, flash, data, arena),
    }


def _linker_checks(board: Board, flash: Region, data: Region, arena: Region) -> list[dict[str, str]]:
    code, rw, tensors = _identifier(flash), _identifier(data), _identifier(arena)
    shared = data == arena
    holds = "the arena of the model, data, bss and the stack" if shared else "data, bss and the stack"
    checks = [
        {
            "condition": f"_data_load + SIZEOF(.data) <= ORIGIN({code}) + LENGTH({code})",
            "sentence": f"Flash overflow in {code}: code, constants and weights need more than its "
            f"{size_text(flash.size)}. Take a smaller model, or a board with more flash.",
        },
        {
            "condition": "_stack_limit + _stack_bytes <= _stack_top",
            "sentence": f"RAM overflow in {rw}: {holds} need more than its {size_text(data.size)}. "
            + (
                "Take a smaller model, shrink your own variables, or take a board with more RAM."
                if shared
                else "Shrink your own variables, or move large ones to another region by a section attribute."
            ),
        },
    ]
    if not shared:
        checks.append(
            {
                "condition": f"_arena_end <= ORIGIN({tensors}) + LENGTH({tensors})",
                "sentence": f"RAM overflow in {tensors}: the arena of the model needs more than its "
                f"{size_text(arena.size)}. Generate the project again to place the arena elsewhere, take a "
                "smaller model, or a board with more RAM.",
            }
        )
    return checks


def _identifier(region: Region) -> str:
    return region.name.replace("+", "_")


def size_text(size: int) -> str:
    """Return a size as linker scripts write it: ``64K``, ``2M``, or bytes."""
    for unit, letter in ((1 << 20, "M"), (1 << 10, "K")):
        if size % unit == 0:
            return f"{size // unit}{letter}"
    return str(size)


def _mhz(hertz: int) -> str:
    return f"{hertz / 1e6:g} MHz"
