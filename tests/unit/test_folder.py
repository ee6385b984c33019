"""A project's folder under kills, other processes and links."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from micronets_gen.errors import UsageError
from micronets_gen.project.folder import exclusive_folder, require_buildable
from micronets_gen.project.lock import Inputs, Lock
from micronets_gen.project.write import Written, require_own, write_files

pytestmark = [pytest.mark.needs("unix"), pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")]

INPUTS = Inputs("net", "aa", "board", "bb", "aot")
USERS = {"src/main.c": b"mine"}
STEPS = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chmod"}


def write(root: Path, files: dict[str, bytes], **options: object) -> Written:
    """Do what a build does with its folder."""
    require_own(root, force=bool(options.get("force")))
    with exclusive_folder(root, lambda _text: None):
        return write_files(root, files, inputs=INPUTS, user_files=USERS, **options)  # type: ignore[arg-type]


def killed_at(step: int, root: Path, job: Callable[[], object]) -> bool:
    """Run a job in a process that dies before its ``step``-th change below ``root``; return whether it got there."""
    child = os.fork()
    if child == 0:
        count = 0

        def before(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal count
            if event not in STEPS or not str(arguments[0]).startswith(str(root)):
                return
            if event == "open" and not int(arguments[2]) & (os.O_WRONLY | os.O_RDWR):  # type: ignore[call-overload]
                return
            count += 1
            if count == step:
                os._exit(9)

        sys.addaudithook(before)
        try:
            job()
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9


def tree(root: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
        if not path.is_dir() or not any(path.iterdir())
    }


OLD = {"a.txt": b"old", "lib/x/b.c": b"old", "gone/deep/c": b"old"}
NEW = {"a.txt": b"new", "lib/x/b.c": b"old", "fresh/deep/d": b"new"}
LAST = {"a.txt": b"last", "lib/x/b.c": b"last"}


@pytest.mark.parametrize("before", [{}, OLD], ids=["new folder", "old project"])
@pytest.mark.parametrize("after", [NEW, LAST], ids=["same again", "something else"])
def test_after_a_kill_at_any_step_the_next_build_succeeds(
    tmp_path: Path, before: dict[str, bytes], after: dict[str, bytes]
) -> None:
    wanted = {**after, **USERS, "micronets.lock": Lock.of(INPUTS, after, USERS).dump()}
    step = 0
    while True:
        step += 1
        root = tmp_path / str(step) / "p"
        if before:
            write(root, before)
        if not killed_at(step, root, lambda: write(root, NEW)):  # noqa: B023
            break
        write(root, after)
        assert tree(root) == wanted, f"killed before step {step}"
    assert step > 15
    assert tree(root) == {**NEW, **USERS, "micronets.lock": Lock.of(INPUTS, NEW, USERS).dump()}


def test_after_two_kills_the_third_build_succeeds(tmp_path: Path) -> None:
    for first in range(1, 100):
        root = tmp_path / str(first) / "p"
        write(root, OLD)
        if not killed_at(first, root, lambda: write(root, NEW)):  # noqa: B023
            break
        killed_at(first // 2 + 3, root, lambda: write(root, {**OLD, "a.txt": b"other"}))  # noqa: B023
        write(root, LAST)
        assert tree(root).keys() == {*LAST, *USERS, "micronets.lock"}


def test_after_a_kill_edits_are_still_kept(tmp_path: Path) -> None:
    root = tmp_path / "p"
    write(root, OLD)
    assert killed_at(14, root, lambda: write(root, NEW))
    (root / "lib/x/b.c").write_bytes(b"edited")
    with pytest.raises(UsageError, match=r"edited by hand: lib/x/b\.c"):
        write(root, LAST)
    assert (root / "lib/x/b.c").read_bytes() == b"edited"


HOLD = """
import sys, time
from pathlib import Path
from micronets_gen.project.folder import exclusive_folder, require_buildable
with exclusive_folder(Path(sys.argv[1]), print):
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_process_waits_and_goes_on_after_the_first_is_killed(tmp_path: Path) -> None:
    root = tmp_path / "p"
    first = subprocess.Popen([sys.executable, "-c", HOLD, root], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(
                UsageError, match="another process of micronets-gen has been working in this folder"
            ),
            exclusive_folder(root, lambda _text: None, timeout=0),
        ):
            pass
        told: list[str] = []

        def kill(sentence: str) -> None:
            told.append(sentence)
            first.kill()

        with exclusive_folder(root, kill, timeout=30):
            assert told == [f"waiting for another process of micronets-gen that works in {root}"]
    finally:
        first.kill()
        first.communicate()
    assert list(root.iterdir()) == []


