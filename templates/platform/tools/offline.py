"""Gives PlatformIO the tools SCons and Cppcheck where PlatformIO's registry cannot be reached.

PlatformIO downloads them as the packages ``tool-scons`` and ``tool-cppcheck``. The same SCons is on PyPI
(``pip install scons`` in PlatformIO's Python), and systems have Cppcheck (``apt install cppcheck``). Where they are
found this module makes PlatformIO's packages of them, in its core folder. The platform does so by itself; to do it by
hand, run this file with PlatformIO's Python:

    python pio/micronets/tools/offline.py
"""

import importlib.util
import json
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

SCONS, CPPCHECK = "tool-scons", "tool-cppcheck"
SCONS_LAUNCHER = """\
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
    source = scons_source()

    def fill(folder):
        shutil.copytree(source, folder / "scons-local" / "SCons")
        (folder / "scons.py").write_text(SCONS_LAUNCHER, encoding="utf-8")

    return _prepare(SCONS, source, fill, quiet)


def prepare_cppcheck(quiet=False):
    """Make ``tool-cppcheck`` available for ``pio check``; return whether it is.

    Leaves an installed one alone. Without a Cppcheck on the PATH it does nothing, and PlatformIO downloads its own.
    """
    source = shutil.which("cppcheck")
    if sys.platform == "win32":
        source = None

    def fill(folder):
        launcher = folder / "cppcheck"
        launcher.write_text(f'#!/bin/sh\nexec {shlex.quote(source)} "$@"\n', encoding="utf-8")
        launcher.chmod(0o755)

    return _prepare(CPPCHECK, source, fill, quiet)


def _prepare(package, source, fill, quiet):
    """Make a package in PlatformIO's core folder, where it is not there yet, that ``fill`` puts files into."""
    from platformio.dependencies import get_core_dependencies
    from platformio.package.manager.core import get_core_package_dir
    from platformio.project.config import ProjectConfig

    if get_core_package_dir(package, auto_install=False):
        return True
    if source is None:
        return False

    # The lowest version that the requirement (for example "~4.41101.0") admits.
    version = get_core_dependencies()[package].lstrip("~^=> ")
    packages = Path(ProjectConfig.get_instance().get("platformio", "packages_dir"))
    packages.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{package}-", dir=packages))
    try:
        fill(folder)
        _write_json(folder / "package.json", {"name": package, "version": version})
        owner = {"owner": "platformio", "id": 8192, "name": package, "requirements": None, "uri": None}
        _write_json(folder / ".piopm", {"type": "tool", "name": package, "version": version, "spec": owner})
        folder.chmod(0o755)
        target = packages / package
        if target.exists():
            # One for another version of PlatformIO.
            target = packages / f"{package}@{version}"
        try:
            folder.rename(target)
        except OSError:
            # Another build was faster.
            if not (target / "package.json").is_file():
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not quiet:
        print(f"{package} {version}: made of {source}")
    return get_core_package_dir(package, auto_install=False) is not None


def _write_json(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")


if __name__ == "__main__":
    try:
        if not prepare():
            sys.exit(f"SCons is missing: run `{sys.executable} -m pip install scons` first")
    except ImportError as error:
        sys.exit(f"{error}: run this file with PlatformIO's Python (`pio system info` names it)")
    print(f"{SCONS} is in place: `pio run` needs no registry")
    if prepare_cppcheck():
        print(f"{CPPCHECK} is in place: `pio check` needs none either")
