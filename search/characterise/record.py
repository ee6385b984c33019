"""Puts fitted regressions into the package: ``python -m micronets_gen.search.characterise.record FILE...``.

For who works on the package; estimates for boards of one's own come from ``characterise --record``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from micronets_gen.common.resources import package_dir
from micronets_gen.errors import MicronetsError
from micronets_gen.search.characterise.result import read_results
from micronets_gen.timing.regression import REGRESSIONS_JSON, write_recorded


def main(files: Sequence[str]) -> int:
    """Put the regressions of every ``characterisation.json`` beside those of other boards and runtimes."""
    path = package_dir("timing").resolve() / REGRESSIONS_JSON
    try:
        for result in (result for file in files for result in read_results(Path(file))):
            regression = result.regression
            write_recorded(path, regression)
            print(
                f"{regression.board}, {regression.runtime}: {regression.models} networks left out in turn, "
                f"median {regression.median_percent} %, worst {regression.worst_percent} %"
            )
    except MicronetsError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
