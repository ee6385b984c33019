"""The sources of the tflm runtime: pins, fetching, importing, status, and what is said when they cannot be had.

Small git repositories stand for the real ones. Their URLs lead nowhere, and git's own ``url.<base>.insteadOf`` leads
it to them, so that every test also shows that the user's git configuration is honoured.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from micronets_gen.cli.sources import sources_app
from micronets_gen.errors import MicronetsError, UsageError
from micronets_gen.runtimes.tflm import sources as api
from micronets_gen.runtimes.tflm.arena.pinned import COMMIT as MEASURED_COMMIT
from micronets_gen.runtimes.tflm.sources import (
    Progress,
    SourcesError,
    SourceSet,
    SourcesMissing,
    SourcesModified,
    SourcesUnreachable,
    cache,
    git,
)
from micronets_gen.runtimes.tflm.sources import pins as pins_module
from micronets_gen.runtimes.tflm.sources.companions import (
    expected_commits,
    expected_flatbuffers,
    flatbuffers_version,
)
from micronets_gen.runtimes.tflm.sources.digest import digest, hash_files
from micronets_gen.runtimes.tflm.sources.fetching import fetch_set, probe
from micronets_gen.runtimes.tflm.sources.git import Step, parse_progress
from micronets_gen.runtimes.tflm.sources.importing import import_set
from micronets_gen.runtimes.tflm.sources.status import status_set, undo_changes
from micronets_gen.runtimes.tflm.sources.tree import SourceTree, locate_set

REPOSITORY = Path(__file__).resolve().parents[2]
BASE = "https://sources.invalid/"
KEYS = ("tflm", "cmsis_nn", "flatbuffers", "gemmlowp", "ruy")

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def run_git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid", "-c", "commit.gpgsign=false")
    result = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True, timeout=60
    )
    return result.stdout.strip()


@dataclass(frozen=True)
class World:
    """Repositories to fetch from, what is wanted of them, and git's configuration."""

    root: Path
    sources: SourceSet
    pins_file: Path
    git_config: Path

    def origin(self, key: str) -> Path:
        return self.root / "origin" / self.sources[key].slug

    def own_origin(self, key: str) -> Path:
        """Return a copy of a repository that may be changed, which takes its place."""
        origin = self.origin(key)
        shared = origin.resolve()
        origin.unlink()
        shutil.copytree(shared, origin)
        return origin

    def mirror(self, base: str) -> None:
        """Let git go to ``base`` for every repository."""
        self.git_config.write_text(
            f'[url "{base}"]\n\tinsteadOf = {BASE}\n[protocol "ext"]\n\tallow = always\n'
        )

    def clone(self, key: str, name: str, *options: str) -> Path:
        target = self.root / name
        run_git(
            self.root, "clone", "--quiet", "--template=", *options, self.origin(key).as_uri(), str(target)
        )
        return target


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five repositories, each with a wanted commit and a later one, and their pins file."""
    root = tmp_path_factory.mktemp("sources")
    tables = []
    for key in KEYS:
        origin = root / "origin" / key
        (origin / "src").mkdir(parents=True)
        run_git(origin, "init", "--quiet", "--template=", "--initial-branch=main")
        (origin / "src" / f"{key}.h").write_text(f"// {key}\n")
        (origin / "LICENSE").write_text("free\n")
        (origin / "data.bin").write_bytes(Random(0).randbytes(100_000))
        (origin / "run.sh").write_text("#!/bin/sh\n")
        (origin / "run.sh").chmod(0o755)
        run_git(origin, "add", "-A")
        run_git(origin, "commit", "--quiet", "-m", "wanted")
        commit = run_git(origin, "rev-parse", "HEAD")
        sha256 = digest(origin, ["src"])
        (origin / "src" / f"{key}.h").write_text(f"// {key}, later\n")
        run_git(origin, "commit", "--quiet", "-am", "later")
        tables.append(
            f'[{key}]\ntitle = "{key.title()}"\nrepository = "{BASE}{key}"\ncommit = "{commit}"\n'
            f'licence = "MIT"\nlicence_files = ["LICENSE"]\nmarker = "src/{key}.h"\nparts = ["src"]\n'
            f'sha256 = "{sha256}"\n'
        )
    (root / "pins.toml").write_text("\n".join(tables))
    return root


@pytest.fixture
def world(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The repositories, an empty cache, and a git configuration that leads to them."""
    for name in (
        "GIT_DIR",
        "http_proxy",
        "https_proxy",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("MICRONETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "origin").mkdir()
    for key in KEYS:
        (tmp_path / "origin" / key).symlink_to(template / "origin" / key)
    pins_file = template / "pins.toml"
    world = World(tmp_path, SourceSet.read(pins_file), pins_file, tmp_path / "gitconfig")
    world.mirror((tmp_path / "origin").as_uri() + "/")
    return world


@pytest.fixture
def as_pinned(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The small repositories in the place of the real pins, for what takes no set."""
    monkeypatch.setattr(pins_module, "PINS_FILE", world.pins_file)
    pins_module._pinned.cache_clear()
    yield world
    pins_module._pinned.cache_clear()


class TestPins:
    def test_every_source_is_a_full_commit_of_a_public_repository(self) -> None:
        for pin in SourceSet.pinned():
            assert len(pin.commit) == 40
            assert pin.repository.startswith("https://github.com/")
            assert len(pin.sha256) == 64
            assert pin.licence == "Apache-2.0"
            assert "LICENSE" in pin.licence_files
            assert pin.marker.split("/")[0] in pin.parts

    def test_keys_are_the_fields_of_the_tree(self) -> None:
        assert [f.name for f in fields(SourceTree) if f.type == "Path"] == [p.key for p in SourceSet.pinned()]

    def test_commits_are_written_in_one_place(self) -> None:
        package = REPOSITORY / "codegen"
        files = [p for p in package.rglob("*") if p.suffix in {".py", ".toml", ".j2", ".json"}]
        # Structure sizes say at which commit they were measured, and a change of the pin asks for new ones.
        measured = package / "runtimes/tflm/arena/pinned.py"
        for pin in SourceSet.pinned():
            holders = {p for p in files if pin.commit.encode() in p.read_bytes()}
            assert holders - {measured} == {pins_module.PINS_FILE.resolve()}, pin.title

    def test_structure_sizes_were_measured_at_the_pin(self) -> None:
        assert SourceSet.pinned()["tflm"].commit == MEASURED_COMMIT

    def test_override_is_another_commit_without_a_digest(self) -> None:
        other = SourceSet.pinned({"cmsis_nn": "A" * 40})
        assert other["cmsis_nn"].commit == "a" * 40
        assert other["cmsis_nn"].sha256 == ""
        assert other["tflm"] == SourceSet.pinned()["tflm"]

    def test_override_with_the_pinned_commit_changes_nothing(self) -> None:
        pinned = SourceSet.pinned()
        assert SourceSet.pinned({"ruy": pinned["ruy"].commit}) == pinned

    @pytest.mark.parametrize("commit", ["main", "v25.9.23", "90b983c", "", "g" * 40, "a" * 41])
    def test_what_is_no_full_hash_is_refused(self, commit: str) -> None:
        with pytest.raises(UsageError, match="is not a full commit hash") as caught:
            SourceSet.pinned({"cmsis_nn": commit})
        assert caught.value.where == "--cmsis-nn-commit"

    def test_unknown_source_is_refused(self) -> None:
        with pytest.raises(UsageError, match="there is no source 'torch'"):
            api.locate({"torch": "a" * 40})


class TestCacheRoot:
    def test_own_variable_comes_first(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("MICRONETS_CACHE", str(tmp_path / "own"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert cache.cache_root() == tmp_path / "own"

    def test_xdg(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("MICRONETS_CACHE", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache.cache_root() == tmp_path / "micronets-gen"

    @pytest.mark.parametrize("value", ["", "relative/cache"])
    def test_home_where_xdg_says_nothing_valid(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str
    ) -> None:
        monkeypatch.delenv("MICRONETS_CACHE", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert cache.cache_root() == tmp_path / ".cache" / "micronets-gen"


class TestProgress:
    @pytest.mark.parametrize(
        ("line", "step"),
        [
            ("Receiving objects:  35% (695/1983)", Step("Receiving objects", 695, 1983)),
            (
                "Receiving objects:  36% (714/1983), 4.21 MiB | 8.40 MiB/s",
                Step("Receiving objects", 714, 1983, "4.21 MiB | 8.40 MiB/s"),
            ),
            (
                "Receiving objects: 100% (9/9), 1.02 KiB | 1.02 MiB/s, done.",
                Step("Receiving objects", 9, 9, "1.02 KiB | 1.02 MiB/s"),
            ),
            ("remote: Compressing objects:  17% (271/1589)        ", Step("Compressing objects", 271, 1589)),
            ("Updating files: 100% (4185/4185), done.", Step("Updating files", 4185, 4185)),
            ("remote: Enumerating objects: 1983, done.", None),
            ("fatal: unable to access 'https://x/': Could not resolve host: x", None),
        ],
    )
    def test_lines_of_git(self, line: str, step: Step | None) -> None:
        assert parse_progress(line) == step


class TestFetch:
    def test_every_source_arrives_at_its_commit(self, world: World) -> None:
        seen: list[Progress] = []
        tree = fetch_set(world.sources, seen.append)
        for pin in world.sources:
            folder = getattr(tree, pin.key)
            assert (folder / "src" / f"{pin.key}.h").read_text() == f"// {pin.key}\n"
            assert run_git(folder, "rev-parse", "HEAD") == pin.commit
            assert run_git(folder, "rev-list", "--count", "HEAD") == "1", "history was fetched"
            fractions = [p.fraction for p in seen if p.pin == pin]
            assert fractions == sorted(fractions)
            assert fractions[-1] == 1.0
        assert tree.commits == world.sources.commits
        assert tree.warnings == ()
        assert locate_set(world.sources) == tree

    def test_nothing_is_asked_once_all_is_there(self, world: World) -> None:
        tree = fetch_set(world.sources)
        world.mirror("file:///nowhere/")
        assert fetch_set(world.sources) == tree

    def test_each_commit_has_its_own_folder(self, world: World) -> None:
        first = fetch_set(world.sources)
        later = run_git(world.origin("tflm"), "rev-parse", "HEAD")
        second = fetch_set(world.sources.override({"tflm": later}))
        assert (first.tflm / "src/tflm.h").read_text() == "// tflm\n"
        assert (second.tflm / "src/tflm.h").read_text() == "// tflm, later\n"
        assert second.ruy == first.ruy

    def test_server_that_refuses_single_commits_gives_everything(self, world: World) -> None:
        with world.git_config.open("a") as config:
            config.write("[protocol]\n\tversion = 0\n")
        tree = fetch_set(world.sources)
        assert run_git(tree.ruy, "rev-parse", "HEAD") == world.sources["ruy"].commit
        assert run_git(tree.ruy, "rev-list", "--count", "--all") == "2", "the fall-back was not taken"

    @pytest.mark.parametrize("version", ["0", "2"])
    def test_commit_that_the_server_lacks(self, world: World, version: str) -> None:
        with world.git_config.open("a") as config:
            config.write(f"[protocol]\n\tversion = {version}\n")
        absent = "0123456789abcdef0123456789abcdef01234567"
        with pytest.raises(SourcesError) as caught:
            fetch_set(world.sources.override({"tflm": absent}))
        assert not isinstance(caught.value, SourcesUnreachable)
        assert str(caught.value) == (
            f"{BASE}tflm: there is no commit {absent} of Tflm\n"
            "  why: the server neither hands it out by its hash nor has it in a branch or tag\n"
            "  what to do: check the hash; where git goes to a mirror, bring that up to date"
        )

    def test_user_settings_and_hooks_do_not_change_files(self, world: World, tmp_path: Path) -> None:
        hooks = tmp_path / "hooks"
        hooks.mkdir()
        hook = hooks / "post-checkout"
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hook-ran\n")
        hook.chmod(0o755)
        with world.git_config.open("a") as config:
            config.write(f"[core]\n\tautocrlf = true\n\thooksPath = {hooks}\n")
        tree = fetch_set(world.sources)
        assert (tree.tflm / "src/tflm.h").read_bytes() == b"// tflm\n"
        assert not (tmp_path / "hook-ran").exists()

    def test_called_from_a_git_hook(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        mine = world.origin("ruy")
        before = run_git(mine, "rev-parse", "HEAD")
        monkeypatch.setenv("GIT_DIR", str(mine / ".git"))
        monkeypatch.setenv("GIT_INDEX_FILE", str(mine / ".git" / "index"))
        tree = fetch_set(world.sources)
        monkeypatch.delenv("GIT_DIR")
        monkeypatch.delenv("GIT_INDEX_FILE")
        assert run_git(mine, "rev-parse", "HEAD") == before
        assert run_git(tree.tflm, "rev-parse", "HEAD") == world.sources["tflm"].commit

    def test_two_at_once_share_the_work(self, world: World) -> None:
        trees: list[SourceTree] = []
        threads = [threading.Thread(target=lambda: trees.append(fetch_set(world.sources))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert trees == [trees[0]] * 3

    def test_cache_that_cannot_be_written(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        (world.root / "file").write_text("")
        monkeypatch.setenv("MICRONETS_CACHE", str(world.root / "file"))
        with pytest.raises(SourcesError, match="cannot be written into the cache") as caught:
            fetch_set(world.sources)
        assert "MICRONETS_CACHE" in caught.value.remedy

    def test_no_git(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(world.root))
        with pytest.raises(SourcesError, match="git is not installed") as caught:
            fetch_set(world.sources)
        assert "--runtime aot" in caught.value.remedy
        assert probe(world.sources) == (False, "its sources are not in the cache, and git is not installed")


class TestInterruption:
    def test_killed_in_the_middle_of_a_transfer(self, world: World) -> None:
        """SIGKILL while objects come: the orphaned git is waited for, its leftovers go, the rest is fetched."""
        started, release = world.root / "started", world.root / "release"
        slow = world.root / "slow.sh"
        slow.write_text(
            f"""#!/bin/sh
[ "$1" = tflm ] || exec git upload-pack {world.root}/origin/$1
git upload-pack {world.root}/origin/$1 | (
  dd bs=1 count=50000 2>/dev/null
  touch {started}
  while ! [ -e {release} ]; do sleep 0.05; done
)
"""
        )
        slow.chmod(0o755)
        world.mirror(f"ext::{slow} ")
        order = [world.sources[key] for key in ("ruy", "tflm", "cmsis_nn", "flatbuffers", "gemmlowp")]
        program = (
            "import sys\nfrom pathlib import Path\n"
            "from micronets_gen.runtimes.tflm.sources import SourceSet\n"
            "from micronets_gen.runtimes.tflm.sources.fetching import fetch_set\n"
            "pins = SourceSet.read(Path(sys.argv[1]))\n"
            "fetch_set(SourceSet(tuple(pins[key] for key in sys.argv[2:])))\n"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(world.pins_file), *(pin.key for pin in order)], cwd=REPOSITORY
        )
        try:
            wait_for(started)
        finally:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        ruy, tflm = world.sources["ruy"], world.sources["tflm"]
        assert cache.find(ruy), "what was complete must stay"
        assert cache.find(tflm) is None
        assert status_set(world.sources)[0].detail.startswith("fetching it was interrupted")

        inside = cache.entry(tflm).with_name(f"{tflm.commit}.partial") / "tree" / ".git"
        for leftover in ("index.lock", "shallow.lock", "objects/pack/tmp_pack_x"):
            (inside / leftover).parent.mkdir(parents=True, exist_ok=True)
            (inside / leftover).write_text("")
        world.mirror((world.root / "origin").as_uri() + "/")
        texts: list[str] = []

        def on_progress(progress: Progress) -> None:
            texts.append(progress.text)
            if progress.text.startswith("waiting"):
                release.touch()

        tree = fetch_set(world.sources, on_progress)
        assert texts[0] == "waiting for another process that fetches it"
        assert run_git(tree.tflm, "rev-parse", "HEAD") == tflm.commit
        assert not list((tree.tflm / ".git").rglob("tmp_*"))
        assert all(state.state == "ok" for state in status_set(world.sources))

    def test_what_was_received_is_not_fetched_again(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stop(*_arguments: object) -> None:
            raise KeyboardInterrupt

        for key in ("cmsis_nn", "flatbuffers", "gemmlowp", "ruy"):
            import_set(world.sources, world.origin(key))
        with monkeypatch.context() as patch:
            patch.setattr(cache, "write_origin", stop)
            with pytest.raises(KeyboardInterrupt):
                fetch_set(world.sources)
        assert cache.find(world.sources["tflm"]) is None
        world.mirror("file:///nowhere/")
        assert fetch_set(world.sources).commits == world.sources.commits

    def test_nothing_is_visible_before_it_is_complete(self, world: World) -> None:
        def on_progress(progress: Progress) -> None:
            assert cache.find(progress.pin) is None
            assert not cache.entry(progress.pin).exists()

        fetch_set(world.sources, on_progress)

    def test_half_an_entry_counts_as_missing_and_is_replaced(self, world: World) -> None:
        tree = fetch_set(world.sources)
        (tree.ruy.parent / "origin.json").unlink()
        with pytest.raises(SourcesMissing, match=r"not complete: no Ruy [0-9a-f]{12}\n"):
            locate_set(world.sources)
        assert fetch_set(world.sources) == tree

    def test_remains_that_are_no_repository(self, world: World) -> None:
        pin = world.sources["tflm"]
        inside = cache.entry(pin).with_name(f"{pin.commit}.partial") / "tree" / ".git"
        inside.mkdir(parents=True)
        (inside / "config").write_text("[broken")
        assert fetch_set(world.sources).commits == world.sources.commits

    def test_git_ends_with_its_caller(self, world: World) -> None:
        (world.root / "hang.sh").write_text(f"#!/bin/sh\necho $$ > {world.root}/pid\nexec sleep 60\n")
        (world.root / "hang.sh").chmod(0o755)
        world.mirror(f"ext::{world.root}/hang.sh ")
        with pytest.raises(git.GitError, match=r"^no answer within 1 s$"):
            git.run(world.root, "ls-remote", f"{BASE}tflm", timeout=1.0)
        pid = int((world.root / "pid").read_text())
        deadline = time.monotonic() + 10
        while is_running(pid):
            assert time.monotonic() < deadline, "what git had started is still there"
            time.sleep(0.02)


class TestUnreachable:
    def test_error_says_so_and_gives_three_ways_out(self, world: World) -> None:
        world.git_config.write_text("")
        with pytest.raises(SourcesUnreachable) as caught:
            fetch_set(world.sources)
        complaint = str(caught.value.__cause__)
        assert "sources.invalid" in complaint
        missing = ", ".join(f"{pin.title} {pin.commit[:12]}" for pin in world.sources)
        assert str(caught.value) == (
            "the sources of the tflm runtime are not in the cache and cannot be fetched: "
            "https://sources.invalid/tflm cannot be reached\n"
            f"  why: git says: {complaint}; missing: {missing}\n"
            "  what to do: one of three:\n"
            "    1. fetch elsewhere and import: run 'micronets-gen sources fetch' where the network can be reached, "
            "copy the\n"
            "       folder 'sources' of its cache here, then run 'micronets-gen sources import DIR'\n"
            "    2. set a mirror: git config --global url.https://MIRROR/.insteadOf https://sources.invalid/\n"
            "    3. do without: build with --runtime aot, which needs no sources"
        )
        assert isinstance(caught.value, MicronetsError)

    def test_first_way_out_works(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        fetch_set(world.sources)
        shutil.copytree(world.root / "cache" / "sources", world.root / "stick" / "sources")
        monkeypatch.setenv("MICRONETS_CACHE", str(world.root / "other"))
        world.git_config.write_text("")
        taken = import_set(world.sources, world.root / "stick")
        assert {done.pin.key for done in taken} == set(KEYS)
        assert all(done.verified == "commit" for done in taken)
        assert str(locate_set(world.sources).tflm).startswith(str(world.root / "other"))

    def test_mirror_is_named_with_its_setting(self, world: World) -> None:
        world.mirror("file:///nowhere/mirror/")
        with pytest.raises(SourcesUnreachable) as caught:
            fetch_set(world.sources)
        assert caught.value.what.endswith(
            "file:///nowhere/mirror/tflm (set by url.<base>.insteadOf) cannot be reached"
        )

    def test_what_came_before_stays(self, world: World) -> None:
        shutil.move(world.origin("flatbuffers"), world.root / "away")
        with pytest.raises(SourcesUnreachable) as caught:
            fetch_set(world.sources)
        assert "missing: Flatbuffers" in caught.value.why
        assert [state.state for state in status_set(world.sources)] == ["ok", "ok", *["missing"] * 3]

    def test_server_that_wants_a_password_is_not_waited_for(self, world: World) -> None:
        class Locked(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="mirror"')
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Locked)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            world.mirror(f"http://127.0.0.1:{server.server_port}/")
            with pytest.raises(SourcesUnreachable) as caught:
                fetch_set(world.sources)
        finally:
            server.shutdown()
            server.server_close()
        assert "terminal prompts disabled" in caught.value.why

    def test_probe(self, world: World) -> None:
        assert probe(world.sources) == (
            True,
            f"its sources are not in the cache yet, and {(world.root / 'origin').as_uri()}/tflm answers",
        )
        world.git_config.write_text("")
        possible, reason = probe(world.sources)
        assert not possible
        assert reason.startswith("its sources are not in the cache, and sources.invalid cannot be reached (")
        world.mirror((world.root / "origin").as_uri() + "/")
        fetch_set(world.sources)
        world.git_config.write_text("")
        assert probe(world.sources) == (True, "its sources are in the cache")

    def test_probe_does_not_wait_for_a_silent_server(self, world: World) -> None:
        (world.root / "hang.sh").write_text("#!/bin/sh\nexec sleep 60\n")
        (world.root / "hang.sh").chmod(0o755)
        world.mirror(f"ext::{world.root}/hang.sh ")
        start = time.monotonic()
        possible, reason = probe(world.sources, timeout=1.0)
        assert time.monotonic() - start < 8
        assert not possible
        assert reason.endswith("(no answer within 1 s)")


class TestImport:
    def test_clone_gives_the_wanted_commit_wherever_its_head_is(self, world: World) -> None:
        folder = world.clone("tflm", "mine")
        (done,) = import_set(world.sources, folder)
        assert (done.pin, done.verified, done.warnings) == (world.sources["tflm"], "commit", ())
        tree = cache.find(world.sources["tflm"])
        assert tree
        assert (tree / "src/tflm.h").read_text() == "// tflm\n"

    def test_clone_is_left_as_it_was(self, world: World) -> None:
        folder = world.clone("tflm", "mine")
        before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
        import_set(world.sources, folder)
        assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
        shutil.rmtree(folder)
        assert status_set(world.sources)[0].state == "ok", "the cache must not depend on the clone"

    def test_another_commit_is_imported_with_a_warning(self, world: World) -> None:
        folder = world.clone("cmsis_nn", "mine", "--depth=1")
        head = run_git(folder, "rev-parse", "HEAD")
        (done,) = import_set(world.sources, folder)
        assert done.pin.commit == head
        wanted = world.sources["cmsis_nn"].commit
        assert done.warnings == (
            f"{folder} does not hold Cmsis_Nn {wanted}; its HEAD {head} was imported instead, "
            f"which builds take with --cmsis-nn-commit {head}",
        )
        assert cache.find(world.sources["cmsis_nn"]) is None
        assert cache.find(world.sources.override({"cmsis_nn": head})["cmsis_nn"])

    def test_bare_mirrors_two_folders_deep(self, world: World) -> None:
        for key in KEYS:
            world.clone(key, f"mirrors/owner/{key}.git", "--mirror")
        taken = import_set(world.sources, world.root / "mirrors")
        assert {done.pin.key for done in taken} == set(KEYS)
        assert locate_set(world.sources).warnings == ()

    def test_changes_that_are_not_committed_stay_behind(self, world: World) -> None:
        folder = world.clone("tflm", "mine")
        (folder / "src/tflm.h").write_text("// patched\n")
        (done,) = import_set(world.sources, folder)
        assert done.warnings == (f"{folder} has changes that are not committed; they were left out",)
        assert status_set(world.sources)[0].state == "ok"

    def test_exported_tree_is_verified_by_its_digest(self, world: World) -> None:
        folder = self._export(world, "tflm")
        (folder / "src/tflm.h").write_bytes(b"// tflm\r\n")
        (done,) = import_set(world.sources, folder)
        assert (done.verified, done.warnings) == ("digest", ())
        assert status_set(world.sources)[0].detail == "digest of its source files"

    def test_exported_tree_within_another_repository(self, world: World) -> None:
        outer = world.root / "outer"
        outer.mkdir()
        run_git(outer, "init", "--quiet")
        shutil.move(self._export(world, "tflm"), outer / "vendored")
        (done,) = import_set(world.sources, outer / "vendored")
        assert done.verified == "digest"

    def test_exported_tree_of_another_commit_is_refused(self, world: World) -> None:
        folder = self._export(world, "tflm", "HEAD")
        with pytest.raises(SourcesError, match="this tree is not Tflm") as caught:
            import_set(world.sources, folder)
        assert "--tflm-commit" in caught.value.remedy
        assert cache.find(world.sources["tflm"]) is None

    def test_exported_tree_of_a_commit_without_digest_carries_a_warning(self, world: World) -> None:
        folder = self._export(world, "tflm", "HEAD")
        later = world.sources.override({"tflm": run_git(world.origin("tflm"), "rev-parse", "HEAD")})
        (done,) = import_set(later, folder)
        assert done.verified == "none"
        assert done.warnings == (
            f"{folder} has no git repository, so nothing proves that it is Tflm {later['tflm'].commit}",
        )
        tree = fetch_set(SourceSet(later.pins))
        assert tree.warnings == (
            f"Tflm was imported from {folder}, which does not prove that it is {later['tflm'].commit[:12]}",
        )
        assert status_set(later)[0].state == "unverified"

    def test_clone_replaces_what_is_not_verified(self, world: World) -> None:
        later = world.sources.override({"tflm": run_git(world.origin("tflm"), "rev-parse", "HEAD")})
        import_set(later, self._export(world, "tflm", "HEAD"))
        import_set(later, world.clone("tflm", "mine"))
        assert status_set(later)[0].state == "ok"

    def test_broken_checkout(self, world: World) -> None:
        folder = world.clone("tflm", "mine")
        (folder / ".git/HEAD").write_text("nonsense\n")
        with pytest.raises(SourcesError, match="this checkout of Tflm is broken") as caught:
            import_set(world.sources, folder)
        assert caught.value.where == str(folder)
        assert caught.value.why.startswith("git says: ")
        assert caught.value.remedy.endswith(f"git clone {BASE}tflm")
        assert cache.find(world.sources["tflm"]) is None

    def test_checkout_of_another_user(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = world.clone("tflm", "mine")
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        with pytest.raises(SourcesError, match="is broken") as caught:
            import_set(world.sources, folder)
        assert "dubious ownership" in caught.value.why
        assert caught.value.remedy.endswith(f"git config --global --add safe.directory {folder}")

    def test_broken_bare_mirror_is_known_by_its_name(self, world: World) -> None:
        folder = world.clone("tflm", "mirrors/tflm.git", "--mirror")
        (folder / "HEAD").write_text("nonsense\n")
        with pytest.raises(SourcesError, match="this checkout of Tflm is broken"):
            import_set(world.sources, world.root / "mirrors")

    def test_checkout_with_missing_objects(self, world: World) -> None:
        folder = world.clone("tflm", "mine")
        for pack in (folder / ".git/objects").rglob("*.pack"):
            pack.unlink()
        with pytest.raises(SourcesError, match="is broken"):
            import_set(world.sources, folder)
        assert cache.find(world.sources["tflm"]) is None

    def test_damaged_object_is_noticed(self, world: World) -> None:
        folder = world.root / "mine"
        shutil.copytree(world.origin("tflm"), folder)
        blob = run_git(folder, "rev-parse", f"{world.sources['tflm'].commit}:src/tflm.h")
        other = run_git(folder, "rev-parse", "HEAD:src/tflm.h")
        objects = folder / ".git/objects"
        target = objects / blob[:2] / blob[2:]
        target.chmod(0o644)
        target.write_bytes((objects / other[:2] / other[2:]).read_bytes())
        with pytest.raises(SourcesError, match="is broken"):
            import_set(world.sources, folder)
        assert cache.find(world.sources["tflm"]) is None

    def test_broken_repository_around_good_files(self, world: World) -> None:
        folder = world.clone("tflm", "mine")
        run_git(folder, "checkout", "--quiet", world.sources["tflm"].commit)
        (folder / ".git/HEAD").write_text("nonsense\n")
        (done,) = import_set(world.sources, folder)
        assert done.verified == "digest"
        assert done.warnings[0].endswith("its files are those of the commit all the same")

    def test_good_ones_are_kept_beside_a_broken_one(self, world: World) -> None:
        (world.clone("tflm", "all/tflm") / ".git/HEAD").write_text("nonsense\n")
        world.clone("ruy", "all/ruy")
        with pytest.raises(SourcesError, match="this checkout of Tflm is broken"):
            import_set(world.sources, world.root / "all")
        assert cache.find(world.sources["ruy"])

    def test_folder_without_any(self, world: World) -> None:
        (world.root / "empty").mkdir()
        with pytest.raises(SourcesError, match="none of the sources") as caught:
            import_set(world.sources, world.root / "empty")
        assert "Ruy (src/ruy.h)" in caught.value.why

    def test_no_folder(self, world: World) -> None:
        with pytest.raises(SourcesError, match="there is no such folder"):
            import_set(world.sources, world.root / "nix")

    @staticmethod
    def _export(world: World, key: str, commit: str = "") -> Path:
        folder = world.root / f"{key}-exported"
        folder.mkdir()
        archive = world.root / "archive.tar"
        run_git(world.origin(key), "archive", "-o", str(archive), commit or world.sources[key].commit)
        shutil.unpack_archive(archive, folder)
        return folder


class TestStatus:
    def test_file_that_was_changed_in_the_cache(self, world: World) -> None:
        tree = fetch_set(world.sources)
        (tree.cmsis_nn / "src/cmsis_nn.h").write_text("// edited\n")
        (tree.ruy / "new.h").write_text("")
        states = {state.pin.key: state for state in status_set(world.sources)}
        assert states["cmsis_nn"].state == "modified"
        assert states["cmsis_nn"].detail.endswith("src/cmsis_nn.h")
        assert states["ruy"].detail == "1 file differs from the commit: new.h"
        assert states["tflm"].state == "ok"

    def test_repository_that_was_damaged_in_the_cache(self, world: World) -> None:
        tree = fetch_set(world.sources)
        (tree.tflm / ".git/HEAD").write_text("nonsense\n")
        assert status_set(world.sources)[0].state == "modified"

    def test_other_commits_are_listed(self, world: World) -> None:
        later = run_git(world.origin("tflm"), "rev-parse", "HEAD")
        fetch_set(world.sources.override({"tflm": later}))
        first = status_set(world.sources)[0]
        assert (first.state, first.others) == ("missing", (later,))


class TestModified:
    """What was stored is what is built from, or nothing is."""

    def test_an_edited_file_is_refused_where_it_is_read(self, world: World) -> None:
        tree = fetch_set(world.sources)
        pin = world.sources["tflm"]
        path = tree.tflm / "src/tflm.h"
        stat = path.stat()
        path.write_text("// tfln\n")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        found = locate_set(world.sources).checkouts["tflm"]
        with pytest.raises(SourcesModified) as caught:
            found.read("src/tflm.h")
        assert str(caught.value) == (
            f"{path}: the cache was changed: src/tflm.h of Tflm {pin.commit[:12]} is not what was stored\n"
            "  why: its contents are not those of the commit\n"
            "  what to do: 'micronets-gen sources fetch --repair', or 'sources import DIR' once more, restores "
            "the commit; 'sources status' shows what differs; a change of your own belongs into a commit "
            "(--tflm-commit, --cmsis-nn-commit)"
        )

    def test_line_ends_do_not_matter(self, world: World) -> None:
        tree = fetch_set(world.sources)
        (tree.tflm / "src/tflm.h").write_bytes(b"// tflm\r\n")
        assert locate_set(world.sources).checkouts["tflm"].read("src/tflm.h") == "// tflm\n"

    def test_a_deleted_file_still_counts_as_there(self, world: World) -> None:
        tree = fetch_set(world.sources)
        (tree.tflm / "src/tflm.h").unlink()
        found = locate_set(world.sources).checkouts["tflm"]
        assert found.has("src/tflm.h")
        with pytest.raises(SourcesModified, match="the cache was changed"):
            found.read("src/tflm.h")

    @pytest.mark.needs("unix")
    def test_a_pipe_is_not_waited_for(self, world: World) -> None:
        tree = fetch_set(world.sources)
        (tree.tflm / "src/tflm.h").unlink()
        os.mkfifo(tree.tflm / "src/tflm.h")
        with pytest.raises(SourcesModified, match="it is no regular file"):
            locate_set(world.sources).checkouts["tflm"].read("src/tflm.h")

    def test_licences_are_recorded(self, world: World) -> None:
        tree = fetch_set(world.sources)
        (tree.ruy / "LICENSE").write_text("mine\n")
        with pytest.raises(SourcesModified):
            locate_set(world.sources).checkouts["ruy"].read("LICENSE")

    @pytest.mark.parametrize("damage", [None, b"", b"nonsense\n", b"\xff\n", b"0\n1 src/tflm.h\n"])
    def test_without_a_record_the_commit_is_proved_once(self, world: World, damage: bytes | None) -> None:
        tree = fetch_set(world.sources)
        record = cache.entry(world.sources["tflm"]) / "hashes"
        good = record.read_bytes()
        record.unlink() if damage is None else record.write_bytes(damage)
        assert locate_set(world.sources) == tree
        assert record.read_bytes() == good
        record.unlink()
        (tree.tflm / "src/tflm.h").write_text("// edited\n")
        with pytest.raises(SourcesModified, match="its files are not those of Tflm") as caught:
            locate_set(world.sources)
        assert caught.value.why == "1 file differs from the commit: src/tflm.h"
        assert not record.exists()

    def test_a_record_of_other_files_is_no_record(self, world: World) -> None:
        tree = fetch_set(world.sources)
        (tree.tflm / "src/tflm.h").write_text("// edited\n")
        folder = cache.entry(world.sources["tflm"])
        cache.write_hashes(folder, hash_files(tree.tflm, ["src"], ["LICENSE"]))
        with pytest.raises(SourcesModified):
            locate_set(world.sources)

    def test_another_commit_is_proved_by_git(self, world: World) -> None:
        later = world.sources.override({"tflm": run_git(world.origin("tflm"), "rev-parse", "HEAD")})
        tree = fetch_set(later)
        record = cache.entry(later["tflm"]) / "hashes"
        record.unlink()
        assert locate_set(later) == tree
        record.unlink()
        (tree.tflm / "src/tflm.h").unlink()
        with pytest.raises(SourcesModified):
            locate_set(later)

    def test_a_cache_that_cannot_be_written_is_proved_each_time(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tree = fetch_set(world.sources)
        (cache.entry(world.sources["tflm"]) / "hashes").unlink()

        def refuse(*_arguments: object) -> None:
            raise PermissionError

        monkeypatch.setattr(cache, "write_hashes", refuse)
        assert locate_set(world.sources) == tree

    def test_repair_needs_no_server(self, world: World) -> None:
        tree = fetch_set(world.sources)
        world.mirror("file:///nowhere/")
        (tree.tflm / "src/tflm.h").unlink()
        run_git(tree.ruy, "update-index", "--assume-unchanged", "src/ruy.h")
        (tree.ruy / "src/ruy.h").write_text("// edited\n")
        (tree.gemmlowp / "src/new.h").write_text("")
        assert {s.pin.key for s in status_set(world.sources) if s.state == "modified"} == {
            "tflm",
            "ruy",
            "gemmlowp",
        }
        assert undo_changes(world.sources) == ()
        assert {s.state for s in status_set(world.sources)} == {"ok"}
        assert locate_set(world.sources) == tree

    def test_what_git_cannot_restore_is_removed_to_be_fetched(self, world: World) -> None:
        tree = fetch_set(world.sources)
        shutil.rmtree(tree.tflm / ".git")
        (tree.tflm / "src/tflm.h").write_text("// edited\n")
        assert undo_changes(world.sources) == (world.sources["tflm"],)
        assert fetch_set(world.sources) == tree

    def test_import_replaces_what_was_changed(self, world: World) -> None:
        import_set(world.sources, world.clone("tflm", "mine"))
        tree = cache.find(world.sources["tflm"])
        assert tree
        (tree / "src/tflm.h").write_text("// edited\n")
        import_set(world.sources, world.root / "mine")
        assert (tree / "src/tflm.h").read_text() == "// tflm\n"


class TestVerbs:
    def test_status_fetch_status(self, as_pinned: World) -> None:
        runner = CliRunner()
        before = runner.invoke(sources_app, ["status", "--json"])
        assert before.exit_code == 1
        assert {s["state"] for s in json.loads(before.stdout)["sources"]} == {"missing"}
        with pytest.raises(SourcesMissing) as missing:
            api.locate()
        assert missing.value.what == api_missing(as_pinned)
        fetched = runner.invoke(sources_app, ["fetch", "--json"])
        assert fetched.exit_code == 0
        assert {
            row["name"]: row["commit"] for row in json.loads(fetched.stdout)["sources"]
        } == as_pinned.sources.commits
        after = runner.invoke(sources_app, ["status"])
        assert after.exit_code == 0
        assert after.stdout.count("commit hash, clean tree") == 5
        assert api.obtainable() == (True, "its sources are in the cache")
        assert api.locate() == api.fetch()

    def test_import(self, as_pinned: World) -> None:
        result = CliRunner().invoke(sources_app, ["import", str(as_pinned.root / "origin"), "--json"])
        assert result.exit_code == 0
        value = json.loads(result.stdout)
        assert value["missing"] == []
        assert {row["verified"] for row in value["sources"]} == {"commit"}

    def test_repair(self, as_pinned: World) -> None:
        tree = api.fetch()
        (tree.tflm / "src/tflm.h").write_text("// edited\n")
        runner = CliRunner()
        status = runner.invoke(sources_app, ["status"])
        assert status.exit_code == 1
        assert "repair: micronets-gen sources fetch --repair" in status.stdout
        assert runner.invoke(sources_app, ["fetch"]).exit_code == 0
        assert (tree.tflm / "src/tflm.h").read_text() == "// edited\n", "edits are removed on demand only"
        assert runner.invoke(sources_app, ["fetch", "--repair"]).exit_code == 0
        assert (tree.tflm / "src/tflm.h").read_text() == "// tflm\n"
        assert runner.invoke(sources_app, ["status"]).exit_code == 0

    def test_progress_as_text(self, as_pinned: World) -> None:
        lines: list[str] = []
        api.fetch(progress=api.telling(lines.append))
        label = f"Ruy {as_pinned.sources['ruy'].commit[:12]}"
        assert f"fetching {label}: connecting (0%)" in lines
        assert lines[-1] == f"fetching {label}: done (100%)"

    def test_another_commit(self, as_pinned: World) -> None:
        later = run_git(as_pinned.origin("tflm"), "rev-parse", "HEAD")
        result = CliRunner().invoke(sources_app, ["fetch", "--tflm-commit", later])
        assert result.exit_code == 0
        assert later[:12] in result.stdout
        assert api.locate({"tflm": later}).commits["tflm"] == later
        with pytest.raises(SourcesMissing):
            api.locate()

    def test_look_up_is_quick(self, as_pinned: World) -> None:
        api.fetch()
        start = time.perf_counter()
        for _ in range(10):
            api.locate()
        assert (time.perf_counter() - start) / 10 < 0.05


class TestCompanions:
    @staticmethod
    def _tflm(world: World, cmsis_nn: str, flatbuffers: str) -> str:
        """Commit a tree of TFLM with download scripts, and return its hash."""
        origin = world.own_origin("tflm")
        make = origin / "tensorflow/lite/micro/tools/make"
        (make / "ext_libs").mkdir(parents=True)
        (make / "ext_libs/cmsis_nn_download.sh").write_text(f'ZIP_PREFIX_NN="{cmsis_nn}"\n')
        (make / "flatbuffers_download.sh").write_text(f'  ZIP_PREFIX="v{flatbuffers}"\n')
        (make / "third_party_downloads.inc").write_text(
            f'RUY_URL="https://github.com/google/ruy/archive/{world.sources["ruy"].commit}.zip"\n'
        )
        run_git(origin, "add", "-A")
        run_git(origin, "commit", "--quiet", "-m", "scripts")
        return run_git(origin, "rev-parse", "HEAD")

    @staticmethod
    def _flatbuffers(world: World) -> str:
        origin = world.own_origin("flatbuffers")
        header = origin / "include/flatbuffers/base.h"
        header.parent.mkdir(parents=True)
        header.write_text(
            "#define FLATBUFFERS_VERSION_MAJOR 25\n#define FLATBUFFERS_VERSION_MINOR 9\n"
            "#define FLATBUFFERS_VERSION_REVISION 23\n"
        )
        run_git(origin, "add", "-A")
        run_git(origin, "commit", "--quiet", "-m", "version")
        return run_git(origin, "rev-parse", "HEAD")

    def test_what_does_not_go_together_is_told(self, world: World) -> None:
        tflm = self._tflm(world, "f" * 40, "26.1.0")
        flatbuffers = self._flatbuffers(world)
        tree = fetch_set(world.sources.override({"tflm": tflm, "flatbuffers": flatbuffers}))
        assert tree.warnings == (
            f"Tflm {tflm[:12]} was made for Cmsis_Nn {'f' * 12}, and {world.sources['cmsis_nn'].commit[:12]} "
            f"is taken (--cmsis-nn-commit {'f' * 40})",
            f"Tflm {tflm[:12]} needs FlatBuffers 26.1.0 and refuses to compile with the 25.9.23 that is taken "
            "(--flatbuffers-commit of the tag v26.1.0)",
        )

    def test_what_goes_together_is_not_mentioned(self, world: World) -> None:
        tflm = self._tflm(world, world.sources["cmsis_nn"].commit, "25.9.23")
        tree = fetch_set(world.sources.override({"tflm": tflm, "flatbuffers": self._flatbuffers(world)}))
        assert tree.warnings == ()


def test_real_sources_go_together() -> None:
    tree = real_sources()
    pinned = SourceSet.pinned()
    assert expected_commits(tree.tflm) == {key: pinned[key].commit for key in ("cmsis_nn", "gemmlowp", "ruy")}
    assert expected_flatbuffers(tree.tflm) == flatbuffers_version(tree.flatbuffers) != ""


def real_sources() -> SourceTree:
    try:
        return api.locate()
    except SourcesMissing as missing:
        pytest.skip(f"{missing.what} (micronets-gen sources fetch brings them)")


def test_real_sources_have_the_pinned_digests_and_licences() -> None:
    tree = real_sources()
    for pin in SourceSet.pinned():
        folder = getattr(tree, pin.key)
        assert digest(folder, pin.parts) == pin.sha256, pin.title
        for name in pin.licence_files:
            assert (folder / name).stat().st_size > 0


def api_missing(world: World) -> str:
    names = ", ".join(f"{pin.title} {pin.commit[:12]}" for pin in world.sources)
    return f"the sources of the tflm runtime are not complete: no {names}"


def wait_for(path: Path, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not appear"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether a process is there and not merely unburied."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
