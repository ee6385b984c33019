"""The verbs that make firmware: ``build``, ``run`` and ``bench``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from micronets_gen.cli.options import (
    AUTO_RUNTIME,
    FOR_BALANCE,
    BoardOption,
    Json,
    NoSimplify,
    OptimizeOption,
    RamOption,
    RuntimeOption,
    complete_model,
)
from micronets_gen.cli.output import argument, show, show_json, status, tell
from micronets_gen.cli.sources import CmsisNnCommit, FlatbuffersCommit, TflmCommit
from micronets_gen.runtimes.registry import runtime_names

if TYPE_CHECKING:
    from micronets_gen.report.values import Calibration, FirmwareBuild


def register(app: typer.Typer) -> None:
    """Add the verbs to an application."""
    app.command()(build)
    app.command()(run)
    app.command()(calibrate)
    app.command()(bench)


Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="A .tflite file, a bundled or published model's name, or a search's folder.",
        show_default="the bundled keyword spotter, kws-s",
        autocompletion=complete_model,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="The project's folder.", show_default="build/<board>-<model>"),
]
NoCompile = Annotated[bool, typer.Option("--no-compile", help="Write the project only.")]
Force = Annotated[
    bool, typer.Option("--force", help="Overwrite generated files that were edited; use any folder.")
]
Vectors = Annotated[
    Path | None,
    typer.Option(
        help="Golden inputs, integer or real: a .npy, or a .npz with input_0, ..., labels, classes.",
        show_default="the model's, or random",
    ),
]
VectorCount = Annotated[
    int | None,
    typer.Option(
        min=1, help="How many golden vectors to embed, at most.", show_default="32 samples or 8 random"
    ),
]
StrictKernels = Annotated[
    bool, typer.Option("--strict-kernels", help="Fail where a layer runs on a reference kernel.")
]


def build(
    board: BoardOption,
    model: Model = None,
    runtime: RuntimeOption = AUTO_RUNTIME,
    out: Out = None,
    no_compile: NoCompile = False,
    force: Force = False,
    vectors: Vectors = None,
    vector_count: VectorCount = None,
    strict_kernels: StrictKernels = False,
    optimize: OptimizeOption = FOR_BALANCE,
    ram: RamOption = None,
    no_simplify: NoSimplify = False,
    tflm_commit: TflmCommit = None,
    cmsis_nn_commit: CmsisNnCommit = None,
    flatbuffers_commit: FlatbuffersCommit = None,
    as_json: Json = False,
) -> None:
    """Turn a model into a PlatformIO project and compile it."""
    from micronets_gen import api

    with status(as_json) as notify:
        built = api.build(
            board=board,
            model=model,
            runtime=runtime.value,
            out=out,
            no_compile=no_compile,
            force=force,
            vectors=vectors,
            vector_count=vector_count,
            strict_kernels=strict_kernels,
            optimize=optimize.value,
            ram=ram,
            no_simplify=no_simplify,
            tflm_commit=tflm_commit,
            cmsis_nn_commit=cmsis_nn_commit,
            flatbuffers_commit=flatbuffers_commit,
            notify=notify,
            tell=tell,
        )
    if as_json:
        show_json(built.to_json())
    else:
        _show_build(built)


def _show_build(built: FirmwareBuild) -> None:
    from micronets_gen.report.terminal import build_summary

    show(build_summary(built.details))
    quoted = argument(built.project)
    if built.elf:
        show(
            f"\nrun it:   micronets-gen run {quoted}\n"
            f"upload:   cd {quoted} && pio run -t upload\n"
            f"report:   {built.report}"
        )
    else:
        show(f"\ncompile:  cd {quoted} && pio run")


def run(
    project: Annotated[Path, typer.Argument(help="A project that build made.", metavar="PROJECT_DIR")],
    port: Annotated[
        str | None, typer.Option("--port", "-p", help="Read a real board on this serial port instead.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for each image.")] = 300.0,
    clock_fails: Annotated[
        bool, typer.Option("--clock-fails", help="Virtual board: the external oscillator does not start.")
    ] = False,
    no_time: Annotated[
        bool, typer.Option("--no-time", help="Count instructions only: model no cycles and milliseconds.")
    ] = False,
    every: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Tell the average power of an inference every 500ms, 1s, 10min, with deep sleep in between.",
        ),
    ] = None,
    battery: Annotated[
        str | None,
        typer.Option(metavar="CAPACITY", help="With --every: how long a battery of 225mAh lasts."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the image in the board's emulator, check its output byte for byte and show where the time goes."""
    from micronets_gen import api
    from micronets_gen.report.values import FirmwareApplication

    with status(as_json) as notify:
        done = api.run(
            project,
            port=port,
            timeout=timeout,
            clock_fails=clock_fails,
            no_time=no_time,
            every=every,
            battery=battery,
            notify=notify,
            tell=tell,
            on_line=_ignore if as_json else _show_line,
        )
    if isinstance(done, FirmwareApplication):
        if as_json:
            show_json(done.to_json())
        else:
            show(f"\n{done.board}: the application ended with status {done.status} in {done.ran_on}")
        raise typer.Exit(done.status)
    if as_json:
        show_json(done.to_json())
    else:
        from micronets_gen.report.terminal import run_summary

        show(run_summary(done.details, done.duty_cycle))
        show(f"report:   {done.report}")
    if not done.passed:
        raise typer.Exit(1)


