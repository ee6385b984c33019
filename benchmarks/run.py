"""``python -m benchmarks.run``: instructions and bytes of generated firmware, against TFLM with CMSIS-NN."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import (
    BOARDS,
    BuildTime,
    Measurement,
    baseline,
    build_time,
    default_models,
    measure_all,
    model_file,
)
from benchmarks.present import DOCS, replace_section, to_json, to_markdown, to_means, to_table
from micronets_gen.errors import MicronetsError


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help=".tflite files, bundled models or MicroNets (micronet_kws_s, ...), after the default ones",
    )
    parser.add_argument("--only", action="store_true", help="leave the default models out")
    parser.add_argument("--board", action="append", help=f"repeatable; default: {', '.join(BOARDS)}")
    parser.add_argument(
        "--runtimes",
        type=lambda text: text.split(","),
        default=["aot"],
        help="separated by commas; with tflm the ratio is to what was measured in this run (default: aot)",
    )
    parser.add_argument("--no-time", action="store_true", help="do not time the build of the default model")
    parser.add_argument("--update-docs", action="store_true", help="write the table into docs/benchmarks.md")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--markdown", action="store_true", help="print a Markdown table")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 where a byte is wrong or a model cannot be built."""
    arguments = _arguments(words)
    try:
        with tempfile.TemporaryDirectory(prefix="micronets-benchmark-") as name:
            folder = Path(name)
            names = [*(() if arguments.only else default_models()), *arguments.models]
            models = [model_file(model, folder) for model in names]
            found = measure_all(models, arguments.board or BOARDS, folder, arguments.runtimes)
            timing = None if arguments.no_time else build_time(folder)
    except MicronetsError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if arguments.update_docs:
        replace_section(DOCS, f"{to_means(found)}\n{to_markdown(found)}")
    if arguments.json:
        print(json.dumps(to_json(found, timing), indent=2))
    elif arguments.markdown:
        print(f"{to_means(found)}\n{to_markdown(found)}", end="")
    else:
        _print_table(found, timing)
    return 0 if all(m.result.passed or m.result.problem for m in found) else 1


def _print_table(found: Sequence[Measurement], timing: BuildTime | None) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    console.print(to_table(found))
    measured = (
        ", of tflm in this run where it was measured" if any(m.baseline_measured for m in found) else ""
    )
    console.print(
        f"\nratios: over {baseline()['title']} ({baseline()['note']}){measured}",
        markup=False,
    )
    if timing:
        console.print(
            f"build of the default model: {timing.generate_and_compile:.1f} s, "
            f"generation alone {timing.generate:.1f} s"
        )


if __name__ == "__main__":
    sys.exit(main())
