"""The verbs ``search`` and ``train``; nothing heavy is imported before one of them runs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from micronets_gen.cli.options import AUTO_RUNTIME, BoardsOption, Json, RuntimeOption, complete_board
from micronets_gen.cli.output import show, show_error, show_json
from micronets_gen.errors import UsageError

if TYPE_CHECKING:
    from micronets_gen.api import SearchResult
    from micronets_gen.search.learn.progress import Progress
    from micronets_gen.search.run.pipeline import Outcome
    from micronets_gen.search.space.room import BoardChoice


def _complete_task(incomplete: str) -> list[str]:
    from micronets_gen.search.data.tasks import task_names

    return [name for name in task_names() if name.startswith(incomplete)]


def _complete_model(incomplete: str) -> list[str]:
    from micronets_gen.search.space.zoo import ZOO

    return [name for name in ZOO if name.startswith(incomplete)]


def _complete_backbone(incomplete: str) -> list[str]:
    from micronets_gen.search.space.backbone import backbone_names

    return [name for name in backbone_names() if name.startswith(incomplete)]


def _complete_recipe(incomplete: str) -> list[str]:
    from micronets_gen.search.learn.recipe import recipe_names

    return [name for name in recipe_names() if name.startswith(incomplete)]


_LIMITS = "Limits"
Fps = Annotated[
    float | None,
    typer.Option("--fps", help="Inferences a second, as predicted for the board.", rich_help_panel=_LIMITS),
]
Latency = Annotated[
    float | None,
    typer.Option("--latency-ms", help="Milliseconds an inference, likewise.", rich_help_panel=_LIMITS),
]
EnergyUj = Annotated[
    float | None,
    typer.Option(
        "--energy-uj",
        help="Microjoules an inference: a time at the board's published power.",
        rich_help_panel=_LIMITS,
    ),
]
Mops = Annotated[
    float | None,
    typer.Option("--mops", help="Millions of operations an inference.", rich_help_panel=_LIMITS),
]
Flash = Annotated[
    str | None,
    typer.Option(
        "--flash",
        help="Most bytes for code, constants and 32 embedded samples: 64K.",
        show_default="the board's",
        rich_help_panel=_LIMITS,
    ),
]
Ram = Annotated[
    str | None,
    typer.Option(
        "--ram",
        help="Most bytes for arena, data and stack: 20000.",
        show_default="the board's",
        rich_help_panel=_LIMITS,
    ),
]
Data = Annotated[Path | None, typer.Option("--data", help="Where the task's data lie.")]
RecipeOption = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        help="A recipe's name or file.",
        show_default="the task's",
        autocompletion=_complete_recipe,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a number of the recipe: train.epochs=10. Repeatable."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of weights, noise, shuffling and augmentation.")]
Strategy = Annotated[
    str,
    typer.Option(
        "--strategy",
        help="Devices: auto, single, mirrored (every GPU) or multi-worker (the hosts that TF_CONFIG names).",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="The run's folder; an unfinished run in it goes on.",
        show_default="runs/<task or model>",
    ),
]
_PROOF = "Firmware"
RunAfter = Annotated[
    bool,
    typer.Option("--run", help="Then build the firmware and run it in the emulator.", rich_help_panel=_PROOF),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        min=1,
        help="With --run: seconds to wait for each image.",
        show_default="by the model's work, at least 300",
        rich_help_panel=_PROOF,
    ),
]


Task = Annotated[
    str,
    typer.Option(
        "--task",
        "-t",
        help="What the model is for: ad, digits, kws, kws-tts or vww; a .py file; or folder:DIR, samples in a "
        "folder a class.",
        autocompletion=_complete_task,
    ),
]
TaskOfModel = Annotated[
    str | None,
    typer.Option(
        "--task",
        "-t",
        help="What the model is for.",
        show_default="the published model's",
        autocompletion=_complete_task,
    ),
]
Backbone = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        help="A backbone's name or file.",
        show_default="the task's",
        autocompletion=_complete_backbone,
    ),
]
Sweep = Annotated[
    str | None,
    typer.Option(
        "--sweep",
        help="Several limits in MOps, 0.03,0.1,0.3: one run each, compared.",
        rich_help_panel=_LIMITS,
    ),
]
Compare = Annotated[
    list[Path] | None,
    typer.Option(
        "--compare",
        help="Folder of a finished run to draw beside a sweep's, such as a hand-made network's. Repeatable.",
    ),
]
Published = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="A published architecture, or an architecture.json.",
        autocompletion=_complete_model,
    ),
]
BoardToSearch = Annotated[
    str | None,
    typer.Option(
        "--board", "-b", help="A board's name, or a board file (.toml).", autocompletion=complete_board
    ),
]
BoardToCheck = Annotated[
    str | None,
    typer.Option("--board", "-b", help="Check that it fits this board first.", autocompletion=complete_board),
]


def search(
    task: Task,
    board: BoardToSearch = None,
    boards: BoardsOption = None,
    runtime: RuntimeOption = AUTO_RUNTIME,
    fps: Fps = None,
    latency_ms: Latency = None,
    energy_uj: EnergyUj = None,
    mops: Mops = None,
    flash: Flash = None,
    ram: Ram = None,
    data: Data = None,
    backbone: Backbone = None,
    sweep: Sweep = None,
    compare: Compare = None,
    recipe: RecipeOption = None,
    settings: Settings = None,
    seed: Seed = 0,
    strategy: Strategy = "auto",
    out: Out = None,
    run: RunAfter = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Search an architecture that fits a board, train it and quantise it."""
    from micronets_gen import api

    folder = out or api.default_out(task)
    if sweep is None and compare:
        raise UsageError("is for a sweep", where="--compare", remedy="give several limits with --sweep")
    api.require_board(board or boards, "a search")
    api.require_run(run, timeout, board or boards)
    time: dict[str, Any] = {"fps": fps, "latency_ms": latency_ms, "energy_uj": energy_uj}
    space: dict[str, Any] = {
        **{"task": task, "runtime": runtime.value, "flash": flash, "ram": ram},
        **{"backbone": backbone, "recipe": recipe, "settings": settings or ()},
    }
    both: dict[str, Any] = {
        **{**space, "board": board, "data": data, "seed": seed, "strategy": strategy, "out": folder},
        **{"command": _command()},
    }
    if sweep is not None:
        if run or boards or any(limit is not None for limit in (*time.values(), mops)):
            raise UsageError("does not go with another limit, --boards or --run", where="--sweep")
        with _progress(folder, as_json) as progress:
            points = api.sweep(**both, sweep=_numbers(sweep), compare=compare or (), progress=progress)
        _print_sweep(folder, strategy, points, as_json)
        return
    choice = None
    if boards is not None:
        api.require_boards(board, mops)
        choice = _choice(folder, strategy, as_json, {**space, **time, "boards": boards})
        both["board"] = choice.given
    with _progress(folder, as_json) as progress:
        result = api.search(**both, **time, mops=mops, progress=progress)
    _hand_out(replace(result, choice=choice), run, timeout, both["board"], as_json)


