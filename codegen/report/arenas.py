"""What the arena of a build was chosen from, in words."""

from __future__ import annotations

from micronets_gen.common.numbers import plural
from micronets_gen.plan.plan import Arenas


def arenas_text(arenas: Arenas) -> str:
    """Return which arena was chosen for what, and what others there are, as a clause."""
    if arenas.whole_bytes == arenas.smallest_bytes:
        return f"{arenas.arena_bytes:,} bytes, every tensor whole; rolling would not make it smaller"
    others = f"{arenas.whole_bytes:,} with every tensor whole, {arenas.smallest_bytes:,} at least"
    if not arenas.rolled_layers:
        return f"{arenas.arena_bytes:,} bytes for {arenas.optimize}, no layer rolls ({others})"
    rolled = f"{plural(arenas.rolled_layers, 'layer')} run row by row, {arenas.rolled_rows:,} rows in all"
    return f"{arenas.arena_bytes:,} bytes for {arenas.optimize}: {rolled} ({others})"
