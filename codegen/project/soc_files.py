"""A board's start-up code, drivers and linker script, from ``templates/soc``.

A family is a folder with a ``family.toml``: the cores, UARTs and clock limits of its parts, which board files
are checked against, and the files that a project's ``lib/board`` gets. Those ending in ``.j2`` take board
data.
"""

from __future__ import annotations

import re
from typing import Any

from micronets_gen.boards.board import Board, Region
from micronets_gen.boards.family import AHB_FIELDS, APB_FIELDS, Family, frequencies, load_family, soc_folder
from micronets_gen.common.numbers import frequency as megahertz
from micronets_gen.common.numbers import size
from micronets_gen.common.templates import render
from micronets_gen.plan.placement import stack_guard

COMMON = {
    "board.h": "common/board.h",
    "board.ld": "common/board.ld.j2",
    "board_config.h": "common/board_config.h.j2",
    "cortex_m.h": "common/cortex_m.h",
    "faults.c": "common/faults.c",
    "soc_internal.h": "common/soc_internal.h",
    "startup.c": "common/startup.c",
    "syscalls.c": "common/syscalls.c",
    "vectors.c": "common/vectors.c.j2",
    "wait.h": "common/wait.h",
}
"""Files of every board: name in ``lib/board`` to path in ``templates/soc``."""


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
            files[name] = render(f"soc/{source}", **values[name])
        else:
            files[name] = (soc_folder() / source).read_text(encoding="utf-8")
    return files


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
        "summary": f"{clock.source} {megahertz(clock.source_hz)} -> VCO {megahertz(made.vco)} -> "
        f"core {megahertz(made.core)}, AHB {megahertz(made.ahb)}, "
        f"APB1 {megahertz(made.apb1)}, APB2 {megahertz(made.apb2)}",
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
                "size": f"{size(region.size):>7}",
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
        "stack_guard": stack_guard(board),
        "stack_bytes": stack_bytes,
        "checks": _linker_checks(board, flash, data, arena),
    }


def _linker_checks(board: Board, flash: Region, data: Region, arena: Region) -> list[dict[str, str]]:
    code, rw, tensors = _identifier(flash), _identifier(data), _identifier(arena)
    shared = data == arena
    holds = "data, bss, the heap and the stack"
    if shared:
        holds = f"the arena of the model, {holds}"
    checks = [
        {
            "condition": f"_data_load + SIZEOF(.data) <= ORIGIN({code}) + LENGTH({code})",
            "sentence": f"Flash overflow in {code}: code, constants and weights need more than its "
            f"{size(flash.size)}. Take a smaller model, or a board with more flash.",
        },
        {
            "condition": "_stack_limit + _stack_bytes <= _stack_top",
            "sentence": f"RAM overflow in {rw}: {holds} need more than its {size(data.size)}. "
            + (
                "Take a smaller model, shrink your own variables or the heap (custom_heap_bytes in user.ini), or take "
                "a board with more RAM."
                if shared
                else "Shrink your own variables or the heap (custom_heap_bytes in user.ini), or move large variables "
                "to another region by a section attribute."
            ),
        },
    ]
    if not shared:
        checks.append(
            {
                "condition": f"_arena_end <= ORIGIN({tensors}) + LENGTH({tensors})",
                "sentence": f"RAM overflow in {tensors}: the arena of the model needs more than its "
                f"{size(arena.size)}. Generate the project again to place the arena elsewhere, take a "
                "smaller model, or a board with more RAM.",
            }
        )
    return checks


def _identifier(region: Region) -> str:
    return region.name.replace("+", "_")
