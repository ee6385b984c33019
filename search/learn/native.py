"""TensorFlow, started without what it says of devices that are not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def start_tensorflow() -> None:
    """Import TensorFlow and let it look for devices, in silence unless ``TF_CPP_MIN_LOG_LEVEL`` is set.

    While it starts, its C++ code obeys no level, and that there is no GPU is an error to it. From then on it tells of
    errors alone, or of what the variable says.
    """
    if _LEVEL in os.environ:
        _start()
        return
    os.environ[_LEVEL] = "2"
    with _held_back():
        _start()
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")


def _start() -> None:
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
