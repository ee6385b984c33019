"""The one error of this package: what a person can act on."""

from __future__ import annotations


class EmulationError(Exception):
    """The firmware did not run to its end, or what it says cannot be read.

    Args:
        what: What is wrong, in one sentence.
        where: The image, address or port it concerns.
        why: The reason, where ``what`` does not already say it.
        remedy: What to do about it.
    """

    def __init__(self, what: str, *, where: str = "", why: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.why:
            text += f"\n  why: {self.why}"
        if self.remedy:
            text += f"\n  what to do: {self.remedy}"
        return text


def stack_overflow(where: str) -> EmulationError:
    """The error for a firmware that needed more stack than there is."""
    return EmulationError(
        "the firmware stopped: the stack overflowed",
        where=where,
        remedy="leave the stack more room: smaller arrays in functions, less recursion, fewer static variables",
    )
