"""A build whose image proves that its arena is wrong plans again, a few times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from micronets_gen.boards.load import load_board
from micronets_gen.jobs import build
from micronets_gen.report.report import Report
from micronets_gen.runtimes.aot.runtime import AotRuntime
from micronets_gen.runtimes.choose import Choice
from tests.unit.test_report import graph_report


@dataclass(frozen=True)
class Unsure(AotRuntime):
    """Wants another arena ``left`` times."""

    left: int = 0

    def prove(self, plan: Any, images: Any) -> Any:
        return SimpleNamespace(of=self)

    def resized(self, plan: Any, arena: Any) -> Unsure | None:
        return replace(self, left=self.left - 1) if self.left else None


@pytest.mark.parametrize(("wanted", "compiled"), [(0, 1), (1, 2), (2, 3), (5, 3)])
def test_an_arena_is_mended_twice_at_most(
    wanted: int, compiled: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtimes: list[Unsure] = []
    analysed: list[Any] = []

    def compile_(folder: Path, planned: Any) -> dict[str, Path]:
        runtimes.append(planned.runtime)
        return {board.name: tmp_path / str(len(runtimes))}

    def analyse(job: Any, planned: Any, images: Any, report: Report) -> Report:
        analysed.append((planned.runtime, images[board.name], report.arena.of))
        return report

    board = load_board("nucleo_f446re")
    monkeypatch.setattr(build, "_choose", lambda *_: Choice(Unsure(left=wanted), "as asked for"))
    monkeypatch.setattr(build, "_write", lambda *_: graph_report())
    monkeypatch.setattr(build, "_compile", compile_)
    monkeypatch.setattr(build, "_analyse", analyse)
    built = build.build(build.BuildRequest(board.name, "digits", "aot", tmp_path / "project"))
    assert len(runtimes) == compiled
    assert [runtime.left for runtime in runtimes] == [wanted - i for i in range(compiled)]
    # What is reported is the last image, and of the runtime that it was made with.
    assert analysed == [(runtimes[-1], tmp_path / str(compiled), runtimes[-1])]
    assert built.elf == tmp_path / str(compiled)
