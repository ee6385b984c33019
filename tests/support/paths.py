"""Where the repository and the reference models are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED_MODELS = Path(os.environ.get("MICRONETS_SHARED") or REPOSITORY.parent / "shared") / "models"


def shared_model(name: str) -> Path:
    """Return a reference model, or skip the test and say where it would have to be."""
    path = SHARED_MODELS / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"{path} is not there; MICRONETS_SHARED names the folder above models/")
    return path
