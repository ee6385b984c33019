"""Where micronets-gen keeps what it can make or fetch again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """Return the cache of the current user: ``MICRONETS_CACHE``, or ``micronets-gen`` in the XDG cache."""
    own = os.environ.get("MICRONETS_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    shared = os.environ.get("XDG_CACHE_HOME", "")
    # A relative value is to be ignored, says the XDG base directory specification.
    base = Path(shared) if Path(shared).is_absolute() else Path.home() / ".cache"
    return base / "micronets-gen"
