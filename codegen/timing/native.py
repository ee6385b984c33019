"""The helper in C that follows a trace at native speed, compiled once with the host's compiler.

Structures are those of ``trace.c``.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from micronets_gen.common.caches import cache_root
from micronets_gen.errors import ToolError
from micronets_gen.timing.core import Cause

MOST_SPANS, MOST_CACHES = 16, 4
NONE = -1
_COMPILERS = ("cc", "gcc", "clang", "tcc")


class CacheData(ctypes.Structure):
    """``struct cache``."""

    _fields_ = [(name, ctypes.c_uint32) for name in ("line_shift", "sets", "ways", "random")]


class RegionData(ctypes.Structure):
    """``struct region``."""

    _fields_ = [
        *((name, ctypes.c_uint32) for name in ("first", "last")),
        *((name, ctypes.c_int32) for name in ("fetch_cache", "data_cache")),
        *((name, ctypes.c_uint32) for name in ("fetch_miss", "fetch_next", "data_miss", "store_miss")),
    ]


class Settings(ctypes.Structure):
    """``struct settings``."""

    _fields_ = [
        ("regions", ctypes.c_uint32),
        ("caches", ctypes.c_uint32),
        ("region", RegionData * MOST_SPANS),
        ("cache", CacheData * MOST_CACHES),
        *(
            (name, ctypes.c_uint32)
            for name in ("unaligned_half", "unaligned_word", "odd_word", "bank_conflict", "predicts")
        ),
    ]


class BlockData(ctypes.Structure):
    """``struct block``."""

    _fields_ = [
        *((name, ctypes.c_uint32) for name in ("address", "size", "instructions", "leaving", "it_memory")),
        *((name, ctypes.c_int32) for name in ("last_state", "last_row")),
        ("target", ctypes.c_uint32),
        ("counter", ctypes.c_uint8),
    ]


class RowData(ctypes.Structure):
    """``struct row``."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("block", "state")),
        ("cycles", ctypes.c_int32 * len(Cause)),
        *((name, ctypes.c_uint32) for name in ("taken", "not_taken", "mispredicted")),
        *((name, ctypes.c_int32) for name in ("state_taken", "state_not_taken")),
        ("paired", ctypes.c_uint64),
    ]


Counts = ctypes.c_uint64 * (1 + len(Cause) + 1 + MOST_CACHES)
"""Instructions, cycles by cause, accesses to data, misses by cache."""

LearnBlock = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_uint32, ctypes.c_uint32)
Marked = ctypes.CFUNCTYPE(None, ctypes.c_uint32)
Marks = ctypes.c_uint32 * 2
LearnRow = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int32, ctypes.c_int32)


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """Return the helper, compiled where the cache does not hold it yet.

    Raises:
        ToolError: no compiler of the host is found, or it fails.
    """
    source = _source()
    path = _path(source)
    if not path.exists():
        _compile(source, path)
    return _declared(ctypes.CDLL(str(path)))


def has_compiler() -> bool:
    """Return whether :func:`library` can be had here."""
    return _path(_source()).exists() or _compiler() is not None


def _source() -> bytes:
    return files("micronets_gen.timing").joinpath("trace.c").read_bytes()


def _path(source: bytes) -> Path:
    key = hashlib.sha256(source + f"{sys.platform} {platform.machine()}".encode()).hexdigest()
    return cache_root() / "trace" / f"trace-{key[:16]}{'.dll' if os.name == 'nt' else '.so'}"


def _compiler() -> str | None:
    return next(filter(None, map(shutil.which, filter(None, (os.environ.get("CC"), *_COMPILERS)))), None)


def _compile(source: bytes, path: Path) -> None:
    compiler = _compiler()
    if compiler is None:
        raise ToolError(
            "no C compiler for this computer was found",
            why="modelled time follows every block and access in a small program in C, compiled when first used",
            remedy="install one (Debian: gcc; macOS: xcode-select --install; Windows: MinGW-w64), or set CC",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        text, made = Path(folder) / "trace.c", Path(folder) / path.name
        text.write_bytes(source)
        run = subprocess.run(
            [compiler, "-std=c11", "-O2", "-shared", "-fPIC", "-o", str(made), str(text)],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            raise ToolError(
                "the helper that models time does not compile",
                where=compiler,
                why=run.stderr.strip()[:500],
                remedy="set CC to another C compiler for this computer",
            )
        made.replace(path)


def _declared(lib: ctypes.CDLL) -> ctypes.CDLL:
    pointer = ctypes.c_void_p
    lib.trace_new.restype = pointer
    lib.trace_new.argtypes = [LearnBlock, LearnRow, pointer, pointer, ctypes.c_int]
    lib.trace_free.restype = None
    lib.trace_free.argtypes = [pointer]
    lib.trace_configure.restype = ctypes.c_bool
    lib.trace_configure.argtypes = [pointer, ctypes.POINTER(Settings)]
    lib.trace_read.restype = ctypes.c_bool
    lib.trace_read.argtypes = [pointer, ctypes.POINTER(ctypes.c_uint64)]
    lib.trace_mark.restype = None
    lib.trace_mark.argtypes = [pointer, ctypes.POINTER(ctypes.c_uint32), Marked]
    lib.trace_add_block.restype = ctypes.c_int32
    lib.trace_add_block.argtypes = [pointer, ctypes.POINTER(BlockData)]
    lib.trace_add_row.restype = ctypes.c_int32
    lib.trace_add_row.argtypes = [pointer, ctypes.POINTER(RowData)]
    return lib
