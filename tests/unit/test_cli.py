"""The command line: what it prints, how it exits, what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.micronets import micronet
from micronets_gen import __version__
from micronets_gen.bundled.catalogue import DEFAULT_MODEL
from micronets_gen.model.graph import DType
from micronets_gen.operators.concat import ConcatenationOptions
from micronets_gen.timing.firmware import about
from tests.support.builder import ModelBuilder
from tests.support.command import Cli
from tests.support.desk import speaking, spoken

ROOT = Path(__file__).resolve().parents[2]
BOARD = "qemu_mps2_an386"
HEAVY = (
    "numpy",
    "tensorflow",
    "unicorn",
    "jinja2",
    "platformio",
    "elftools",
    "tflite",
    "micronets_gen.jobs.build",
    "micronets_gen.model.reader",
)

needs_compiler = pytest.mark.needs("compiler")
needs_qemu = pytest.mark.needs("qemu")


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but for PlatformIO's own."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".pio" not in path.parts
    }


def write(path: Path, model: bytes) -> Path:
    path.write_bytes(model)
    return path


def unsupported_model() -> bytes:
    """An int8 ABS, which TFLM has and this generator has not."""
    builder = ModelBuilder()
    x = builder.tensor((1, 4), DType.INT8, scale=0.5, name="in")
    builder.operator("ABS", [x], [builder.tensor((1, 4), DType.INT8, scale=0.5, name="magnitude")])
    return builder.build()


def inexact_model() -> bytes:
    """A concatenation of tensors with different scales, which the int8 kernel would copy as they are."""
    builder = ModelBuilder()
    parts = [builder.tensor((1, 4), DType.INT8, scale=scale) for scale in (0.5, 0.25)]
    joined = builder.tensor((1, 8), DType.INT8, scale=0.5, name="joined")
    builder.operator("CONCATENATION", parts, [joined], ConcatenationOptions(1))
    return builder.build()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The smallest bundled model, compiled by the command line, and what ``build --json`` said of it."""
    project = tmp_path_factory.mktemp("cli") / "project"
    program = "from micronets_gen.cli.main import main; main()"
    command = [
        sys.executable,
        "-c",
        program,
        "build",
        "-b",
        BOARD,
        "-m",
        "digits",
        "-r",
        "aot",
        "--out",
        str(project),
        "--json",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return project, json.loads(done.stdout)


# --- start-up ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["--help"], ["build", "--help"], ["run", "-h"], ["--version"], ["boards", "--help"]]
)
def test_help_answers_at_once_and_imports_little(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from micronets_gen.cli.main import main\n"
        f"sys.argv = ['micronets-gen', *{words!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as error:\n    assert not error.code\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print('LOADED', loaded)\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.splitlines()[-1] == "LOADED []"
    # Processor time: the machine may be busy with other tests.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_boards_need_no_numpy_to_be_listed() -> None:
    program = (
        "import sys\n"
        "from micronets_gen.cli.main import main\n"
        "sys.argv = ['micronets-gen', 'boards', '--json']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "assert 'tensorflow' not in sys.modules and 'unicorn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)


def test_help_names_every_verb(cli: Cli) -> None:
    text = cli("--help").out
    for verb in ("build", "run", "boards", "models", "inspect", "check"):
        assert re.search(rf"\b{verb}\b", text), verb


def test_version(cli: Cli) -> None:
    assert cli("--version").out == f"micronets-gen {__version__}\n"


def test_the_installed_command_is_this_one() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["scripts"]["micronets-gen"] == "micronets_gen.cli.main:main"


# --- what reports -----------------------------------------------------------------------------------------


def test_boards_as_json_and_as_a_table(cli: Cli) -> None:
    boards = cli("boards", "--json").json["boards"]
    assert boards == cli("boards", "list", "--json").json["boards"]
    assert {"name", "title", "mcu", "core", "clock_hz", "flash_size", "ram_size", "emulator"} <= set(
        boards[0]
    )
    assert boards[0] == cli("boards", "show", boards[0]["name"], "--json").json
    table = cli("boards").out
    assert all(board["name"] in table for board in boards)


def test_one_board(cli: Cli) -> None:
    board = cli("boards", "show", "nucleo_f746zg", "--json").json
    assert board["core"] == "cortex-m7"
    assert [region["name"] for region in board["regions"]][:1] == ["FLASH"]
    assert "216 MHz" in cli("boards", "show", "nucleo_f746zg").out


def test_a_board_tells_what_its_time_rests_on(cli: Cli) -> None:
    for name in ("nucleo_l4r5zi", "qemu_mps2_an386", "qemu_mps3_an547"):
        board = cli("boards", "show", name, "--json").json
        basis = about(board["core"], board["family"])
        text = " ".join(cli("boards", "show", name).out.split())
        assert basis
        assert board["timing"] == {
            "core_source": basis.core_source,
            "memory_source": basis.memory_source,
            "error_percent": basis.band.percent,
            "measured_images": basis.band.images,
        }
        assert f"time modelled: {basis.band.text} core {basis.core_source}" in text
        assert (basis.memory_source or "memory not modelled: core timings only") in text
    l4, mps2 = about("cortex-m4", "stm32l4"), about("cortex-m4", "mps2")
    assert l4
    assert mps2
    assert "TRM DDI" in l4.core_source
    assert "RM0432, 3.3" in l4.memory_source
    assert mps2.memory_source == ""


def test_models(cli: Cli) -> None:
    models = cli("models", "--json").json["models"]
    assert [model["name"] for model in models] == ["kws-s", "digits"]
    for model in models:
        assert model["accuracy"] > 0.9
        assert Path(model["path"]).is_file()
        assert model["name"] in cli("models").out


def test_inspect(cli: Cli) -> None:
    summary = cli("inspect", "digits", "--json").json
    assert {"model", "inputs", "outputs", "operators", "layers", "sha256"} <= set(summary)
    assert {"name", "op", "macs"} <= set(summary["layers"][0])
    assert sum(op["macs"] for op in summary["layers"]) == 91_136
    assert "DEPTHWISE_CONV_2D" in cli("inspect", "digits").out


@needs_compiler
def test_build_as_json(built: tuple[Path, Any]) -> None:
    project, said = built
    promised = {
        "project",
        "elf",
        "board",
        "runtime",
        "model",
        "flash_bytes",
        "ram_bytes",
        "arena_bytes",
        "stack_bytes",
    }
    assert promised <= set(said)
    assert (said["board"], said["runtime"], said["model"]) == (BOARD, "aot", "digits")
    assert said["runtime_reason"]
    assert Path(said["elf"]).read_bytes().startswith(b"\x7fELF")
    assert 0 < said["arena_bytes"] <= said["ram_bytes"] < said["flash_bytes"]
    assert said["stack_bytes"] > 0
    assert {"report.json", "report.html", "micronets.lock"} <= set(snapshot(project))


# --- the default model ------------------------------------------------------------------------------------


def test_without_a_model_the_keyword_spotter_is_built(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = cli("build", "--board", "nucleo_f446re", "--runtime", "aot", "--no-compile", "--json").json
    assert (said["project"], said["model"]) == ("build/nucleo_f446re-kws-s", "kws-s")
    assert said["macs"] == 8_326_752
    project = Path(said["project"])
    text = " ".join((project / "README.md").read_text().split())
    assert "95.9 % on 4,032 held-out samples" in text
    assert "speech synthesised with espeak-ng" in text
    assert "0: silence, unknown, yes, no," in text
    assert "speech synthesised with espeak-ng" in (project / "report.html").read_text()
    assert "#define VECTORS 32u" in (project / "lib/selftest/vectors.h").read_text()


@needs_compiler
def test_the_default_model_runs_and_tells_its_accuracy(cli: Cli, tmp_path: Path) -> None:
    words = ["build", "-b", "nucleo_f446re", "-r", "aot", "--vector-count", 4, "--out", tmp_path, "--json"]
    assert cli(*words).status == 0
    said = cli("run", tmp_path, "--json").json
    assert (said["passed"], said["model"], said["ran_on"]) == (True, "kws-s", "virtual board (unicorn)")
    assert (said["vector_count"], said["vectors_passed"], said["labelled"], said["correct"]) == (4, 4, 4, 4)


def test_every_board_holds_the_default_model(cli: Cli) -> None:
    fits = cli("check", DEFAULT_MODEL, "--json").json["boards"]
    assert len(fits) >= 10
    assert all(fit["fits"] for fit in fits)


@needs_compiler
@needs_qemu
def test_run_as_json(cli: Cli, built: tuple[Path, Any]) -> None:
    project, _ = built
    done = cli("run", project, "--json")
    said = done.json
    assert done.status == 0
    assert {"passed", "count", "unit", "ran_on", "board", "runtime", "layers"} <= set(said)
    assert said["passed"] is True
    assert len(said["vectors"]) == said["vector_count"] == said["vectors_passed"] > 0
    assert said["correct"] > 0.8 * said["labelled"] > 0
    assert {"index", "name", "op", "macs", "count", "kernel"} <= set(said["layers"][0])
    assert sum(layer["macs"] for layer in said["layers"]) == said["macs"] == 91_136
    assert said["count"] > said["macs"]


@needs_compiler
@needs_qemu
def test_run_prints_a_table(cli: Cli, built: tuple[Path, Any]) -> None:
    done = cli("run", built[0])
    assert done.status == 0
    assert re.search(r"^PASS +32 of 32 golden vectors byte-exact", done.out, re.M)
    for word in ("stem", "CONV_2D", "SOFTMAX", "report.html"):
        assert word in done.out


# --- mistakes ---------------------------------------------------------------------------------------------


def test_unknown_board(cli: Cli, tmp_path: Path) -> None:
    done = cli("build", "-b", "nucleo_f746z", "--out", tmp_path / "p")
    assert (done.status, done.out) == (4, "")
    assert done.err == (
        "error: there is no board 'nucleo_f746z'\n"
        "  what to do: did you mean nucleo_f746zg, nucleo_f767zi or nucleo_h743zi? "
        "'micronets-gen boards' lists them; the path of a .toml file works, too\n"
    )
    assert not (tmp_path / "p").exists()


def test_what_was_typed_does_not_steer_the_terminal(cli: Cli) -> None:
    done = cli("inspect", "kws\x1b[31m\x07.tflite")
    assert done.status == 2
    assert done.err.startswith("error: kws\\x1b[31m\\x07.tflite: no such model file\n")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "missing.tflite",
            "error: missing.tflite: no such model file\n"
            "  what to do: give a .tflite file, the folder of a search's run, one of the bundled models (kws-s, "
            "digits) or a published architecture; micronets-gen models lists them\n",
        ),
        (
            "digts",
            "error: digts: neither a model file nor a bundled model\n  what to do: did you mean digits?\n",
        ),
    ],
)
def test_unknown_model(cli: Cli, tmp_path: Path, model: str, message: str) -> None:
    for words in (
        ["build", "-b", BOARD, "--out", tmp_path / "p", "-m", model],
        ["inspect", model],
        ["check", model],
    ):
        done = cli(*words)
        assert (done.status, done.out, done.err) == (2, "", message)
    assert not (tmp_path / "p").exists()


