"""An environment in which tests reach neither the network nor what belongs to the person who runs them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from micronets_gen.common.caches import cache_root
from tests.support.paths import REPOSITORY

_FOREIGN = ("GIT_", "MICRONETS_", "PLATFORMIO_", "XDG_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")
_KEPT = {"MICRONETS_SHARED"}
_NOWHERE = "http://127.0.0.1:9"
_GIT_CONFIG = """\
[user]
    name = A Test
    email = test@example.invalid
[init]
    defaultBranch = main
[url "file:///nowhere/"]
    insteadOf = https://
    insteadOf = http://
    insteadOf = ssh://
    insteadOf = git@
[protocol "ext"]
    allow = always
"""


def isolate(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Give this process, and those that it starts, a home of their own.

    Git has no configuration but one that leads every server nowhere; proxies lead nowhere; caches are empty but for
    the sources of the tflm runtime and published images where the user's cache has them, which is how tests find them,
    and for compiled objects, which runs of the suite hand on.

    Args:
        patch: Undoes it.
        home: A folder for this; several processes may share it.
    """
    fetched = [cache_root() / name for name in ("sources", "published")]
    for name in list(os.environ):
        if name.startswith(_FOREIGN) and name not in _KEPT:
            patch.delenv(name)
    cache = home / ".cache" / "micronets-gen"
    cache.mkdir(parents=True, exist_ok=True)
    for folder in fetched:
        if folder.is_dir():
            with suppress(FileExistsError):  # another process was faster
                (cache / folder.name).symlink_to(folder.resolve(), target_is_directory=True)
    (home / ".gitconfig").write_text(_GIT_CONFIG, encoding="utf-8")
    patch.setenv("HOME", str(home))
    patch.setenv("USERPROFILE", str(home))
    patch.setenv("MICRONETS_CACHE", str(cache))
    # Found by what they are made of, so that no run need compile TensorFlow Lite Micro again.
    patch.setenv("MICRONETS_OBJECTS", str(REPOSITORY / ".pytest_cache" / "objects"))
    patch.setenv("PLATFORMIO_CORE_DIR", str(home / ".platformio"))
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    patch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    for proxy in _PROXIES:
        patch.setenv(proxy, _NOWHERE)
        patch.setenv(proxy.upper(), _NOWHERE)
    for name in ("no_proxy", "NO_PROXY"):
        patch.setenv(name, "localhost,127.0.0.1,::1")
