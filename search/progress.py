"""What a person sees while a search runs: a live table on a terminal, one line an epoch elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

_COSTS = {
    "model_bytes": "model, bytes",
    "working_memory": "working memory, bytes",
    "ops": "operations",
    "parameters": "parameters",
}


class Lines:
    """One line an epoch."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def step(self, phase: str, epoch: int, epochs: int, step: int, steps: int) -> None: ...

    def epoch(self, phase: str, record: dict[str, Any]) -> None:
        self._console.print(line(phase, record), highlight=False, soft_wrap=True)


def line(phase: str, record: dict[str, Any]) -> str:
    """Return an epoch's figures as one line."""
    parts = [
        f"{phase} {record['epoch'] + 1:>3}",
        f"loss {record['loss']:.4f}",
        f"accuracy {record['accuracy']:.4f}",
    ]
    if "validation" in record:
        parts.append(f"validation {record['metric']} {record['validation']:.4f}")
    if "temperature" in record:
        parts.append(f"temperature {record['temperature']:.2f}")
    for name, value in record.get("expected", {}).items():
        limit = record["limits"].get(name)
        if limit:
            parts.append(f"{name} {value:,.0f} of {limit:,.0f}")
    return "  ".join([*parts, f"{record['seconds']:.1f} s"])


class Board:
    """A live table: the phase, its figures, each cost against its limit, the time that is left."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._began: dict[str, tuple[float, int]] = {}
        self._record: dict[str, Any] = {}

    def step(self, phase: str, epoch: int, epochs: int, step: int, steps: int) -> None:
        done = epoch * steps + step + 1
        began, first = self._began.setdefault(phase, (time.monotonic(), done))
        left = None
        if done > first:
            left = (time.monotonic() - began) / (done - first) * (epochs * steps - done)
        self._live.update(self._table(phase, epoch, epochs, done / (epochs * steps), left))

    def epoch(self, phase: str, record: dict[str, Any]) -> None:
        self._record = record

    def _table(self, phase: str, epoch: int, epochs: int, share: float, left: float | None) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        table.add_row(
            f"[bold]{phase}[/]", f"epoch {epoch + 1} of {epochs}", ProgressBar(1.0, share, width=30)
        )
        if left is not None:
            table.add_row("", "time left", f"{int(left) // 60}:{int(left) % 60:02} min")
        record = self._record
        for name in ("loss", "accuracy", "validation", "penalty", "temperature"):
            if name in record:
                table.add_row("", name, f"{record[name]:.4f}")
        for name, title in _COSTS.items():
            if name in record.get("expected", {}):
                value, limit = record["expected"][name], record["limits"].get(name)
                if limit:
                    colour = "green" if value <= limit else "red"
                    table.add_row(
                        "", title, f"[{colour}]{value:,.0f}[/] of {limit:,.0f}  ({value / limit:.0%})"
                    )
                else:
                    table.add_row("", title, f"{value:,.0f}")
        return table


class Logged:
    """Writes every epoch's figures for TensorBoard, and hands all on to another watcher."""

    def __init__(self, watcher: Any, folder: Path) -> None:
        self._watcher, self._folder = watcher, folder
        self._writers: dict[str, Any] = {}

    def step(self, phase: str, epoch: int, epochs: int, step: int, steps: int) -> None:
        self._watcher.step(phase, epoch, epochs, step, steps)

    def epoch(self, phase: str, record: dict[str, Any]) -> None:
        import tensorflow as tf

        if phase not in self._writers:
            self._writers[phase] = tf.summary.create_file_writer(str(self._folder / phase))
        # tf.summary.scalar needs the TensorBoard package, which only who looks at the files should have to have.
        metadata = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"})
        with self._writers[phase].as_default():
            for name, value in scalars(record).items():
                tf.summary.write(
                    name, tf.constant(value, tf.float32), step=record["epoch"], metadata=metadata
                )
        self._writers[phase].flush()
        self._watcher.epoch(phase, record)


def scalars(record: dict[str, Any]) -> dict[str, float]:
    """Return an epoch's numbers by name; tables of numbers as ``table/name``."""
    found: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            found |= {f"{name}/{key}": float(v) for key, v in value.items() if isinstance(v, int | float)}
        elif isinstance(value, int | float) and name not in {"epoch", "eligible"}:
            found[name] = float(value)
    return found


@contextmanager
def watch(console: Console, quiet: bool) -> Iterator[Any]:
    """Yield a progress for a console; nothing is shown where a program reads."""
    if quiet:
        from search.training import Silent

        yield Silent()
    elif console.is_terminal:
        from rich.live import Live

        with Live(console=console, refresh_per_second=4, transient=True) as live:
            yield Board(live)
    else:
        yield Lines(console)
