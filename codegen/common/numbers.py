"""Numbers as reports write them."""

from __future__ import annotations

MISSING = "–"


def grouped(value: int | None) -> str:
    """Return ``12,345``; a dash for ``None``."""
    return MISSING if value is None else f"{value:,}"


def ratio(value: float | None) -> str:
    """Return two or, below ten, three digits after the point; a dash for ``None``."""
    if value is None:
        return MISSING
    return f"{value:,.3f}" if value < 10 else f"{value:,.1f}"


def percent(part: float, whole: float) -> str:
    """Return ``12.3 %``; what is there but small is ``<0.1 %``."""
    if not whole:
        return MISSING
    share = 100 * part / whole
    return "<0.1 %" if 0 < share < 0.05 else f"{round(share, 1) + 0.0:.1f} %"


def size(value: int) -> str:
    """Return bytes at a glance: ``512 B``, ``61.4 KiB``, ``2 MiB``."""
    for unit, scale in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if abs(value) >= scale:
            text = f"{value / scale:,.1f}".removesuffix(".0")
            return f"{text} {unit}"
    return f"{value} B"


def frequency(hertz: int) -> str:
    """Return ``216 MHz``."""
    return f"{hertz / 1e6:g} MHz"


def duration(seconds: float) -> str:
    """Return milliseconds, or microseconds below one."""
    return f"{seconds * 1e3:,.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:,.1f} µs"


def milliseconds(value: float, like: float | None = None) -> str:
    """Return four significant digits, and no more than four after the point; what is there but smaller is ``<0.01``.

    Args:
        value: Milliseconds.
        like: Give it the digits after the point of this one, and at least two, so that a column is in line.
    """
    whole = abs(value if like is None else like)
    digits = 4 if whole < 1 else max(0 if like is None else 2, 4 - len(str(int(whole))))
    if 0 < value < 0.5 * 10**-digits:
        return f"<{10**-digits:.{digits}f}"
    return f"{round(value, digits) + 0.0:,.{digits}f}"


def energy(microjoules: float) -> str:
    """Return ``203 µJ``, ``1.82 mJ``."""
    return _scaled(microjoules, ("µJ", "mJ", "J"))


def power(microwatts: float) -> str:
    """Return ``396 µW``, ``1.82 mW``."""
    return _scaled(microwatts, ("µW", "mW", "W"))


def _scaled(value: float, units: tuple[str, ...]) -> str:
    """Return three significant digits in the unit, each a thousand times the one before, that suits them."""
    for unit in units[:-1]:
        if value < 999.5:
            return f"{_three_digits(value)} {unit}"
        value /= 1000
    return f"{_three_digits(value)} {units[-1]}"


def lifetime(days: float) -> str:
    """Return ``5.13 hours``, ``12.0 days`` or ``2.31 years``."""
    if days < 1:
        return f"{_three_digits(days * 24)} hours"
    return f"{_three_digits(days)} days" if days < 365.25 else f"{_three_digits(days / 365.25)} years"


def _three_digits(value: float) -> str:
    return f"{value:,.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def shape(dimensions: tuple[int, ...]) -> str:
    """Return ``1×8×8×16``; ``scalar`` for no dimensions."""
    return "×".join(map(str, dimensions)) if dimensions else "scalar"


def plural(number: int, noun: str) -> str:
    """Return ``1 layer``, ``1,234 layers``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
