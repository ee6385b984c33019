"""What the tests of operators that move elements draw from."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from micronets_gen.model.graph import Array, DType

bounded = settings(derandomize=True, deadline=None, max_examples=100)

QUANTIZED = (DType.INT8, DType.INT16)


def shapes(min_rank: int = 1, max_rank: int = 4, max_size: int = 6) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw small shapes, sizes of 1 often among them."""
    sizes = st.one_of(st.just(1), st.integers(1, max_size))
    return st.lists(sizes, min_size=min_rank, max_size=max_rank).map(tuple)


def values(shape: tuple[int, ...], dtype: DType, seed: int = 0) -> Array:
    """Return elements of the whole range of ``dtype``, every extreme among them where there is room."""
    rng = np.random.default_rng([seed, *shape])
    if dtype is DType.FLOAT32:
        return rng.standard_normal(shape).astype(np.float32)
    if dtype is DType.BOOL:
        return rng.integers(0, 2, shape).astype(bool)
    info = np.iinfo(dtype.value)
    drawn = rng.integers(info.min, info.max, prod(shape), dtype=dtype.value, endpoint=True)
    drawn[: min(2, drawn.size)] = (info.min, info.max)[: drawn.size]
    return rng.permutation(drawn).reshape(shape)


def scale_of(dtype: DType) -> float | None:
    """Return a scale for quantised types, nothing for others."""
    return 0.5 if dtype in QUANTIZED else None
