"""``micronets.lock``: what a project was made of, and what every generated file was.

No times and no absolute paths: the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from micronets_gen import __version__
from micronets_gen.errors import UsageError

LOCK_FILE = "micronets.lock"
LOCK_VERSION = 1


def content_hash(content: bytes) -> str:
    """Return the SHA-256 of ``content`` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Inputs:
    """Everything that decides a project's bytes.

    Attributes:
        model: The model's name.
        model_sha256: Of the ``.tflite`` file.
        board: The board's name.
        board_sha256: Of the board's file.
        runtime: ``aot`` or ``tflm``.
        pins: Versions of what the runtime brings along, by name (for example commits of its sources).
        vectors: Where the golden vectors come from.
        generator: Version of micronets-gen.
    """

    model: str
    model_sha256: str
    board: str
    board_sha256: str
    runtime: str
    pins: Mapping[str, str] = field(default_factory=dict)
    vectors: str = ""
    generator: str = __version__


@dataclass(frozen=True)
class Lock:
    """The content of ``micronets.lock``.

    Attributes:
        files: SHA-256 of each generated file by relative POSIX path.
        user_files: Files written once that are the user's since.
    """

    inputs: Inputs
    files: Mapping[str, str]
    user_files: tuple[str, ...] = ()

    @classmethod
    def of(cls, inputs: Inputs, files: Mapping[str, bytes], user_files: Iterable[str] = ()) -> Lock:
        """Return the lock of these files."""
        hashes = {name: content_hash(content) for name, content in sorted(files.items())}
        return cls(inputs, hashes, tuple(sorted(user_files)))

    @classmethod
    def load(cls, path: Path) -> Lock:
        """Read a lock file.

        Raises:
            UsageError: it is damaged, or of a newer micronets-gen.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
            version = table["version"]
            if version != LOCK_VERSION:
                raise UsageError(
                    f"is of format {version}; this micronets-gen {__version__} knows format {LOCK_VERSION}",
                    where=str(path),
                    remedy="update micronets-gen, or generate the project anew with --force",
                )
            inputs = Inputs(
                model=table["model"]["name"],
                model_sha256=table["model"]["sha256"],
                board=table["board"]["name"],
                board_sha256=table["board"]["sha256"],
                runtime=table["runtime"]["name"],
                pins=dict(table["runtime"].get("pins", {})),
                vectors=table["vectors"]["source"],
                generator=table["generator"],
            )
            files = {str(name): str(value) for name, value in table["files"].items()}
            if any(_outside(name) for name in files):
                raise ValueError("a path leads out of the project")
            return cls(inputs, files, tuple(str(name) for name in table["user_files"]))
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise UsageError(
                "cannot be read",
                where=str(path),
                why=str(error),
                remedy="restore it from version control, or generate the project anew with --force",
            ) from error

    def dump(self) -> bytes:
        """Return the file's bytes: TOML, sorted."""
        inputs = self.inputs
        lines = [
            "# What this project was generated from, and the SHA-256 of each generated file.",
            "# Written by micronets-gen; belongs into version control.",
            f"version = {LOCK_VERSION}",
            f"generator = {_quote(inputs.generator)}",
            f"user_files = [{', '.join(_quote(name) for name in self.user_files)}]",
            *_table("model", {"name": inputs.model, "sha256": inputs.model_sha256}),
            *_table("board", {"name": inputs.board, "sha256": inputs.board_sha256}),
            *_table("runtime", {"name": inputs.runtime}),
            *(_table("runtime.pins", inputs.pins) if inputs.pins else []),
            *_table("vectors", {"source": inputs.vectors}),
            *_table("files", self.files),
        ]
        return ("\n".join(lines) + "\n").encode()


def _outside(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts


def _table(name: str, values: Mapping[str, str]) -> list[str]:
    return ["", f"[{name}]", *(f"{_key(key)} = {_quote(values[key])}" for key in sorted(values))]


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else _quote(text)


def _quote(text: str) -> str:
    # A JSON string without non-ASCII escapes above the BMP is a TOML basic string.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
