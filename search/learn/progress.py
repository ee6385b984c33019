"""What a person sees while a search runs: a live table on a terminal, one line an epoch elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from micronets_gen.search.space.values import COSTS

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.text import Text

_FIGURES = {
    "loss": "loss",
    "accuracy": "training accuracy",
    "validation": "validation",
    "penalty": "penalty",
    "temperature": "temperature",
}


_EVERY_S = 10.0


class Progress(Protocol):
    """What is told how far a run is."""

    def stage(self, text: str) -> None:
        """Note what is done next, outside any epoch."""

    def step(self, phase: str, epoch: int, epochs: int, step: int, steps: int) -> None:
        """Note that a step of an epoch, both counted from 0, is done."""

    def epoch(self, phase: str, record: dict[str, Any]) -> None:
        """Note the figures of an epoch that is done."""


class Silent:
    """Told, and shows nothing."""

    def stage(self, text: str) -> None: ...

    def step(self, phase: str, epoch: int, epochs: int, step: int, steps: int) -> None: ...

    def epoch(self, phase: str, record: dict[str, Any]) -> None: ...


class TimeLeft:
    """Estimates how long a phase still takes, from the steps that were taken in this process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began: dict[str, tuple[float, int]] = {}

    def left(self, phase: str, done: int, total: int) -> float | None:
        """Return the seconds that are left after ``done`` of ``total`` steps; None before there is a second step."""
        now = self._now()
        began, first = self._began.setdefault(phase, (now, done))
        return (now - began) / (done - first) * (total - done) if done > first else None


class EpochLines:
    """One line an epoch, and one every ten seconds of what has no epochs."""

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self._console, self._now, self._clock = console, now, TimeLeft(now)
        self._epochs, self._left = 0, None  # type: int, float | None
        self._shown = now()

    def stage(self, text: str) -> None:
        self._print(text)

    def step(self, phase: str, epoch: int, epochs: int, step: int, steps: int) -> None:
        self._epochs = epochs
        self._left = self._clock.left(phase, epoch * steps + step + 1, epochs * steps)
        if epochs == 1 and self._now() - self._shown >= _EVERY_S:
            left = "" if self._left is None else f"  {duration(self._left)} left"
            self._print(f"{phase} {step + 1:,} of {steps:,}{left}")

    def epoch(self, phase: str, record: dict[str, Any]) -> None:
        text = line(phase, record, self._epochs)
        if self._left is not None and record["epoch"] + 1 < self._epochs:
            text += f"  {duration(self._left)} left"
        self._print(text)

    def _print(self, text: str) -> None:
        self._shown = self._now()
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def line(phase: str, record: dict[str, Any], epochs: int) -> str:
    """Return an epoch's figures as one line."""
    parts = [
        f"{phase} {record['epoch'] + 1:>{len(str(epochs))}}/{epochs}",
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


def duration(seconds: float) -> str:
    """Return ``45 s``, ``3:07 min`` or ``2:05 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60}:{whole % 60:02} min" if whole < 3600 else f"{whole // 3600}:{whole // 60 % 60:02} h"
    )


class LiveTable:
    """A live table: the phase, its figures, each cost against its limit, the time that is left."""

    def __init__(self, live: Live) -> None:
        self._live, self._clock = live, TimeLeft()
        self._phase = ""
        self._record: dict[str, Any] = {}

    def stage(self, text: str) -> None:
        from rich.spinner import Spinner

        self._live.update(
            Spinner("dots", text), refresh=True
        )  # TensorFlow is muted while it starts, and so is this

    def step(self, phase: str, epoch: int, epochs: int, step: int, steps: int) -> None:
        if phase != self._phase:
            self._phase, self._record = phase, {}
        done, total = epoch * steps + step + 1, epochs * steps
        self._live.update(
            self._table(phase, epoch, epochs, done / total, self._clock.left(phase, done, total))
        )

    def epoch(self, phase: str, record: dict[str, Any]) -> None:
        self._record = record

    def _table(self, phase: str, epoch: int, epochs: int, share: float, left: float | None) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        table.add_row(
            Text(phase, "bold"),
            f"epoch {epoch + 1} of {epochs}" if epochs > 1 else "",
            ProgressBar(1.0, share, width=30),
        )
        table.add_row("", "time left", duration(left) if left is not None else "")
        record = self._record
        for name, title in _FIGURES.items():
            if name in record:
                shown = f"validation {record['metric']}" if name == "validation" else title
                table.add_row("", shown, f"{record[name]:.4f}")
        for name, title in COSTS.items():
            if name in record.get("expected", {}):
                unit = ", bytes" if name in {"model_bytes", "working_memory"} else ""
                table.add_row(
                    "", title + unit, _against(record["expected"][name], record["limits"].get(name))
                )
        return table


def _against(value: float, limit: float | None) -> Text:
    from rich.text import Text

    if not limit:
        return Text(f"{value:,.0f}")
    words = "" if value <= limit else ", above the limit"
    colour = "green" if value <= limit else "red"
    return Text.assemble((f"{value:,.0f}", colour), f" of {limit:,.0f}  ({value / limit:.0%}{words})")


class TensorBoardLog:
    """Writes every epoch's figures for TensorBoard, and passes everything on."""

    def __init__(self, shown: Progress, folder: Path) -> None:
        self._shown, self._folder = shown, folder
        self._writers: dict[str, Any] = {}

    def stage(self, text: str) -> None:
        self._shown.stage(text)

    def step(self, phase: str, epoch: int, epochs: int, step: int, steps: int) -> None:
        self._shown.step(phase, epoch, epochs, step, steps)

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
        self._shown.epoch(phase, record)


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
def console_progress(console: Console, quiet: bool) -> Iterator[Progress]:
    """Yield a progress that a console shows; with ``quiet`` nothing is shown."""
    if quiet:
        yield Silent()
    elif console.is_terminal:
        from rich.live import Live

        with Live(console=console, refresh_per_second=4, transient=True) as live:
            yield LiveTable(live)
    else:
        yield EpochLines(console)
