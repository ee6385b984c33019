"""Characterisation: the designed set, the fit, records that survive, and the verb from end to end."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import micronets_gen
from micronets_gen.boards.load import load_board
from micronets_gen.common.caches import cache_root
from micronets_gen.common.resources import data_dir
from micronets_gen.search.characterise.docs import page
from micronets_gen.search.characterise.fit import fit, residual
from micronets_gen.search.characterise.measure import Measured, MeasuredLayer, measure_all
from micronets_gen.search.characterise.page import render
from micronets_gen.search.characterise.record import main as record
from micronets_gen.search.characterise.result import Result, Subject, document, read_results, time_ratios
from micronets_gen.search.characterise.run import characterise
from micronets_gen.search.characterise.samples import (
    BACKBONES,
    LAYERS,
    PUBLISHED,
    SMALL,
    WIDTHS,
    Sample,
    designed_set,
)
from micronets_gen.search.characterise.tables import summary
from micronets_gen.search.space.architecture import Architecture, lower
from micronets_gen.search.space.blocks import Conv, Pool, Separable
from micronets_gen.search.space.cost import cost_of
from micronets_gen.search.space.layers import LAYER_KINDS
from micronets_gen.timing.regression import (
    FEATURES,
    POINT,
    Window,
    Work,
    recorded_for,
    regression_of,
    regressions,
    write_recorded,
)
from tests.support.command import Cli
from tests.support.regression import first

BOARD = "nucleo_f446re"
WEIGHTS = {
    "CONV_2D": first(2.0, 30.0, 7.0, 100.0, 11.0, 5000.0, 50.0, 90.0, 20.0, 3.0, 0.5),
    "CONV_2D_1X1": first(1.5, 20.0, 5.0, 40.0, 3.0, 900.0),
    "DEPTHWISE_CONV_2D_3X3": first(8.0, 0.0, 0.0, 600.0, 9.0, 0.0, 0.0, 0.0, 70.0, 4.0),
}
TINY = (
    Sample("one", PUBLISHED, Architecture("one", (6, 6, 1), 2, (Conv(4), Pool()))),
    Sample("two", LAYERS, Architecture("two", (7, 5, 3), 3, (Separable(5), Conv(7), Pool()))),
)


def layer(kind: str, side: int, channels: int, filters: int, k: int, scale: float = 1.0) -> MeasuredLayer:
    """One layer whose cycles are what :data:`WEIGHTS` say."""
    depthwise = kind == "DEPTHWISE_CONV_2D_3X3"
    out = channels if depthwise else filters
    macs = side * side * out * k * k * (1 if depthwise else channels)
    op = kind.removesuffix("_1X1").removesuffix("_3X3")
    window = Window((k, k), padding=(k // 2, k // 2))
    made = MeasuredLayer(op, (1, side, side, channels), (1, side, side, out), macs, 0, window)
    assert made.work.kind == kind
    cycles = sum(w * x for w, x in zip(WEIGHTS[kind], made.work.features, strict=True))
    return replace(made, cycles=round(scale * cycles))


def models(count: int = 24, seed: int = 0) -> list[Measured]:
    """Networks of three kinds of layers, each 321 cycles longer than its layers."""
    draw = np.random.default_rng(seed)
    made = []
    for index in range(count):
        sizes = [tuple(int(n) for n in draw.integers(4, 40, 3)) for _ in range(4)]
        layers = tuple(layer(kind, *size, 1 if "1X1" in kind else 3) for size in sizes for kind in WEIGHTS)
        cycles = sum(one.cycles for one in layers) + 321
        macs = sum(one.macs for one in layers)
        group = (*(name for name, _, _ in BACKBONES), PUBLISHED)[index % 4]
        made.append(Measured(f"m{index}", group, macs, cycles, cycles // 2, "no wait states", layers))
    return made


def result(board: str = BOARD, slower: float = 1.0) -> Result:
    """Synthetic networks on a board, and three convolutions of a sweep."""
    measured = [replace(m, cycles=round(slower * m.cycles)) for m in models()]
    for channels in (138, 139, 140):
        stem, wide = layer("CONV_2D", 6, 1, channels, 3), layer("CONV_2D", 6, channels, channels, 3)
        total = stem.cycles + wide.cycles + 321
        measured.append(
            Measured(f"width-{channels}", WIDTHS, stem.macs + wide.macs, total, total, "", (stem, wide))
        )
    return Result.of(Subject.of(load_board(board), "aot"), measured)


def test_the_designed_set_is_the_same_every_time_and_has_every_kind_of_layer() -> None:
    samples = designed_set()
    assert samples == designed_set()
    assert len({sample.name for sample in samples}) == len(samples)
    assert {layer.kind for sample in samples for layer in lower(sample.architecture)} == set(LAYER_KINDS)
    groups = {sample.group for sample in samples}
    assert groups == {PUBLISHED, LAYERS, WIDTHS, *(name for name, _, _ in (*BACKBONES, *SMALL))}
    drawn = {sample.name: cost_of(sample.architecture).ops for sample in samples}
    assert (drawn["kws-0"], drawn["ad-9"], drawn["layers-11"]) == (40_535_824, 35_796_448, 5_082_912)
    assert (drawn["digits-0"], drawn["kws-small-5"]) == (18_304, 5_051_432)


def test_the_quick_set_is_the_smallest_of_each_group() -> None:
    whole, quick = designed_set(), designed_set(quick=True)
    assert set(quick) < set(whole)
    small = {name for name, _, _ in SMALL}
    for group in {sample.group for sample in whole}:
        sizes = sorted(cost_of(sample.architecture).ops for sample in whole if sample.group == group)
        assert (
            sorted(cost_of(s.architecture).ops for s in quick if s.group == group)
            == sizes[: 1 if group in small else 3]
        )


def test_the_fit_finds_the_weights_that_cycles_were_made_of() -> None:
    found = fit(models())
    assert found.outside == 321
    assert found.weights["CONV_2D_1X1"] == pytest.approx(WEIGHTS["CONV_2D_1X1"], rel=1e-2, abs=0.2)
    for other in models(seed=1):  # of 3x3 alone rows cannot be told from positions, nor outputs from columns
        error = residual(found.weights, found.outside, other)
        assert error == pytest.approx(0, abs=1e-4)
    assert max(abs(error) for error in found.errors.values()) < 1e-4


def test_a_model_that_is_left_out_has_no_part_in_its_prediction() -> None:
    made = models()
    odd = replace(made[5], cycles=2 * made[5].cycles)
    errors = fit([*made[:5], odd, *made[6:]]).errors
    assert errors["m5"] == pytest.approx(-0.5, abs=1e-4)
    assert all(abs(error) < 1e-4 for name, error in errors.items() if name != "m5")


def test_a_model_with_a_kind_of_its_own_is_not_predicted() -> None:
    made = models(6)
    alone = replace(made[0], layers=(MeasuredLayer("SOFTMAX", (1, 4), (1, 4), 0, 700, POINT),))
    found = fit([alone, *made[1:]])
    assert "SOFTMAX" in found.weights
    assert "m0" not in found.errors
    assert len(found.errors) == 5


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "characterisation.json"
    path.write_text(json.dumps(document([result()])))
    (again,) = read_results(path)
    assert document([again]) == document([result()])
    assert again.measured == tuple(replace(m, memory="no wait states") for m in result().measured)


@pytest.mark.parametrize("text", ["", "[]", '{"results": [{}]}', '{"results": [{"board": "b"}]}'])
def test_another_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(micronets_gen.MicronetsError, match="is no result of micronets-gen characterise"):
        read_results(tmp_path / "other.json")
    assert record([str(tmp_path / "other.json")]) == 2


def test_lines_spreads_and_ratios_are_those_of_the_models() -> None:
    found = result()
    line = next(line for line in found.lines if line.name == "kws")
    group = found.group("kws")
    ops, cycles = [2 * m.macs for m in group], [m.cycles for m in group]
    slope, offset = np.polyfit(ops, cycles, 1)
    assert (line.cycles_per_op, line.offset_cycles) == pytest.approx((slope, offset), rel=1e-3)
    assert line.r2 == pytest.approx(np.corrcoef(ops, cycles)[0, 1] ** 2, abs=1e-3)
    for spread in found.spreads:
        values = [one.cycles / one.macs for one in found.layers if one.work.kind == spread.name]
        assert (spread.least, spread.most) == pytest.approx((min(values), max(values)), abs=1e-3)
        assert (spread.layer_count, spread.typical) == (
            len(values),
            pytest.approx(np.median(values), abs=1e-3),
        )
    clocks = load_board(BOARD).clock_hz / load_board("nucleo_f746zg").clock_hz
    ratios = time_ratios(found, result("nucleo_f746zg", slower=0.5))
    assert ratios.keys() == {m.name for m in found.networks}
    assert list(ratios.values()) == pytest.approx([0.5 * clocks] * len(ratios), rel=1e-4)


def test_the_page_has_every_picture_once_a_board() -> None:
    page = render([result(), result("nucleo_f746zg", slower=0.7)])
    titles = re.findall(r'role="img" aria-label="([^"]*)"', page)
    assert len(titles) == 1 + 2 * 5
    assert titles.count("time, ms over channels in and out") == 2
    assert "<script" not in page
    assert "nan" not in page
    assert "http" not in page
    assert page.count('<path class="line') == 2 * (3 + 1)
    assert "nucleo_f746zg takes 0.58 times as long as nucleo_f446re (0.58 to 0.58, 24 networks)." in page


def test_the_page_leaves_out_what_was_not_measured() -> None:
    page = render([Result.of(Subject.of(load_board(BOARD), "aot"), models(1))])
    assert "Side by side" not in page
    assert "Channels of one convolution" not in page
    assert "too few networks to leave one out" in page


def test_the_terminal_shows_lines_and_the_errors_of_predictions() -> None:
    out = io.StringIO()
    Console(file=out, width=120).print(summary([result()]))
    text = out.getvalue()
    assert "nucleo_f446re with aot" in text
    assert "DEPTHWISE_CONV_2D" in text
    assert re.search(r"^kws +6 +\d", text, re.MULTILINE)
    assert "24 networks left out in turn: median error 0 %, worst 0 %" in text


def test_a_regression_beside_a_board_file_is_found_before_those_of_the_package(tmp_path: Path) -> None:
    board = tmp_path / "mine.toml"
    own = replace(result().regression, board="mine")
    write_recorded(recorded_for(str(board)), replace(own, outside=1.0))
    write_recorded(recorded_for(str(board)), own)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.timing.json"]
    assert regression_of("aot", own.core, own.family, "mine", str(board)) == own
    assert regression_of("aot", "cortex-m0", "none", "mine", str(board)) is None


def test_a_board_of_the_package_has_what_was_recorded_in_the_cache_where_it_has_none_itself() -> None:
    for name in ("nucleo_l4r5zi", "qemu_mps2_an386"):
        board = load_board(name)
        own = replace(result().regression, core=board.core, family=board.family, board=name, outside=7.5)
        path = recorded_for(board.path)
        assert path.is_relative_to(cache_root())
        write_recorded(path, own)
        shipped = [r for r in regressions() if (r.board, r.runtime) == (name, "aot")]
        assert [regression_of("aot", board.core, board.family, name, board.path)] == (shipped or [own])
        path.unlink()


def test_a_damaged_file_beside_a_board_file_is_an_error(tmp_path: Path) -> None:
    board = tmp_path / "mine.toml"
    recorded_for(str(board)).write_text("[{}]")
    with pytest.raises(micronets_gen.MicronetsError, match="holds no regressions"):
        regression_of("aot", "cortex-m4", "stm32f4", "mine", str(board))


@pytest.mark.parametrize(
    ("options", "what", "code"),
    [
        (["--board", "nucleo"], "there is no board 'nucleo'", 4),
        (["--board", "mine.toml"], "time cannot be modelled here", 2),
        (["--board", BOARD, "--board", BOARD], "a board is named twice", 2),
        (["--board", BOARD, "--out", "file"], "cannot be written", 2),
        ([], "Missing option", 2),
    ],
)
def test_mistakes_are_told(
    options: list[str], what: str, code: int, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    board = (data_dir("boards") / f"{BOARD}.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(board.replace('[emulator]\nkind = "virtual"\n', ""), encoding="utf-8")
    outcome = cli("characterise", "--runtime", "aot", *options)
    assert outcome.status == code
    assert what in outcome.err


@pytest.mark.needs("compiler", "gcc")
def test_two_models_are_built_timed_fitted_and_not_made_again(tmp_path: Path) -> None:
    board = tmp_path / "mine.toml"
    board.write_bytes((data_dir("boards") / f"{BOARD}.toml").read_bytes())
    said: list[str] = []
    out = tmp_path / "out"
    found = characterise([load_board(board)], "aot", out, TINY, record=True, processes=2, notify=said.append)
    assert {m.name for m in found.results[0].measured} == {"one", "two"}
    for measured, sample in zip(found.results[0].measured, TINY, strict=True):
        assert 2 * measured.macs == cost_of(sample.architecture).ops
        assert 0 < sum(one.cycles for one in measured.layers) <= 1.02 * measured.cycles
        assert [one.op for one in measured.layers][-1] == "SOFTMAX"
    assert read_results(out / "characterisation.json") == found.results
    assert "report.html" in {path.name for path in out.iterdir()}
    own = regression_of("aot", "cortex-m4", "stm32f4", "mine", str(board))
    assert own == found.results[0].regression
    assert own.model([one.work for one in found.results[0].measured[0].layers]) is not None
    assert not list(out.glob("*/project-*"))

    one, two = (out / "mine-aot" / f"{name}.json" for name in ("one", "two"))
    kept, made = one.stat().st_mtime_ns, two.read_bytes()
    two.write_bytes(made[: len(made) // 2])
    again = measure_all(TINY, load_board(board), "aot", out)
    assert again == found.results[0].measured
    assert two.read_bytes() == made
    assert one.stat().st_mtime_ns == kept


def test_the_docs_compare_what_was_found_with_the_paper() -> None:
    text = page([result(), result("nucleo_f746zg", slower=0.5)])
    ratio = 0.5 * load_board(BOARD).clock_hz / load_board("nucleo_f746zg").clock_hz
    assert f"`nucleo_f746zg` over `nucleo_f446re` | 24 | {ratio:.2f} | {ratio:.2f} to {ratio:.2f} " in text
    swept = [one.cycles for one in (m.layers[1] for m in result().group(WIDTHS))]
    assert f" | {swept[2] / swept[0]:.2f} |" in text
    powers = [load_board(name).power for name in (BOARD, "nucleo_f746zg")]
    assert powers[0] is not None
    assert powers[1] is not None
    energies = ratio * powers[1].active_mw / powers[0].active_mw
    assert f"the F746ZG takes {energies:.2f} times the energy of the F446RE" in text
    for line in result().lines:
        assert f"| aot | `{BOARD}` | {line.name} | 6 | {line.cycles_per_op:.2f} | " in text


def test_the_docs_tell_the_errors_of_the_regressions_that_ship() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "characterisation.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| (\w+) \| `(\w+)` \| (\d+) \| ([\d.]+) % \| ([\d.]+) % \|$", text, re.MULTILINE)
    shipped = [
        (r.runtime, r.board, str(r.models), f"{r.median_percent:.2f}", f"{r.worst_percent:.2f}")
        for r in regressions()
    ]
    assert sorted(told) == sorted(shipped), "run: python -m micronets_gen.search.characterise.docs"


@pytest.mark.needs("compiler", "gcc")
def test_a_regression_that_ships_tells_the_time_of_an_image(tmp_path: Path) -> None:
    shipped = regressions()[0]
    sample = next(sample for sample in designed_set() if sample.name == "ds-cnn-s")
    (measured,) = measure_all([sample], load_board(shipped.board), shipped.runtime, tmp_path)
    predicted = shipped.model([one.work for one in measured.layers])
    assert predicted == pytest.approx(measured.cycles, rel=shipped.worst_percent / 100), (
        "kernels or the model of time have changed: characterise boards anew (CONTRIBUTING.md, Add a board)"
    )


@pytest.mark.needs("compiler", "gcc", "unix")
def test_ctrl_c_ends_it_at_once_without_a_traceback(tmp_path: Path) -> None:
    words = ["characterise", "--board", BOARD, "--runtime", "aot", "--quick", "--out", str(tmp_path)]
    program = "from micronets_gen.cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, *words], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        folder = tmp_path / f"{BOARD}-aot"
        while process.poll() is None and len(list(folder.glob("project-*/.pio/build/*/firmware.elf"))) < 2:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        error = process.communicate(timeout=60)[1]
    assert (process.returncode, error) == (130, "interrupted\n")
    assert not list(folder.glob("project-*"))


def test_work_of_a_layer_is_what_the_regression_multiplies() -> None:
    regression = result().regression
    counts = {"macs": 100, "outputs": 10, "columns": 20, "positions": 5, "channels": 2}
    counts |= {"rows": 15, "inner_rows": 13, "taps": 39, "elements": 78, "spilled": 9, "inputs": 21}
    counts |= {"tiles": 6, "tile_products": 60, "lone_products": 8, "deep": 1000, "strips": 7}
    work = Work("CONV_2D", **counts)
    features = [(counts | {"constant": 1})[name] for name in FEATURES]
    expected = sum(w * x for w, x in zip(regression.weights[work.kind], features, strict=True))
    assert regression.layer(work) == expected
    assert regression.model([work, work]) == regression.outside + 2 * expected
    assert regression.layer(replace(work, kind="TANH")) is None
