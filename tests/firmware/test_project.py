"""Whole projects under a fresh PlatformIO: build, budget, emulate, test, upload."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from micronets_gen.boards.load import load_board, load_boards
from micronets_gen.errors import ToolError
from micronets_gen.project.pio import build, core_dir, run_pio
from micronets_gen.project.project import Project, environments
from tests.support.tiny_project import BOARD, MODEL_C, tiny_project, tiny_project_for, tiny_vectors

pytestmark = [
    pytest.mark.needs("compiler"),
    pytest.mark.needs("qemu"),
]
RELEASE, PROFILE = environments(BOARD)


@pytest.fixture(scope="module", autouse=True)
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh core folder: nothing but what the project itself prepares."""
    folder = tmp_path_factory.mktemp("core")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLATFORMIO_CORE_DIR", str(folder))
        yield folder


def write(root: Path, project: Project | None = None) -> Path:
    (project or tiny_project()).write(root)
    return root


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write(tmp_path_factory.mktemp("built") / "project")
    build(root, [RELEASE, PROFILE])
    return root


def test_build_needs_no_registry(built: Path, core: Path) -> None:
    for name in (RELEASE, PROFILE):
        assert (built / ".pio/build" / name / "firmware.elf").read_bytes().startswith(b"\x7fELF")
    assert core_dir() == core
    assert {path.name for path in (core / "packages").iterdir()} <= {"tool-scons", "tool-cppcheck"}


