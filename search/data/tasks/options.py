"""Options of a task: fields of a frozen dataclass, as the ``[task]`` table of a recipe gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_type_hints

from micronets_gen.common.suggest import did_you_mean
from micronets_gen.errors import UsageError

T = TypeVar("T")

_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def parse_options(kind: type[T], task: str, options: Mapping[str, Any]) -> T:
    """Return the dataclass ``kind`` with ``options`` for its fields, all int, float, str or bool.

    Raises:
        UsageError: an option that ``kind`` does not have, or of another type.
    """
    types = get_type_hints(kind)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    checked: dict[str, Any] = {}
    for name, value in options.items():
        if name not in names:
            remedy = did_you_mean(name, names, f"one of {', '.join(names)}")
            raise UsageError(f"no such option: {name}", where=f"task {task}", remedy=remedy)
        wanted = types[name]
        if wanted is float and type(value) is int:
            value = float(value)  # noqa: PLW2901
        if type(value) is not wanted:
            raise UsageError(f"{name} = {value!r}: {_WORDS[wanted]} is needed", where=f"task {task}")
        checked[name] = value
    return kind(**checked)
