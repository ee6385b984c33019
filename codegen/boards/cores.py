"""The cores that firmware can be made for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Core:
    """A Cortex-M core.

    Attributes:
        fpus: GCC's ``-mfpu`` values that go with it; an empty one is soft float, ``auto`` the Cortex-M55's FPU with
            MVE.
        simd: The instruction set of the kernels: ``mve``, ``dsp`` or ``c``.
        armv7m: Whether its MPU guards the stack in the way of Armv7-M.
    """

    fpus: tuple[str, ...]
    simd: str
    armv7m: bool


CORES: Mapping[str, Core] = {
    "cortex-m3": Core(("",), "c", True),
    "cortex-m4": Core(("", "fpv4-sp-d16"), "dsp", True),
    "cortex-m7": Core(("", "fpv5-sp-d16", "fpv5-d16"), "dsp", True),
    "cortex-m33": Core(("", "fpv5-sp-d16"), "dsp", False),
    "cortex-m55": Core(("auto",), "mve", False),
}
"""By GCC's name of the core, as ``-mcpu`` takes it."""
