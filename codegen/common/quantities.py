"""Durations and capacities as people write them: ``500ms``, ``10min``, ``225mAh``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from micronets_gen.common.tables import shown
from micronets_gen.errors import UsageError

_SECONDS: Mapping[str, float] = {"ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400}
_MILLIAMPERE_HOURS: Mapping[str, float] = {"mAh": 1, "Ah": 1e3}


def seconds(text: str, where: str) -> float:
    """Return the seconds that a text such as ``500ms``, ``1s``, ``10min`` says.

    Args:
        where: What messages call it.

    Raises:
        UsageError: it is no duration, or none at all.
    """
    return _read(text, _SECONDS, where, "a duration", "500ms, 1s, 10min or 24h")


def milliampere_hours(text: str, where: str) -> float:
    """Return the milliampere hours that a text such as ``225mAh`` or ``1.2Ah`` says.

    Args:
        where: What messages call it.

    Raises:
        UsageError: it is no capacity, or none at all.
    """
    return _read(text, _MILLIAMPERE_HOURS, where, "a capacity", "225mAh or 1.2Ah")


def _read(text: str, units: Mapping[str, float], where: str, what: str, examples: str) -> float:
    found = re.fullmatch(rf"([0-9]{{1,9}}(?:\.[0-9]{{1,9}})?) ?({'|'.join(units)})", text)
    value = float(found[1]) * units[found[2]] if found else 0
    if value <= 0:
        raise UsageError(f"'{shown(text)}' is not {what}", where=where, remedy=f"write {examples}")
    return value
