"""Text as the languages of generated files take it: nothing that it holds is read as anything but text."""

from __future__ import annotations

import re


def one_line(text: str) -> str:
    """Return ``text`` with what is not printable as ``?``: line ends, control characters, marks of direction."""
    return "".join(c if c.isprintable() else "?" for c in text)


def c_comment(text: str) -> str:
    """Return ``text`` for a comment of C or of a linker script, between ``/*`` and ``*/``."""
    return re.sub(r"(?<=/)(?=\*)|(?<=\*)(?=/)", " ", one_line(text))


def c_string(text: str) -> str:
    r"""Return ``text`` for a string literal of C, between the quotes: UTF-8, no trigraphs."""
    return re.sub(r'["\\]|(?<=\?)\?', lambda match: f"\\{match[0]}", one_line(text))


def ini_value(text: str) -> str:
    """Return ``text`` for a value or a comment of ``platformio.ini``.

    PlatformIO has no way to write ``$``, ``;`` and ``#`` as themselves everywhere, so they become ``_``.
    """
    return re.sub(r"[$;#]", "_", one_line(text)).replace("%", "%%")


def markdown(text: str) -> str:
    """Return ``text`` for a paragraph, a heading or a table of Markdown."""
    return re.sub(r"[\\`*\[\]<>|&~]", lambda match: f"\\{match[0]}", one_line(text))
