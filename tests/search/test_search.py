"""The search itself: it ends within every limit or says why not, and goes on exactly where it was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from micronets_gen.boards.load import load_board
from micronets_gen.bundled.catalogue import resolve_model
from micronets_gen.errors import FitError, ToolError, UsageError
from micronets_gen.runtimes.choose import choose_runtime
from micronets_gen.search.run import request
from micronets_gen.search.run.request import TargetRequest
from micronets_gen.search.space.backbone import Choice, Space, load_backbone
from micronets_gen.search.space.cost import cost_of
from micronets_gen.search.space.limits import Target, require_feasible
from micronets_gen.timing.regression import Regression
from tests.support.regression import INVENTED

F446 = load_board("nucleo_f446re")
DIGITS = Space(load_backbone("digits"), (8, 8, 1), 10)


def target(**limits: int) -> Target:
    return Target(F446, choose_runtime("aot").runtime, regression=INVENTED, **limits)


def test_a_time_becomes_cycles_at_the_boards_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be predicted leaves room for how far predictions were off."""
    monkeypatch.setattr(request, "regression_on", lambda *_: INVENTED)
    by_rate = TargetRequest("nucleo_f446re", "aot", fps=250.0).resolve()
    by_time = TargetRequest("nucleo_f446re", "aot", latency_ms=4.0).resolve()
    assert by_rate.max_cycles == by_time.max_cycles
    assert by_rate.max_cycles == 180_000_000 // 250
    assert by_rate.limits(DIGITS.largest)["cycles"] == int(720_000 / 1.05)
    assert by_rate.max_ops is None


def test_an_energy_becomes_cycles_at_the_boards_power(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "regression_on", lambda *_: INVENTED)
    assert F446.power
    wanted = TargetRequest("nucleo_f446re", "aot", energy_uj=642.0).resolve()  # 0.1605 W for 4 ms
    assert wanted.max_cycles == pytest.approx(642e-6 / (F446.power.active_mw / 1e3) * 180e6, abs=1)
    assert wanted.max_cycles == pytest.approx(720_000, abs=1)
    with pytest.raises(UsageError) as caught:
        TargetRequest("nucleo_h743zi", "aot", energy_uj=500.0).resolve()
    assert str(caught.value) == (
        "nucleo_h743zi: the power of this board is not known\n"
        "  what to do: give the limit in time, with --latency-ms, or add [power] to the board's file"
    )
    with pytest.raises(UsageError, match="more than one limit of the same kind"):
        TargetRequest("nucleo_f446re", "aot", latency_ms=4.0, energy_uj=500.0).resolve()
    with pytest.raises(UsageError, match="a limit is a number above 0"):
        TargetRequest("nucleo_f446re", "aot", energy_uj=0.0).resolve()


def test_without_a_regression_time_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "regression_on", lambda *_: None)
    with pytest.raises(UsageError) as caught:
        TargetRequest("qemu_mps2_an500", "aot", fps=10.0).resolve()
    assert str(caught.value) == (
        "qemu_mps2_an500: the time of aot firmware is not known on this board\n"
        "  why: its layers were not characterised\n"
        "  what to do: give the limit in operations, with --mops, or find it out: "
        "micronets-gen characterise --board qemu_mps2_an500 --runtime aot --record"
    )
    assert TargetRequest("qemu_mps2_an500", "aot", mops=1.0).resolve().max_cycles is None


def lacking(kind: str) -> Regression:
    return replace(INVENTED, weights={name: w for name, w in INVENTED.weights.items() if name != kind})


def test_a_layer_that_was_not_characterised_is_said_before_any_training() -> None:
    limited = replace(target(max_cycles=10_000_000), regression=lacking("DEPTHWISE_CONV_2D_3X3"))
    with pytest.raises(UsageError, match="a layer of the network was not characterised"):
        require_feasible(DIGITS, limited)