def calibrate(
    project: Annotated[Path, typer.Argument(help="A project that build made.", metavar="PROJECT_DIR")],
    port: Annotated[str, typer.Option("--port", "-p", help="The board's serial port.")],
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for the board, and for each image.")
    ] = 300.0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The file of records.",
            show_default="<board>.measured.json beside your board file, or in the project",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure the image on its board, model the same image, and record how far the model is off there."""
    from micronets_gen import api

    with status(as_json) as notify:
        done = api.calibrate(
            project,
            port=port,
            timeout=timeout,
            out=out,
            notify=notify,
            tell=tell,
            on_line=_ignore if as_json else _show_line,
        )
    if as_json:
        show_json(done.to_json())
    else:
        _show_calibration(done)


def _show_calibration(done: Calibration) -> None:
    from micronets_gen.common.numbers import plural
    from micronets_gen.report.terminal import run_summary
    from micronets_gen.timing.measured import ENOUGH

    show(run_summary(done.firmware.details))
    how = "; this build's record was replaced" if done.replaced else ""
    show(f"\nrecorded: {done.records} ({plural(done.record_count, 'image')} of this board{how})")
    show(f"band:     {done.band_before.text} before; {done.band_after.text} now")
    if done.mean_factor is None:
        show(
            f"          records of {ENOUGH} different networks make a band of the board's own; fewer only widen it"
        )
    else:
        show(
            f"measured: {done.mean_factor:.3f} times the modelled cycles on average; the model is not scaled by it"
        )


def _ignore(_line: str) -> None:
    pass


def _show_line(line: str) -> None:
    """Print what is not the self-test's: the application's own words."""
    from micronets_gen.emulate.lines import shown

    if not line.startswith("MN,"):
        print(shown(line), flush=True)


def bench(
    board: BoardOption,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="A .tflite file, or a bundled model's name; repeatable. [default: kws-s]",
            autocompletion=complete_model,
        ),
    ] = None,
    runtimes: Annotated[
        str, typer.Option(help="Runtimes, separated by commas; ratios are to the first.")
    ] = ",".join(runtime_names()),
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the projects and of bench.html.")
    ] = Path("build/bench"),
    optimize: OptimizeOption = FOR_BALANCE,
    ram: RamOption = None,
    as_json: Json = False,
) -> None:
    """Build and run models with several runtimes and put them side by side; exit 1 if an output is wrong."""
    from micronets_gen import api
    from micronets_gen.report.comparison_terminal import comparison_tables

    with status(as_json) as notify:
        done = api.bench(
            board=board,
            model=model,
            runtimes=runtimes,
            out=out,
            optimize=optimize.value,
            ram=ram,
            notify=notify,
            tell=tell,
        )
    if as_json:
        show_json(done.to_json())
    else:
        show(comparison_tables(done.results))
        show(f"report:   {done.report}")
    if not done.passed:
        raise typer.Exit(1)
