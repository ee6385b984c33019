"""Pictures of any format that Pillow reads, as arrays of one size."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

Bytes = npt.NDArray[np.uint8]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_LUMA = np.asarray([0.2989, 0.5870, 0.1140], np.float32)
_ORIENTATION, _TURNED = 0x0112, 5  # EXIF: from 5 to 8 a picture lies on its side
_GREY = {"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F"}


class PictureError(Exception):
    """Bytes are no picture that can be used; the message says why."""


def read_picture(encoded: bytes, size: tuple[int, int], channels: int) -> Bytes:
    """Return a picture (height, width, channels) of a size, by the mean over areas, without regard to its aspect.

    It is turned as its EXIF data say; of an animation it is the first frame. Transparency is dropped.

    Args:
        size: Height and width.
        channels: 1 for luma (0.2989 R + 0.587 G + 0.114 B), 3 for red, green and blue.

    Raises:
        PictureError: it cannot be decoded.
    """
    import tensorflow as tf
    from PIL import ImageOps

    with _opened(io.BytesIO(encoded)) as image:
        values = _values(ImageOps.exif_transpose(image))
    if channels == 1 and values.shape[-1] == 3:
        values = values @ _LUMA[:, np.newaxis]
    elif channels == 3 and values.shape[-1] == 1:
        values = np.repeat(values, 3, axis=-1)
    small = tf.image.resize(values, size, method="area").numpy()
    return np.asarray(np.clip(np.rint(small), 0, 255), np.uint8)


def centred(rows: Bytes) -> npt.NDArray[np.float32]:
    """Return pictures with values in -1..1."""
    return rows.astype(np.float32) / np.float32(127.5) - np.float32(1.0)


def _values(image: Image.Image) -> npt.NDArray[np.float32]:
    """Return (height, width, 1 or 3) in 0..255."""
    if image.mode in _GREY:
        depth = 255.0 / 65535.0 if image.mode.startswith("I") else 1.0
        grey = image.convert("L") if image.mode in {"1", "LA"} else image
        return np.asarray(grey, np.float32)[..., np.newaxis] * np.float32(depth)
    return np.asarray(image.convert("RGB"), np.float32)


def shape_of(path: Path) -> tuple[int, int, int]:
    """Return height, width and channels (1 or 3) of a picture file.

    Raises:
        PictureError: it cannot be read.
    """
    with _opened(path) as image:
        turned = image.getexif().get(_ORIENTATION, 1) >= _TURNED
        width, height = image.size[::-1] if turned else image.size
        return height, width, 1 if image.mode in _GREY else 3


@contextmanager
def _opened(source: Path | io.BytesIO) -> Iterator[Image.Image]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(source) as image:
            yield image
    except UnidentifiedImageError:
        raise PictureError("no readable picture") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PictureError(str(error)[:120]) from None
