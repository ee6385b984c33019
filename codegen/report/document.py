"""``report.json``: a report as a JSON document, and back.

The document is the :class:`~micronets_gen.report.report.Report` field by field (docs/report.md), preceded by
``schema`` and ``totals``. ``schema`` grows when a field changes its meaning or goes; a new one alone does not
change it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from micronets_gen.common.documents import parse_json
from micronets_gen.common.tables import shown
from micronets_gen.errors import MicronetsError
from micronets_gen.report.measured import total_difference
from micronets_gen.report.report import Report

SCHEMA = 2


def to_document(report: Report) -> dict[str, Any]:
    """Return ``report`` as plain JSON values."""
    image, stack, run, timing = report.image, report.stack, report.run, report.timing
    totals = {
        "macs": report.macs,
        "layers": len(report.layers),
        "flash_bytes": image.flash_bytes if image else None,
        "ram_bytes": image.ram_bytes if image else None,
        "arena_bytes": image.arena_bytes if image else None,
        "stack_bytes": stack.worst_bytes if stack else None,
        "passed": run.passed if run else None,
        "correct": run.correct if run else None,
        "labelled": run.labelled if run else None,
        "count": run.count if run else None,
        "unit": run.unit if run else None,
        "cycles": timing.total.cycles if timing else None,
        "milliseconds": timing.milliseconds if timing else None,
        "error_percent": timing.band.percent if timing else None,
        "difference_percent": total_difference(report),
    }
    return {"schema": SCHEMA, "totals": totals, **asdict(report)}


def to_json(report: Report) -> str:
    """Return ``report`` as the text of ``report.json``."""
    return json.dumps(to_document(report), indent=1, ensure_ascii=False) + "\n"


def from_json(text: str, where: str = "report.json") -> Report:
    """Return the report that :func:`to_json` wrote.

    Args:
        text: The document.
        where: Its file, for messages.

    Raises:
        MicronetsError: not such a document, or one of another schema.
    """
    remedy = "build the project again with this version of micronets-gen"
    try:
        document = parse_json(text, where)
    except MicronetsError as error:
        raise MicronetsError(error.what, where=where, why=error.why, remedy=remedy) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise MicronetsError(
            f"has schema {shown(schema)}; this version reads {SCHEMA}", where=where, remedy=remedy
        )
    try:
        report = _decode(Report, document)
        _check_moments(report)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise MicronetsError("is not a whole report", where=where, why=str(error), remedy=remedy) from error
    assert isinstance(report, Report)
    return report


def _check_moments(report: Report) -> None:
    for buffer in report.memory.buffers if report.memory else ():
        if not -1 <= buffer.first <= buffer.last <= len(report.layers):
            raise ValueError(
                f"a buffer lives from {buffer.first} to {buffer.last}, and there are {len(report.layers)} layers"
            )


def _decode(kind: Any, value: Any) -> Any:
    """Return ``value``, plain JSON, as the type ``kind`` of a field."""
    origin = get_origin(kind)
    if origin in (UnionType, Union):
        if value is None and NoneType in get_args(kind):
            return None
        (kind,) = (option for option in get_args(kind) if option is not NoneType)
        return _decode(kind, value)
    if origin is tuple:
        return _decode_tuple(get_args(kind), value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind in (str, int, float, bool):
        if type(value) is not kind:
            raise TypeError(f"{shown(value)} is not {kind.__name__}")
        return value
    if not isinstance(value, dict):
        raise TypeError(f"{shown(value)} is not an object")
    hints = get_type_hints(kind)
    return kind(**{name: _decode(hint, value[name]) for name, hint in hints.items() if name in value})


def _decode_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{shown(value)} is not a list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_decode(kinds[0], item) for item in value)
    return tuple(_decode(kind, item) for kind, item in zip(kinds, value, strict=True))
