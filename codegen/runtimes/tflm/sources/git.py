"""Running git: never asking anybody anything, always saying how far it is."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from micronets_gen.runtimes.tflm.sources.errors import SourcesError

# A server that sends nothing for so long, in seconds, is taken for dead.
STALL = 120.0

# What would make a checkout differ from its commit, or start programs of the user's templates and settings.
_NEUTRAL = (
    "core.autocrlf=false",
    "core.eol=lf",
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
)
# A caller that is itself run by git (a hook) hands these down, and they would point to the wrong repository.
_LOCAL_VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
)
_PROGRESS = re.compile(
    r"(?:remote: )?([A-Z][a-z]+ [a-z]+): +\d+% \((\d+)/(\d+)\)(?:, (?!done\.)([^,]+))?(?:, done\.)?"
)
_COUNTER = re.compile(r"^(?:remote: )?[A-Z][a-z]+ [a-z]+: +\d+")


class GitError(Exception):
    """A git command failed; the text is git's own."""


@dataclass(frozen=True)
class Step:
    """How far a git command is.

    Attributes:
        stage: What it does now, in git's words, such as ``Receiving objects``.
        done: Objects or files so far.
        total: Objects or files in all.
        volume: Bytes and speed, in git's words; empty where it gives none.
    """

    stage: str
    done: int
    total: int
    volume: str = ""


def require_git() -> None:
    """Make sure that there is a git.

    Raises:
        SourcesError: there is none.
    """
    if shutil.which("git") is None:
        raise SourcesError(
            "git is not installed, and it brings the sources of the tflm runtime",
            remedy="install git; or import exported sources (micronets-gen sources import DIR); "
            "or build with --runtime aot, which needs no sources",
        )


def parse_progress(line: str) -> Step | None:
    """Return what a line of git's progress says, or None where it is another line."""
    match = _PROGRESS.fullmatch(line.strip())
    if match is None:
        return None
    return Step(match[1], int(match[2]), int(match[3]), match[4] or "")


def run(
    repository: Path,
    *arguments: str,
    on_step: Callable[[Step], None] | None = None,
    timeout: float | None = None,
    hold: Sequence[int] = (),
) -> str:
    """Run git in a folder and return its standard output without the space at both ends.

    Args:
        repository: Work tree or bare repository; repositories around it are not looked for.
        arguments: Of git.
        on_step: Called as git reports progress.
        timeout: Seconds for the whole command; without it, only a command without any sign of life is ended.
        hold: Descriptors of locks that git keeps as long as it lives, even where this process is killed.

    Raises:
        GitError: git failed, or took too long.
    """
    command = ["git", *(word for setting in _NEUTRAL for word in ("-c", setting)), *arguments]
    process = subprocess.Popen(
        command,
        cwd=repository,
        env=_environment(repository),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Away from the terminal nothing that git starts can ask for a password there.
        start_new_session=True,
        pass_fds=tuple(hold) if sys.platform != "win32" else (),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    watch = _Watch(process, timeout)
    output: list[bytes] = []
    reader = threading.Thread(target=lambda out=process.stdout: output.append(out.read()), daemon=True)
    try:
        reader.start()
        words = _read_messages(process.stderr, watch, on_step)
        reader.join()
        status = process.wait()
    except BaseException:
        _end(process)
        raise
    finally:
        watch.finished.set()
        process.stdout.close()
        process.stderr.close()
    if watch.expired:
        raise GitError(f"no answer within {watch.limit:.0f} s")
    if status:
        raise GitError(_complaint(words) or f"git {arguments[0]} ended with status {status}")
    return b"".join(output).decode(errors="replace").strip()


def succeeds(repository: Path, *arguments: str) -> bool:
    """Run git in a folder and return whether it succeeded."""
    try:
        run(repository, *arguments)
    except GitError:
        return False
    return True


class _Watch:
    """Ends a process that shows no sign of life, or takes longer than it may."""

    def __init__(self, process: subprocess.Popen[bytes], timeout: float | None) -> None:
        self.limit = STALL if timeout is None else timeout
        self.expired = False
        self.finished = threading.Event()
        self._total = timeout is not None
        self._last = time.monotonic()
        self._process = process
        threading.Thread(target=self._wait, daemon=True).start()

    def alive(self) -> None:
        """Note a sign of life."""
        if not self._total:
            self._last = time.monotonic()

    def _wait(self) -> None:
        while not self.finished.wait(max(0.0, self._last + self.limit - time.monotonic())):
            if time.monotonic() >= self._last + self.limit:
                self.expired = True
                _end(self._process)
                return


def _end(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read_messages(pipe: IO[bytes], watch: _Watch, on_step: Callable[[Step], None] | None) -> list[str]:
    """Read git's messages to their end and return the last ones that are not progress."""
    words: deque[str] = deque(maxlen=20)
    rest = b""
    while chunk := os.read(pipe.fileno(), 65536):
        watch.alive()
        *lines, rest = re.split(rb"[\r\n]+", rest + chunk)
        for line in lines:
            _take(line, words, on_step)
    _take(rest, words, on_step)
    return list(words)


def _take(line: bytes, words: deque[str], on_step: Callable[[Step], None] | None) -> None:
    text = line.decode(errors="replace").strip()
    step = parse_progress(text)
    if step:
        if on_step:
            on_step(step)
    elif text and not _COUNTER.match(text):
        words.append(text)


def _complaint(words: Sequence[str]) -> str:
    """Return what matters of git's messages: the errors, else all."""
    errors = [line.split(": ", 1)[1] for line in words if line.startswith(("fatal: ", "error: "))]
    return "; ".join(dict.fromkeys(errors or words))


def _environment(repository: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in _LOCAL_VARIABLES}
    return {
        **inherited,
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS_REQUIRE": "never",
        "GCM_INTERACTIVE": "never",
        "GIT_CEILING_DIRECTORIES": str(repository.resolve().parent),
        # Reading somebody's checkout must not write into it.
        "GIT_OPTIONAL_LOCKS": "0",
    }