def test_the_verdict_is_what_build_would_say() -> None:
    kws = Space(load_backbone("kws"), (49, 10, 1), 12)
    shortfalls = target().verdict(kws.largest).shortfalls
    assert len(shortfalls) == 2
    assert "bytes of flash" in shortfalls[0]
    assert "bytes of arena" in shortfalls[1]
    assert target().verdict(kws.architecture(kws.smallest())).fits


def test_limits_lead_to_the_verdict() -> None:
    """An architecture that is at a limit by its cost is at the board's by its plan."""
    for max_ram, max_flash in ((6000, 21_000), (5000, 29_000)):
        limited = target(max_ram=max_ram, max_flash=max_flash)
        architecture = DIGITS.largest
        limits, cost, verdict = (
            limited.limits(architecture),
            cost_of(architecture),
            limited.verdict(architecture),
        )
        says = " ".join(verdict.shortfalls)
        assert (cost.working_memory > limits["working_memory"]) == ("arena" in says)
        assert (cost.model_bytes > limits["model_bytes"]) == ("flash" in says)


def test_an_impossible_limit_is_said_with_figures() -> None:
    with pytest.raises(FitError, match=r"13,248 operations, 3,248 more than the 10,000") as caught:
        require_feasible(DIGITS, target(max_ops=10_000))
    assert "nucleo_f446re" in caught.value.where


def test_an_impossible_time_is_said_with_figures() -> None:
    with pytest.raises(FitError) as caught:
        require_feasible(DIGITS, target(max_cycles=90_000))
    least = cost_of(DIGITS.architecture(DIGITS.smallest()), INVENTED).cycles
    assert least is not None
    assert caught.value.why == (
        f"the smallest one needs {least / 180:.1f} µs as predicted ({least:,} cycles), more than 476.2 µs, "
        "which keep 500.0 µs where predictions are 5 % off"
    )


def small_recipe(**changes: object) -> list[str]:
    values = {"search.epochs": 3, "search.warm_up": 1, "train.epochs": 3, "train.float_epochs": 1}
    return [f"{key}={value}" for key, value in {**values, **changes}.items()]


def beyond_the_least(limits: dict[str, int]) -> dict[str, int]:
    """Return limits in which what is spare is beyond what the smallest network needs, whatever kernels take."""
    need = target().demand(DIGITS.architecture(DIGITS.smallest()))
    least = {"spare_ram": ("max_ram", need.ram), "spare_flash": ("max_flash", need.flash)}
    found = {name: limit for name, limit in limits.items() if name not in least}
    return found | {least[name][0]: least[name][1] + spare for name, spare in limits.items() if name in least}


@pytest.mark.parametrize(
    "limits",
    [
        {"max_ops": 14_000},
        {"max_ops": 30_000},
        {"max_ops": 100_000},
        {"max_ops": 300_000},
        {"spare_ram": 900, "spare_flash": 8000},
        {"max_ops": 60_000, "spare_ram": 1300, "spare_flash": 3000},
        {"max_cycles": 160_000},
        {"max_cycles": 600_000},
        {"max_cycles": 1_500_000, "spare_ram": 1300},
    ],
)
@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize("seed", [0, 1])
def test_whatever_was_learnt_the_end_is_within_every_limit(limits: dict[str, int], seed: int) -> None:
    import tensorflow as tf

    from micronets_gen.search.learn.dnas import settle
    from micronets_gen.search.learn.supernet import Supernet

    supernet = Supernet(DIGITS, 0, (0.0, 1.0))
    for index, variable in enumerate(supernet.decision_variables):
        variable.assign(3 * tf.random.stateless_normal(variable.shape, [seed, index]))
    limited = target(**beyond_the_least(limits))
    choice, verdict = settle(DIGITS, supernet, limited, 0.5)
    architecture = DIGITS.architecture(choice)
    assert verdict.fits
    assert limited.verdict(architecture).fits
    cost, bounds = limited.cost(architecture), limited.limits(architecture)
    assert max(getattr(cost, name) / limit for name, limit in bounds.items()) <= 1


