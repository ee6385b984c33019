"""A run's folder: what a search or a training leaves behind, and all that ``build`` needs of it.

========================  =========================================================================
``run.json``              what was asked for: task, target, recipe, seed, the exact command, versions
``architecture.json``     the architecture, as soon as it is decided
``history.json``          one record an epoch of every phase: loss, accuracy, costs, probabilities; the blocks found
``checkpoints/``          state of the phases, from which an interrupted run goes on
``weights.npz``           float weights and learnt ranges of the trained network
``model_float.keras``     the same as a plain Keras model
``model_int8.tflite``     the model for the board
``vectors.npz``           held-out samples: ``input_0``, ``output_0`` (int8), ``labels``
``metrics.json``          what the model is worth and what it costs
``firmware.json``         with ``--run``: what the firmware did in the emulator; its project is ``firmware``
``report.html``           all of it in one page, with pictures
``tensorboard/``          the history for TensorBoard
========================  =========================================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from micronets_gen.bundled.catalogue import RUN_MODEL, RUN_RECORD, RUN_VECTORS
from micronets_gen.common.documents import load_json
from micronets_gen.common.files import write_json
from micronets_gen.errors import UsageError


@dataclass(frozen=True)
class RunDir:
    """The paths of a run's folder."""

    path: Path

    @property
    def run(self) -> Path:
        return self.path / RUN_RECORD

    @property
    def architecture(self) -> Path:
        return self.path / "architecture.json"

    @property
    def history(self) -> Path:
        return self.path / "history.json"

    @property
    def weights(self) -> Path:
        return self.path / "weights.npz"

    @property
    def keras(self) -> Path:
        return self.path / "model_float.keras"

    @property
    def tflite(self) -> Path:
        return self.path / RUN_MODEL

    @property
    def vectors(self) -> Path:
        return self.path / RUN_VECTORS

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.json"

    @property
    def firmware(self) -> Path:
        return self.path / "firmware.json"

    def checkpoint(self, phase: str) -> Path:
        """Return the checkpoint of a phase."""
        return self.path / "checkpoints" / f"{phase}.npz"

    def require_own(self, wanted: Mapping[str, Any]) -> None:
        """Raise where the folder holds anything but a run of this very request.

        Args:
            wanted: What tells requests apart.

        Raises:
            UsageError: it does.
        """
        if self.run.exists():
            found = self.read(self.run)
            different = list(_differences({key: found.get(key) for key in wanted}, wanted))
            if different:
                raise UsageError(
                    "the folder holds another run",
                    where=str(self.path),
                    why="; ".join(different),
                    remedy="take another --out, or delete the folder",
                )
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            what = "the folder is not empty" if self.path.is_dir() else "is a file"
            raise UsageError(what, where=str(self.path), remedy="take another --out")

    def begin(self, wanted: Mapping[str, Any], command: str, versions: Mapping[str, str]) -> None:
        """Make the folder where it is not there yet."""
        if not self.run.exists():
            self.checkpoint("").parent.mkdir(parents=True, exist_ok=True)
            write_json(self.run, {**wanted, "command": command, "versions": dict(versions)})

    def read(self, path: Path) -> dict[str, Any]:
        """Return the JSON object of one of the files.

        Raises:
            UsageError: there is none.
        """
        try:
            value = load_json(path)
        except UsageError as error:
            raise UsageError(
                "is no folder of a run",
                where=str(self.path),
                why=f"{path.name}: {error.what}" + (f": {error.why}" if error.why else ""),
                remedy="give a folder that search or train made, or delete this one",
            ) from error
        if not isinstance(value, dict):
            raise UsageError(
                "is no folder of a run", where=str(self.path), why=f"{path.name} holds no object"
            )
        return value


def _differences(found: Any, wanted: Any, name: str = "") -> Iterator[str]:
    """Yield what differs between plain values; what an older version did not write was not asked for."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        for key in sorted(found.keys() | wanted.keys()):
            yield from _differences(found.get(key), wanted.get(key), f"{name}.{key}" if name else key)
    elif found != wanted:
        yield f"{name} is {_said(found)} there and {_said(wanted)} here"


def _said(value: Any) -> str:
    return "not given" if value is None else json.dumps(value)
