"""A board as immutable data. Files in ``boards/`` are the only source; this module validates them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """A contiguous memory region of the part.

    Attributes:
        name: Linker region name, for example ``DTCM``.
        origin: First address.
        size: Bytes.
        kind: ``flash`` or ``ram``.
        default: Where data, bss, heap and stack live (one RAM region), or code (one flash region).
    """

    name: str
    origin: int
    size: int
    kind: str
    default: bool = False

    @property
    def end(self) -> int:
        return self.origin + self.size


@dataclass(frozen=True)
class Uart:
    """The UART on the board's virtual COM port."""

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
        core: ``cortex-m3``, ``cortex-m4``, ``cortex-m7``, ``cortex-m33``, ``cortex-m55``.
        fpu: GCC ``-mfpu`` value; empty for soft float.
        family: SoC family, a folder of ``templates/soc``.
        clock_hz: Rated core clock that the start-up code sets.
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
    clock: tuple[tuple[str, int], ...] = ()

    @property
    def simd(self) -> str:
        """The kernels' instruction set: ``mve``, ``dsp`` or ``c``."""
        return {"cortex-m55": "mve", "cortex-m4": "dsp", "cortex-m7": "dsp", "cortex-m33": "dsp"}.get(
            self.core, "c"
        )
