"""What the runner of the benchmark has recorded: how long one inference takes on the board.

``results.txt`` beside the log has the same rounded to milliseconds a run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from micronets_gen.errors import UsageError

_START = re.compile(r"m-infer-start-(\d+)")
_LAP = re.compile(r"m-lap-us-(\d+)")
_DONE = "m-infer-done"
_SENT = re.compile(r"Sending (\d+) bytes")
_WRAP = 1 << 32


@dataclass(frozen=True)
class Measured:
    """A measurement on a board.

    Attributes:
        microseconds: Of one inference: the median over the runs.
        runs: How many there were, each of many inferences.
        spread_percent: Between the shortest and the longest run.
        input_bytes: What was sent to the board as input.
    """

    microseconds: float
    runs: int
    spread_percent: float
    input_bytes: int


def read(path: Path) -> Measured:
    """Read the log of a measurement of performance.

    Raises:
        UsageError: it holds no complete run.
    """
    return parse(path.read_text(encoding="utf-8", errors="replace"), where=str(path))


def parse(text: str, where: str = "") -> Measured:
    """Take the time of one inference from a log's lines.

    Of each run the log has the number of inferences (``m-infer-start-N``) and the board's counter of microseconds
    before and after them (``m-lap-us-T``); it has 32 bits, and may have begun again in between.

    Raises:
        UsageError: it holds no complete run, or does not say how large the input is.
    """
    times: list[float] = []
    count, laps = 0, []
    for line in text.splitlines():
        if start := _START.search(line):
            count, laps = int(start[1]), []
        elif lap := _LAP.search(line):
            laps.append(int(lap[1]))
        elif _DONE in line and count and len(laps) == 2:
            times.append((laps[1] - laps[0]) % _WRAP / count)
            count = 0
    sent = _SENT.search(text)
    if not times or sent is None:
        raise UsageError(
            "is no record of a measurement",
            where=where,
            why="there is no complete run (m-infer-start, two m-lap-us, m-infer-done)"
            if not times
            else "it does not say how many bytes were sent",
            remedy="take log.txt of a folder 'performance'",
        )
    one = median(times)
    return Measured(one, len(times), 100 * (max(times) - min(times)) / one, int(sent[1]))
