"""A board as immutable data, read from ``boards/`` and validated by :mod:`micronets_gen.boards.load`."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from micronets_gen.boards.cores import CORES
from micronets_gen.boards.power import Power


@dataclass(frozen=True)
class Region:
    """A contiguous memory region of the part.

    Attributes:
        name: Linker region name, for example ``DTCM``; a span of regions joins theirs with ``+``.
        origin: First address.
        size: Bytes.
        kind: ``flash``, ``ram`` or ``code`` (instruction RAM, never chosen for data).
        default: Where data, bss and stack live (one RAM region), or code (one flash region).
        vectors: Whether the core fetches its vector table here; by default it is the default flash.
        note: What to know of it: bus, speed, what reaches it.
    """

    name: str
    origin: int
    size: int
    kind: str
    default: bool = False
    vectors: bool = False
    note: str = ""

    @property
    def end(self) -> int:
        """The first address behind the region."""
        return self.origin + self.size


@dataclass(frozen=True)
class Clock:
    """The clock tree from the oscillator to the rated frequency.

    The AHB gets ``source_hz / pll_m * pll_n / pll_div / ahb_div``, and so does the core, except in families
    where ``ahb_div`` slows the buses only (STM32H7).

    Attributes:
        source: ``hse`` (a crystal), ``hse-bypass`` (a clock fed into the HSE pin) or ``msi``.
        source_hz: Its frequency.
        pll_m: Divider before the VCO.
        pll_n: Multiplier of the VCO.
        pll_div: Divider from the VCO to the system clock (P, or R on the STM32L4).
        pll_q: Divider from the VCO to the 48 MHz domain; 0 in families that leave it off.
        ahb_div: Divider from the system clock to the AHB.
        apb1_div: Divider from the AHB to APB1.
        apb2_div: Divider from the AHB to APB2.
        flash_latency: Wait states.
        boost: Over-drive (STM32F4, F7) or range 1 boost (STM32L4+).
    """

    source: str
    source_hz: int
    pll_m: int
    pll_n: int
    pll_div: int
    pll_q: int = 0
    ahb_div: int = 1
    apb1_div: int = 1
    apb2_div: int = 1
    flash_latency: int = 0
    boost: bool = False


@dataclass(frozen=True)
class Uart:
    """The UART on the board's virtual COM port.

    Attributes:
        instance: Name of the peripheral, for example ``USART3``.
        tx: Pin, for example ``PD8``; empty where pins are not multiplexed.
        rx: As ``tx``.
        alternate: Alternate function of both pins.
    """

    instance: str
    baud: int
    tx: str = ""
    rx: str = ""
    alternate: int = 0


@dataclass(frozen=True)
class Emulator:
    """How to run this board's image without the board.

    Attributes:
        kind: ``qemu`` or ``virtual`` (unicorn).
        machine: QEMU machine name; empty for the virtual board.
        instructions_numerator: Instructions per counter tick, with the denominator.
    """

    kind: str
    machine: str = ""
    instructions_numerator: int = 1
    instructions_denominator: int = 1


@dataclass(frozen=True)
class Upload:
    """How the image gets onto the board; ``protocols[0]`` is the default."""

    protocols: tuple[str, ...]
    openocd_interface: str = ""
    openocd_target: str = ""
    jlink_device: str = ""


@dataclass(frozen=True)
class Board:
    """One board.

    Attributes:
        core: One of :data:`micronets_gen.boards.cores.CORES`.
        fpu: GCC ``-mfpu`` value; empty for soft float.
        family: SoC family, a folder of ``templates/soc``.
        clock_hz: Rated core clock that the start-up code sets.
        clock: None where the clock is fixed.
        power: None where no figure is known.
        notes: For people: what is peculiar to the board.
        path: File that the board was read from; empty for a text. No part of its identity.
    """

    name: str
    title: str
    vendor: str
    url: str
    mcu: str
    core: str
    fpu: str
    family: str
    clock_hz: int
    regions: tuple[Region, ...]
    uart: Uart
    emulator: Emulator | None
    upload: Upload | None
    clock: Clock | None = None
    power: Power | None = None
    notes: tuple[str, ...] = ()
    path: str = field(default="", compare=False)

    @property
    def simd(self) -> str:
        """The kernels' instruction set: ``mve``, ``dsp`` or ``c``."""
        return CORES[self.core].simd

    @property
    def cpu_flags(self) -> tuple[str, ...]:
        """GCC's flags for this core and FPU: needed by the compiler and by the linker."""
        flags = (f"-mcpu={self.core}", "-mthumb")
        if not self.fpu:
            return (*flags, "-mfloat-abi=soft")
        return (*flags, f"-mfpu={self.fpu}", "-mfloat-abi=hard")

    @property
    def default_ram(self) -> Region:
        """The region of data, bss and stack."""
        return next(region for region in self.regions if region.kind == "ram" and region.default)

    @property
    def default_flash(self) -> Region:
        """The region of code and constants."""
        return next(region for region in self.regions if region.kind == "flash" and region.default)

    @property
    def ram(self) -> tuple[Region, ...]:
        """Regions that may hold data, in order of address."""
        return tuple(sorted((r for r in self.regions if r.kind == "ram"), key=lambda r: r.origin))

    @property
    def ram_bytes(self) -> int:
        """Bytes in all regions that may hold data."""
        return sum(region.size for region in self.ram)

    @property
    def flash_bytes(self) -> int:
        """Bytes in all flash regions."""
        return sum(region.size for region in self.regions if region.kind == "flash")

    @property
    def extent(self) -> tuple[int, int]:
        """Clock in Hz, then bytes of memory: the smaller of two boards has less of the first that differs."""
        return self.clock_hz, self.flash_bytes + self.ram_bytes

    def ram_spans(self) -> tuple[Region, ...]:
        """Return the maximal runs of RAM regions that follow each other without a gap, in order of address.

        A run of one region is that region itself; a longer one joins the names with ``+`` and is a default
        where one of its regions is.
        """
        runs: list[list[Region]] = []
        for region in self.ram:
            if runs and runs[-1][-1].end == region.origin:
                runs[-1].append(region)
            else:
                runs.append([region])
        return tuple(_join(run) for run in runs)

    def place(self, name: str) -> Region:
        """Return the RAM region, or the span of adjacent regions written ``A+B``, of that name.

        Raises:
            KeyError: no such region, or the regions do not follow each other.
        """
        by_name = {region.name: region for region in self.ram}
        parts = [by_name[part] for part in name.split("+")]
        if any(left.end != right.origin for left, right in pairwise(parts)):
            raise KeyError(name)
        return _join(parts)


def _join(run: list[Region]) -> Region:
    if len(run) == 1:
        return run[0]
    return Region(
        name="+".join(region.name for region in run),
        origin=run[0].origin,
        size=sum(region.size for region in run),
        kind="ram",
        default=any(region.default for region in run),
        note="; ".join(f"{region.name}: {region.note}" for region in run if region.note),
    )
