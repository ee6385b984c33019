"""Runs PlatformIO on a project and reads what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from dataclasses import dataclass
from pathlib import Path

from micronets_gen.common.caches import cache_root
from micronets_gen.common.files import write_atomically
from micronets_gen.errors import FitError, ToolError
from micronets_gen.image.symbols import require_regular
from micronets_gen.plan.fit import Heap
from micronets_gen.project.folder import drafts_of, require_buildable

COMPILER = "arm-none-eabi-gcc"
TOOLCHAIN = "toolchain-gccarmnoneeabi"
REGISTRY = "https://api.registry.platformio.org/"
COMPILER_REMEDY = (
    "install it: `apt install gcc-arm-none-eabi libnewlib-arm-none-eabi` on Debian and Ubuntu, "
    "`brew install --cask gcc-arm-embedded` on macOS, "
    "https://developer.arm.com/downloads/-/arm-gnu-toolchain-downloads elsewhere"
)
_COMPILER_ERROR = re.compile(r"^(?P<where>[^\s:][^:\n]*:\d+(?::\d+)?): (?:fatal )?error: (?P<what>.*)$", re.M)
_LINKER_ERROR = re.compile(r"^\S*[/-]ld(?:\.bfd)?(?:\.exe)?: (?!warning)(?P<what>.*\S)\s*$", re.M)
_UNDEFINED = re.compile(r"^\S.*: (?P<what>undefined reference to .*)$", re.M)
_OTHER_ERROR = re.compile(r"^(?:\w+(?:Error|Exception|Board|Platform): |Error: |\*\*\* )(?P<what>.*)$", re.M)
_OVERFLOW = re.compile(r"region [`'](?P<region>\w+)' overflowed by (?P<bytes>\d+) bytes")
_HEAP_OVERFLOW = re.compile(r"section [`']\.heap' will not fit in region")
_BEHIND_HEAP = re.compile(
    r"^_stack_(?:bytes = |guard = ALIGN\(_heap_end, |limit = _stack_guard \+ )(?P<bytes>\d+)", re.M
)


class RegionOverflowError(FitError):
    """The linker found no room in a memory region.

    Args:
        region: Its name.
        excess: Bytes too many, in the larger of the images.
        where: The project.
        log: Where the linker's output is.
        heap: What of the region is the heap that the project's settings ask for.
    """

    def __init__(self, region: str, excess: int, where: str, log: str, heap: Heap | None = None) -> None:
        super().__init__(
            f"the image is {excess:,} bytes too large for {region}",
            where=where,
            why=heap.share if heap else "",
            remedy=(heap and heap.remedy) or f"read {log}",
        )
        self.region = region
        self.excess = excess
        self.heap = heap


@dataclass(frozen=True)
class PioRun:
    """A finished run of PlatformIO.

    Attributes:
        output: Standard output and error, in order.
        log: The file that holds the output.
    """

    status: int
    output: str
    log: Path


def core_dir() -> Path:
    """Return the folder in which micronets-gen's builds keep PlatformIO's own files.

    ``PLATFORMIO_CORE_DIR`` where it is set, else a folder of the cache, apart from ``~/.platformio``.
    """
    chosen = os.environ.get("PLATFORMIO_CORE_DIR")
    return Path(chosen).expanduser() if chosen else cache_root() / "platformio"


def run_pio(
    project: Path,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    check: bool = True,
) -> PioRun:
    """Run ``pio <arguments>`` in a project, with the PlatformIO of this Python.

    Args:
        project: Folder with ``platformio.ini``.
        arguments: For example ``["run", "-e", "nucleo_f746zg"]``.
        environment: Variables to add.
        check: Raise where PlatformIO fails.

    Raises:
        ToolError: PlatformIO is not installed, or it failed and ``check`` is set.
        UsageError: the path of the project, or of the cache, is one that cannot be built in.
    """
    project = project.resolve()
    if not (project / "platformio.ini").is_file():
        raise ToolError("is no PlatformIO project", where=str(project), why="it has no platformio.ini")
    for folder in (project, core_dir(), cache_root()):
        require_buildable(folder)
    command = [sys.executable, "-m", "platformio", *arguments]
    variables = {**os.environ, **_settings(), **(environment or {})}
    finished = subprocess.run(
        command,
        cwd=project,
        env=variables,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    run = PioRun(finished.returncode, finished.stdout, _write_log(project, finished.stdout))
    if check and run.status != 0:
        raise failure(project, arguments, run)
    return run


def require_compiler() -> None:
    """Check that there is a cross compiler, or that PlatformIO can download one.

    PlatformIO itself tries for a minute before it says that it cannot.

    Raises:
        ToolError: neither.
    """
    installed = core_dir() / "packages" / TOOLCHAIN
    if shutil.which(COMPILER) or installed.is_dir() or _registry_answers():
        return
    raise ToolError(
        f"the cross compiler {COMPILER} is missing",
        why="it is not on the PATH, and PlatformIO's registry, which has it, cannot be reached",
        remedy=COMPILER_REMEDY,
    )


def _registry_answers() -> bool:
    try:
        with urllib.request.urlopen(REGISTRY, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def build(project: Path, environments: Sequence[str]) -> dict[str, Path]:
    """Compile a project.

    Args:
        project: The project's folder.
        environments: PlatformIO environments, for example those of :func:`micronets_gen.project.project.environments`.

    Returns:
        The ELF file of each environment.

    Raises:
        ToolError: no compiler, or it reported an error, or what lies in an image's place is no file.
        RegionOverflowError: the image does not fit.
    """
    require_compiler()
    arguments = ["run"]
    for name in environments:
        arguments += ["-e", name]
    images = {name: image_of(project, name) for name in environments}
    for image in images.values():
        require_regular(image)
    run_pio(project, arguments)
    for name, image in images.items():
        if not image.is_file():
            raise ToolError(f"PlatformIO made no image for {name}", where=str(image))
    return images


def image_of(project: Path, environment: str) -> Path:
    """Return where PlatformIO puts an environment's image."""
    return project / ".pio" / "build" / environment / "firmware.elf"


