"""What to do about a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "", *, most: int = 1) -> str:
    """Return a question that names the known names nearest to ``name``; ``otherwise`` where none is near.

    Args:
        most: How many names at most.
    """
    # Longer than any name: comparing takes time with the product of the lengths.
    near = get_close_matches(name[:100], list(known), n=most)
    return f"did you mean {either(near)}?" if near else otherwise


def either(names: Iterable[str]) -> str:
    """Return ``a``, ``a or b``, ``a, b or c``."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
