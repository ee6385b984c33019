"""Writing a project: what is touched, what never is, and what is refused."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from micronets_gen.common.files import write_atomically, write_if_changed
from micronets_gen.common.templates import environment
from micronets_gen.errors import UsageError
from micronets_gen.project.lock import Inputs, Lock
from micronets_gen.project.write import write_files

INPUTS = Inputs("net", "aa", "board", "bb", "aot", {"kernels": "1.0"}, "random, seed 0", "9.9")
FILES = {"a.txt": b"a", "lib/x/b.c": b"b"}


def write(root: Path, files: dict[str, bytes] = FILES, **options: object):
    return write_files(root, files, inputs=INPUTS, **options)  # type: ignore[arg-type]


def test_second_time_touches_nothing(tmp_path: Path) -> None:
    root = tmp_path / "p"
    assert write(root).written == ("a.txt", "lib/x/b.c", "micronets.lock")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert write(root).written == ()
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_user_files_are_written_once(tmp_path: Path) -> None:
    root = tmp_path / "p"
    write(root, user_files={"src/main.c": b"first"})
    (root / "src/main.c").write_bytes(b"mine")
    done = write(root, user_files={"src/main.c": b"second"})
    assert (root / "src/main.c").read_bytes() == b"mine"
    assert done.written == ()


def test_user_files_survive_force(tmp_path: Path) -> None:
    root = tmp_path / "p"
    write(root, user_files={"src/main.c": b"first"})
    (root / "src/main.c").write_bytes(b"mine")
    write(root, user_files={"src/main.c": b"second"}, force=True)
    assert (root / "src/main.c").read_bytes() == b"mine"


def test_stale_files_go_and_empty_folders_with_them(tmp_path: Path) -> None:
    root = tmp_path / "p"
    write(root)
    done = write(root, {"a.txt": b"a"})
    assert done.removed == ("lib/x/b.c",)
    assert not (root / "lib").exists()


def test_stale_files_that_were_edited_stay(tmp_path: Path) -> None:
    root = tmp_path / "p"
    write(root)
    (root / "lib/x/b.c").write_bytes(b"mine")
    done = write(root, {"a.txt": b"a"})
    assert (done.removed, done.kept) == ((), ("lib/x/b.c",))
    assert (root / "lib/x/b.c").read_bytes() == b"mine"


def test_edited_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    root = tmp_path / "p"
    write(root)
    (root / "a.txt").write_bytes(b"mine")
    with pytest.raises(UsageError) as caught:
        write(root, {"a.txt": b"new", "lib/x/b.c": b"new"})
    assert str(caught.value) == (
        f"{root}: generated files were edited by hand: a.txt\n"
        "  why: generating again would lose the edits\n"
        "  what to do: move your changes to src/, user.ini or a library of your own, "
        "or overwrite them with --force"
    )
    assert (root / "lib/x/b.c").read_bytes() == b"b"
    assert write(root, {"a.txt": b"new"}, force=True).edited == ("a.txt",)
    assert (root / "a.txt").read_bytes() == b"new"


def test_edit_that_equals_the_new_content_is_no_conflict(tmp_path: Path) -> None:
    root = tmp_path / "p"
    write(root)
    (root / "a.txt").write_bytes(b"new")
    write(root, {"a.txt": b"new"})


def test_foreign_file_in_the_way_of_a_new_one_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "p"
    write(root)
    (root / "c.txt").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"edited by hand: c\.txt"):
        write(root, {**FILES, "c.txt": b"c"})


def test_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds no project of micronets-gen"):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    write(tmp_path, force=True)
    assert (tmp_path / "thesis.tex").exists()


def test_empty_folder_is_welcome_and_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file, not a folder"):
        write(tmp_path / "file")


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "micronets.lock"])
def test_paths_stay_inside(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a path inside the project"):
        write(tmp_path / "p", {name: b""})


def test_lock_cannot_lead_out_of_the_project(tmp_path: Path) -> None:
    root = tmp_path / "p"
    write(root)
    lock = root / "micronets.lock"
    lock.write_text(lock.read_text().replace('"a.txt"', '"../victim"').replace("a.txt", '"../victim"'))
    with pytest.raises(UsageError, match="cannot be read"):
        write(root)


@pytest.mark.parametrize("text", ["", "version = 1", "not toml at all [", "version = 2"])
def test_damaged_lock_is_refused_unless_forced(tmp_path: Path, text: str) -> None:
    root = tmp_path / "p"
    write(root)
    (root / "micronets.lock").write_text(text)
    with pytest.raises(UsageError, match=r"micronets\.lock"):
        write(root)
    write(root, force=True)
    assert write(root).written == ()


def test_lock_reads_back_as_it_was(tmp_path: Path) -> None:
    lock = Lock.of(INPUTS, {'odd "name" \\ é.c': b"1", "a": b"2"}, ["src/main.c"])
    path = tmp_path / "micronets.lock"
    path.write_bytes(lock.dump())
    assert Lock.load(path) == lock
    assert tomllib.loads(path.read_text(encoding="utf-8"))["runtime"] == {
        "name": "aot",
        "pins": {"kernels": "1.0"},
    }


def test_interrupted_write_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")

    def fail(self: Path, other: Path) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_if_changed(target, b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


def test_written_files_have_the_permissions_of_the_umask_and_replace_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("theirs")
    target = tmp_path / "a"
    target.symlink_to(outside)
    before = os.umask(0o027)
    try:
        write_atomically(target, "mine")
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert (target.is_symlink(), target.read_text(), outside.read_text()) == (False, "mine", "theirs")


@pytest.mark.parametrize("trouble", [OSError(28, "No space left on device", "x"), KeyboardInterrupt()])
@pytest.mark.parametrize("existing", [False, True])
def test_folder_stays_as_it_was_when_writing_stops_half_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: BaseException, existing: bool
) -> None:
    root = tmp_path / "new" / "p"
    if existing:
        write(root)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    real = Path.write_bytes

    def fail_later(self: Path, data: bytes) -> int:
        if self.name == "z.txt":
            raise trouble
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", fail_later)
    with pytest.raises((UsageError, KeyboardInterrupt)) as caught:
        write(root, {"a.txt": b"new", "deep/er/c": b"c", "z.txt": b"z"})
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "new" / "p" / "deep").exists()
    assert (tmp_path / "new").exists() == existing
    if isinstance(trouble, OSError):
        assert "No space left on device" in str(caught.value)


def test_file_where_a_folder_must_be_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match=r"cannot be written\n  why: .*(Not a directory|File exists)"):
        write(tmp_path / "file" / "p")
    assert (tmp_path / "file").read_text() == "mine"


def test_what_was_interrupted_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "p"
    real = Path.replace

    def stop_at_b(self: Path, target: Path) -> Path:
        if self.name == "b.c":
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop_at_b)
        with pytest.raises(KeyboardInterrupt):
            write(root)
    assert write(root).written == ("lib/x/b.c", "micronets.lock")


def test_templates_must_know_every_name() -> None:
    with pytest.raises(UndefinedError):
        environment().from_string("{{ nobody }}").render()
