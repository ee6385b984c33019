"""Options of a task: fields of a frozen dataclass, as the ``[task]`` table of a recipe gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from micronets_gen.common.tables import checked, schema_of

T = TypeVar("T")


def parse_options(kind: type[T], task: str, options: Mapping[str, Any]) -> T:
    """Return the dataclass ``kind`` with ``options`` for its fields, all int, float, str or bool.

    Raises:
        UsageError: an option that ``kind`` does not have, or of another type.
    """
    return kind(**checked(options, schema_of(kind), f"task {task}"))
