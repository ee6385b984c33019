"""Sentences and rows about an interpreter's arena, for the page and the terminal alike."""

from __future__ import annotations

from dataclasses import dataclass

from micronets_gen.common.numbers import grouped, plural
from micronets_gen.plan.arena import ArenaInfo


@dataclass(frozen=True)
class SizeRow:
    """A size, as predicted and as measured; None where that is not known."""

    name: str
    predicted: int | None
    measured: int | None
    detail: str


def size_rows(arena: ArenaInfo) -> tuple[SizeRow, ...]:
    """Return the arena's sizes with what they are made of."""
    p, m = arena.predicted, arena.measured
    scratch = f", scratch {grouped(arena.scratch)}" if arena.scratch else ""
    return (
        SizeRow(
            "tensors and scratch",
            p.head if p else None,
            m.head if m else None,
            f"activations {grouped(arena.activations)}{scratch}" if p else "",
        ),
        SizeRow(
            "persistent",
            p.tail if p else None,
            m.tail if m else None,
            ", ".join(f"{part.name} {grouped(part.size)}" for part in arena.parts),
        ),
        SizeRow(
            "while setting up",
            p.transient if p else None,
            m.transient if m else None,
            "where tensors lie afterwards",
        ),
        SizeRow(
            "needed",
            p.needed if p else None,
            m.needed if m else None,
            f"decided by {arena.bound_by}" if p else "",
        ),
    )


def verdict_text(arena: ArenaInfo) -> str:
    """Return how large the arena is, why, and what proves it."""
    margin = f" and {plural(arena.margin, 'byte')} of margin" if arena.margin else ""
    size = f"{plural(arena.size - arena.margin, 'byte')}{margin}"
    if arena.measured is None:
        if arena.predicted is None:
            return f"{size}: a bound, for an operator is not known and nothing could try it out."
        return f"{size}: predicted; no emulator could try it out."
    smallest = arena.measured.smallest
    least = "the smallest that works"
    if smallest is not None and smallest != arena.measured.needed:
        least = f"TFLM itself accepts {smallest:,}, where its data overlap while it sets up"
    proof = "the golden vectors pass in it" if arena.passed else "the golden vectors FAIL in it"
    return f"{size}: {least}, tried out in steps of 16; {proof}."


def offline_text(arena: ArenaInfo) -> str:
    """Return what an offline memory plan is worth; empty where none beats TFLM's planner."""
    plan = arena.offline
    if plan is None:
        return ""
    saved = plan.needed_without - plan.needed_with
    verb = "saves" if plan.used else "would save"
    share = f"{100 * saved / plan.needed_without:.1f} %"
    end = "." if plan.used else "; it is not used."
    return f"An offline memory plan {verb} {plural(saved, 'byte')} ({share}) for {plan.flash_bytes:,} of flash{end}"
