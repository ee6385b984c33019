"""Where the data that travels with the package lies: templates, boards, bundled models."""

from __future__ import annotations

from functools import cache
from pathlib import Path

# Not resolved: in an editable installation the package is made of links, and what they lead to has other neighbours.
_PACKAGE = Path(__file__).parent.parent


def package_dir(name: str) -> Path:
    """Return the folder of a subpackage, such as ``emulate``."""
    return _PACKAGE / name


@cache
def data_dir(name: str) -> Path:
    """Return the folder ``templates`` or ``boards``.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    folder = _PACKAGE / "_data" / name
    if not folder.is_dir():
        raise FileNotFoundError(f"the installation of micronets-gen lacks its '{name}' folder")
    return folder
