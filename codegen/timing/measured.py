"""Cycles that a board measured beside the modelled ones of the same image, and records of them: a file a board.

``my_board.measured.json`` lies beside ``my_board.toml``; ``micronets-gen calibrate`` writes it. How far the model was
off the board's own images is its band there. Nothing scales the model by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Protocol

from micronets_gen.common.documents import load_json
from micronets_gen.common.files import write_json
from micronets_gen.common.plain import Plain
from micronets_gen.common.tables import Key, Schema, checked, schema_of, shown
from micronets_gen.errors import UsageError

ENOUGH = 3
"""Different networks that must have been measured before a board's own records say how good the model is there."""

SCHEMA = 1
_SUFFIX = ".measured.json"


class Measurable(Protocol):
    """A board whose images can be measured: its name, GCC's name of its core, its family, its clock, its file."""

    @property
    def name(self) -> str: ...
    @property
    def core(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def clock_hz(self) -> int: ...
    @property
    def path(self) -> str: ...


@dataclass(frozen=True)
class MeasuredLayer(Plain):
    """A layer of a profiled image."""

    index: int
    name: str
    op: str
    macs: int
    measured_cycles: int
    modelled_cycles: int


@dataclass(frozen=True)
class Record(Plain):
    """What a board measured of the first inference of an image, and what was modelled of it.

    Attributes:
        board: Its name.
        core: GCC's name.
        family: Of the part.
        clock_hz: Of the core, as the firmware reports it.
        runtime: ``aot`` or ``tflm``.
        model: Its name.
        build: Identity of the image.
        image: ``release``, or ``profiled``: then the cost of measuring is in both.
        memory: What was modelled of it, in words.
        measured_cycles: That the board counted.
        modelled_cycles: Of the same image.
        date: Of the measurement, as ``2026-01-31``.
        generator: Version that built the image.
        modelled_by: Version that modelled it.
        layers: Of a profiled image.
    """

    board: str
    core: str
    family: str
    clock_hz: int
    runtime: str
    model: str
    build: str
    image: str
    memory: str
    measured_cycles: int
    modelled_cycles: int
    date: str
    generator: str
    modelled_by: str
    layers: tuple[MeasuredLayer, ...] = ()

    @property
    def off_percent(self) -> float:
        """How far the modelled cycles are off, in percent of the measured ones."""
        return difference_percent(self.measured_cycles, self.modelled_cycles) or 0.0


def difference_percent(measured: int, modelled: int) -> float | None:
    """Return how far modelled cycles are off, in percent of the measured ones; above 0, the model is too slow.

    None where nothing was measured.
    """
    return 100 * (modelled - measured) / measured if measured else None


def is_enough(records: Iterable[Record]) -> bool:
    """Return whether records are of as many different networks as must be: a model with a runtime, each."""
    return len({(record.model, record.runtime) for record in records}) >= ENOUGH


def mean_factor(records: Sequence[Record]) -> float | None:
    """Return how many measured cycles there are to a modelled one, on average; None of too few networks."""
    if not is_enough(records):
        return None
    return mean(record.measured_cycles / record.modelled_cycles for record in records)


def records_beside(board_file: str | Path) -> Path:
    """Return where records of a board are kept: ``my_board.measured.json`` for ``my_board.toml``."""
    return Path(board_file).with_suffix(_SUFFIX)


def records_in(folder: Path, board: str) -> Path:
    """Return where records of a board are kept in a folder."""
    return folder / f"{board}{_SUFFIX}"


def records_of(board: Measurable, *more: Path) -> tuple[Record, ...]:
    """Return what was recorded of a board at its clock, an image once.

    Args:
        more: Files besides the one beside the board's own; one that is not there is empty.

    Raises:
        UsageError: a file holds something else, or records of another board.
    """
    beside = [records_beside(board.path)] if board.path else []
    found = {record.build: record for path in (*beside, *more) for record in read_records(path, board)}
    return tuple(record for record in found.values() if record.clock_hz == board.clock_hz)


def read_records(path: Path, board: Measurable) -> tuple[Record, ...]:
    """Return all records of a file; none where there is no file.

    Raises:
        UsageError: it holds something else, or records of another board.
    """
    if not path.exists():
        return ()
    try:
        records = _parsed(load_json(path))
        _require_board(records, board)
    except UsageError as error:
        raise UsageError(
            "holds no measurements of this board",
            where=str(path),
            why=": ".join(filter(None, (error.where.removeprefix(str(path)), error.what, error.why))),
            remedy="restore it, or move it away and calibrate again",
        ) from error
    return records


def record_into(path: Path, record: Record, board: Measurable) -> bool:
    """Add a record to a file, in the place of the one of its build; return whether there was one.

    Raises:
        UsageError: the file holds something else, or records of another board, or cannot be written.
    """
    before = read_records(path, board)
    kept = [other for other in before if other.build != record.build]
    try:
        write_json(path, {"schema": SCHEMA, "records": [other.to_json() for other in (*kept, record)]})
    except OSError as error:
        raise UsageError(
            "cannot be written",
            where=str(path),
            why=error.strerror or "",
            remedy="name another file with --out",
        ) from error
    return len(kept) < len(before)


_LAYER = schema_of(MeasuredLayer)
_RECORD: Schema = {name: key for name, key in schema_of(Record).items() if name != "layers"} | {
    "layers": Key("tables", longest=1 << 16)
}
_FILE: Schema = {"schema": Key(int), "records": Key("tables", longest=1 << 16)}


def _parsed(value: Any) -> tuple[Record, ...]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{shown(value)} is not an object")
    whole = checked(value, _FILE, "")
    if whole["schema"] != SCHEMA:
        raise UsageError(f"it is of schema {whole['schema']}; this version reads {SCHEMA}")
    return tuple(_record(table, f"records[{index}]") for index, table in enumerate(whole["records"]))


def _record(table: Mapping[str, Any], where: str) -> Record:
    values = checked(table, _RECORD, where)
    layers = tuple(
        MeasuredLayer(**checked(layer, _LAYER, f"{where}.layers[{index}]"))
        for index, layer in enumerate(values.pop("layers"))
    )
    record = Record(**values, layers=layers)
    for name in ("clock_hz", "measured_cycles", "modelled_cycles"):
        if getattr(record, name) <= 0:
            raise UsageError(f"'{name}' must be above 0", where=where)
    if not record.build:
        raise UsageError("'build' is empty", where=where)
    return record


def _require_board(records: Iterable[Record], board: Measurable) -> None:
    for record in records:
        found, wanted = (
            (record.board, record.core, record.family),
            (board.name, board.core, board.family),
        )
        if found != wanted:
            raise UsageError(f"they are of {' / '.join(map(shown, found))}, not of {' / '.join(wanted)}")
