"""Rounding and ranges of integers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from micronets_gen.common.integers import ceil_div, overlap, round_up

NUMBERS = st.integers(-(10**30), 10**30)
SIZES = st.integers(0, 50)


@given(NUMBERS, st.integers(1, 10**20))
def test_what_is_rounded_up_is_the_next_multiple(value: int, multiple: int) -> None:
    up = round_up(value, multiple)
    assert up % multiple == 0
    assert 0 <= up - value < multiple
    assert ceil_div(value, multiple) * multiple == up


@given(st.integers(-50, 50), SIZES, st.integers(-50, 50), SIZES)
def test_overlap_counts_what_two_ranges_have_in_common(a: int, a_size: int, b: int, b_size: int) -> None:
    assert overlap(a, a_size, b, b_size) == len(set(range(a, a + a_size)) & set(range(b, b + b_size)))
