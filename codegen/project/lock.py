"""``micronets.lock``: what a project was made of, and what every generated file was.

No times and no absolute paths: the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import tomli_w

from micronets_gen.common.documents import WRITTEN_BY_PROGRAM, parse_toml, read_text
from micronets_gen.common.version import VERSION
from micronets_gen.errors import UsageError

LOCK_FILE = "micronets.lock"
LOCK_VERSION = 1
_HEADER = """\
# What this project was generated from, and the SHA-256 of each generated file.
# Written by micronets-gen; belongs into version control.
"""


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
        optimize: What the arena was laid out for; empty where the runtime has no choice.
    """

    model: str
    model_sha256: str
    board: str
    board_sha256: str
    runtime: str
    pins: Mapping[str, str] = field(default_factory=dict)
    vectors: str = ""
    generator: str = VERSION
    optimize: str = ""


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
            return cls._of_table(parse_toml(read_text(path, most=WRITTEN_BY_PROGRAM), str(path)))
        except UsageError as error:
            why = ": ".join(filter(None, (error.what, error.why)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"{type(error).__name__}: {error}"
        raise UsageError(
            "cannot be read",
            where=str(path),
            why=why,
            remedy="restore it from version control, or generate the project anew with --force",
        )

    @classmethod
    def _of_table(cls, table: dict[str, Any]) -> Lock:
        if table["version"] != LOCK_VERSION:
            raise ValueError(
                f"it is of format {table['version']}; this micronets-gen {VERSION} knows format {LOCK_VERSION}"
            )
        inputs = Inputs(
            model=table["model"]["name"],
            model_sha256=table["model"]["sha256"],
            board=table["board"]["name"],
            board_sha256=table["board"]["sha256"],
            runtime=table["runtime"]["name"],
            pins=dict(table["runtime"].get("pins", {})),
            optimize=str(table["runtime"].get("optimize", "")),
            vectors=table["vectors"]["source"],
            generator=table["generator"],
        )
        files = {str(name): str(value) for name, value in table["files"].items()}
        if any(is_outside(name) for name in files):
            raise ValueError("a path leads out of the project")
        return cls(inputs, files, tuple(str(name) for name in table["user_files"]))

    def dump(self) -> bytes:
        """Return the file's bytes: TOML, sorted."""
        inputs = self.inputs
        table = {
            "version": LOCK_VERSION,
            "generator": inputs.generator,
            "user_files": list(self.user_files),
            "model": {"name": inputs.model, "sha256": inputs.model_sha256},
            "board": {"name": inputs.board, "sha256": inputs.board_sha256},
            "runtime": {
                "name": inputs.runtime,
                **({"optimize": inputs.optimize} if inputs.optimize else {}),
                **({"pins": _sorted(inputs.pins)} if inputs.pins else {}),
            },
            "vectors": {"source": inputs.vectors},
            "files": _sorted(self.files),
        }
        return (_HEADER + tomli_w.dumps(table)).encode()


def _sorted(values: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(values.items()))


def is_outside(name: str) -> bool:
    """Whether a path of a project would lead out of it."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts
