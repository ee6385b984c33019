"""The first second of ``search``: help without anything heavy, and a sign of life before TensorFlow loads."""

from __future__ import annotations

import subprocess
import sys

HELP = """
import sys
from micronets_gen.cli.main import main
sys.argv = ["micronets-gen", "search", "--help"]
try:
    main()
finally:
    print(*sorted({"numpy", "tensorflow", "jinja2", "unicorn"} & set(sys.modules)), file=sys.stderr)
"""

FIRST_WORDS = """
import os, sys
from micronets_gen.cli.main import main
from micronets_gen.search.learn import progress

def stage(self, text):
    print(text, *sorted({"numpy", "tensorflow"} & set(sys.modules)), file=sys.stderr, flush=True)
    os._exit(0)

progress.EpochLines.stage = stage
sys.argv = ["micronets-gen", "search", "--task", "digits", "--board", "nucleo_f446re"]
main()
"""


def stderr_of(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stderr.strip()


def test_help_loads_nothing_heavy() -> None:
    assert stderr_of(HELP) == ""


def test_something_is_said_before_anything_heavy_loads() -> None:
    assert stderr_of(FIRST_WORDS) == "checking task, board and limits"
