"""The commands with which the runner of MLPerf Tiny talks to a board: EEMBC's protocol.

A command ends with ``%``; the firmware answers with lines and ``m-ready`` at the end. Source: mlcommons/tiny,
``benchmark/api``.
"""

from __future__ import annotations

from benchmarks.timing.machine import Machine
from micronets_gen.errors import RunError

READY = "m-ready\r\n"
# A command has at most 80 characters.
_BYTES_A_LINE = 32


def boot(machine: Machine) -> None:
    """Run the firmware until it takes commands."""
    machine.boot(READY)


def name(machine: Machine) -> str:
    """Return what the firmware calls itself."""
    return _line(_ask(machine, "name"), "m-name-")


def model(machine: Machine) -> str:
    """Return which model the firmware says it holds, such as ``kws01``."""
    return _line(_ask(machine, "profile"), "m-model-").strip("[]")


def load(machine: Machine, data: bytes) -> None:
    """Hand over the input of the next inference.

    Raises:
        RunError: the firmware does not take it.
    """
    answer = _ask(machine, f"db load {len(data)}")
    for start in range(0, len(data), _BYTES_A_LINE):
        answer = _ask(machine, f"db {data[start : start + _BYTES_A_LINE].hex()}")
    if "m-load-done" not in answer:
        raise RunError("the firmware does not take its input", why=f"it said {answer!r}")


def infer(machine: Machine, times: int) -> str:
    """Let the firmware infer so many times and return the results that it prints.

    Raises:
        RunError: it says that something is wrong.
    """
    answer = _checked(machine.execute(f"infer {times} 0%".encode(), READY))
    return _line(answer, "m-results-")


def _ask(machine: Machine, command: str) -> str:
    return _checked(machine.execute(f"{command}%".encode(), READY))


def _checked(answer: str) -> str:
    wrong = [line for line in answer.splitlines() if line.startswith("e-")]
    if wrong:
        raise RunError("the firmware reports an error", why=wrong[0])
    return answer


def _line(answer: str, start: str) -> str:
    for line in answer.splitlines():
        if line.startswith(start):
            return line.removeprefix(start)
    raise RunError(f"the firmware does not say {start!r}", why=f"it said {answer!r}")
