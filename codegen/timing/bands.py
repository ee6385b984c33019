"""How far modelled time was from what boards took, by core and family: the results of ``benchmarks/timing``."""

from __future__ import annotations

from micronets_gen.timing.result import Band

INDICATIVE = Band(15.0)
"""Of a core and memory that no measured image ran on."""

# The worst of the images, rounded up; docs/timing.md has each.
_MEASURED = {
    ("cortex-m0plus", "stm32g0"): Band(10.0, images=4),
    ("cortex-m33", "stm32u5"): Band(5.0, images=9),
    ("cortex-m4", "stm32l4"): Band(4.0, images=9),
    ("cortex-m7", "stm32f7"): Band(4.0, images=5),
    ("cortex-m7", "stm32h7"): Band(6.0, images=10),
}


def band_of(core: str, family: str) -> Band:
    """Return the band of a core with the memories of a family."""
    return _MEASURED.get((core, family), INDICATIVE)
