"""Where the data that travels with the package lies: templates, boards, bundled models."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@cache
def data_dir(name: str) -> Path:
    """Return the folder ``templates`` or ``boards``, installed or in a source checkout.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"the installation of micronets-gen lacks its '{name}' folder")


def models_dir() -> Path:
    """Return the folder of the bundled models."""
    return _PACKAGE / "bundled"
