"""What a generated project holds, and the golden vectors in it."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import requires
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from micronets_gen.boards.board import Upload
from micronets_gen.common.resources import data_dir
from micronets_gen.errors import ModelError
from micronets_gen.project.project import TOOLS, environments, project_files
from micronets_gen.project.selftest import literals, protocol_field, selftest_files
from micronets_gen.runtimes.base import PROFILE, RELEASE, Environment, LibrarySources, Sources
from tests.support.tiny_project import BOARD, tiny_plan, tiny_project, tiny_vectors


def test_same_inputs_give_the_same_bytes() -> None:
    first, second = tiny_project(), tiny_project()
    assert first.files == second.files
    assert first.user_files == second.user_files
    assert first.inputs == second.inputs


def test_the_user_owns_main_and_settings() -> None:
    assert sorted(tiny_project().user_files) == ["src/main.c", "user.ini"]


def test_nothing_leads_out_of_the_project() -> None:
    repository = str(Path(__file__).resolve().parents[2])
    for name, content in {**tiny_project().files, **tiny_project().user_files}.items():
        assert not name.startswith("/")
        assert repository.encode() not in content, name
        assert not re.search(rb"^\s*(import|from) codegen\b", content, re.M), name


def test_two_environments_that_differ_in_profiling_alone() -> None:
    ini = ConfigParser(interpolation=None)
    ini.read_string(tiny_project().files["platformio.ini"].decode())
    release, profile = environments(BOARD)
    assert ini["platformio"]["default_envs"] == release
    assert dict(ini[f"env:{release}"]) == {}
    assert dict(ini[f"env:{profile}"]) == {"build_flags": "${env.build_flags} -D MODEL_PROFILE"}


def test_environments_of_a_runtime_are_sections_with_their_purpose() -> None:
    trial = Environment("trial", "Trial: `pio run -e {name}`.", ("-D A=1", "-D B"))
    sources = Sources({}, (), environments=(RELEASE, PROFILE, trial))
    text = project_files(tiny_plan(), tiny_vectors(), sources, {}).files["platformio.ini"].decode()
    assert text.endswith(
        "\n\n; Trial: `pio run -e tiny_mps2_trial`.\n[env:tiny_mps2_trial]\n"
        "build_flags = ${env.build_flags} -D A=1 -D B\n"
    )
    ini = ConfigParser(interpolation=None)
    ini.read_string(text)
    names = [section.removeprefix("env:") for section in ini.sections() if section.startswith("env:")]
    assert names == [*environments(BOARD), "tiny_mps2_trial"]


def test_the_workflow_pins_what_it_runs() -> None:
    text = tiny_project().files[".github/workflows/firmware.yml"].decode()
    uses = re.findall(r"uses: (\S+)", text)
    assert uses
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in uses)
    assert re.findall(r"runs-on: (\S+)", text) == ["ubuntu-24.04"]
    (installed,) = re.findall(r"pip install (.+)", text)
    assert all(re.fullmatch(r"\w+==[\d.]+", tool) for tool in installed.split())


def test_the_pinned_tools_are_of_the_versions_that_the_package_admits() -> None:
    requirements = {Requirement(text).name: Requirement(text) for text in requires("micronets-gen") or ()}
    assert all(requirements[name].specifier.contains(version) for name, version in TOOLS.items())


def test_board_manifest_says_what_platformio_asks() -> None:
    upload = Upload(("stlink", "jlink"), "stlink", "stm32f7x", "STM32F746ZG")
    plan = tiny_plan(dataclasses.replace(BOARD, upload=upload))
    files = project_files(plan, tiny_vectors(), Sources({}, ()), {}).files
    board = json.loads(files["pio/micronets/boards/tiny_mps2.json"])
    assert {"name", "url", "vendor"} <= set(board)
    assert board["build"]["machine_flags"] == [
        "-mcpu=cortex-m4",
        "-mthumb",
        "-mfpu=fpv4-sp-d16",
        "-mfloat-abi=hard",
    ]
    assert board["upload"] == {
        "maximum_size": 4 << 20,
        "maximum_ram_size": 4 << 20,
        "protocol": "stlink",
        "protocols": ["stlink", "jlink"],
        "openocd_interface": "stlink",
        "openocd_target": "stm32f7x",
        "jlink_device": "STM32F746ZG",
    }
    assert "pio run -t upload" in files["README.md"].decode()


def test_platform_counts_as_embedded() -> None:
    # PlatformIO looks for a package of this type; without one `pio test` runs the image on the host.
    packages = json.loads(tiny_project().files["pio/micronets/platform.json"])["packages"]
    assert [package["type"] for package in packages.values()].count("uploader") == 1
    assert all(package["optional"] for package in packages.values())


@pytest.mark.parametrize(
    "emulator", [BOARD.emulator, dataclasses.replace(BOARD.emulator, kind="virtual"), None]
)
def test_readme_and_workflow_name_the_emulator_that_is_needed(emulator: object) -> None:
    plan = tiny_plan(dataclasses.replace(BOARD, emulator=emulator))  # type: ignore[arg-type]
    files = project_files(plan, tiny_vectors(), Sources({}, ()), {}).files
    workflow, readme = files[".github/workflows/firmware.yml"].decode(), files["README.md"].decode()
    kind = plan.board.emulator.kind if plan.board.emulator else ""
    assert ("qemu-system-arm" in workflow) == (kind == "qemu") == ("qemu-system-arm" in readme)
    assert ("unicorn" in workflow) == (kind == "virtual") == ("unicorn" in readme)
    assert ("pio test" in workflow) == bool(kind) == ("-t emulate" in readme)
    assert not re.search(r"\n{3,}|[ \t]\n", readme + workflow)


def test_readme_says_what_the_model_needs() -> None:
    alone, beside = Sources({}, ()), Sources({}, (), libraries=(LibrarySources("tflm", "x", {}, ()),))
    for sources, needs in (
        (alone, "nothing: any C11 compiler"),
        (beside, "the libraries of TensorFlow Lite Micro"),
    ):
        readme = project_files(tiny_plan(), tiny_vectors(), sources, {}).files["README.md"].decode()
        assert f"| `lib/model/` | the model: `model.h` is its C API | {needs}" in readme


def test_workflow_keeps_the_images_of_a_hidden_folder() -> None:
    """upload-artifact leaves out what lies in a folder whose name begins with a dot, unless told otherwise."""
    workflow = tiny_project().files[".github/workflows/firmware.yml"].decode()
    assert re.search(r"path: \.pio/.*\n +include-hidden-files: true", workflow)


def test_emulator_package_stands_alone(tmp_path: Path) -> None:
    for name, content in tiny_project().files.items():
        if name.startswith("pio/micronets/tools/"):
            path = tmp_path / name.removeprefix("pio/micronets/tools/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    code = "import sys, emulate.__main__; assert not [m for m in sys.modules if m.startswith('codegen')]"
    subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"], check=True
    )


def test_selftest_has_no_classes_without_labels() -> None:
    unlabelled = dataclasses.replace(tiny_vectors(), labels=None)
    with_labels, without = (selftest_files(tiny_plan(), vectors) for vectors in (tiny_vectors(), unlabelled))
    assert "vectors_predicted" in with_labels["selftest.c"]
    assert "vectors_predicted" not in without["selftest.c"]
    assert not any("label" in text or "predicted" in text for text in without.values())


def test_vectors_of_another_model_are_refused() -> None:
    vectors = tiny_vectors()
    wrong = dataclasses.replace(
        vectors, expected=tuple((row[0].astype(np.int16),) for row in vectors.expected)
    )
    with pytest.raises(ModelError, match="golden outputs are"):
        selftest_files(tiny_plan(), wrong)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[-128, 127]], np.int8), ["-128", "127"]),
        (np.array([-(2**31), 1], np.int32), ["INT32_MIN", "1"]),
        (np.array([-(2**63), 2**62], np.int64), ["INT64_MIN", "4611686018427387904LL"]),
        (np.array([True, False]), ["1", "0"]),
        (np.array([0.1, -0.0], np.float32), ["0x1.99999a0000000p-4f", "-0x0.0p+0f"]),
        (
            np.array([np.inf, -np.inf, np.nan], np.float32),
            ["__builtin_inff()", "-__builtin_inff()", '__builtin_nanf("")'],
        ),
    ],
)
def test_literals_are_exact(array: np.ndarray, expected: list[str]) -> None:
    assert literals(array) == expected


def test_names_cannot_break_the_protocol() -> None:
    assert protocol_field('a,b"c\\d\né??') == "a_b_c_d____"


def monitor() -> object:
    pytest.importorskip("platformio")
    path = data_dir("templates") / "platform" / "monitor" / "filter_micronets.py"
    spec = importlib.util.spec_from_file_location("filter_micronets", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MicronetsFilter({"environment": "any"})


SPOKEN = (
    "hello\r\nMN,begin,2\r\nMN,counter,cycles,40,1\r\nMN,invoke,25\r\n"
    "MN,byte,7,1,2\r\nMN,vector,0,FAIL,1,3,4\r\nMN,result,FAIL,0,1\r\n"
    "MN,fault,\x1b[2J,0\r\nMN,invoke," + "9" * 400 + "\r\nMN,odd\r\nMN> "
)


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_monitor_speaks_in_sentences(chunk: int) -> None:
    view = monitor()
    shown = "".join(view.rx(SPOKEN[i : i + chunk]) for i in range(0, len(SPOKEN), chunk))  # type: ignore[attr-defined]
    assert shown == (
        "hello\r\n--- self-test\r\ncounter   cycles, steps of 40\r\ninvoke    1,000 cycles\r\n"
        "  byte 7: expected 1, got 2\r\nvector 0: FAIL, 1 bytes differ, class 3 taken for 4\r\n"
        "accuracy  0 of 1\nresult    FAIL, 0 of 1 vectors\r\n"
        "'MN,fault,\\x1b[2J,0'\r\nMN,invoke," + "9" * 400 + "\r\nMN,odd\r\nMN> "
    )
