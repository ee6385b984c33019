"""Published architectures build by name, and say wherever they appear that they are untrained."""

from __future__ import annotations

from pathlib import Path

import pytest

from micronets_gen.bundled.catalogue import published_names, resolve_model
from micronets_gen.jobs.build import BuildRequest, build
from micronets_gen.operators.reading import read_model
from micronets_gen.search.space.cost import cost_of
from micronets_gen.search.space.zoo import published


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MICRONETS_CACHE", str(tmp_path / "cache"))


def test_each_resolves_to_a_file_of_its_cost() -> None:
    for name in published_names():
        source = resolve_model(name)
        assert source.untrained
        assert source.vectors is None
        assert source.path.stat().st_size == cost_of(published(name).architecture).model_bytes
        assert "untrained" in read_model(source.path).name


def test_a_build_is_marked_untrained(tmp_path: Path) -> None:
    project = tmp_path / "project"
    request = BuildRequest(board="nucleo_f446re", model="ds-cnn-s", runtime="aot", out=project, compile=False)
    built = build(request)
    assert "untrained" in built.report.model.name
    texts = [
        (project / "lib" / "model" / "model.h").read_text(encoding="utf-8"),
        (project / "lib" / "model" / "model.c").read_text(encoding="utf-8"),
        (project / "README.md").read_text(encoding="utf-8"),
        (project / "report.html").read_text(encoding="utf-8"),
        (project / "report.json").read_text(encoding="utf-8"),
    ]
    assert all("untrained" in text.lower() for text in texts)
    assert "weights are random" in texts[0]


def test_what_is_trained_is_not_marked() -> None:
    source = resolve_model("digits")
    assert not source.untrained
    assert source.mark == ""