def train(
    model: Published,
    task: TaskOfModel = None,
    board: BoardToCheck = None,
    runtime: RuntimeOption = AUTO_RUNTIME,
    flash: Flash = None,
    ram: Ram = None,
    data: Data = None,
    recipe: RecipeOption = None,
    settings: Settings = None,
    seed: Seed = 0,
    strategy: Strategy = "auto",
    out: Out = None,
    run: RunAfter = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Train and quantise an architecture that is given."""
    from micronets_gen import api

    folder = out or Path("runs") / Path(model).stem
    api.require_run(run, timeout, board)
    with _progress(folder, as_json) as progress:
        result = api.train(
            model=model,
            task=task,
            board=board,
            runtime=runtime.value,
            flash=flash,
            ram=ram,
            data=data,
            recipe=recipe,
            settings=settings or (),
            seed=seed,
            strategy=strategy,
            out=folder,
            progress=progress,
            command=_command(),
        )
    _hand_out(result, run, timeout, board, as_json)


def register(app: typer.Typer) -> None:
    """Add the verbs to an application."""
    app.command()(search)
    app.command()(train)


def _command() -> str:
    return shlex.join(["micronets-gen", *sys.argv[1:]])


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(
            "is no list of numbers", where=f"--sweep {text}", remedy="for example 0.03,0.1"
        ) from error


@contextmanager
def _progress(out: Path, quiet: bool) -> Iterator[Progress]:
    """Show at once that something happens, while numpy, boards and TensorFlow load; say after Ctrl-C what is left."""
    from rich.console import Console

    from micronets_gen.search.learn.progress import console_progress

    console = Console(stderr=True)
    try:
        with console_progress(console, quiet) as progress:
            progress.stage("checking task, board and limits")
            yield progress
    except KeyboardInterrupt:
        if any(out.rglob("checkpoints/*.npz")):
            left = f"the same command goes on from the last epoch in {out}"
        else:
            left = "no epoch was done yet"
        console.print(f"interrupted; {left}", soft_wrap=True, markup=False, highlight=False)
        raise


def _choice(out: Path, strategy: str, as_json: bool, asked: Mapping[str, Any]) -> BoardChoice:
    """Choose one of several boards, and show what it was chosen from before the search begins."""
    from micronets_gen import api
    from micronets_gen.search.report.boards import board_rooms

    with _progress(out, as_json):
        choice = api.choose_board(**asked)
    if _prints(strategy) and not as_json:
        show(board_rooms(choice))
    return choice


def _prints(strategy: str) -> bool:
    """Return whether this is the only process, or the one of a cluster that prints."""
    from micronets_gen.search.learn.distribution import requested

    cluster = requested(strategy)
    return cluster is None or cluster.index == 0


def _hand_out(
    result: SearchResult, run: bool, timeout: float | None, board: str | None, as_json: bool
) -> None:
    """Print what a run found, then prove it where that is asked for: a proof that fails takes nothing back."""
    from rich.console import Console

    from micronets_gen import api
    from micronets_gen.search.learn.progress import console_progress

    chief = result.outcome.workers.is_chief
    if chief and not as_json:
        _print(result.outcome)
    if run and result.finished:
        with console_progress(Console(stderr=True), as_json) as progress:
            result = api.prove(result, timeout, progress)
    firmware = result.firmware
    if chief and as_json:
        show_json(result.to_json())
    elif chief:
        _print_next(result.outcome, board, firmware)
    if firmware is not None and not firmware["passed"]:
        raise typer.Exit(firmware.get("error", {}).get("exit_code", 1))
    if not result.finished:
        raise typer.Exit(130)


def _print_sweep(out: Path, strategy: str, points: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    if not _prints(strategy):
        return
    if as_json:
        from micronets_gen.report.values import sweep_value

        show_json(sweep_value(out, points))
        return
    for point in points:
        print(
            f"{point['limit_mops']:g} MOps: test {point['metric']} {point['test']:.4f}, {point['cost']['ops']:,} "
            f"operations   {point['architecture']}"
        )
    print(f"\nreport:  {out / 'report.html'}")


_LINE = "{:<24}{}   {}"


def _print(outcome: Outcome) -> None:
    from micronets_gen.search.space.values import COSTS, predicted_time, share

    metrics = outcome.metrics
    cost = metrics["cost"]
    print(metrics["architecture"])
    if not outcome.finished:
        print("interrupted: this is the best epoch so far; the same command goes on")
    for part, metric in (("validation", metrics["validation_metric"]), ("test", metrics["metric"])):
        print(
            f"{part + ' ' + metric:<24}{metrics[part]:.4f} int8   {metrics[f'{part}_float']:.4f} float"
            f"   ({metrics['samples'][part]:,} samples)"
        )
    target = metrics.get("target")
    limits = target["limits"] if target else {}
    units = {"ops": "", "model_bytes": " bytes", "working_memory": " bytes", "parameters": ""}
    for name, unit in units.items():
        limit = limits.get(name)
        of = f"   {share(cost[name], limit)} of the limit of {limit:,.0f}" if limit else ""
        print(f"{COSTS[name]:<24}{cost[name]:,}{unit}{of}")
    for line in predicted_time(target):
        print(_LINE.format(*line))
    sys.stdout.flush()  # a proof may follow, which takes minutes


def _print_next(outcome: Outcome, board: str | None, firmware: Mapping[str, Any] | None) -> None:
    """Print what the firmware did, and where the rest is found."""
    from micronets_gen.search.space.values import modelled_time

    run = outcome.run
    if firmware and "error" not in firmware:
        verdict = "passed" if firmware["passed"] else "FAILED"
        print(
            f"{'firmware':<24}{verdict}: {firmware['correct']} of {firmware['labelled']} samples right, "
            f"{firmware['count']:,} {firmware['unit']} an inference"
        )
        for line in modelled_time(outcome.metrics.get("target"), firmware):
            print(_LINE.format(*line))
    elif firmware:
        from micronets_gen.errors import MicronetsError

        error = {name: text for name, text in firmware["error"].items() if name != "exit_code"}
        print(f"{'firmware':<24}FAILED")
        show_error(MicronetsError(error.pop("what"), **error))
    print(f"\nreport:    {run.path / 'report.html'}")
    if not firmware:
        print(
            f"build it:  micronets-gen build --board {board or 'BOARD'} --model {shlex.quote(str(run.path))}"
        )
