"""How far modelled time was from what boards took, by core and family: the results of ``benchmarks/timing``."""

from __future__ import annotations

from micronets_gen.timing.result import Band

INDICATIVE = Band(15.0)
"""Of a core and memory that no measured image ran on."""

_MEASURED: dict[tuple[str, str], Band] = {}


def band_of(core: str, family: str) -> Band:
    """Return the band of a core with the memories of a family."""
    return _MEASURED.get((core, family), INDICATIVE)