def test_file_that_is_no_model(cli: Cli, tmp_path: Path) -> None:
    file = write(tmp_path / "notes.tflite", b"not a model at all")
    for words in (
        ["build", "-b", BOARD, "--out", tmp_path / "p", "-m", file],
        ["inspect", file],
        ["check", file],
    ):
        done = cli(*words)
        assert (done.status, done.out) == (3, "")
        assert "this is not a .tflite file\n  why: bytes 4 to 7 are not the identifier TFL3\n" in done.err
        assert "what to do:" in done.err
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("model", "layer"),
    [(unsupported_model, "magnitude (ABS)"), (inexact_model, "joined (CONCATENATION)")],
)
def test_operator_that_cannot_be_executed(
    cli: Cli, tmp_path: Path, model: Callable[[], bytes], layer: str
) -> None:
    file = write(tmp_path / "model.tflite", model())
    done = cli("build", "-b", BOARD, "-m", file, "--out", tmp_path / "p")
    assert (done.status, done.out) == (3, "")
    assert layer in done.err
    assert "what to do:" in done.err
    assert not (tmp_path / "p").exists()


def test_output_folder_is_a_file(cli: Cli, tmp_path: Path) -> None:
    taken = write(tmp_path / "taken", b"mine")
    done = cli("build", "-b", BOARD, "-m", "digits", "-r", "aot", "--out", taken)
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        f"error: {taken}: is a file, not a folder\n  what to do: choose another folder with --out\n"
    )
    assert taken.read_bytes() == b"mine"


