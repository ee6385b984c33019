"""The models that travel with the package, and what ``--model`` accepts.

Each lies in ``codegen/bundled/models`` as ``<name>.tflite``, ``<name>.npz`` (held-out samples with the outputs that
the reference gives them) and ``<name>.json`` (provenance and measured accuracy), written by its script in
``search/``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from micronets_gen.common.caches import cache_root
from micronets_gen.common.resources import package_dir
from micronets_gen.common.suggest import did_you_mean
from micronets_gen.errors import UsageError

DEFAULT_MODEL = "kws-s"

PROVIDERS = "micronets_gen.architectures"
"""Group of entry points that give untrained models by name: modules with ``names`` and ``write_untrained``."""

RUN_MODEL, RUN_VECTORS, RUN_RECORD = "model_int8.tflite", "vectors.npz", "run.json"
"""What a run of the search leaves in its folder."""


@dataclass(frozen=True, eq=False)
class BundledModel:
    """A model of the package.

    Attributes:
        name: What ``--model`` takes.
        path: The ``.tflite`` file.
        vectors: An ``.npz`` with ``input_<i>``, ``output_<i>`` (samples first, int8) and ``labels``; samples
            are held out from training and ordered so that any prefix covers the classes evenly.
        title: One line for lists.
        task: What it decides, from what.
        accuracy: Measured on the int8 file with the reference kernels; fraction of ``samples``.
        samples: Held-out samples behind ``accuracy``.
        note: What that accuracy does not say; one sentence, or empty.
        provenance: Everything that its script recorded.
    """

    name: str
    path: Path
    vectors: Path
    title: str
    task: str
    accuracy: float
    samples: int
    note: str
    provenance: MappingProxyType[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in order of the label."""
        return tuple(self.provenance.get("classes", ()))

    @property
    def about(self) -> str:
        """What the model is and how well it does, in sentences."""
        measured = (
            f"{self.title}: {self.task}. "
            f"Accuracy of the int8 model {100 * self.accuracy:.1f} % on {self.samples:,} held-out samples."
        )
        classes = ", ".join(self.classes)
        return " ".join(filter(None, (measured, self.note, f"Classes from 0: {classes}." if classes else "")))


@dataclass(frozen=True, eq=False)
class ModelSource:
    """Where a model comes from: a user's file, a bundled model, a search's run, or a published architecture.

    Attributes:
        run: The folder of a search's run.
        untrained: A published architecture with random weights; its name says so, too.
    """

    path: Path
    bundled: BundledModel | None = None
    run: Path | None = None
    untrained: bool = False

    @property
    def mark(self) -> str:
        """A sentence that generated files repeat; empty for a model that means what it says."""
        return (
            "Untrained: weights are random. Sizes and times are real, answers are not."
            if self.untrained
            else ""
        )

    @property
    def about(self) -> str:
        """What README and report say of the model: of a bundled one where it comes from and how good it is."""
        return self.bundled.about if self.bundled else self.mark

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes of a bundled model."""
        return self.bundled.classes if self.bundled else ()

    @property
    def name(self) -> str | None:
        """The model's name, where it is not that of the file: letters, digits, ``_``, ``.`` and ``-``."""
        if self.bundled:
            return self.bundled.name
        return re.sub(r"[^A-Za-z0-9_.-]", "_", self.run.resolve().name)[:64] if self.run else None

    @property
    def vectors(self) -> Path | None:
        """Test vectors that come with the model."""
        if self.bundled:
            return self.bundled.vectors
        return self.run / RUN_VECTORS if self.run and (self.run / RUN_VECTORS).is_file() else None


@cache
def bundled_models() -> tuple[BundledModel, ...]:
    """Return every model of the package, the default first, then by name."""
    models = [_load(path) for path in sorted((package_dir("bundled") / "models").glob("*.json"))]
    return tuple(sorted(models, key=lambda model: (model.name != DEFAULT_MODEL, model.name)))


def _load(path: Path) -> BundledModel:
    record = json.loads(path.read_text(encoding="utf-8"))
    return BundledModel(
        name=record["name"],
        path=path.with_suffix(".tflite"),
        vectors=path.with_suffix(".npz"),
        title=record["title"],
        task=record["task"],
        accuracy=record["test"]["accuracy"],
        samples=record["test"]["samples"],
        note=record.get("note", ""),
        provenance=MappingProxyType(record),
    )


def resolve_model(path_or_name: str | None = None) -> ModelSource:
    """Return the model that a person asked for.

    A bundled model's name wins over a file of that name, which can be had as ``./name``.

    Args:
        path_or_name: A ``.tflite`` file, the folder of a search's run, the name of a bundled model or of a
            published architecture; ``None`` for the default model.

    Raises:
        UsageError: none of these.
    """
    wanted = DEFAULT_MODEL if path_or_name is None else path_or_name
    by_name = {model.name: model for model in bundled_models()}
    if wanted in by_name:
        return ModelSource(by_name[wanted].path, by_name[wanted])
    path = Path(wanted).expanduser()
    if path.is_file():
        return ModelSource(path)
    if (path / RUN_MODEL).is_file():
        return ModelSource(path / RUN_MODEL, run=path)
    if (path / RUN_RECORD).is_file():
        raise UsageError(
            "the run is not finished: it has no model yet",
            where=wanted,
            remedy="give its command again, it goes on where it was: see run.json",
        )
    if path.is_dir():
        raise UsageError("is a folder, not a model", where=wanted, remedy=_remedy(wanted, path))
    if path.exists():
        raise UsageError("is no regular file", where=wanted, remedy=_remedy(wanted, path.parent))
    if wanted in published_names():
        return ModelSource(_untrained(wanted), untrained=True)
    looks_like_path = path.suffix != "" or len(path.parts) > 1
    what = "no such model file" if looks_like_path else "neither a model file nor a bundled model"
    raise UsageError(what, where=wanted, remedy=_remedy(wanted, path.parent))


def published_names() -> tuple[str, ...]:
    """Return the names of the published architectures, which are untrained."""
    return tuple(name for provider in _providers() for name in provider.names())


def _untrained(name: str) -> Path:
    provider = next(provider for provider in _providers() if name in provider.names())
    return provider.write_untrained(name, cache_root() / "untrained")


class _Provider(Protocol):
    """What gives untrained models of published architectures by name; an entry point of the package."""

    def names(self) -> tuple[str, ...]: ...

    def write_untrained(self, name: str, folder: Path) -> Path: ...


@cache
def _providers() -> tuple[_Provider, ...]:
    return tuple(point.load() for point in entry_points(group=PROVIDERS))


def _remedy(wanted: str, folder: Path) -> str:
    """Name the nearest thing that exists: a bundled model, or a ``.tflite`` file in ``folder``."""
    names = [model.name for model in bundled_models()]
    files = sorted(str(file) for file in folder.glob("*.tflite")) if folder.is_dir() else []
    otherwise = (
        f"give a .tflite file, the folder of a search's run, one of the bundled models ({', '.join(names)}) or a "
        "published architecture; micronets-gen models lists them"
    )
    known = [*names, *published_names()]
    return did_you_mean(wanted.lower(), known) or did_you_mean(wanted, files, otherwise)
