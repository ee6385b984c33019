"""One vocabulary: the keys that verbs print with ``--json`` are those of docs/json.md, each with one type."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from micronets_gen.boards.load import load_board, load_boards
from micronets_gen.bundled.catalogue import bundled_models, resolve_model
from micronets_gen.emulate.result import ApplicationRun, Difference, VectorResult
from micronets_gen.jobs.check import check_on_boards
from micronets_gen.jobs.duty import DutyRequest, duty_cycle
from micronets_gen.operators import Problem
from micronets_gen.operators.reading import read_model
from micronets_gen.plan.check import CheckResult
from micronets_gen.report.inspect import inspect_model
from micronets_gen.report.modelled import energy_values
from micronets_gen.report.values import (
    BandValue,
    BenchResult,
    Calibration,
    FirmwareApplication,
    FirmwareBuild,
    FirmwareRun,
    board_value,
    model_value,
    search_value,
    sweep_value,
)
from micronets_gen.runtimes.tflm.sources import SourceSet
from micronets_gen.runtimes.tflm.sources.status import Status
from micronets_gen.search.characterise.result import Characterisation
from micronets_gen.search.space.room import BoardChoice, BoardRoom
from micronets_gen.search.space.zoo import published_list
from micronets_gen.timing.estimate import estimated
from micronets_gen.timing.firmware import about
from tests.support.regression import INVENTED
from tests.unit.test_bench import FIRST
from tests.unit.test_characterise import result as characterised
from tests.unit.test_timing_shown import timed_report

PAGE = Path(__file__).resolve().parents[2] / "docs" / "json.md"
FREE = {
    "provenance",
    "data",
    "operators",
    "limits",
    "clock",
    "uart",
    "upload",
    "power",
    "emulator",
    "curve",
    "cycles_by_cause",
    "regression",
    "window",
}
"""Objects whose keys are told elsewhere, or are names of something."""

POWER = load_board("nucleo_f446re").power
assert POWER

ROOM = BoardRoom("b", "cortex-m4", 7, 1.0, 6, 2, 9, 5.0, 0.3, ("too slow",))

METRICS = {
    "task": "digits",
    "finished": True,
    "metric": "accuracy",
    "validation_metric": "accuracy",
    **{part + kind: 0.9 for part in ("test", "validation") for kind in ("", "_float", "_fake_quantised")},
    "samples": {"validation": 10, "test": 20},
    "classes": ["0", "1"],
    "architecture": "Conv",
    "cost": {"ops": 1, "model_bytes": 2, "working_memory": 3, "parameters": 4, "cycles": 5},
    "data": {},
    "confusion": [[1]],
    "curve": [[0.0, 1.0]],
    "target": {
        "board": "b",
        "runtime": "aot",
        "memory": {"flash_bytes": 1, "ram_bytes": 1},
        "limits": {"ops": 1},
        "demand": {"arena_bytes": 1, "other_ram_bytes": 1, "flash_bytes": 1, "least_flash_bytes": 1},
        "fits": True,
        "time": {
            **estimated(INVENTED, 5, 7).to_json(),
            "limit_ms": 0.1,
            **energy_values(POWER.energy(1, 5), POWER),
        },
    },
    "agreement": 1.0,
}


def printed() -> dict[str, Any]:
    graph = read_model(resolve_model("digits").path)
    done = timed_report()
    assert done.run
    wrong = VectorResult(0, False, 1, (Difference(0, 1, 2),), 3, 4)
    board = replace(done.board, power=POWER)
    seen = replace(done, run=replace(done.run, vectors=(wrong,)), board=board)
    run = FirmwareRun.of(Path("p"), seen, duty_cycle(seen, DutyRequest(1.0, 225.0)))
    application = FirmwareApplication.of(Path("p"), done, ApplicationRun("e", "b", 3, "hello"))
    pins = tuple(SourceSet.pinned())
    status = Status(pins[0], "ok", "as committed", Path("p"), "https", ("abc",))
    fit = check_on_boards(graph, load_boards()[:1])
    return {
        "build": FirmwareBuild.of(Path("p"), Path("p/e"), done).to_json(),
        "run": run.to_json(),
        "run (application)": application.to_json(),
        "calibrate": Calibration(
            Path("b"), 3, False, BandValue(15.0, 0), BandValue(2.1, 3), 1.01, run
        ).to_json(),
        "check": {
            **fit.to_json(),
            "boards": [
                {**fit.to_json()["boards"][0], "time": estimated(INVENTED, 5, 7).to_json(), "meets": True}
            ],
            "limit_ms": 1.0,
            "limit_uj": 1.0,
            "smallest": "b",
            "problems": CheckResult("m", (Problem("a", "b", "c"),)).to_json()["problems"],
        },
        "inspect": inspect_model(graph).to_json(),
        "bench": BenchResult(True, Path("o"), Path("o/r"), (FIRST,)).to_json(),
        "characterise": Characterisation(Path("o"), Path("o/r"), (characterised(),)).to_json(),
        "boards": {
            "boards": [board_value(board, about(board.core, board.family)) for board in load_boards()]
        },
        "models": {
            "models": [model_value(model) for model in bundled_models()],
            "published": published_list(),
        },
        "sources": {"cache": "c", "sources": [status.to_json()]},
        "search": search_value(Path("o"), METRICS, run.to_json(), BoardChoice("b", (ROOM,), "b.toml")),
        "sweep": sweep_value(Path("o"), [{"limit_mops": 1.0, "path": "1", **METRICS}]),
    }


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(printed()))
    return values


def keys(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key, item
            if key not in FREE:
                yield from keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys(item)


def kind(value: Any) -> str:
    kinds = {bool: "truth", str: "text", list: "list", dict: "object", int: "number", float: "number"}
    return kinds[type(value)]


def documented() -> dict[str, str]:
    rows = re.findall(r"^\| (`[^|]*`) \| (\w+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: kind for names, kind in rows for name in re.findall(r"`(\w+)`", names)}


def test_every_key_is_documented_with_its_one_type(objects: dict[str, Any]) -> None:
    known = documented()
    for verb, value in objects.items():
        for key, item in keys(value):
            assert key in known, f"{verb}: {key} is not in docs/json.md"
            assert item is None or kind(item) == known[key], f"{verb}: {key} is {item!r}, not {known[key]}"


def test_every_documented_key_is_printed(objects: dict[str, Any]) -> None:
    elsewhere = {
        "error",
        "warnings",
        "missing",
        "verified",
    }  # of sources fetch and import: tests/unit/test_sources.py
    assert set(documented()) == {key for value in objects.values() for key, _ in keys(value)} | elsewhere


@pytest.mark.parametrize("verb", ["build", "run", "run (application)", "calibrate", "inspect", "bench"])
def test_the_page_lists_each_verbs_keys_in_order(objects: dict[str, Any], verb: str) -> None:
    name, _, which = verb.partition(" ")
    title = f"`{name}` {which}".strip()
    row = next(
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {title} |")
    )
    assert re.findall(r"`(\w+)`", row)[1:] == list(objects[verb])
