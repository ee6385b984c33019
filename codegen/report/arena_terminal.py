"""What fills an interpreter's arena, for a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codegen.report.arena import ArenaInfo
from codegen.report.numbers import grouped, plural

_MOST_OPERATORS = 5


def arena_summary(arena: ArenaInfo) -> RenderableType:
    """Return the arena's parts, predicted against measured, and the operators that take most."""
    parts: list[RenderableType] = [_sizes(arena), Text(_verdict(arena), style="dim")]
    if arena.offline is not None:
        parts.append(Text(_offline(arena), style="dim"))
    return Group(*parts)


def _sizes(arena: ArenaInfo) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("arena", no_wrap=True)
    table.add_column("predicted", justify="right", no_wrap=True)
    table.add_column("true", justify="right", no_wrap=True)
    table.add_column("of it", style="dim", overflow="fold")
    predicted, measured = arena.predicted, arena.measured

    def row(name: str, field: str, detail: str) -> None:
        said, true = (grouped(getattr(side, field)) if side else "-" for side in (predicted, measured))
        table.add_row(name, said, true, detail)

    scratch = f", scratch {grouped(arena.scratch)}" if arena.scratch else ""
    row(
        "tensors and scratch",
        "head",
        f"activations {grouped(arena.activations)}{scratch}" if predicted else "",
    )
    row("persistent", "tail", ", ".join(f"{part.name} {grouped(part.size)}" for part in arena.parts))
    row("while setting up", "transient", "where tensors lie later")
    row("needed", "needed", f"decided by {arena.bound_by}" if predicted else "")
    largest = sorted(arena.operators, key=lambda op: -(op.persistent + op.scratch))[:_MOST_OPERATORS]
    for op in largest:
        detail = f"persistent {grouped(op.persistent)}" + (
            f", scratch {grouped(op.scratch)}" if op.scratch else ""
        )
        table.add_row(Text(f"  {op.index} {op.kind}", style="dim"), "", "", detail)
    return table


def _verdict(arena: ArenaInfo) -> str:
    margin = f" + {plural(arena.margin, 'byte')} of margin" if arena.margin else ""
    if arena.measured is None:
        if arena.predicted is None:
            return f"{arena.size:,} bytes: a bound: an operator is not known, and nothing could try it out"
        return f"{arena.size - arena.margin:,} bytes{margin}: predicted; no emulator could try it out"
    smallest = arena.measured.smallest
    least = (
        "the smallest that works"
        if smallest == arena.measured.needed
        else f"TFLM itself accepts {smallest:,}"
    )
    proof = "the golden vectors pass in it" if arena.passed else "the golden vectors FAIL in it"
    return f"{arena.size - arena.margin:,} bytes{margin}: {least}, tried out in steps of 16; {proof}"


def _offline(arena: ArenaInfo) -> str:
    plan = arena.offline
    assert plan is not None
    saved = plan.needed_without - plan.needed_with
    share = f"{100 * saved / plan.needed_without:.1f} %"
    verb = "saves" if plan.used else "would save"
    tail = "" if plan.used else ", too little: it is not used"
    return f"an offline memory plan {verb} {plural(saved, 'byte')} ({share}) for {plan.flash_bytes:,} of flash{tail}"
