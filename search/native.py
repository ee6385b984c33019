"""TensorFlow, started without what its C++ code says of devices that are not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def start_tensorflow() -> None:
    """Import TensorFlow and let it look for devices, in silence unless ``TF_CPP_MIN_LOG_LEVEL`` is set.

    While it starts, its C++ code obeys no level, and that there is no GPU is an error to it. From then on it tells of
    errors alone, or of what the variable says.
    """
    muted = nullcontext() if _LEVEL in os.environ else _held_back()
    os.environ.setdefault(_LEVEL, "2")
    with muted:
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextmanager
def _held_back() -> Iterator[None]:
    """Keep what the process, not only Python, writes to standard error; it comes out where something is raised."""
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(stderr, kept.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