def test_output_folder_is_someone_elses(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "thesis.tex", b"years of work")
    words = ["build", "-b", BOARD, "-m", "digits", "-r", "aot", "--out", tmp_path, "--no-compile"]
    done = cli(*words)
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        f"error: {tmp_path}: the folder is not empty and holds no project of micronets-gen\n"
        "  why: it has no micronets.lock\n"
        "  what to do: choose another folder with --out, or write into this one with --force\n"
    )
    assert snapshot(tmp_path) == {"thesis.tex": b"years of work"}
    write(tmp_path / "README.md", b"what the thesis is about")
    done = cli(*words, "--force")
    assert (done.status, done.err) == (0, f"overwriting in {tmp_path}: README.md\n")
    assert snapshot(tmp_path)["thesis.tex"] == b"years of work"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that no one can write")
def test_output_folder_cannot_be_written(cli: Cli) -> None:
    done = cli("build", "-b", BOARD, "-m", "digits", "-r", "aot", "--out", "/proc/micronets", "--no-compile")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("error: /proc/micronets: ")
    assert "cannot be written\n  why: " in done.err
    assert "  what to do: choose another folder with --out" in done.err


def test_model_that_does_not_fit(cli: Cli, tmp_path: Path) -> None:
    file = write(tmp_path / "micronet_ad_l.tflite", micronet("micronet_ad_l"))
    out = tmp_path / "p"
    done = cli("build", "-b", "nucleo_f446re", "-r", "aot", "-m", file, "--out", out, "--optimize", "speed")
    assert (done.status, done.out) == (5, "")
    assert "353,280 bytes" in done.err
    assert "what to do: leave --optimize at balanced" in done.err
    done = cli("build", "-b", "nucleo_f446re", "-r", "aot", "-m", file, "--out", out, "--ram", "64K")
    assert (done.status, done.out) == (5, "")
    assert "more than --ram allows" in done.err
    assert "what to do: allow more, or take a smaller model" in done.err
    assert not (tmp_path / "p").exists()


