"""The runtimes that there are, and which one a build takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from micronets_gen.bundled.catalogue import resolve_model
from micronets_gen.errors import UsageError
from micronets_gen.operators import Problem
from micronets_gen.operators.reading import read_model
from micronets_gen.runtimes.aot.runtime import AotRuntime
from micronets_gen.runtimes.choose import choose_for_model, choose_runtime
from micronets_gen.runtimes.kind import RuntimeKind
from micronets_gen.runtimes.registry import AUTO, runtime_help, runtime_kind, runtime_kinds, runtime_names

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = sorted(p.parent.name for p in (REPOSITORY / "codegen" / "runtimes").glob("*/__init__.py"))


def test_every_package_of_runtimes_is_a_runtime() -> None:
    assert sorted(runtime_names()) == PACKAGES
    assert AUTO not in PACKAGES


@pytest.mark.parametrize("kind", runtime_kinds(), ids=lambda kind: kind.name)
def test_a_runtime_is_described(kind: RuntimeKind) -> None:
    assert kind.title
    assert kind.summary
    assert kind.summary[-1] != "."
    assert kind.instructions_per_mac > 0
    assert f"{kind.name}: {kind.summary}" in runtime_help()
    assert [other.name for other in runtime_kinds() if other.preference == kind.preference] == [kind.name]
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert f"| `{kind.name}` |" in readme


def test_the_last_resort_needs_nothing() -> None:
    last = runtime_kinds()[-1]
    assert last.available(None)[0]
    assert last.lacking() == ""
    assert last.open(None, print).name == last.name


def test_names_are_written_in_their_packages_alone() -> None:
    """A literal list of runtimes elsewhere would be incomplete with the next one."""
    names = "|".join(runtime_names())
    pattern = re.compile(
        rf"""["'](?:{names})["'] *[,:] *["'].*["'](?:{names})["']|["']\w*(?:{names}),(?:{names})"""
    )
    found = [
        path.relative_to(REPOSITORY).as_posix()
        for top in ("codegen", "search")
        for path in (REPOSITORY / top).rglob("*.py")
        if pattern.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_an_unknown_runtime_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        runtime_kind("onnx")
    assert str(caught.value) == ("--runtime: there is no runtime 'onnx'\n  what to do: use auto, tflm or aot")


def preferred(monkeypatch: pytest.MonkeyPatch, **facts: object) -> None:
    """Put a runtime before all others."""

    def open_(_commits: Mapping[str, str] | None, _notify: object) -> AotRuntime:
        return Refusing() if facts.pop("refuses", False) else AotRuntime()

    first = replace(
        runtime_kinds()[-1],
        name="first",
        available=lambda _commits: facts.get("available", (True, "it is here")),
        lacking=lambda: facts.get("lacking", ""),
        open=open_,
    )
    kinds = (first, *runtime_kinds()[-1:])
    monkeypatch.setattr("micronets_gen.runtimes.choose.runtime_kinds", lambda: kinds)


class Refusing(AotRuntime):
    """Executes nothing."""

    def problems(self, graph: object) -> tuple[Problem, ...]:
        return (Problem("layer 0", "is refused", "do something else"),)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({}, "it is here"),
        ({"available": (False, "it is not here")}, "not first: it is not here"),
        ({"lacking": "no compiler"}, "not first: no compiler"),
        ({"refuses": True}, "not first: layer 0: is refused"),
    ],
)
def test_auto_takes_the_first_that_works(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, object], reason: str
) -> None:
    preferred(monkeypatch, **facts)
    graph = read_model(resolve_model("digits").path)
    assert choose_for_model(graph, AUTO).reason == reason


def test_a_runtime_that_is_asked_for_is_taken() -> None:
    assert choose_runtime("aot").reason == "as asked for"
