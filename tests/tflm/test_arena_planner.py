"""The replayed planner against a second formulation of its rules."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from micronets_gen.common.integers import round_up
from micronets_gen.runtimes.tflm.arena.greedy import ALIGN, Wanted, plan

_BUFFERS = st.lists(
    st.builds(
        lambda size, first, length: Wanted(size, first, first + length),
        st.integers(1, 200),
        st.integers(0, 12),
        st.integers(0, 6),
    ),
    max_size=12,
)


def _together(a: Wanted, b: Wanted) -> bool:
    return a.first <= b.last and b.first <= a.last


@given(_BUFFERS)
def test_what_lives_together_lies_apart(buffers: list[Wanted]) -> None:
    placed = plan(buffers)
    spans = [(o, o + round_up(b.size, ALIGN)) for o, b in zip(placed.offsets, buffers, strict=True)]
    for i, j in combinations(range(len(buffers)), 2):
        if _together(buffers[i], buffers[j]):
            assert spans[i][1] <= spans[j][0] or spans[j][1] <= spans[i][0]
    assert placed.size == max((end for _, end in spans), default=0)


@given(_BUFFERS)
def test_largest_first_each_as_low_as_it_goes(buffers: list[Wanted]) -> None:
    # The same rule told by trying every multiple of 16 instead of walking a sorted list of gaps.
    order = sorted(range(len(buffers)), key=lambda i: (-round_up(buffers[i].size, ALIGN), -i))
    placed = plan(buffers)
    standing: list[int] = []
    for index in order:
        size = round_up(buffers[index].size, ALIGN)
        rivals = [
            (placed.offsets[i], placed.offsets[i] + round_up(buffers[i].size, ALIGN))
            for i in standing
            if _together(buffers[i], buffers[index])
        ]
        lowest = next(
            o for o in range(0, 10_000, 16) if all(o + size <= low or o >= high for low, high in rivals)
        )
        assert placed.offsets[index] == lowest
        standing.append(index)


def test_of_equal_buffers_the_later_is_placed_first() -> None:
    assert plan([Wanted(16, 0, 1), Wanted(16, 0, 1)]).offsets == (16, 0)


def test_given_offsets_stay_and_the_rest_fits_around_them() -> None:
    buffers = [Wanted(32, 0, 2, offset=16), Wanted(16, 1, 1), Wanted(32, 1, 1), Wanted(32, 0, 2, offset=16)]
    assert plan(buffers).offsets == (16, 0, 48, 16)
    assert plan(buffers).size == 80


def test_nothing_takes_nothing() -> None:
    assert plan([]).size == 0
