"""Images and measurements that their makers have published, brought into the user's cache with git."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from micronets_gen.common.caches import cache_root
from micronets_gen.common.locks import exclusive
from micronets_gen.errors import ToolError
from micronets_gen.runtimes.tflm.sources import git

#: MLPerf Tiny, round 1.2.
REPOSITORY = "https://github.com/mlcommons/tiny_results_v1.2"
COMMIT = "cadb362343f559d459e7cdb8748685ba76b9eb23"

# Of the repository's 700 files what is read here, as git's patterns.
_PARTS = (
    "/closed/bosch/code/*/*/*.bin",
    "/closed/STMicroelectronics/code/*/*/Binaries/*-Performance.bin",
    "/closed/bosch/results/*/*/performance/",
    "/closed/STMicroelectronics/results/*/*/performance/",
)
# A repository on this machine hands out single files if it is asked to; a server does so by itself.
_LOCAL_SERVER = "git -c uploadpack.allowFilter=true -c uploadpack.allowAnySHA1InWant=true upload-pack"


@dataclass(frozen=True)
class Image:
    """A published image and where its measurement lies.

    Attributes:
        maker: Who has published it, such as ``bosch``.
        board: The folder of its board and variant, such as ``NUCLEO_L4R5ZI_int8``.
        task: ``kws``, ``ic``, ``vww`` or ``ad``.
        path: The bytes that go to the beginning of the flash.
        log: What the runner of the benchmark has recorded.
    """

    maker: str
    board: str
    task: str
    path: Path
    log: Path

    @property
    def name(self) -> str:
        """Such as ``bosch/NUCLEO_L4R5ZI_int8/kws``."""
        return f"{self.maker}/{self.board}/{self.task}"


def folder() -> Path:
    """Return where the published files lie, or would lie."""
    return cache_root() / "published" / REPOSITORY.rsplit("/", 1)[-1] / COMMIT


def lacking() -> str:
    """Return why the published files cannot be read, or nothing where they are in the cache."""
    return "" if (folder() / "complete").is_file() else "the published images are not in the cache"


def fetch(notify: Callable[[str], None]) -> Path:
    """Bring the published files into the cache, unless they are there, and return their folder.

    Args:
        notify: Takes what happens, as sentences.

    Raises:
        ToolError: git is missing, or could not get them.
    """
    place = folder()
    with exclusive(place.with_name(f".{COMMIT}.lock"), lambda: notify("waiting for another process")):
        if lacking():
            notify(f"fetching {REPOSITORY}")
            try:
                _bring(place)
            except git.GitError as error:
                raise ToolError(
                    "the published images cannot be fetched",
                    where=REPOSITORY,
                    why=str(error),
                    remedy=f"try again where git reaches it: git ls-remote {REPOSITORY}",
                ) from None
            (place / "complete").touch()
    return place


def _bring(place: Path) -> None:
    """Check out what is needed of the one commit, fetching no more where the server allows that."""
    git.require_git()
    place.mkdir(parents=True, exist_ok=True)
    git.run(place, "init", "--quiet", "--template=")
    url = git.run(place, "ls-remote", "--get-url", REPOSITORY)
    settings = {
        "remote.origin.url": REPOSITORY,
        "remote.origin.promisor": "true",
        "remote.origin.partialclonefilter": "blob:none",
        "core.sparseCheckout": "true",
    }
    if url.startswith("file://") or Path(url).is_dir():
        settings["remote.origin.uploadpack"] = _LOCAL_SERVER
    for key, value in settings.items():
        git.run(place, "config", key, value)
    sparse = place / ".git" / "info" / "sparse-checkout"
    sparse.parent.mkdir(exist_ok=True)
    sparse.write_text("\n".join(_PARTS) + "\n", encoding="utf-8")
    git.run(place, "fetch", "--quiet", "--no-tags", "--depth=1", "--filter=blob:none", "origin", COMMIT)
    git.run(place, "checkout", "--quiet", "--force", "--detach", COMMIT)


def images(place: Path) -> list[Image]:
    """Return the published images of which a measurement was published, too, in a fixed order."""
    found = [*_bosch(place / "closed" / "bosch"), *_st(place / "closed" / "STMicroelectronics")]
    return [image for image in found if image.log.is_file()]


def _bosch(root: Path) -> list[Image]:
    return [
        Image("bosch", path.parts[-3], path.parts[-2], path, _log(root, path.parts[-3], path.parts[-2]))
        for path in sorted(root.glob("code/*/*/*.bin"))
    ]


def _st(root: Path) -> list[Image]:
    tasks = {
        "keyword_spotting": "kws",
        "image_classification": "ic",
        "visual_wake_words": "vww",
        "anomaly_detection": "ad",
    }
    return [
        Image("ST", path.parts[-4], task, path, _log(root, path.parts[-4], task))
        for path in sorted(root.glob("code/*/*/Binaries/*-Performance.bin"))
        if (task := tasks.get(path.parts[-3]))
    ]


def _log(root: Path, board: str, task: str) -> Path:
    return root / "results" / board / task / "performance" / "log.txt"
