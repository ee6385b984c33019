"""How far modelled time was from what boards took, by core and family: the results of ``benchmarks/timing``."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from micronets_gen.timing.measured import Record, is_enough
from micronets_gen.timing.result import Band

INDICATIVE = Band(15.0)
"""Of a core and memory that no measured image ran on."""

_JUDGED = {"cortex-m55": Band(25.0)}
"""The same of cores whose rules come from no manual and no measurement."""

# The worst of the images, rounded up; docs/timing.md has each.
_MEASURED = {
    ("cortex-m0plus", "stm32g0"): Band(10.0, images=4),
    ("cortex-m33", "stm32u5"): Band(5.0, images=9),
    ("cortex-m4", "stm32l4"): Band(4.0, images=9),
    ("cortex-m7", "stm32f7"): Band(4.0, images=5),
    ("cortex-m7", "stm32h7"): Band(6.0, images=10),
}


def band_of(core: str, family: str, records: Sequence[Record] = ()) -> Band:
    """Return the band of a core with the memories of a family, or of a board with records of its own.

    Records of enough networks make the band: the worst deviation, and not less than deviations differ. Those of fewer
    only widen it: one image that was met well says little of the next.
    """
    general = _MEASURED.get((core, family), _JUDGED.get(core, INDICATIVE))
    off = [record.off_percent for record in records]
    if not off:
        return general
    worst = max(*map(abs, off), max(off) - min(off))
    if worst <= general.percent and not is_enough(records):
        return general
    return Band(max(0.1, ceil(round(10 * worst, 3)) / 10), len(off))
