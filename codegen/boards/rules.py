"""What a board's values must be among each other, and what its part's data sheet allows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from micronets_gen.boards.board import Board, Clock, Region
from micronets_gen.boards.cores import CORES
from micronets_gen.boards.family import (
    AHB_FIELDS,
    APB_FIELDS,
    ClockLimits,
    Family,
    family_names,
    frequencies,
    load_family,
)
from micronets_gen.boards.power import Power, Sleep
from micronets_gen.common.numbers import frequency as megahertz
from micronets_gen.common.suggest import did_you_mean
from micronets_gen.common.tables import shown
from micronets_gen.errors import BoardError

PROTOCOLS = ("blackmagic", "cmsis-dap", "jlink", "stlink")
"""How an image may get onto a board."""

_LINKER_WORDS = frozenset(
    """
    ABSOLUTE ADDR ALIGN ASSERT AT BIND BLOCK CONSTANT DATA_SEGMENT_ALIGN DEFINED ENTRY EXTERN FLOAT
    FORCE_COMMON_ALLOCATION GROUP HIDDEN HLL INCLUDE INHIBIT_COMMON_ALLOCATION INPUT LD_FEATURE LENGTH LOADADDR
    LOG2CEIL MAP MAX MEMORY MIN NEXT NOCROSSREFS NOFLOAT ONLY_IF_RO ORIGIN OUTPUT OVERLAY PHDRS PROVIDE REGION_ALIAS
    SEARCH_DIR SECTIONS SEGMENT_START SIZEOF SPECIAL STARTUP SUBALIGN SYSLIB TARGET VERSION
    """.split()  # noqa: SIM905
)


def check_board(board: Board, where: str) -> None:
    """Check a board as a whole.

    Args:
        where: What messages call its file.

    Raises:
        BoardError: something does not go together.
    """
    _check_texts(board, where)
    _check_core(board, where)
    _check_regions(board, where)
    _check_clock(board, where)
    _check_uart(board, where)
    _check_emulator(board, where)
    _check_upload(board, where)
    _check_power(board, where)


def _check_texts(board: Board, where: str) -> None:
    """Check that what is written into comments of C does not end them."""
    texts = {
        "title": board.title,
        "vendor": board.vendor,
        **{f"region {r.name}": r.note for r in board.regions},
    }
    for key, text in [*texts.items(), *(("notes", note) for note in board.notes)]:
        if "*/" in text or "/*" in text:
            raise BoardError(f"{key}: a text cannot hold '/*' or '*/'", where=where, remedy="leave it out")


def _check_core(board: Board, where: str) -> None:
    _choice("core", board.core, CORES, where)
    _choice("family", board.family, family_names(), where)
    if board.fpu not in CORES[board.core].fpus:
        choices = [f"'{fpu}'" if fpu else "none" for fpu in CORES[board.core].fpus]
        raise BoardError(
            f"the {board.core} has no FPU '{board.fpu}'" if board.fpu else f"the {board.core} needs an FPU",
            where=where,
            remedy=f"set fpu to one of: {', '.join(choices)}",
        )
    family = load_family(board.family)
    if board.core not in family.cores:
        raise BoardError(
            f"the family {board.family} has no {board.core}",
            where=where,
            remedy=f"its cores are: {', '.join(family.cores)}",
        )
    if board.clock_hz <= 0:
        raise BoardError("'clock_hz' must be positive", where=where)


def _check_regions(board: Board, where: str) -> None:
    names: set[str] = set()
    for region in board.regions:
        if region.name in names:
            raise BoardError(f"two regions are called {region.name}", where=where)
        names.add(region.name)
        _check_region(region, where)
    for span in board.ram_spans():
        parts = span.name.split("+")
        joined = {"_".join(parts[i:j]) for j in range(len(parts) + 1) for i in range(j - 1)}
        if taken := sorted(joined & names):
            raise BoardError(
                f"the region {taken[0]} has the name that adjacent regions have together in the linker script",
                where=where,
                remedy="take another name",
            )
    ordered = sorted(board.regions, key=lambda region: region.origin)
    for left, right in pairwise(ordered):
        if right.origin < left.end:
            raise BoardError(
                f"the regions {left.name} and {right.name} overlap",
                where=where,
                why=f"{left.name} ends at 0x{left.end:08X}, {right.name} begins at 0x{right.origin:08X}",
                remedy="list memory once, at the address that the program uses",
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
                remedy=f"set default = true in the one region of kind '{kind}' that takes {holds}",
            )
    for region in board.regions:
        if region.default and region.kind == "code":
            raise BoardError(f"the region {region.name} of kind 'code' cannot be a default", where=where)
    if sum(region.vectors for region in board.regions) > 1:
        raise BoardError("more than one region has vectors = true", where=where)


def _check_region(region: Region, where: str) -> None:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", region.name):
        raise BoardError(
            f"'{shown(region.name)}' cannot be a region's name",
            where=where,
            remedy="use capital letters, digits and underscores, a letter first",
        )
    if region.name in _LINKER_WORDS:
        raise BoardError(
            f"'{region.name}' cannot be a region's name",
            where=where,
            why="it means something else in a linker script",
            remedy="take another name",
        )
    place = f"{where}: region {region.name}"
    _choice("kind", region.kind, ("code", "flash", "ram"), place)
    if region.size <= 0:
        raise BoardError("the size must be positive", where=place)
    if region.origin < 0 or region.end > 1 << 32:
        raise BoardError("the region does not lie within 32-bit addresses", where=place)
    if region.origin % 32 or region.size % 32:
        raise BoardError("origin and size must be multiples of 32 bytes", where=place)


def _check_clock(board: Board, where: str) -> None:
    family = load_family(board.family)
    clock, limits = board.clock, family.clock
    place = f"{where}: [clock]"
    if limits is None:
        if clock is not None:
            raise BoardError(f"the clock of {family.title} is fixed", where=place, remedy="remove the table")
        return
    if clock is None:
        raise BoardError(
            "the table [clock] is missing",
            where=where,
            remedy=f"{family.title} starts from a clock tree; add it",
        )
    _choice("source", clock.source, limits.sources, place)
    _within("pll_m", clock.pll_m, limits.pll_m, place)
    _within("pll_n", clock.pll_n, limits.pll_n, place)
    _one_of("pll_div", clock.pll_div, limits.pll_div, place)
    _within("pll_q", clock.pll_q, limits.pll_q, place)
    _one_of("ahb_div", clock.ahb_div, tuple(AHB_FIELDS), place)
    _one_of("apb1_div", clock.apb1_div, tuple(APB_FIELDS), place)
    _one_of("apb2_div", clock.apb2_div, tuple(APB_FIELDS), place)
    _check_frequencies(board, clock, family, limits, place)


def _check_frequencies(board: Board, clock: Clock, family: Family, limits: ClockLimits, place: str) -> None:
    """Check what the clock tree gives against the data sheet, and the flash against it."""
    made = frequencies(clock, core_before_ahb=limits.core_before_ahb)
    _frequency("the source", clock.source_hz, limits.source_hz, family.title, place)
    _frequency("the PLL's input", made.pll_input, limits.pll_input_hz, family.title, place)
    _frequency("the VCO", made.vco, limits.vco_hz, family.title, place)
    _frequency("the 48 MHz domain", made.usb, (0, limits.usb_hz), family.title, place)
    if clock.boost and not limits.core_boost_hz:
        raise BoardError(f"{family.title} has no boost", where=place, remedy="remove boost")
    if made.core > limits.core_hz and not clock.boost and made.core <= limits.core_boost_hz:
        raise BoardError(
            f"the core is at {megahertz(made.core)}, {family.title} reaches {megahertz(limits.core_hz)} without boost",
            where=place,
            remedy="set boost = true",
        )
    core_hz = limits.core_boost_hz if clock.boost else limits.core_hz
    _frequency("the core", made.core, (0, core_hz), family.title, place)
    _frequency("the AHB", made.ahb, (0, limits.ahb_hz), family.title, place)
    _frequency("APB1", made.apb1, (0, limits.apb1_hz), family.title, place)
    _frequency("APB2", made.apb2, (0, limits.apb2_hz), family.title, place)
    if made.core != board.clock_hz:
        raise BoardError(
            f"the clock tree gives {megahertz(made.core)}, clock_hz says {megahertz(board.clock_hz)}",
            where=place,
            why=f"{megahertz(clock.source_hz)} / {clock.pll_m} * {clock.pll_n} / {clock.pll_div}"
            + ("" if limits.core_before_ahb else f" / {clock.ahb_div}"),
        )
    needed = (made.ahb - 1) // limits.wait_state_hz
    if clock.flash_latency < needed:
        raise BoardError(
            f"{clock.flash_latency} wait states are too few for the flash at {megahertz(made.ahb)}",
            where=place,
            remedy=f"set flash_latency = {needed}",
        )
    _within("flash_latency", clock.flash_latency, (needed, 15), place)


def _check_uart(board: Board, where: str) -> None:
    family = load_family(board.family)
    place = f"{where}: [uart]"
    _choice("instance", board.uart.instance, family.uarts, place)
    _within("baud", board.uart.baud, (9600, 1_000_000), place)
    for key, pin in (("tx", board.uart.tx), ("rx", board.uart.rx)):
        if family.clock is None:
            if pin:
                raise BoardError(f"the pins of {family.title} are fixed", where=place, remedy=f"remove {key}")
        elif not re.fullmatch(r"P[A-K](0?[0-9]|1[0-5])", pin):
            raise BoardError(f"'{key}' must be a pin such as PD8, not '{shown(pin)}'", where=place)
    _within("alternate", board.uart.alternate, (0, 15), place)


def _check_emulator(board: Board, where: str) -> None:
    emulator = board.emulator
    if emulator is None:
        return
    place = f"{where}: [emulator]"
    _choice("kind", emulator.kind, ("qemu", "virtual"), place)
    if emulator.kind == "qemu" and not emulator.machine:
        raise BoardError("the key 'machine' is missing", where=place, remedy="add QEMU's name of the machine")
    if emulator.kind == "virtual" and emulator.machine:
        raise BoardError("the virtual board has no 'machine'", where=place, remedy="remove the key")
    if emulator.kind == "virtual" and board.core == "cortex-m55":
        raise BoardError("the virtual board has no cortex-m55", where=place, remedy="use a machine of QEMU")
    if emulator.instructions_numerator <= 0 or emulator.instructions_denominator <= 0:
        raise BoardError("the instructions per tick must be positive", where=place)


def _check_upload(board: Board, where: str) -> None:
    if board.upload is None:
        return
    place = f"{where}: [upload]"
    if not board.upload.protocols:
        raise BoardError("'protocols' is empty", where=place, remedy="list the default protocol first")
    for protocol in board.upload.protocols:
        _choice("protocols", protocol, PROTOCOLS, place)
    through_openocd = {"stlink", "cmsis-dap"} & set(board.upload.protocols)
    if through_openocd and not board.upload.openocd_target:
        raise BoardError(
            "the key 'openocd_target' is missing",
            where=place,
            remedy="add the name of OpenOCD's target file, such as stm32f7x",
        )
    if "jlink" in board.upload.protocols and not board.upload.jlink_device:
        raise BoardError(
            "the key 'jlink_device' is missing", where=place, remedy="add SEGGER's name of the chip"
        )


def _check_power(board: Board, where: str) -> None:
    power = board.power
    if power is None:
        return
    place = f"{where}: [power]"
    _amount("active_mw", power.active_mw, 1e6, place)
    _amount("supply_volts", power.supply_volts, 60, place)
    _check_figure(power, place)
    if power.clock_hz != board.clock_hz:
        raise BoardError(
            f"the power is that at {megahertz(power.clock_hz)}, the core is at {megahertz(board.clock_hz)}",
            where=place,
            remedy="give a figure for this clock, or remove the table",
        )
    if power.sleep is not None:
        _amount("current_ua", power.sleep.current_ua, 1e6, f"{where}: [power.sleep]")
        _check_figure(power.sleep, f"{where}: [power.sleep]")


def _check_figure(figure: Power | Sleep, where: str) -> None:
    """Check that a figure says how far it may be off, and where it comes from."""
    _amount("percent", figure.percent, 100, where)
    for key in ("conditions", "source"):
        if not getattr(figure, key).strip():
            raise BoardError(
                f"'{key}' is empty",
                where=where,
                remedy="say who published the figure, and what of its conditions is known; or remove the table",
            )


def _amount(key: str, value: float, most: float, where: str) -> None:
    if not 0 < value <= most:
        raise BoardError(f"'{key}' must be more than 0 and at most {most:g}, not {value:g}", where=where)


def _choice(key: str, value: str, choices: Iterable[str], where: str) -> None:
    choices = sorted(choices)
    if value not in choices:
        question = did_you_mean(value, choices)
        listed = f"choices are {', '.join(choices)}"
        raise BoardError(
            f"'{key}' cannot be '{shown(value)}'",
            where=where,
            remedy=f"{question} {listed}" if question else listed,
        )


def _one_of(key: str, value: int, choices: tuple[int, ...], where: str) -> None:
    if value not in choices:
        raise BoardError(
            f"'{key}' cannot be {value}", where=where, remedy=f"choices are {', '.join(map(str, choices))}"
        )


def _within(key: str, value: int, limits: tuple[int, int], where: str) -> None:
    if not limits[0] <= value <= limits[1]:
        raise BoardError(f"'{key}' must be from {limits[0]} to {limits[1]}, not {value}", where=where)


def _frequency(what: str, hertz: int, limits: tuple[int, int], family: str, where: str) -> None:
    if not limits[0] <= hertz <= limits[1]:
        allowed = (
            f"{megahertz(limits[0])} to {megahertz(limits[1])}"
            if limits[0]
            else f"at most {megahertz(limits[1])}"
        )
        raise BoardError(f"{what} is at {megahertz(hertz)}, {family} allows {allowed}", where=where)
