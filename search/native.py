"""TensorFlow, started without what its C++ code says of devices that are not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def start_tensorflow() -> None:
    """Import TensorFlow and let it look for devices; what goes wrong is an exception, not a line of its log."""
    with _muted_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextmanager
def _muted_stderr() -> Iterator[None]:
    """Keep the process, not only Python, from writing to standard error."""
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(nowhere)
        os.close(stderr)
