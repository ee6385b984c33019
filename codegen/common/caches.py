"""Where micronets-gen keeps what it can make or fetch again."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_root() -> Path:
    """Return the cache of the current user: ``MICRONETS_CACHE``, or what the system provides for it.

    On Linux that is ``micronets-gen`` in ``XDG_CACHE_HOME`` or ``~/.cache``.
    """
    own = os.environ.get("MICRONETS_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    return user_cache_path("micronets-gen", appauthor=False)
