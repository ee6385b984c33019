"""Limits of memory: what is reckoned before any training is what the image takes at most."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from micronets_gen.common.tables import bytes_of
from micronets_gen.errors import FitError, UsageError
from micronets_gen.jobs.build import BuildRequest, build
from micronets_gen.report.report import Report
from micronets_gen.runtimes.choose import choose_runtime
from micronets_gen.search.run.pipeline import execute
from micronets_gen.search.run.request import SearchRequest, TargetRequest
from micronets_gen.search.run_dir import RunDir
from micronets_gen.search.space.architecture import Architecture
from micronets_gen.search.space.blocks import Conv, Inverted, Pool, Separable
from micronets_gen.search.space.export import placeholder, write_tflite
from micronets_gen.search.space.limits import EMBEDDED_VECTORS, Target
from tests.search.test_search import DIGITS, F446, run_cli, small_recipe

needs_compiler = pytest.mark.needs("compiler")

EVERY_LAYER = Architecture(
    "every",
    (16, 12, 1),
    5,
    (
        Conv(5, stride=(2, 1)),
        Separable(7),
        Inverted(7, 13),
        Inverted(9, 14, stride=(2, 2)),
        Pool((2, 2), "max"),
        Separable(11, stride=(2, 2)),
        Pool(),
    ),
)


def taken(report: Report) -> tuple[int, int]:
    """Return the flash and the RAM that ``build`` measured, the worst case of the stack included."""
    assert report.image is not None
    assert report.stack is not None
    return report.image.flash_bytes, report.image.ram_bytes + report.stack.worst_bytes


@pytest.mark.parametrize(("text", "size"), [("20000", 20000), ("64K", 65536), ("1M", 1 << 20)])
def test_sizes_are_written_as_in_a_boards_file(text: str, size: int) -> None:
    assert bytes_of(text, "--ram") == size


def test_a_limit_that_is_none_is_said() -> None:
    with pytest.raises(UsageError) as caught:
        bytes_of("64 KB", "--flash")
    assert str(caught.value) == (
        '--flash: \'64 KB\' is no size\n  what to do: give bytes, or a text such as "64K" or "1M"'
    )
    for option in ("flash", "ram"):
        with pytest.raises(UsageError, match=f"--{option}: a limit of 0 or less"):
            TargetRequest("nucleo_f446re", **{option: 0}).resolve()
    with pytest.raises(UsageError) as caught:
        TargetRequest("nucleo_f446re", ram=200 << 10).resolve()
    assert str(caught.value) == (
        "--ram: 204,800 bytes are more than the 131,072 of nucleo_f446re\n"
        "  what to do: give less, or leave the option out for all that there is"
    )


def test_training_with_a_limit_needs_a_board(tmp_path: Path) -> None:
    result = run_cli("train", "--model", "ds-cnn-s", "--ram", "64K", "--out", str(tmp_path / "run"))
    assert result.returncode == UsageError.exit_code
    assert "--board: --ram needs a board" in result.stderr


@needs_compiler
@pytest.mark.parametrize(
    ("board", "runtime"), [("nucleo_f446re", "aot"), ("qemu_mps3_an547", "aot"), ("nucleo_f446re", "tflm")]
)
def test_no_image_is_larger_than_reckoned(tmp_path: Path, board: str, runtime: str) -> None:
    if runtime == "tflm" and choose_runtime("auto").runtime.name != "tflm":
        pytest.skip("needs the sources of TFLM")
    demand = TargetRequest(board, runtime).resolve().demand(EVERY_LAYER)
    model = tmp_path / "every.tflite"
    model.write_bytes(write_tflite(placeholder(EVERY_LAYER)))
    request = BuildRequest(
        board=board, model=str(model), runtime=runtime, out=tmp_path / "project", vector_count=32
    )
    flash, ram = taken(build(request).report)
    assert 0.85 * demand.flash < flash <= demand.flash
    assert ram <= demand.ram


@pytest.mark.needs("tensorflow")
@needs_compiler
def test_a_search_ends_within_the_memory_that_it_was_given(tmp_path: Path) -> None:
    from micronets_gen.jobs.execute import load_report

    out = tmp_path / "digits"
    settings = [part for setting in small_recipe() for part in ("--set", setting)]
    limits = ["--board", "nucleo_f446re", "--runtime", "aot", "--flash", "18K", "--ram", "5000"]
    result = run_cli("search", "--task", "digits", *limits, "--out", str(out), "--run", "--json", *settings)
    assert result.returncode == 0, result.stderr
    metrics = json.loads(result.stdout)
    assert metrics["firmware"]["passed"]
    assert json.loads((out / "run.json").read_text())["target"]["flash"] == 18 << 10
    demand = metrics["target"]["demand"]
    flash, ram = taken(load_report(out / "firmware"))
    more_samples = (metrics["firmware"]["vector_count"] - EMBEDDED_VECTORS) * (8 * 8 + 10)
    assert flash - more_samples <= demand["flash_bytes"]
    assert max(flash, demand["flash_bytes"]) <= 18 << 10
    assert ram <= demand["arena_bytes"] + demand["other_ram_bytes"] <= 5000
    assert demand["arena_bytes"] + demand["other_ram_bytes"] > 4000, "it leaves what it was given"


def test_memory_that_nothing_fits_into_is_said_before_any_training(tmp_path: Path) -> None:
    out = tmp_path / "run"
    wanted = TargetRequest("nucleo_f446re", "aot", flash=10_000, ram=3_000)
    demand = wanted.resolve().demand(DIGITS.architecture(DIGITS.smallest()))
    with pytest.raises(FitError) as caught:
        execute(SearchRequest("digits", out, wanted))
    assert caught.value.why == (
        f"the smallest one needs {demand.flash:,} bytes of flash, {demand.flash - 10_000:,} more than the 10,000 that "
        f"there are; {demand.ram:,} bytes of RAM (arena, data and stack), {demand.ram - 3_000:,} more than the 3,000 "
        "that there are"
    )
    assert not out.exists()


def test_an_architecture_that_is_given_is_held_to_the_limits() -> None:
    target = Target(F446, choose_runtime("aot").runtime, max_ram=4_000)
    assert "bytes of RAM" in " ".join(target.verdict(EVERY_LAYER).shortfalls)


def test_a_folder_of_a_version_without_these_limits_is_known(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    request = SearchRequest("digits", run.path, TargetRequest("nucleo_f446re", "aot", mops=0.1))
    run.begin(request.to_json(), "", {})
    written = json.loads(run.run.read_text())
    for key in ("flash", "ram"):
        del written["target"][key]
    run.run.write_text(json.dumps(written))
    run.require_own(request.to_json())
    limited = SearchRequest("digits", run.path, TargetRequest("nucleo_f446re", "aot", mops=0.1, ram=5000))
    with pytest.raises(UsageError) as caught:
        run.require_own(limited.to_json())
    assert caught.value.why == "target.ram is not given there and 5000 here"
