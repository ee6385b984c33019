"""A run as plain text and as plain data."""

from __future__ import annotations

import dataclasses
from typing import Any

from .result import ApplicationRun, Run, RunResult, VectorResult


def summary(result: Run) -> str:
    """What a person wants to know of a run, the layers as a table where the build was profiled."""
    if isinstance(result, ApplicationRun):
        return f"{result.board}: the application ended with status {result.status} in {result.ran_on}"
    return _self_test(result)


def _self_test(result: RunResult) -> str:
    lines = [f"{result.board}: {result.model} ({result.runtime}) in {result.ran_on}"]
    if result.clock_note:
        lines.append(f"clock: {result.clock_note}")
    if result.layers:
        lines += ["", *_table(result), ""]
    lines.append(f"one inference: {result.count:,} {result.unit}; start-up: {result.startup:,}")
    if result.granularity > 1:
        lines.append(f"(the counter advances by {result.granularity:g} {result.unit})")
    if result.labelled:
        lines.append(f"accuracy: {result.correct} of {result.labelled} labelled vectors")
    passed = sum(vector.passed for vector in result.vectors)
    lines += [_failure(vector) for vector in result.vectors if not vector.passed or vector.correct is False]
    lines.append(
        f"{'PASS' if result.passed else 'FAIL'}: {passed} of {len(result.vectors)} vectors byte-exact"
    )
    return "\n".join(lines)


def _failure(vector: VectorResult) -> str:
    """What is wrong with the outputs of a vector."""
    faults = []
    if not vector.passed:
        first = vector.differences[0]
        faults.append(
            f"{vector.mismatches} bytes differ, the first at {first.offset}: expected 0x{first.expected:02x}, "
            f"got 0x{first.got:02x}"
        )
    if vector.correct is False:
        faults.append(f"class {vector.label} taken for {vector.predicted}")
    return f"vector {vector.index}: {'; '.join(faults)}"


def _table(result: RunResult) -> list[str]:
    unit = result.unit
    rows = [("layer", "operator", "MACs", unit, f"{unit}/MAC", "share")]
    for layer in result.layers:
        rows.append(
            (
                layer.name,
                layer.op,
                f"{layer.macs:,}",
                f"{layer.count:,}",
                f"{layer.count / layer.macs:.2f}" if layer.macs else "",
                f"{100 * layer.count / result.count:.1f} %" if result.count else "",
            )
        )
    macs, count = sum(layer.macs for layer in result.layers), sum(layer.count for layer in result.layers)
    share = f"{100 * count / result.count:.1f} %" if result.count else ""
    rows.append(("all layers", "", f"{macs:,}", f"{count:,}", f"{count / macs:.2f}" if macs else "", share))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    text = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    rule = "-" * max(map(len, text))
    return [text[0], rule, *text[1:-1], rule, text[-1]]


def as_json(result: Run) -> dict[str, Any]:
    """The run as data, under the names that ``micronets-gen run --json`` has for the same things."""
    if isinstance(result, ApplicationRun):
        return {"kind": "application", "passed": result.passed, **dataclasses.asdict(result)}
    return {
        "kind": "self-test",
        **dataclasses.asdict(result),
        "vector_count": len(result.vectors),
        "vectors_passed": sum(vector.passed for vector in result.vectors),
        "labelled": result.labelled,
        "correct": result.correct,
    }