def test_missing_or_unknown_words(cli: Cli) -> None:
    done = cli("build")
    assert done.status == 2
    assert "--board" in done.err
    assert cli("frobnicate").status == 2
    assert cli("build", "-b", BOARD, "--runtime", "onnx").status == 2


def test_run_of_what_is_no_project(cli: Cli, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nothing"):
        done = cli("run", folder)
        assert (done.status, done.out) == (2, "")
        assert done.err == (
            f"error: {folder}: this is no project that micronets-gen built\n"
            "  why: report.json: the file does not exist\n"
            "  what to do: give the folder that 'micronets-gen build' named\n"
        )


# --- check ------------------------------------------------------------------------------------------------


def test_check_passes(cli: Cli) -> None:
    done = cli("check", "digits", "--json")
    assert done.status == 0
    assert done.json["passed"] is True
    assert done.json["problems"] == []
    assert {fit["board"] for fit in done.json["boards"]} >= {"nucleo_f446re", BOARD}
    keys = {"board", "fits", "regions", "problems", "alternatives", "time", "timing_note", "meets"}
    keys |= {"energy_uj", "energy_error_percent"}
    assert keys == set(done.json["boards"][0])
    assert {"name", "kind", "size", "used", "free"} == set(done.json["boards"][0]["regions"][0])
    assert "every operator works" in cli("check", "digits").out


def test_check_names_the_layer_the_reason_and_the_remedy(cli: Cli, tmp_path: Path) -> None:
    file = write(tmp_path / "inexact.tflite", inexact_model())
    done = cli("check", file, "--json")
    assert done.status == 1
    assert done.json["passed"] is False
    assert done.json["boards"] == []
    problem = done.json["problems"][0]
    assert problem["layer"] == "joined (CONCATENATION)"
    assert "scale 0.25" in problem["reason"]
    assert "QUANTIZE" in problem["remedy"]
    text = cli("check", file)
    assert text.status == 1
    assert "joined (CONCATENATION): " in text.out
    assert "what to do: " in text.out


def test_check_tells_which_boards_hold_a_large_model(cli: Cli, tmp_path: Path) -> None:
    file = write(tmp_path / "micronet_ad_l.tflite", micronet("micronet_ad_l"))
    everywhere = cli("check", file, "--json")
    fits = {fit["board"]: fit["fits"] for fit in everywhere.json["boards"]}
    assert fits["nucleo_f767zi"] is True
    assert fits["nucleo_f446re"] is False
    # Some board holds it, but not the one that is asked for.
    assert (everywhere.status, everywhere.json["passed"]) == (0, True)
    small = cli("check", file, "-b", "nucleo_f446re", "--json")
    assert (small.status, small.json["passed"]) == (1, False)
    (fit,) = small.json["boards"]
    assert fit["problems"][0]["remedy"]
    assert cli("check", file, "-b", "nucleo_f767zi").status == 0
    assert cli("check", file, "-b", "nowhere").status == 4


# --- what a build leaves behind ---------------------------------------------------------------------------


def test_generating_twice_gives_the_same_bytes(cli: Cli, tmp_path: Path) -> None:
    words = ["build", "-b", "nucleo_f746zg", "-m", "digits", "-r", "aot", "--no-compile", "--out"]
    for name in ("one", "two"):
        said = cli(*words, tmp_path / name, "--json").json
        assert (said["elf"], said["flash_bytes"]) == (None, None)
    one, two = snapshot(tmp_path / "one"), snapshot(tmp_path / "two")
    assert one == two
    assert len(one) > 30
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*") if path.is_file()}
    assert cli(*words, tmp_path / "one").status == 0
    assert snapshot(tmp_path / "one") == two
    touched = {path.name for path, stamp in stamps.items() if path.stat().st_mtime_ns != stamp}
    assert touched <= {"report.json", "report.html"}


def test_edits_of_generated_files_are_not_lost(cli: Cli, tmp_path: Path) -> None:
    words = ["build", "-b", BOARD, "-m", "digits", "-r", "aot", "--no-compile", "--out", tmp_path]
    assert cli(*words).status == 0
    original = (tmp_path / "lib/model/model.c").read_bytes()
    (tmp_path / "lib/model/model.c").write_bytes(original + b"/* mine */\n")
    (tmp_path / "src/main.c").write_text("/* all mine */\n")
    done = cli(*words)
    assert done.status == 2
    assert done.err == (
        f"error: {tmp_path}: generated files were edited by hand: lib/model/model.c\n"
        "  why: generating again would lose the edits\n"
        "  what to do: move your changes to src/, user.ini or a library of your own, or overwrite them "
        "with --force\n"
    )
    assert (tmp_path / "lib/model/model.c").read_bytes().endswith(b"/* mine */\n")
    assert cli(*words, "--force").status == 0
    assert (tmp_path / "lib/model/model.c").read_bytes() == original
    assert (tmp_path / "src/main.c").read_text() == "/* all mine */\n"


@needs_compiler
def test_failed_compilation_leaves_a_whole_project_and_no_false_report(cli: Cli, tmp_path: Path) -> None:
    words = ["build", "-b", BOARD, "-m", "digits", "-r", "aot", "--out", tmp_path]
    assert cli(*words).status == 0
    before = snapshot(tmp_path)
    assert json.loads(before["report.json"])["image"] is not None
    (tmp_path / "src/main.c").write_text("int main(void) { return undefined_thing; }\n")
    done = cli(*words, "--json")
    assert (done.status, done.err) == (6, "")
    assert "src/main.c:1:25: 'undefined_thing' undeclared" in done.json["error"]["what"]
    after = snapshot(tmp_path)
    assert json.loads(after["report.json"])["image"] is None
    mine = {"src/main.c", "report.json", "report.html"}
    assert {n: c for n, c in after.items() if n not in mine} == {
        n: c for n, c in before.items() if n not in mine
    }
    # Nor does run pass off the image of before as this one.
    failed = cli("run", tmp_path)
    assert failed.status == 6


# --- run --------------------------------------------------------------------------------------------------


@pytest.fixture
def copied(built: tuple[Path, Any], tmp_path: Path) -> Path:
    """A copy of the built project, to be tampered with."""
    project = tmp_path / "copy"
    shutil.copytree(built[0], project)
    return project


def tamper(project: Path) -> tuple[int, int]:
    """Change the first expected byte of the first golden vector; return it before and after, unsigned."""
    file = project / "lib/selftest/vectors.c"
    text = file.read_text()
    match = re.search(r"vectors_output_0\[VECTORS\]\[\d+\] = \{\s*\{\s*(-?\d+)", text)
    assert match is not None
    good = int(match[1])
    bad = good + 1 if good < 127 else good - 1
    file.write_text(f"{text[: match.start(1)]}{bad}{text[match.end(1) :]}")
    return good % 256, bad % 256


@needs_compiler
@needs_qemu
def test_run_fails_where_a_byte_differs(cli: Cli, copied: Path) -> None:
    good, bad = tamper(copied)
    done = cli("run", copied, "--json")
    assert done.status == 1
    assert done.json["passed"] is False
    assert done.json["vectors_passed"] == done.json["vector_count"] - 1
    report = json.loads((copied / "report.json").read_text())
    first = report["run"]["vectors"][0]
    assert (first["passed"], first["mismatches"]) == (False, 1)
    assert first["differences"] == [{"offset": 0, "expected": bad, "got": good}]
    text = cli("run", copied)
    assert text.status == 1
    assert re.search(r"^FAIL +31 of 32 golden vectors byte-exact", text.out, re.M)


@needs_compiler
@needs_qemu
def test_run_compiles_and_describes_what_was_edited_since(cli: Cli, copied: Path) -> None:
    built = json.loads((copied / "report.json").read_text())
    # What build alone knows is kept while the image is the one that it described.
    built["stack"]["notes"] = ["said by build"]
    (copied / "report.json").write_text(json.dumps(built))
    before = cli("run", copied, "--json").json
    assert json.loads((copied / "report.json").read_text())["stack"] == built["stack"]
    main_c = copied / "src/main.c"
    main_c.write_text(
        main_c.read_text()
        + "\n__attribute__((constructor)) static void mine(void)\n"
        + "{ static volatile int table[64] = {1}; ++table[0]; }\n"
    )
    os.utime(main_c)
    image = copied / f".pio/build/{BOARD}/firmware.elf"
    stamp = image.stat().st_mtime_ns
    after = cli("run", copied, "--json").json
    assert image.stat().st_mtime_ns > stamp
    assert after["count"] == pytest.approx(before["count"], rel=0.01)
    report = json.loads((copied / "report.json").read_text())
    assert report["image"]["flash_bytes"] > built["image"]["flash_bytes"] + 256
    assert report["stack"]["notes"] != built["stack"]["notes"]


@needs_compiler
@needs_qemu
def test_run_tells_that_the_firmware_hangs(cli: Cli, copied: Path) -> None:
    hang = '#include "board.h"\nint main(void) { board_init(); for (;;) { } }\n'
    (copied / "src/main.c").write_text(hang)
    done = cli("run", copied, "--timeout", 2)
    assert (done.status, done.out) == (7, "")
    assert "still running after 2 s" in done.err
    assert "an application ends with board_exit(status)" in done.err


@needs_compiler
@pytest.mark.needs("compiler", "unix")
def test_a_pipe_in_an_image_s_place_is_an_error(cli: Cli, copied: Path) -> None:
    image = copied / ".pio" / "build" / BOARD / "firmware.elf"
    image.unlink()
    os.mkfifo(image)
    for seconds in (time.time() + 9, 1):  # newer than the sources, and older: to be compiled
        os.utime(image, (seconds, seconds))
        done = cli("run", copied)
        assert (done.status, done.err) == (
            6,
            f"error: {image}: the image is no regular file\n"
            "  what to do: remove it and build the project again\n",
        )


@pytest.mark.needs("compiler")
def test_too_large_a_heap_is_named(cli: Cli, copied: Path) -> None:
    settings = copied / "user.ini"
    settings.write_text(
        settings.read_text().replace("custom_heap_bytes = 0", "custom_heap_bytes = 0x1000000")
    )
    refused = cli("run", copied)
    assert refused.status == 5
    assert "why: custom_heap_bytes in user.ini asks for 16,777,216 bytes" in refused.err
    most = re.search(r"what to do: set custom_heap_bytes in user.ini to (\d+) or less\n", refused.err)
    assert most
    assert int(most[1]) > 3 << 20
    settings.write_text(settings.read_text().replace("0x1000000", most[1]))
    built = cli("build", "--board", BOARD, "--model", "digits", "--runtime", "aot", "--out", copied)
    assert built.status == 0, built.err


@needs_qemu
def test_run_of_an_application_shows_it_and_ends_with_its_status(cli: Cli, copied: Path) -> None:
    main_c = copied / "src/main.c"
    text = main_c.read_text()
    main_c.write_text(
        text.replace("#define SELFTEST 1", "#define SELFTEST 0").replace("return 0;", "return 3;")
    )
    settings = (copied / "user.ini").read_text()
    (copied / "user.ini").write_text(settings.replace("custom_heap_bytes = 0", "custom_heap_bytes = 4096"))
    done = cli("run", copied)
    assert done.status == 3, done.err
    assert re.match(r"the largest of the outputs is number \d\n", done.out)
    assert f"{BOARD}: the application ended with status 3 in QEMU" in done.out
    said = cli("run", copied, "--json")
    assert said.status == 3
    assert (said.json["kind"], said.json["status"], said.json["passed"]) == ("application", 3, False)
    report = json.loads((copied / "report.json").read_text())
    assert (report["run"], report["application"]["status"]) == (None, 3)
    parts = [part for region in report["image"]["regions"] for part in region["parts"]]
    assert {"category": "heap", "size": 4096 + 448} in parts  # newlib's files are in it, too
    assert "Not run" not in (copied / "report.html").read_text()


@needs_compiler
@needs_qemu
@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a thing of Unix")
def test_run_on_a_port_takes_the_projects_own_firmware_alone(cli: Cli, copied: Path) -> None:
    assert cli("run", copied).status == 0
    said = spoken(copied, BOARD)
    with speaking(said) as port:
        assert cli("run", copied, "--port", port, "--timeout", "20").status == 0
    older = re.sub(rb"MN,build,..", b"MN,build,zz", said)
    with speaking(older) as port:
        done = cli("run", copied, "--port", port, "--timeout", "20")
    assert done.status == 7
    assert "this firmware is not the project's as it was built last" in done.err
    assert "its build is 'zz" in done.err


def test_run_on_a_port_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    words = ["build", "-b", BOARD, "-m", "digits", "-r", "aot", "--no-compile", "--out", tmp_path]
    assert cli(*words).status == 0
    done = cli("run", tmp_path, "--port", "/dev/ttyNotHere")
    assert (done.status, done.out) == (7, "")
    assert "/dev/ttyNotHere" in done.err
