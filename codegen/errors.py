"""The one exception tree: what a person did or has, never a bug of ours.

The command line prints a :class:`MicronetsError` as one message without a traceback and exits with its
``exit_code``; anything else that escapes is a defect.
"""

from __future__ import annotations


class MicronetsError(Exception):
    """A problem a person can act on.

    Args:
        what: What is wrong, in one sentence.
        where: The file, layer, tensor or board it concerns.
        why: The reason, where ``what`` does not already say it.
        remedy: What to do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.remedy = remedy

    def to_json(self) -> dict[str, dict[str, str | int]]:
        """Return what a verb prints on stdout with ``--json``, as plain values."""
        return {
            "error": {
                "what": self.what,
                "where": self.where,
                "why": self.why,
                "remedy": self.remedy,
                "exit_code": self.exit_code,
            }
        }

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.why:
            text += f"\n  why: {self.why}"
        if self.remedy:
            text += f"\n  what to do: {self.remedy}"
        return text


class UsageError(MicronetsError):
    """The command line asks for something that does not exist or does not go together."""

    exit_code = 2


class ModelError(MicronetsError):
    """The model file cannot be read or holds something no runtime can execute."""

    exit_code = 3


class BoardError(MicronetsError):
    """A board file is missing or wrong."""

    exit_code = 4


class FitError(MicronetsError):
    """The model does not fit the board."""

    exit_code = 5


class ToolError(MicronetsError):
    """A compiler, emulator or other tool is missing or failed."""

    exit_code = 6


class RunError(MicronetsError):
    """The firmware did not run to its end, or its output cannot be read."""

    exit_code = 7


class InterruptError(MicronetsError):
    """A person pressed Ctrl-C."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("interrupted")
