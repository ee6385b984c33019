"""Runs an image in the emulator of the board: ``python pio/micronets/tools/emulator.py IMAGE [--json]``.

Needs unicorn for boards that QEMU does not know, else QEMU; says what to install where it is missing.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
QEMU = "qemu-system-arm"


def missing(kind):
    """Return what to install for this kind of emulator; empty where everything is there."""
    problems = []
    if kind == "virtual" and importlib.util.find_spec("unicorn") is None:
        problems.append(f"unicorn: run `{sys.executable} -m pip install unicorn`")
    if kind == "qemu" and not shutil.which(QEMU):
        problems.append(f"{QEMU}: run `apt install qemu-system-arm` or `brew install qemu`")
    return problems


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    description = TOOLS / "board.json"
    board = json.loads(description.read_text(encoding="utf-8"))
    if board["emulator"] is None:
        sys.exit(
            f"Error: no emulator covers {board['name']}; `pio run -t upload` runs the image on the board"
        )
    problems = missing(board["emulator"]["kind"])
    if problems:
        sys.exit("Error: the emulator lacks " + "\n  and ".join(problems))
    search = os.pathsep.join(filter(None, [str(TOOLS), os.environ.get("PYTHONPATH")]))
    facts = ["--board-json", str(description), "--identity-json", str(TOOLS / "identity.json")]
    command = [sys.executable, "-m", "emulate", *facts, *sys.argv[1:]]
    return subprocess.call(command, env={**os.environ, "PYTHONPATH": search})


if __name__ == "__main__":
    sys.exit(main())