@pytest.mark.needs("tensorflow")
def test_the_end_is_the_likeliest_of_all_that_use_the_limits() -> None:
    """Rounded each for itself, 8 and 28 channels leave room that only the second's steps fit: 36, far from 28."""
    from micronets_gen.search.learn.dnas import settle
    from micronets_gen.search.learn.supernet import Supernet

    supernet = Supernet(DIGITS, 0, (0.0, 1.0))
    places = {"0": 0.2, "1": 1.4, "2": 5.6, "3": 14.4, "4": 15.0}
    for key, place in places.items():
        share = (place + 0.5) / len(DIGITS.widths[key])
        supernet.width_parameters[key].assign(np.log(share / (1 - share)))
    for logits in supernet.kept_logits.values():
        logits.assign([3.0, -3.0])
    choice, _ = settle(DIGITS, supernet, target(max_ops=30_000), 0.5)
    decided = ("0", "1", "2")
    assert [choice.widths[key] for key in decided] == [4, 12, 24]

    def fits(other: Choice) -> bool:
        return cost_of(DIGITS.architecture(other)).ops <= 30_000

    def regret(other: Choice) -> float:
        return sum((DIGITS.widths[key].index(other.widths[key]) - places[key]) ** 2 for key in decided)

    for widths in product(*(DIGITS.widths[key] for key in decided)):
        other = replace(choice, widths={**choice.widths, **dict(zip(decided, widths, strict=True))})
        if fits(other) and regret(other) < regret(choice):
            assert any(fits(larger) for key, larger in DIGITS.neighbours(other, 1) if key in decided)


@pytest.mark.needs("tensorflow")
def test_a_search_with_costs_learns_to_be_cheap(tmp_path: Path) -> None:
    from micronets_gen.search.data.tasks import get_task
    from micronets_gen.search.learn.dnas import search
    from micronets_gen.search.learn.recipe import load_recipe

    data = get_task("digits").load(None, 1)
    recipe = load_recipe("digits", ["search.epochs=7", "search.warm_up=1", "search.decision_rate=0.2"]).search
    found = search(DIGITS, data, target(max_ops=80_000), recipe, tmp_path / "s.npz", 1, (0.0, 1.0))
    first, last = found.history[0], found.history[-1]
    assert first["expected"]["ops"] > 200_000
    assert last["expected"]["ops"] < 110_000
    assert 0.8 * 80_000 < found.verdict.cost.ops <= 80_000
    assert last["temperature"] < first["temperature"]


@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize(
    ("limited", "limit"),
    [("max_ops", 30_000), ("max_ops", 100_000), ("max_ops", 300_000), ("max_cycles", 600_000)],
)
def test_over_a_factor_of_ten_the_limit_is_kept_and_used(limited: str, limit: int, tmp_path: Path) -> None:
    from micronets_gen.search.data.tasks import get_task
    from micronets_gen.search.learn.dnas import search
    from micronets_gen.search.learn.recipe import load_recipe

    data = get_task("digits").load(None, 2)
    recipe = load_recipe("digits", ["search.epochs=8", "search.warm_up=1"]).search
    found = search(DIGITS, data, target(**{limited: limit}), recipe, tmp_path / "s.npz", 2, (0.0, 1.0))
    assert found.verdict.fits
    used = getattr(found.verdict.cost, limited.removeprefix("max_"))
    assert 0.8 * limit <= used <= limit
    assert found.history[-1]["expected"]["cycles"] > 0


def run_cli(*arguments: str, **keywords: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from micronets_gen.cli.main import main; main()", *arguments],
        capture_output=True, text=True, env=environment(), timeout=300, check=False, **keywords,
    )  # fmt: skip


def environment() -> dict[str, str]:
    path = os.pathsep.join(entry for entry in sys.path if entry)  # what this process imports from
    return {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""}


