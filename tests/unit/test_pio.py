"""Reading what PlatformIO and the compiler say."""

from __future__ import annotations

from pathlib import Path

import pytest

from micronets_gen.errors import ToolError
from micronets_gen.project import pio

COMPILER = """\
Compiling .pio/build/b/lib1/model/model.o
lib/model/model.c: In function 'model_invoke':
lib/model/model.c:7:5: error: 'x' undeclared (first use in this function)
lib/model/model.c:9:1: error: something later
*** [.pio/build/b/lib1/model/model.o] Error 1
"""
UNDEFINED = """\
Linking .pio/build/b/firmware.elf
/usr/lib/gcc/arm-none-eabi/12.2.1/../../../arm-none-eabi/bin/ld: .pio/build/b/src/main.o: in function `main':
/tmp/src/main.c:9: undefined reference to `lost'
collect2: error: ld returned 1 exit status
*** [.pio/build/b/firmware.elf] Error 1
"""
OVERFLOW = """\
/opt/gcc/bin/../arm-none-eabi/bin/ld: warning: something else
/opt/gcc/bin/../arm-none-eabi/bin/ld: .pio/build/b/firmware.elf section `.text' will not fit in region `FLASH'
collect2: error: ld returned 1 exit status
"""


@pytest.mark.parametrize(
    ("output", "first"),
    [
        (COMPILER, "lib/model/model.c:7:5: 'x' undeclared (first use in this function)"),
        (UNDEFINED, "undefined reference to `lost'"),
        (OVERFLOW, ".pio/build/b/firmware.elf section `.text' will not fit in region `FLASH'"),
        ("UnknownBoard: Unknown board ID 'x'\n", "Unknown board ID 'x'"),
    ],
)
def test_first_error_is_the_one_told(tmp_path: Path, output: str, first: str) -> None:
    error = pio.failure(tmp_path, ["run"], pio.PioRun(1, output, tmp_path / "log"))
    assert str(error) == f"{tmp_path}: `pio run` failed: {first}\n  what to do: read {tmp_path / 'log'}"


def test_failure_without_a_message_tells_the_status(tmp_path: Path) -> None:
    error = pio.failure(tmp_path, ["run"], pio.PioRun(3, "", tmp_path / "log"))
    assert str(error) == f"{tmp_path}: `pio run` failed with status 3\n  what to do: read {tmp_path / 'log'}"


def test_missing_compiler_names_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "core"))
    monkeypatch.setattr(pio, "REGISTRY", "http://127.0.0.1:9/")
    with pytest.raises(ToolError, match=r"arm-none-eabi-gcc is missing(.|\n)*apt install gcc-arm-none-eabi"):
        pio.require_compiler()
    (tmp_path / "core/packages/toolchain-gccarmnoneeabi").mkdir(parents=True)
    pio.require_compiler()


def test_not_a_project(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="is no PlatformIO project"):
        pio.run_pio(tmp_path, ["run"])


def test_core_dir_is_ours_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path))
    assert pio.core_dir() == tmp_path
    monkeypatch.delenv("PLATFORMIO_CORE_DIR")
    monkeypatch.setenv("MICRONETS_CACHE", str(tmp_path / "cache"))
    assert pio.core_dir() == tmp_path / "cache/platformio"
