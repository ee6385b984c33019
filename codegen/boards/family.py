"""A SoC family: what its parts have in common, from ``templates/soc/<family>/family.toml``.

Board files are checked against it, and it names the files of a project's ``lib/board``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from micronets_gen.boards.board import Clock
from micronets_gen.common.resources import data_dir

AHB_FIELDS = {1: 0, 2: 8, 4: 9, 8: 10, 16: 11, 64: 12, 128: 13, 256: 14, 512: 15}
"""Divider to the field HPRE of the STM32's clock configuration (for example RM0385, section 5.3.3)."""


APB_FIELDS = {1: 0, 2: 4, 4: 5, 8: 6, 16: 7}
"""Divider to the fields PPRE1 and PPRE2."""


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
    return tuple(sorted(path.parent.name for path in soc_folder().glob("*/family.toml")))


@cache
def load_family(name: str) -> Family:
    """Return a family.

    Raises:
        KeyError: there is none of that name.
    """
    if name not in family_names():
        raise KeyError(name)
    data: dict[str, Any] = tomllib.loads((soc_folder() / name / "family.toml").read_text(encoding="utf-8"))
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


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def soc_folder() -> Path:
    """Return the folder that holds a folder for each family."""
    return data_dir("templates") / "soc"
