"""``python -m benchmarks.timing``: published images, as measured on their boards and as run here."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatch

from benchmarks.timing import published
from benchmarks.timing.boards import Board, board_of
from benchmarks.timing.measure import Sample, measure
from benchmarks.timing.table import to_json, to_markdown
from micronets_gen.emulate.errors import EmulationError
from micronets_gen.errors import MicronetsError, RunError, UsageError


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.timing", description=__doc__)
    parser.add_argument(
        "images",
        nargs="*",
        metavar="PATTERN",
        help="such as 'bosch/*/kws' or '*L4R5*'; default: all int8 images of boards that are known",
    )
    parser.add_argument("--float", action="store_true", help="images of float models, too")
    parser.add_argument("--list", action="store_true", help="print the names of the images and leave")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object instead of Markdown tables"
    )
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run and print; return the exit code of the first mistake where there is one."""
    arguments = _arguments(words)
    try:
        chosen = _chosen(arguments.images, with_float=arguments.float)
        if arguments.list:
            print("\n".join(image.name for image, _ in chosen))
            return 0
        samples = _measure(chosen, arguments.jobs)
    except MicronetsError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(to_json(samples), indent=2) if arguments.json else to_markdown(samples), end="")
    return 0


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _chosen(patterns: Sequence[str], *, with_float: bool) -> list[tuple[published.Image, Board]]:
    known = [
        (image, board)
        for image in published.images(published.fetch(_tell))
        if (board := board_of(image.board)) and (with_float or "float" not in image.board)
    ]
    if not patterns:
        return known
    chosen = [pair for pair in known if any(fnmatch(pair[0].name, pattern) for pattern in patterns)]
    if not chosen:
        raise UsageError(
            f"no image is called {' or '.join(patterns)}",
            remedy="python -m benchmarks.timing --list has the names",
        )
    return chosen


def _measure(chosen: Sequence[tuple[published.Image, Board]], jobs: int) -> list[Sample]:
    samples = []
    with ProcessPoolExecutor(max_workers=max(1, min(jobs, len(chosen)))) as pool:
        for i, sample in enumerate(pool.map(_one, chosen), 1):
            _tell(f"{i} of {len(chosen)}: {sample.image}")
            samples.append(sample)
    order = list(dict.fromkeys(board.core for _, board in chosen))
    return sorted(samples, key=lambda sample: order.index(sample.core))


def _one(pair: tuple[published.Image, Board]) -> Sample:
    image, board = pair
    try:
        return measure(image, board)
    except EmulationError as error:
        raise RunError(error.what, where=f"{image.name}, {error.where}", why=error.why) from None


if __name__ == "__main__":
    sys.exit(main())
