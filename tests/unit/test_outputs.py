"""What the generator proves of requantisation, against the reference at every accumulator that could tell."""

from __future__ import annotations

import numpy as np
import pytest

from micronets_gen.operators.arithmetic import multiply_by_quantized_multiplier
from micronets_gen.runtimes.aot.outputs import SHIFT_A, SHIFT_B, Channels, Outputs, outputs

COUNT = 64


def draw(seed: int, right: tuple[int, int], reach: int) -> Channels:
    rng = np.random.default_rng(seed)
    low = -rng.integers(0, reach, COUNT)
    return Channels(
        rng.integers(2**30, 2**31, COUNT),
        rng.integers(right[0], right[1] + 1, COUNT),
        low,
        low + rng.integers(0, reach, COUNT),
        np.arange(COUNT) % 2 == 1,
    )


def made(c: Channels, found: Outputs, zero_point: int, sums: np.ndarray, i: int) -> np.ndarray:
    """What the kernel makes of sums of channel i: see mn_proved.h."""
    sums = (0 if found.constant[i] else sums) + found.bias[i]
    rounding, multiplier = int(found.rounding[i]), int(found.multiplier[i])
    if rounding >= 0:
        shift, scale = (SHIFT_B, 256) if c.second[i] else (SHIFT_A, 1)
        high = (sums * scale * multiplier + ((zero_point << shift) + rounding << 32)) >> 32
        return np.clip(high >> shift, -128, 127)
    addend = (zero_point << -rounding) + (1 << (-rounding - 1))
    high = (2 * sums * multiplier + (addend << 32) + 2**31) >> 32
    return np.clip((high + (sums >> 31)) >> -rounding, -128, 127)


@pytest.mark.parametrize("zero_point", [-128, -17, 0, 127])
@pytest.mark.parametrize(
    ("right", "reach"), [((5, 10), 2**20), ((1, 22), 2**21), ((6, 9), 300), ((-3, 31), 2**18)]
)
def test_proofs_hold_at_every_accumulator_near_a_threshold(
    zero_point: int, right: tuple[int, int], reach: int
) -> None:
    c = draw(7, right, reach)
    found = outputs(c, zero_point, 4)
    checked = 0
    for i in np.flatnonzero(found.found):
        sums = np.arange(c.low[i], c.high[i] + 1)
        wanted = multiply_by_quantized_multiplier(sums, int(c.multiplier[i]), -int(c.right[i])) + zero_point
        wanted = np.clip(wanted, -128, 127)
        step = np.flatnonzero(np.diff(wanted))
        at = np.unique(np.concatenate([[0, len(sums) - 1], step, step + 1]))
        assert np.array_equal(np.broadcast_to(made(c, found, zero_point, sums[at], i), at.shape), wanted[at])
        checked += len(at)
    assert checked > COUNT


def test_most_channels_behind_a_relu_take_two_instructions() -> None:
    found = outputs(draw(3, (6, 9), 2**20), -128, 1)
    assert (found.rounding >= 0).mean() > 0.95


def test_sums_beyond_what_a_half_holds_have_no_way() -> None:
    c = Channels(
        np.full(4, 2**30 + 1), np.full(4, 8), np.zeros(4, np.int64), np.full(4, 2**23), np.arange(4) % 2 == 1
    )
    assert outputs(c, 0, 4).found.tolist() == [True, False, True, False]
