"""Tables of TOML files, checked against what their keys may hold, with exact messages for whoever writes one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from math import isfinite
from typing import Any, get_type_hints

from micronets_gen.common.suggest import did_you_mean
from micronets_gen.errors import MicronetsError, UsageError

REQUIRED = object()
"""The default of a key that must be there."""

_TYPES = {
    str: "a text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    dict: "a table",
    list: "an array",
}
_WANTED = {
    "size": 'a number of bytes or a text such as "64K" or "2M"',
    "texts": "an array of texts",
    "tables": "an array of tables",
    "pair": "an integer, or an array of two",
}


@dataclass(frozen=True)
class Key:
    """What a key of a table may hold.

    Attributes:
        kind: A type, or ``size`` (bytes, or a text such as ``64K``), ``texts``, ``tables``, or ``pair`` (two integers;
            one stands for both).
        default: What a table without the key has; :data:`REQUIRED` where there must be one.
        longest: Most characters of a text, most elements of an array.
        pattern: What a text that is not empty matches as a whole; empty for any printable line.
    """

    kind: type | str
    default: Any = REQUIRED
    longest: int = 1000
    pattern: str = ""


Schema = Mapping[str, Key]


def schema_of(kind: type) -> dict[str, Key]:
    """Return the schema of a dataclass whose fields are texts, numbers, pairs of integers, true or false."""
    types = {name: "pair" if hint == tuple[int, int] else hint for name, hint in get_type_hints(kind).items()}
    return {
        field.name: Key(types[field.name], REQUIRED if field.default is MISSING else field.default)
        for field in fields(kind)
    }


def checked(
    table: Mapping[str, Any], schema: Schema, where: str, error: type[MicronetsError] = UsageError
) -> dict[str, Any]:
    """Return the values of a table, with the defaults of the keys that it lacks.

    Args:
        where: What messages call the table.
        error: What to raise.

    Raises:
        MicronetsError: of the given kind: an unknown key, a missing one, or a value that a key may not hold.
    """
    for name in table:
        if name not in schema:
            keys = f"the keys are {', '.join(sorted(schema))}"
            question = did_you_mean(name, schema)
            raise error(
                f"unknown key '{shown(name)}'", where=where, remedy=f"{question} {keys}" if question else keys
            )
    values = {}
    for name, key in schema.items():
        if name in table:
            values[name] = _value(table[name], key, name, where, error)
        elif key.default is REQUIRED:
            raise error(f"the key '{name}' is missing", where=where, remedy=f"add {_example(name, key)}")
        else:
            values[name] = key.default
    return values


def shown(value: object, most: int = 80) -> str:
    """Return a value as a message quotes it: one line, printable, cut."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except (ValueError, RecursionError):
        return "too much to show"
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: most + 1])
    return line if len(line) <= most else f"{line[:most]}…"


def parse_size(value: Any) -> int | None:
    """Return the bytes that a number or a text such as ``64K`` or ``2M`` says; None where it says none."""
    if type(value) is int:
        return value
    match = re.fullmatch(r"([0-9]{1,12})([KM]?)", value) if isinstance(value, str) else None
    return int(match[1]) * {"": 1, "K": 1 << 10, "M": 1 << 20}[match[2]] if match else None


def bytes_of(text: str, option: str) -> int:
    """Return the bytes that a person wrote as in a board's file: ``20000``, ``64K`` or ``1M``.

    Raises:
        UsageError: it is no size.
    """
    size = parse_size(text)
    if size is None:
        raise UsageError(
            f"'{text}' is no size", where=option, remedy='give bytes, or a text such as "64K" or "1M"'
        )
    return size


def _value(value: Any, key: Key, name: str, where: str, error: type[MicronetsError]) -> Any:
    found = _converted(value, key.kind)
    if found is None:
        raise error(
            f"'{name}' must be {_wanted(key.kind)}, not {_TYPES.get(type(value), type(value).__name__)}",
            where=where,
            why=f"it is {repr(value) if isinstance(value, str) and len(value) < 80 else shown(value)}",
        )
    if isinstance(found, int) and not -(1 << 63) <= found < 1 << 63:
        raise error(f"'{name}' must fit into 64 bits", where=where)
    if isinstance(found, float) and not isfinite(found):
        raise error(f"'{name}' must be finite, not {found}", where=where)
    if isinstance(found, str | tuple) and len(found) > key.longest:
        what = "characters" if isinstance(found, str) else "elements"
        raise error(f"'{name}' has {len(found):,} {what}; {key.longest:,} at most", where=where)
    for text in (found,) if isinstance(found, str) else found if key.kind == "texts" else ():
        _check_text(text, key, name, where, error)
    return found


def _converted(value: Any, kind: type | str) -> Any:
    """Return the value as its kind has it; None where it is of another one."""
    if kind == "size":
        return parse_size(value)
    if kind in ("texts", "tables"):
        item = str if kind == "texts" else dict
        return tuple(value) if isinstance(value, list) and all(isinstance(v, item) for v in value) else None
    if kind == "pair":
        pair = (value, value) if type(value) is int else value
        fits = isinstance(pair, list | tuple) and [type(n) for n in pair] == [int, int]
        return tuple(pair) if fits and all(abs(n) < 1 << 63 for n in pair) else None
    if kind is float and type(value) is int:
        return float(value) if abs(value) < 1 << 63 else None
    return value if type(value) is kind else None


def _check_text(text: str, key: Key, name: str, where: str, error: type[MicronetsError]) -> None:
    if len(text) > key.longest:
        raise error(f"'{name}' has {len(text):,} characters; {key.longest:,} at most", where=where)
    if not text.isprintable():
        odd = next(c for c in text if not c.isprintable())
        raise error(
            f"'{name}' must be one line of printable characters",
            where=where,
            why=f"it holds U+{ord(odd):04X}",
        )
    if key.pattern and text and not re.fullmatch(key.pattern, text):
        raise error(f"'{name}' cannot be '{shown(text)}'", where=where, remedy=f"it must match {key.pattern}")


def _example(name: str, key: Key) -> str:
    if key.kind is dict:
        return f"a table [{name}]"
    return f"[[{name}]] tables" if key.kind == "tables" else f"{name} = {_wanted(key.kind)}"


def _wanted(kind: type | str) -> str:
    return _TYPES[kind] if isinstance(kind, type) else _WANTED[kind]
