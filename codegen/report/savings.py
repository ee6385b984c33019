"""What a build leaves out of a model, in words."""

from __future__ import annotations

from micronets_gen.common.numbers import percent, plural
from micronets_gen.simplify.result import Savings


def savings_text(savings: Savings) -> str:
    """Return what is computed and stored less than the model says, as a clause."""
    before, after = savings.before, savings.after
    parts = [
        f"{less:,} of {whole:,} {what} ({percent(less, whole)})"
        for less, whole, what in (
            (before.macs - after.macs, before.macs, "MACs"),
            (before.weight_bytes - after.weight_bytes, before.weight_bytes, "bytes of weights"),
        )
        if less > 0
    ]
    if before.operator_count > after.operator_count:
        parts.append(
            f"{before.operator_count - after.operator_count} of {plural(before.operator_count, 'operator')}"
        )
    return ", ".join(parts) or "no work, only bytes of the arena"
