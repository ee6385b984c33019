"""Runs an image in the emulator of its board: emulator.py IMAGE, the board's name in MICRONETS_BOARD.

Needs unicorn for boards that QEMU does not know, else QEMU; says what to install where it is missing.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

PLATFORM = Path(__file__).resolve().parent
QEMU = "qemu-system-arm"
NO_EMULATOR = "no emulator covers this board; `pio run -t upload` runs the image on it"


def missing(kind):
    """Return what to install for this kind of emulator; empty where everything is there."""
    modules = ["elftools"] + (["unicorn"] if kind == "virtual" else [])
    packages = {"elftools": "pyelftools"}
    absent = [packages.get(name, name) for name in modules if importlib.util.find_spec(name) is None]
    problems = []
    if absent:
        problems.append(f"{', '.join(absent)}: run `{sys.executable} -m pip install {' '.join(absent)}`")
    if kind == "qemu" and not shutil.which(QEMU):
        problems.append(f"{QEMU}: run `apt install qemu-system-arm` or `brew install qemu`")
    return problems


def main():
    if len(sys.argv) != 2 or "MICRONETS_BOARD" not in os.environ:
        sys.exit(__doc__)
    name = os.environ["MICRONETS_BOARD"]
    manifest = PLATFORM / "boards" / f"{name}.json"
    emulator = json.loads(manifest.read_text(encoding="utf-8"))["micronets"]["emulator"]
    if emulator is None:
        sys.exit(f"Error: {name}: {NO_EMULATOR}")
    problems = missing(emulator["kind"])
    if problems:
        sys.exit("Error: the emulator lacks " + "\n  and ".join(problems))
    search = os.pathsep.join(filter(None, [str(PLATFORM), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "emulate", sys.argv[1], "--board", str(manifest)]
    return subprocess.call(command, env={**os.environ, "PYTHONPATH": search})


if __name__ == "__main__":
    sys.exit(main())
