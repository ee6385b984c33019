"""What numpy, zipfile and the system raise for a damaged ``.npy`` or ``.npz`` file."""

from __future__ import annotations

import lzma
import tokenize
import zipfile
import zlib

DAMAGED = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,  # encrypted, a header nested too deep, a compression that this Python lacks
    MemoryError,
    OverflowError,
    KeyError,
    TypeError,
    SyntaxError,
    tokenize.TokenError,  # numpy reads headers as Python
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
