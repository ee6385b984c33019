"""Files that attack whoever reads them: each is one error at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from micronets_gen.boards.load import load_board
from micronets_gen.common.documents import load_json, load_toml
from micronets_gen.errors import MicronetsError
from micronets_gen.jobs.execute import load_report
from micronets_gen.project.lock import Lock
from micronets_gen.search.learn.recipe import load_recipe
from micronets_gen.search.run_dir import RunDir
from micronets_gen.search.space.architecture import Architecture
from micronets_gen.search.space.backbone import load_backbone

READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "board": ("x.toml", load_board),
    "recipe": ("x.toml", load_recipe),
    "backbone": ("x.toml", load_backbone),
    "lock": ("micronets.lock", Lock.load),
    "report": ("report.json", lambda path: load_report(path.parent)),
    "run": ("run.json", lambda path: RunDir(path.parent).read(path)),
    "architecture": ("architecture.json", Architecture.load),
}
CONTENTS = {
    "nothing": b"",
    "bytes": b"\xff\xfe\x00",
    "deep": b"a = " + b"[" * 5000 + b"]" * 5000,
    "deep JSON": b"[" * 30_000 + b"]" * 30_000,
    "digits": b"a = " + b"9" * 5000,
    "digits JSON": b'{"schema": ' + b"9" * 5000 + b"}",
    "hexadecimal": b"title = 0x" + b"f" * 5000,
    "surrogate": rb'{"schema": "\ud800"}',
    "a text": b'"a"',
    "a list": b"[1]",
}


def refused(kind: str, path: Path) -> str:
    """Return the message with which a file is refused, in time."""
    found: list[MicronetsError] = []

    def read() -> None:
        with pytest.raises(MicronetsError) as raised:
            READERS[kind][1](path)
        found.append(raised.value)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(timeout=20)
    assert found, "no answer, or another exception"
    message = str(found[0])
    assert len(message) < 1000
    message.encode()
    return message


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("content", CONTENTS)
def test_content_that_attacks(tmp_path: Path, kind: str, content: str) -> None:
    path = tmp_path / READERS[kind][0]
    path.write_bytes(CONTENTS[content])
    if (kind, content) == ("recipe", "nothing"):
        load_recipe(path)
    else:
        refused(kind, path)


@pytest.mark.parametrize("kind", READERS)
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / READERS[kind][0]
    refused(kind, path)
    os.mkfifo(path)
    assert "is no regular file" in refused(kind, path)
    path.unlink()
    path.mkdir()
    assert "is a folder, not a file" in refused(kind, path)


def test_files_without_end_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(MicronetsError, match="the file is too large"):
        load_toml(path)
    with pytest.raises(MicronetsError, match="the file is too large"):
        load_json(path)