def test_many_processes_one_at_a_time(tmp_path: Path) -> None:
    root, log = tmp_path / "p", tmp_path / "log"
    children = []
    for _ in range(8):
        child = os.fork()
        if child == 0:
            try:
                for _ in range(5):
                    with exclusive_folder(root, lambda _text: None, timeout=60):
                        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                        time.sleep(0.002)
                        os.close(descriptor)
                        log.unlink()
            except BaseException:
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
    assert tree(tmp_path) in ({}, {"p": None})  # who has waited does not know who made the folder


def test_force_names_what_it_overwrites_before_it_does(tmp_path: Path) -> None:
    for name in ("a.txt", "report.json", "theirs"):
        (tmp_path / name).write_bytes(b"theirs")
    told: list[tuple[str, bytes]] = []
    write(
        tmp_path,
        LAST,
        force=True,
        also=("report.json", "report.html"),
        tell=lambda text: told.append((text, (tmp_path / "a.txt").read_bytes())),
    )
    assert told == [(f"overwriting in {tmp_path}: a.txt, report.json", b"theirs")]
    assert (tmp_path / "a.txt").read_bytes() == b"last"
    assert (tmp_path / "theirs").read_bytes() == b"theirs"


@pytest.mark.parametrize("link", ["lib", "lib/x", ".micronets", ".pio", "src"])
@pytest.mark.parametrize("force", [False, True])
def test_nothing_is_written_through_a_folder_that_is_a_link(tmp_path: Path, link: str, force: bool) -> None:
    root, outside = tmp_path / "p", tmp_path / "outside"
    (root / link).parent.mkdir(parents=True)
    outside.mkdir()
    (outside / "b.c").write_bytes(b"theirs")
    (root / link).symlink_to(outside)
    (root / "micronets.lock").write_bytes(Lock.of(INPUTS, {}).dump())
    with pytest.raises(UsageError, match="is a link that leads out of it"):
        write(root, LAST, force=force)
    assert tree(outside) == {"b.c": b"theirs"}


def test_links_that_stay_inside_are_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "lib").symlink_to("real")
    write(tmp_path, LAST, force=True)
    assert (tmp_path / "real/x/b.c").read_bytes() == b"last"


def test_files_that_are_links_are_replaced_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "p", tmp_path / "outside"
    root.mkdir()
    outside.write_bytes(b"theirs")
    for name in ("a.txt", "micronets.lock", "report.json"):
        (root / name).symlink_to(outside)
    (root / "src").mkdir()
    (root / "src/main.c").symlink_to(tmp_path / "nowhere")
    told: list[str] = []
    write(root, LAST, force=True, tell=told.append, also=("report.json",))
    assert told == [f"overwriting in {root}: a.txt, micronets.lock, report.json"]
    assert outside.read_bytes() == b"theirs"
    assert (root / "src/main.c").is_symlink()
    assert not (tmp_path / "nowhere").exists()


def test_stale_files_behind_a_link_stay(tmp_path: Path) -> None:
    root, outside = tmp_path / "p", tmp_path / "outside"
    write(root, OLD)
    (root / "gone").rename(outside)
    (root / "gone").symlink_to(outside)
    write(root, LAST)
    assert (outside / "deep/c").read_bytes() == b"old"


@pytest.mark.parametrize("kind", ["folder", "fifo", "dangling link"])
def test_what_is_no_file_in_the_place_of_one(tmp_path: Path, kind: str) -> None:
    write(tmp_path, {})
    before = tree(tmp_path)
    if kind == "folder":
        (tmp_path / "a.txt/x").mkdir(parents=True)
    elif kind == "fifo":
        os.mkfifo(tmp_path / "a.txt")
    else:
        (tmp_path / "a.txt").symlink_to("nowhere")
    with pytest.raises(
        UsageError, match="is a folder where a file must be" if kind == "folder" else "edited by hand"
    ):
        write(tmp_path, LAST)
    assert {name: before[name] for name in before} == {name: tree(tmp_path)[name] for name in before}


@pytest.mark.parametrize(
    ("name", "why"),
    [("a$b", r"SCons, .* takes '\$'"), ("a\nb", "cannot be printed"), ("a\udcff", "cannot be printed")],
)
def test_paths_that_cannot_be_built_in_are_refused(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"cannot be built in this folder\n  why: .*{why}"):
        require_buildable(tmp_path / name)
