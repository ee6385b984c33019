"""Readable names of C++ functions: namespaces, class and name, without parameters and template arguments.

Names are mangled as the Itanium C++ ABI says, which GCC follows on every target of this program.
"""

from __future__ import annotations

import re

_PREFIX = re.compile(r"_Z(?:TV|TI|TS)?N?[KVr]*(?=\d|St)")
_LENGTH = re.compile(r"\d+")


def readable(name: str) -> str:
    """Return ``tflite::MicroInterpreter::Invoke`` for its mangled name; any other name as it is."""
    prefix = _PREFIX.match(name)
    if prefix is None:
        return name
    base, _, clone = name.partition(".")
    try:
        parts = _parts(base, prefix.end(), nested="N" in prefix[0])
    except (IndexError, ValueError):
        return name
    return "::".join(parts) + (f" ({clone.split('.')[0]})" if clone else "")


def _parts(name: str, at: int, *, nested: bool) -> list[str]:
    parts: list[str] = []
    while at < len(name):
        length = _LENGTH.match(name, at)
        if length:
            start = length.end()
            at = start + int(length[0])
            if at > len(name):
                raise ValueError(name)
            word = name[start:at]
            parts.append("(anonymous)" if word.startswith("_GLOBAL__N_") else word)
        elif name.startswith("St", at):
            parts.append("std")
            at += 2
        elif name[at] in "CD" and name[at + 1].isdigit():
            parts.append(("~" if name[at] == "D" else "") + parts[-1])
            at += 2
        elif name[at] == "I":
            at = _behind(name, at + 1)
        else:
            break
        if not nested and parts[-1:] != ["std"]:
            break
    if not parts:
        raise ValueError(name)
    return parts


def _behind(name: str, at: int) -> int:
    """Return where the template arguments end that begin at ``at``."""
    while name[at] != "E":
        length = _LENGTH.match(name, at)
        if length:
            at = length.end() + int(length[0])
        elif name[at] == "L":
            at = name.index("E", at) + 1
        elif name[at] in "INJX":
            at = _behind(name, at + 1)
        elif name[at] == "S":
            at = at + 2 if name[at + 1].islower() else name.index("_", at) + 1
        else:
            at += 1
    return at + 1