def _heap(project: Path, excess: int) -> Heap | None:
    """Return the heap that ``user.ini`` asks for, where the data region lacks ``excess`` bytes before the stack."""
    settings = ConfigParser(interpolation=None, strict=False)
    try:
        settings.read(project / "user.ini", encoding="utf-8")
        asked = int(settings.get("env", "custom_heap_bytes", fallback="0"), 0)
        script = (project / "lib" / "board" / "board.ld").read_text(encoding="utf-8")
    except (OSError, ConfigParserError, ValueError):
        return None
    stack = sum(int(match["bytes"]) for match in _BEHIND_HEAP.finditer(script))
    return Heap(asked, asked - excess - stack & -8) if asked > 0 else None


def failure(project: Path, arguments: Sequence[str], run: PioRun) -> ToolError | RegionOverflowError:
    """Return the error that tells the first thing that went wrong."""
    if "No module named platformio" in run.output:
        return ToolError(
            "PlatformIO is not installed",
            where=sys.executable,
            remedy=f"run `{sys.executable} -m pip install platformio scons`",
        )
    if not shutil.which(COMPILER) and re.search(rf"{COMPILER} is not on|the download failed", run.output):
        return ToolError(
            f"the cross compiler {COMPILER} is missing",
            where=str(project),
            why="it is not on the PATH, and PlatformIO could not download it",
            remedy=COMPILER_REMEDY,
        )
    overflows = [(int(match["bytes"]), match["region"]) for match in _OVERFLOW.finditer(run.output)]
    if overflows:
        excess, region = max(overflows)
        heap = _heap(project, excess) if _HEAP_OVERFLOW.search(run.output) else None
        return RegionOverflowError(region, excess, str(project), str(run.log), heap)
    first = _first_error(run.output)
    what = f"`pio {' '.join(arguments)}` failed" + (f": {first}" if first else f" with status {run.status}")
    return ToolError(what, where=str(project), remedy=f"read {run.log}")


def _first_error(output: str) -> str:
    compiler = _COMPILER_ERROR.search(output)
    if compiler:
        return f"{compiler['where']}: {compiler['what']}"
    for pattern in (_UNDEFINED, _LINKER_ERROR, _OTHER_ERROR):
        match = pattern.search(output)
        if match:
            return match["what"].strip()
    return ""


def _settings() -> dict[str, str]:
    """Return the variables that keep PlatformIO to building: own folders, no telemetry, no upgrade check."""
    return {
        "MICRONETS_OBJECTS": os.environ.get("MICRONETS_OBJECTS") or str(cache_root() / "objects"),
        "PLATFORMIO_CORE_DIR": str(core_dir()),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_NO_ANSI": "true",
    }


def _write_log(project: Path, output: str) -> Path:
    log = project / ".pio" / "micronets.log"
    log.parent.mkdir(exist_ok=True)
    write_atomically(log, output, drafts=drafts_of(project))
    return log