def test_plain_pio_is_enough(tmp_path: Path) -> None:
    """No variable, no package of ours: what a user has after `pip install platformio scons`."""
    root = write(tmp_path / "project")
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment |= {"HOME": str(tmp_path), "PLATFORMIO_CORE_DIR": str(tmp_path / "core")}
    command = [sys.executable, "-m", "platformio", "run"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "codegen" not in done.stdout


def test_odd_folder_and_texts_build_and_run(tmp_path: Path) -> None:
    """Everything that a shell, SCons, configparser, C and Markdown might read as more than a name."""
    board = load_board("qemu_mps2_an386")
    odd = """100 % "odd" 'text' ??/ ${sysenv.HOME} $x; #y `touch pwned` \\"""
    regions = tuple(replace(region, note=odd) for region in board.regions)
    odd_board = replace(board, title=odd, vendor=odd, regions=regions)
    root = write(
        tmp_path / """-odd 'a"b; (c)`touch pwned`&touch pwned|é日#%\\<>*?""", tiny_project_for(odd_board)
    )
    image = build(root, [board.name])[board.name]
    assert str(tmp_path).encode() not in image.read_bytes()
    assert "PASS" in run_pio(root, ["run", "-e", board.name, "-t", "emulate"]).output
    assert not [path for path in tmp_path.rglob("*") if path.name == "pwned"]


def _path_without_compiler(folder: Path) -> str:
    folder.mkdir()
    for name in ("sh", "env", "uname"):
        program = shutil.which(name)
        assert program
        (folder / name).symlink_to(program)
    return str(folder)


def test_compiler_of_the_registry_serves_where_the_system_has_none(
    built: Path, tmp_path: Path, core: Path
) -> None:
    """The package as PlatformIO would have installed it; its programs hand over to the system's."""
    package = tmp_path / "core/packages/toolchain-gccarmnoneeabi"
    (package / "bin").mkdir(parents=True)
    compiler = shutil.which("arm-none-eabi-gcc")
    assert compiler
    for program in Path(compiler).parent.glob("arm-none-eabi-*"):
        wrapper = package / "bin" / program.name
        wrapper.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        wrapper.chmod(0o755)
    name, version = package.name, "1.120301.0"
    (package / "package.json").write_text(json.dumps({"name": name, "version": version}))
    spec = {"owner": "platformio", "id": 8187, "name": name, "requirements": None, "uri": None}
    record = {"type": "tool", "name": name, "version": version, "spec": spec}
    (package / ".piopm").write_text(json.dumps(record))

    root = write(tmp_path / "project")
    path = _path_without_compiler(tmp_path / "path")
    run_pio(root, ["run"], environment={"PATH": path, "PLATFORMIO_CORE_DIR": str(tmp_path / "core")})
    image = Path(".pio/build", RELEASE, "firmware.elf")
    assert (root / image).read_bytes() == (built / image).read_bytes()


def test_what_was_compiled_with_other_settings_is_not_compiled_again(tmp_path: Path) -> None:
    root = write(tmp_path / "project")
    objects = tmp_path / "objects"
    run_pio(root, ["run"], environment={"MICRONETS_OBJECTS": str(objects)})
    plain = {key: value for key, value in os.environ.items() if key != "MICRONETS_OBJECTS"}
    shutil.rmtree(root / ".pio/build")
    done = subprocess.run(
        [sys.executable, "-m", "platformio", "run"],
        cwd=root,
        env=plain,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Retrieved" in done.stdout
    assert [
        line for line in done.stdout.splitlines() if line.startswith("Compiling") and "/lib" in line
    ] == []
    assert not (root / ".pio/objects").exists()


def test_offline_script_prepares_scons(tmp_path: Path) -> None:
    root = write(tmp_path / "project")
    environment = {**os.environ, "PLATFORMIO_CORE_DIR": str(tmp_path / "core")}
    command = [sys.executable, "pio/micronets/tools/offline.py"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert "tool-scons is in place" in done.stdout
    package = tmp_path / "core/packages/tool-scons"
    assert sorted(path.name for path in package.iterdir()) == [
        ".piopm",
        "package.json",
        "scons-local",
        "scons.py",
    ]
    again = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert again.stdout.startswith("tool-scons is in place: `pio run` needs no registry\n")


@pytest.mark.needs("cppcheck")
def test_pio_check_finds_nothing_in_what_is_generated_and_a_defect_in_what_is_not(tmp_path: Path) -> None:
    root = write(tmp_path / "project")
    clean = run_pio(root, ["check"])
    assert "No defects found" in clean.output
    with (root / "src/main.c").open("a") as main:
        main.write("int broken(void);\nint broken(void)\n{\n    int x[2] = {0};\n    return x[2];\n}\n")
    found = run_pio(root, ["check", "--fail-on-defect=high"], check=False)
    assert found.status != 0
    assert "arrayIndexOutOfBounds" in found.output


def test_two_folders_give_the_same_image(built: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "some where" / "else")
    images = build(other, [RELEASE, PROFILE])
    for name, image in images.items():
        assert image.read_bytes() == (built / ".pio/build" / name / "firmware.elf").read_bytes()
        assert str(tmp_path).encode() not in image.read_bytes()


def test_second_build_compiles_nothing(built: Path) -> None:
    assert "Compiling" not in run_pio(built, ["run", "-e", RELEASE]).output


def test_stack_usage_lies_next_to_objects(built: Path) -> None:
    objects = sorted((built / ".pio/build" / RELEASE).rglob("*.o"))
    assert {path.stem for path in objects} == {
        *("counter", "exit", "faults", "startup", "syscalls", "system", "uart"),
        *("model", "selftest", "vectors", "main"),
    }
    assert all(path.with_suffix(".su").is_file() for path in objects)


def test_profiling_costs_nothing_in_the_release(built: Path) -> None:
    image = (built / ".pio/build" / RELEASE / "firmware.elf").read_bytes()
    assert b"model_layer" not in image
    assert b"model_layer" in (built / ".pio/build" / PROFILE / "firmware.elf").read_bytes()


def test_emulate_passes_and_profiles(built: Path) -> None:
    assert "PASS: 3 of 3" in run_pio(built, ["run", "-t", "emulate"]).output
    profiled = run_pio(built, ["run", "-e", PROFILE, "-t", "emulate"]).output
    assert "MN,layer,0,relu,RELU,0," in profiled


def test_emulate_reports_a_wrong_byte(tmp_path: Path) -> None:
    root = write(tmp_path / "project", tiny_project(tiny_vectors(wrong=2)))
    done = run_pio(root, ["run", "-t", "emulate"], check=False)
    assert done.status != 0
    lines = [line for line in done.output.splitlines() if line.startswith(("MN,vector", "MN,byte"))]
    expected = tiny_vectors(wrong=2).expected[1][0].reshape(-1)
    good = tiny_vectors().expected[1][0].reshape(-1)
    classes = [f",{label},{label}" for label in tiny_vectors().labels or ()]
    assert lines == [
        f"MN,vector,0,PASS,0{classes[0]}",
        f"MN,byte,0,{expected[0]},{good[0]}",
        f"MN,byte,1,{expected[1]},{good[1]}",
        f"MN,vector,1,FAIL,2{classes[1]}",
        f"MN,vector,2,PASS,0{classes[2]}",
    ]
    assert "MN,result,FAIL,2,3" in done.output


def test_pio_test_runs_in_the_emulator(built: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    run_pio(built, ["test", "--json-output-path", str(report)])
    suites = [
        suite for suite in json.loads(report.read_text())["test_suites"] if suite["status"] != "SKIPPED"
    ]
    assert [(suite["env_name"], suite["status"]) for suite in suites] == [(RELEASE, "PASSED")]
    assert [case["name"] for case in suites[0]["test_cases"]] == ["vector 0", "vector 1", "vector 2"]


def test_pio_test_fails_with_the_difference(tmp_path: Path) -> None:
    root = write(tmp_path / "project", tiny_project(tiny_vectors(wrong=1)))
    done = run_pio(root, ["test"], check=False)
    assert done.status != 0
    assert "vector 1: 1 bytes differ, first at byte 0" in done.output


def test_pio_test_errs_where_the_firmware_stops_early(tmp_path: Path) -> None:
    stop = MODEL_C.replace("arena[0] = 0;", "board_exit(0);")
    done = run_pio(write(tmp_path / "project", tiny_project(model__c=stop)), ["test"], check=False)
    assert done.status != 0
    assert "The firmware did not run to its end" in done.output
    assert "ERRORED" in done.output


def test_pio_test_on_a_board(tmp_path: Path) -> None:
    """With a port in user.ini the image is uploaded and read there: here, QEMU's UART on a socket."""
    root = write(tmp_path / "project")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    qemu = "qemu-system-arm -M mps2-an386 -display none -monitor none"
    qemu += f" -serial tcp:127.0.0.1:{port},server=on,wait=on"
    upload = tmp_path / "upload.sh"
    upload.write_text(
        f"#!/bin/sh\n{qemu} -semihosting -kernel $1 >/dev/null 2>&1 &\necho $! > {tmp_path}/pid\nsleep 1\n"
    )
    with (root / "user.ini").open("a") as settings:
        settings.write(f"upload_protocol = custom\nupload_command = sh {upload} $SOURCE\n")
        settings.write(f"test_port = socket://127.0.0.1:{port}\n")
    try:
        done = run_pio(root, ["test"])
    finally:
        _stop(tmp_path / "pid")
    assert "Testing in the emulator" not in done.output
    assert "3 test cases: 3 succeeded" in done.output


def _stop(pid_file: Path) -> None:
    if pid_file.is_file():
        try:
            os.kill(int(pid_file.read_text()), 9)
        except ProcessLookupError:
            return


def test_flags_of_the_user_reach_both_environments(tmp_path: Path) -> None:
    root = write(tmp_path / "project")
    (root / "user.ini").write_text("[env]\nbuild_flags = -D MINE=7\n")
    for name, profiled in ((RELEASE, False), (PROFILE, True)):
        run_pio(root, ["run", "-e", name, "-t", "compiledb"])
        commands = [entry["command"] for entry in json.loads((root / "compile_commands.json").read_text())]
        assert all("-DMINE=7" in command for command in commands)
        assert all(("-DMODEL_PROFILE" in command) == profiled for command in commands)


def test_compiledb(built: Path) -> None:
    run_pio(built, ["run", "-t", "compiledb"])
    entries = json.loads((built / "compile_commands.json").read_text())
    flags = {Path(entry["file"]).name: entry["command"].split() for entry in entries}
    assert {"main.c", "model.c", "startup.c", "selftest.c", "vectors.c"} <= set(flags)
    assert "-Werror" in flags["model.c"]
    assert "-Werror" not in flags["main.c"]
    assert [flag for flag in flags["model.c"] if flag.startswith("-O")][-1] == "-O2"
    assert [flag for flag in flags["selftest.c"] if flag.startswith("-O")][-1] == "-Os"


def test_budget_holds_and_breaks(built: Path, tmp_path: Path) -> None:
    assert "flash:" in run_pio(built, ["run", "-t", "budget"]).output
    root = write(tmp_path / "project")
    settings = root / "user.ini"
    settings.write_text(
        settings.read_text().replace(f"ram_budget = {BOARD.ram_bytes}", "ram_budget = 0x2000")
    )
    found = re.search(
        r"ram  : (\d+) of 8192 bytes, (\d+) spare", run_pio(root, ["run", "-t", "budget"]).output
    )
    assert found
    used = int(found[1])
    assert 4096 + 2048 <= used == 8192 - int(found[2]) < 4096 + 2048 + 64  # arena, stack and a few variables
    settings.write_text(settings.read_text().replace("0x2000", f"{used - 8}"))
    done = run_pio(root, ["run", "-t", "budget"], check=False)
    assert done.status != 0
    assert f"ram  : {used} of {used - 8} bytes, EXCEEDED by 8" in done.output
    settings.write_text(settings.read_text().replace("custom_heap_bytes = 0", "custom_heap_bytes = 1000"))
    assert f"ram  : {used + 1000} of" in run_pio(root, ["run", "-t", "budget"], check=False).output


def test_an_application_is_emulated_with_its_words_heap_and_status(built: Path, tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(built, root)
    (root / "src/main.c").write_text(
        "#include <stdio.h>\n#include <stdlib.h>\n"
        '#include "board.h"\n#include "model.h"\n#include "selftest.h"\n'
        "int main(void)\n{\n    board_init();\n    model_init();\n    model_input_0()[1] = 9;\n    model_invoke();\n"
        '    printf("output %d, memory %d\\n", model_output_0()[1], malloc(3000) != NULL);\n    board_exit(5);\n}\n'
    )
    done = run_pio(root, ["run", "-t", "emulate"], check=False)
    assert done.status != 0
    assert (
        "The heap is full: set custom_heap_bytes in user.ini to more bytes.\noutput 9, memory 0\n"
        in done.output
    )
    assert "tiny_mps2: the application ended with status 5 in QEMU mps2-an386" in done.output
    settings = root / "user.ini"
    settings.write_text(settings.read_text().replace("custom_heap_bytes = 0", "custom_heap_bytes = 4096"))
    main = (root / "src/main.c").read_text()
    (root / "src/main.c").write_text(main.replace("board_exit(5)", "board_exit(0)"))
    assert "output 9, memory 1\n" in run_pio(root, ["run", "-t", "emulate"]).output
    settings.write_text(settings.read_text().replace("custom_heap_bytes = 4096", "custom_heap_bytes = many"))
    refused = run_pio(root, ["run"], check=False)
    assert refused.status != 0
    assert "Error: custom_heap_bytes is 'many'; give a number of bytes, such as 4096." in refused.output


def test_size_report_counts_the_arena(built: Path) -> None:
    # In a section that PlatformIO has never heard of.
    found = re.search(
        r"\(used (\d+) bytes from 4194304 bytes\)", run_pio(built, ["run", "-e", RELEASE]).output
    )
    assert found
    assert 4096 <= int(found[1]) < 4096 + 64


def test_upload_without_a_board_points_to_the_emulator(built: Path) -> None:
    done = run_pio(built, ["run", "-t", "upload"], check=False)
    assert done.status != 0
    assert "the board exists in the emulator only; `pio run -t emulate`" in done.output


@pytest.mark.parametrize("name", [board.name for board in load_boards()])
def test_every_board_builds_passes_and_keeps_its_budget(tmp_path: Path, name: str) -> None:
    board = load_board(name)
    root = write(tmp_path / "project", tiny_project_for(board))
    if board.emulator and board.emulator.kind == "virtual":
        pytest.importorskip("unicorn")
    target = "emulate" if board.emulator else "size"
    done = run_pio(root, ["run", "-e", environments(board)[1], "-t", target, "-t", "budget"])
    assert "MN,result,PASS,3,3" in done.output or not board.emulator
    assert "warning" not in done.output
    # 4 KB of arena, 2 KB of stack, and what the board's drivers keep.
    used = int(next(line for line in done.output.splitlines() if line.startswith("ram  :")).split()[2])
    assert 4096 + 2048 <= used < 4096 + 2048 + 512


@pytest.fixture(scope="module")
def nucleo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("nucleo") / "project", tiny_project_for(load_board("nucleo_f746zg")))


@pytest.mark.needs("openocd")
def test_upload_by_openocd_looks_for_the_probe(nucleo: Path) -> None:
    done = run_pio(nucleo, ["run", "-v", "-t", "upload"], check=False)
    assert done.status != 0
    assert "-f interface/stlink.cfg -f target/stm32f7x.cfg -c" in done.output
    # OpenOCD found its scripts and read them; there is no probe here.
    assert "Can't find" not in done.output
    assert "open failed" in done.output or "no device found" in done.output
    assert "Is the board connected over USB" in done.output
    assert "`pio run -t emulate` runs the image without a board" in done.output


@pytest.mark.parametrize(
    ("protocol", "program", "words"),
    [
        ("jlink", "JLinkExe", ["-device", "STM32F746ZG", "-if", "swd", "upload.jlink"]),
        ("blackmagic", "arm-none-eabi-gdb", ["target extended-remote /dev/ttyBmp", "load", "firmware.elf"]),
        (
            "cmsis-dap",
            "openocd",
            ["interface/cmsis-dap.cfg", "program {.pio/build/nucleo_f746zg/firmware.elf}"],
        ),
    ],
)
def test_upload_calls_the_protocols_program(
    nucleo: Path, tmp_path: Path, protocol: str, program: str, words: list[str]
) -> None:
    """The probes are not here: a program in place of the real one records how it is called."""
    record = tmp_path / "arguments"
    stand_in = tmp_path / program
    stand_in.write_text(f'#!/bin/sh\nfor word in "$@"; do echo "$word"; done > {record}\n')
    stand_in.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PLATFORMIO_UPLOAD_PORT": "/dev/ttyBmp",
    }
    settings = nucleo / "user.ini"
    before = settings.read_text()
    settings.write_text(f"{before}upload_protocol = {protocol}\n")
    try:
        run_pio(nucleo, ["run", "-t", "upload"], environment=environment)
    finally:
        settings.write_text(before)
    called = record.read_text()
    assert all(word in called for word in words), called
    if protocol == "jlink":
        script = (nucleo / ".pio/build/nucleo_f746zg/upload.jlink").read_text()
        assert script == "h\nloadfile .pio/build/nucleo_f746zg/firmware.hex\nr\ng\nq\n"


@pytest.mark.needs("unix")
def test_monitor_loads_the_filter_and_speaks(nucleo: Path) -> None:
    """One pseudo-terminal is the board's serial port, the other the person's terminal."""
    import pty

    board, port = pty.openpty()
    screen, terminal = pty.openpty()
    command = [sys.executable, "-m", "platformio", "device", "monitor", "-p", os.ttyname(port)]
    with subprocess.Popen(command, cwd=nucleo, stdin=terminal, stdout=terminal, stderr=terminal) as monitor:
        shown = _read_until(screen, b"Quit:")
        os.write(board, b"boot\r\nMN,begin,2\r\nMN,counter,cycles,1,1\r\nMN,invoke,12345\r\nMN,end\r\n")
        shown = _read_until(screen, b"--- end")
        monitor.terminate()
    assert [line.strip() for line in shown.splitlines() if line.strip()][:2] == ["boot", "--- self-test"]
    assert "invoke    12,345 cycles" in shown


def _read_until(descriptor: int, mark: bytes) -> str:
    output = b""
    while mark not in output and select.select([descriptor], [], [], 20)[0]:
        output += os.read(descriptor, 4096)
    return output.decode()


def test_targets_are_listed(built: Path) -> None:
    output = run_pio(built, ["run", "--list-targets"]).output
    assert {"upload", "emulate", "budget"} <= set(output.split())


def test_compiler_error_names_the_line_and_the_log(tmp_path: Path) -> None:
    root = write(
        tmp_path / "project", tiny_project(model__c=MODEL_C.replace("arena[0] = 0;", "arena[0] = nothing;"))
    )
    with pytest.raises(ToolError) as caught:
        build(root, [RELEASE])
    assert "lib/model/model.c:" in str(caught.value)
    assert "'nothing' undeclared" in str(caught.value)
    assert "'nothing' undeclared" in (root / ".pio/micronets.log").read_text()


def test_warnings_are_errors_in_generated_code_only(tmp_path: Path) -> None:
    root = write(tmp_path / "project")
    main = root / "src/main.c"
    main.write_text(main.read_text().replace("{", "{\n    int unused;", 1))
    assert "unused variable" in run_pio(root, ["run"]).output
    (root / "lib/model/model.c").write_text(MODEL_C + "static int unused;\n")
    with pytest.raises(ToolError, match="defined but not used"):
        build(root, [RELEASE])


def test_build_is_fast(tmp_path: Path) -> None:
    root = write(tmp_path / "project")
    start = time.monotonic()
    build(root, [RELEASE, PROFILE])
    # A tenth of this on an idle machine; PlatformIO looking for the network takes a minute.
    assert time.monotonic() - start < 20


def test_the_object_cache_may_be_anywhere(tmp_path: Path) -> None:
    """Folders above it are made: a fresh machine has none."""
    root = write(tmp_path / "project")
    objects = tmp_path / "no" / "such" / "folder" / "objects"
    run_pio(root, ["run"], environment={"MICRONETS_OBJECTS": str(objects)})
    assert list(objects.rglob("*.su"))
