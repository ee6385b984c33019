"""Reads samples that a person gives: ``.npy`` and ``.npz`` files, of which nothing is believed.

Nothing is unpickled, and of an array no more is read than is asked for, whatever its header promises.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from micronets_gen.common.arrays import DAMAGED
from micronets_gen.common.suggest import did_you_mean
from micronets_gen.common.tables import shown
from micronets_gen.errors import UsageError
from micronets_gen.model.graph import Array

_LARGEST = 256 << 20
_LONGEST_HEADER = 10_000
_REMEDY = (
    "write it with numpy.savez(path, input_0=..., labels=...), or numpy.save(path, ...) for one input alone"
)


@dataclass(frozen=True)
class Header:
    """What an array is, before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool


@dataclass(frozen=True)
class SampleFile:
    """An open file of samples.

    Attributes:
        where: Its path, for messages.
        names: The arrays that it holds; a ``.npy`` file holds ``input_0``.
    """

    where: str
    names: tuple[str, ...]
    open: Callable[[str], IO[bytes]]

    def header(self, name: str) -> Header:
        """Return what an array is.

        Raises:
            UsageError: it is damaged, or holds Python objects.
        """
        with self._array(name) as (_, header):
            return header

    def read(self, name: str, rows: int | None = None) -> Array:
        """Return an array, or its first rows, in the byte order of this machine.

        Raises:
            UsageError: it is damaged, holds Python objects, or is too large.
        """
        with self._array(name) as (stream, header):
            shape = header.shape
            if rows is not None and shape and not header.fortran:
                shape = (min(rows, shape[0]), *shape[1:])
            size = prod(shape) * header.dtype.itemsize
            if size > _LARGEST:
                raise UsageError(
                    f"'{name}' is too large",
                    where=self.where,
                    why=f"{size:,} bytes are to be read of it; {_LARGEST:,} at most",
                    remedy="give fewer samples",
                )
            content = _exactly(stream, size)
            if len(content) < size:
                raise EOFError(f"it ends after {len(content):,} of {size:,} bytes of '{name}'")
            array = np.frombuffer(content, header.dtype).reshape(shape, order="F" if header.fortran else "C")
            return array[:rows].astype(header.dtype.newbyteorder("="), order="C")

    @contextmanager
    def _array(self, name: str) -> Iterator[tuple[IO[bytes], Header]]:
        with _readable(self.where), self.open(name) as stream:
            yield stream, _header(stream, name, self.where)


@contextmanager
def open_samples(path: Path) -> Iterator[SampleFile]:
    """Open a ``.npy`` or ``.npz`` file.

    Raises:
        UsageError: it is none.
    """
    where = str(path)
    with _readable(where):
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError("is no regular file", where=where, remedy=_REMEDY)
        file = path.open("rb")
    with file:
        start = file.read(len(npy.MAGIC_PREFIX))
        file.seek(0)
        if start == npy.MAGIC_PREFIX:
            yield SampleFile(where, ("input_0",), lambda _name: path.open("rb"))
            return
        with _readable(where):
            archive = zipfile.ZipFile(file)
        with archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            names = tuple(name.removesuffix(".npy") for name in members)
            yield SampleFile(where, names, lambda name: archive.open(f"{name}.npy"))


def require_known(file: SampleFile, known: tuple[str, ...]) -> None:
    """Raise where an array is called almost like one that means something.

    Raises:
        UsageError: one is.
    """
    for name in file.names:
        question = did_you_mean(name, known)
        if name not in known and question and not name.startswith("output_"):
            raise UsageError(f"'{shown(name)}' means nothing here", where=file.where, remedy=question)


@contextmanager
def _readable(where: str) -> Iterator[None]:
    """Make one error of all that numpy, zipfile and the system have to say of a damaged file."""
    try:
        yield
    except DAMAGED as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UsageError(
            "cannot be read as golden vectors", where=where, why=shown(why, 200), remedy=_REMEDY
        ) from error


def _header(stream: IO[bytes], name: str, where: str) -> Header:
    version = npy.read_magic(stream)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"'{name}' is of format {version[0]}.{version[1]}, not 1.0 or 2.0")
    shape, fortran, dtype = readers[version](stream, max_header_size=_LONGEST_HEADER)
    if dtype.hasobject:
        raise UsageError(
            f"'{name}' holds Python objects, which are not unpickled",
            where=where,
            remedy="save numbers, or texts as numpy.array(names, dtype=str)",
        )
    if dtype.names is not None or dtype.subdtype is not None or any(n < 0 for n in shape):
        raise ValueError(f"'{name}' is no plain array")
    return Header(tuple(shape), dtype, bool(fortran) and len(shape) > 1)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    parts = []
    while size:
        part = stream.read(min(size, 1 << 20))
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
