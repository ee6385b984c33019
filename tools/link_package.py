"""Lays the package ``micronets_gen`` out in ``.editable``, as links to the repository's folders.

The repository has ``codegen/``, ``search/``, ``templates/`` and ``boards/`` at its top; installed they are one package.
``pip install --editable`` runs this as a build hook; run it by hand after adding a module or a folder to ``codegen/``
itself: ``python tools/link_package.py``.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand
    BuildHookInterface = object

_PACKAGE = "micronets_gen"


def link_package(root: Path) -> Path:
    """Make ``.editable/micronets_gen`` anew; return the folder that belongs on Python's path."""
    editable = root / ".editable"
    package = editable / _PACKAGE
    shutil.rmtree(package, ignore_errors=True)
    (package / "_data").mkdir(parents=True)
    for source in sorted((root / "codegen").iterdir()):
        if source.name != "__pycache__":
            _link(package / source.name, source)
    _link(package / "search", root / "search")
    for data in ("templates", "boards"):
        _link(package / "_data" / data, root / data)
    return editable


def _link(place: Path, target: Path) -> None:
    up = [".."] * (len(place.parent.parts) - len(_root_of(place).parts))
    place.symlink_to(Path(*up, target.relative_to(_root_of(place))), target_is_directory=target.is_dir())


def _root_of(place: Path) -> Path:
    return next(folder.parent for folder in place.parents if folder.name == ".editable")


class LinkPackage(BuildHookInterface):  # type: ignore[misc]
    """The hook of an editable build."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the links."""
        if version == "editable":
            link_package(Path(self.root))


if __name__ == "__main__":
    print(link_package(Path(__file__).resolve().parent.parent))
