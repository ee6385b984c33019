"""Gives PlatformIO the build tool SCons where PlatformIO's registry cannot be reached.

PlatformIO downloads SCons as the package ``tool-scons``. The same SCons is on PyPI: once PlatformIO's Python
has it (``pip install scons``), this module copies it into PlatformIO's core folder as that package. The
platform does so by itself; to do it by hand, run this file with PlatformIO's Python:

    python pio/micronets/tools/offline.py
"""

import importlib.util
import json
import shutil
import sys
import tempfile
from pathlib import Path

PACKAGE = "tool-scons"
LAUNCHER = """\
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "scons-local"))

from SCons.Script import main

sys.exit(main())
"""


def scons_source():
    """Return the folder of the importable SCons, or None."""
    spec = importlib.util.find_spec("SCons")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def prepare(quiet=False):
    """Make ``tool-scons`` available; return whether it is.

    Leaves an installed one alone. Without SCons from PyPI it does nothing, and PlatformIO downloads its own.
    """
    from platformio.dependencies import get_core_dependencies
    from platformio.package.manager.core import get_core_package_dir
    from platformio.project.config import ProjectConfig

    if get_core_package_dir(PACKAGE, auto_install=False):
        return True
    source = scons_source()
    if source is None:
        return False

    # The lowest version that the requirement (for example "~4.41101.0") admits.
    version = get_core_dependencies()[PACKAGE].lstrip("~^=> ")
    packages = Path(ProjectConfig.get_instance().get("platformio", "packages_dir"))
    packages.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{PACKAGE}-", dir=packages))
    try:
        shutil.copytree(source, folder / "scons-local" / "SCons")
        (folder / "scons.py").write_text(LAUNCHER, encoding="utf-8")
        _write_json(folder / "package.json", {"name": PACKAGE, "version": version})
        owner = {"owner": "platformio", "id": 8192, "name": PACKAGE, "requirements": None, "uri": None}
        _write_json(folder / ".piopm", {"type": "tool", "name": PACKAGE, "version": version, "spec": owner})
        folder.chmod(0o755)
        target = packages / PACKAGE
        if target.exists():
            # One for another version of PlatformIO.
            target = packages / f"{PACKAGE}@{version}"
        try:
            folder.rename(target)
        except OSError:
            # Another build was faster.
            if not (target / "scons.py").is_file():
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not quiet:
        print(f"{PACKAGE} {version}: copied from {source}")
    return get_core_package_dir(PACKAGE, auto_install=False) is not None


def _write_json(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")


if __name__ == "__main__":
    try:
        if not prepare():
            sys.exit(f"SCons is missing: run `{sys.executable} -m pip install scons` first")
    except ImportError as error:
        sys.exit(f"{error}: run this file with PlatformIO's Python (`pio system info` names it)")
    print(f"{PACKAGE} is in place: `pio run` needs no registry")