def command(out: Path) -> list[str]:
    settings = [part for setting in small_recipe() for part in ("--set", setting)]
    limits = ["--board", "nucleo_f446re", "--runtime", "aot", "--mops", "0.1"]
    return ["search", "--task", "digits", *limits, "--seed", "5", "--out", str(out), "--json", *settings]


@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize("kill_after", ["search", "train"])
def test_a_killed_run_goes_on_and_ends_the_same(tmp_path: Path, kill_after: str) -> None:
    straight, killed = tmp_path / "a" / "digits", tmp_path / "b" / "digits"
    reference = run_cli(*command(straight))
    assert reference.returncode == 0, reference.stderr
    process = subprocess.Popen(
        [sys.executable, "-c", "from micronets_gen.cli.main import main; main()", *command(killed)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(),
    )  # fmt: skip
    checkpoint = killed / "checkpoints" / f"{kill_after}.npz"
    wait_for(checkpoint, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "metrics.json").exists(), "killed too late to prove anything"
    resumed = run_cli(*command(killed))
    assert resumed.returncode == 0, resumed.stderr
    for name in ("architecture.json", "model_int8.tflite"):
        assert (killed / name).read_bytes() == (straight / name).read_bytes()
    metrics = [json.loads((run / "metrics.json").read_text(encoding="utf-8")) for run in (straight, killed)]
    assert metrics[0] == metrics[1]
    hand_over(straight, tmp_path / "project")


@pytest.mark.needs("tensorflow")
def test_ctrl_c_leaves_a_folder_that_builds_and_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "digits"
    arguments = [*command(out), "--set", "train.epochs=500"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from micronets_gen.cli.main import main; main()", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True,
    )  # fmt: skip
    checkpoint = out / "checkpoints" / "train.npz"
    wait_for(checkpoint, process)
    while (
        epochs_in(checkpoint) < 3 and process.poll() is None
    ):  # the first, not quantised, leave nothing to build
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    metrics = json.loads(stdout)
    assert not metrics["finished"]
    assert resolve_model(str(out)).vectors == out / "vectors.npz"
    history = json.loads((out / "history.json").read_text(encoding="utf-8"))
    assert 1 < len(history["train"]) < 500


def epochs_in(checkpoint: Path) -> int:
    with np.load(checkpoint) as file:
        return len(json.loads(bytes(file["state"]))["history"])


def wait_for(path: Path, process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 600
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists()


def hand_over(run: Path, project: Path) -> None:
    """The folder is a model for build, with its held-out samples."""
    from micronets_gen.jobs.build import BuildRequest, build

    source = resolve_model(str(run))
    assert source.name == "digits"
    with np.load(run / "vectors.npz") as vectors:
        assert vectors["input_0"].shape == (360, 8, 8, 1)
        metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
        assert np.mean(vectors["output_0"].argmax(-1) == vectors["labels"]) == metrics["test"]
    built = build(
        BuildRequest(board="nucleo_f446re", model=str(run), runtime="aot", out=project, compile=False)
    )
    assert built.report.model.name
    assert (project / "platformio.ini").is_file()


@pytest.mark.needs("tensorflow")
def test_a_folder_with_another_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"task": "digits", "seed": 1}), encoding="utf-8")
    result = run_cli(*command(tmp_path))
    assert result.returncode == UsageError.exit_code
    assert json.loads(result.stdout)["error"]["what"] == "the folder holds another run"
    (tmp_path / "run.json").unlink()
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    assert "not empty" in json.loads(run_cli(*command(tmp_path)).stdout)["error"]["what"]


def test_without_tensorflow_there_is_one_clear_error(tmp_path: Path) -> None:
    hide = "import sys; sys.modules['tensorflow'] = None; from micronets_gen.cli.main import main; main()"
    arguments = ["search", "--task", "digits", "--board", "nucleo_f446re", "--out", str(tmp_path / "r")]
    result = subprocess.run(
        [sys.executable, "-c", hide, *arguments],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert result.returncode == ToolError.exit_code
    assert "pip install 'micronets-gen[search]'" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "r").exists()
