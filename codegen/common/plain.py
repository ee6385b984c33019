"""From frozen dataclasses to what ``json.dumps`` takes: one way for every verb and the Python API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any, ClassVar

NOT_IN_JSON = {"json": False}
"""Metadata of a field that is for callers in Python only."""


class Plain:
    """A dataclass whose fields, in order, are the keys of a JSON object (docs/json.md).

    Attributes:
        derived: Properties that are keys, too, after the fields.
    """

    derived: ClassVar[tuple[str, ...]] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints, as plain values."""
        value: dict[str, Any] = plain(self)
        return value


def plain(value: Any) -> Any:
    """Return ``value`` in the types that JSON has: paths as text, tuples as lists, dataclasses as objects."""
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if field.metadata.get("json", True)]
        names += getattr(value, "derived", ())
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, PurePath) else value
