"""Lines of bounded length out of bytes that come in any pieces, and text that is fit to be shown."""

from __future__ import annotations

from collections.abc import Callable

LINE_LIMIT = 4096
"""Bytes of a line that are taken; the rest of a longer one is dropped."""
QUOTE_LIMIT = 160
"""Characters of the firmware's text that a message quotes."""
_CUT = " [cut]"

OnLine = Callable[[str], None]


class LineSplitter:
    """Makes lines of a stream.

    Args:
        on_line: Called with each line without its line end; one that is too long is given as soon as it is, cut.
    """

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line
        self._partial = bytearray()
        self._skipping = False

    @property
    def partial(self) -> str:
        """What came after the last line end."""
        return self._partial.decode("utf-8", "replace")

    def feed(self, data: bytes) -> None:
        """Takes bytes as they come; a line may be spread over calls."""
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._add(piece)
            self._end()
        self._add(rest)

    def close(self) -> None:
        """Takes what came after the last line end as a line."""
        if self._partial:
            self._end()

    def _add(self, piece: bytes) -> None:
        if self._skipping:
            return
        room = LINE_LIMIT - len(self._partial)
        self._partial += piece[:room]
        if len(piece) > room:
            self._end(_CUT)
            self._skipping = True

    def _end(self, note: str = "") -> None:
        if not self._skipping:
            line = self.partial.removesuffix("\r") + note
            self._partial.clear()
            self._on_line(line)
        self._skipping = False


def shown(line: str) -> str:
    """The line with its control characters escaped, so that it cannot steer a terminal."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in line)


def quoted(text: str) -> str:
    """The text in quotation marks for a message: cut, its control characters escaped."""
    return repr(text if len(text) <= QUOTE_LIMIT else text[:QUOTE_LIMIT] + "…")
