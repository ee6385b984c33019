"""Weights and tables of the kernels that work on blocks of four channels: see ``templates/aot/mn_blocks_s8.h``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from micronets_gen.common.integers import ceil_div, round_up
from micronets_gen.model.graph import Array, Operator
from micronets_gen.operators.convolution import Geometry, Requantization
from micronets_gen.plan.plan import Constant, Field
from micronets_gen.runtimes.aot.outputs import Channels, is_shared, outputs, reaches

BLOCK = 4
"""Channels of a block."""
_GROUP = 4
_COLUMNS = 2048
"""Bytes that columns may take, unless two take more, or those for which copying pays fit :data:`_MOST_SCRATCH`."""
_MOST_SCRATCH = 4608
_MOST_SCRATCH_WITH_WEIGHTS = 5120
_LEAST_POSITIONS_TO_COPY = 6
"""``MN_LEAST_TO_COPY``."""
_Ints = npt.NDArray[np.int64]
Fields = tuple[tuple[str, Field], ...]


@dataclass(frozen=True, eq=False)
class Chunks:
    """How many positions are columns at a time.

    Attributes:
        positions: Even, or 1.
        copies: Whether a block's weights are copied for them.
        scratch_bytes: Of both.
    """

    positions: int
    copies: bool
    scratch_bytes: int

    @property
    def fields(self) -> Fields:
        """Of ``struct mn_chunks``."""
        return (("chunk.positions", self.positions), ("chunk.copies", int(self.copies)))


def chunks(depth: int, positions: int) -> Chunks:
    """Choose how many positions are columns at a time.

    Copying the weights of a block costs about as much as reading them twice from flash that makes the core wait, so
    it pays where three tiles of two positions share the copy.
    """
    deep = round_up(depth, _GROUP)
    weights, column = deep * BLOCK, deep * 2
    if positions == 1:
        return Chunks(1, False, column)
    room = _COLUMNS
    if weights + _LEAST_POSITIONS_TO_COPY * column <= _MOST_SCRATCH:
        room = max(room, _LEAST_POSITIONS_TO_COPY * column)
    count = max(2, min(round_up(positions, 2), room // column & ~1))
    copies = count >= _LEAST_POSITIONS_TO_COPY
    return Chunks(count, copies, count * column + (weights if copies else 0))


def image_pairs(g: Geometry) -> Chunks | None:
    """Choose how long the strips are whose image is made of neighbouring windows, or None where there is no image.

    It needs a window of several taps without dilation along rows, input channels in fours, and three pairs of positions
    whose image fits the scratch.

    Returns:
        Pairs of positions as ``positions``.
    """
    if g.in_c % _GROUP != 0 or g.dilation_w != 1 or g.filter_height * g.filter_width == 1:
        return None
    column = 4 * g.in_c * g.filter_height
    most = min((g.out_w + 1) // 2, (_MOST_SCRATCH // column - g.filter_width) // g.stride_w + 1)
    if most < _LEAST_POSITIONS_TO_COPY // 2:
        return None
    pairs = ceil_div(g.out_w, 2 * ceil_div(g.out_w, 2 * most))
    image = column * ((pairs - 1) * g.stride_w + g.filter_width)
    weights = g.in_c * g.filter_height * g.filter_width * BLOCK
    copies = image + weights <= _MOST_SCRATCH_WITH_WEIGHTS
    return Chunks(pairs, copies, image + (weights if copies else 0))


def block_starts(channels: int) -> npt.NDArray[np.intp]:
    """Return the channels of all blocks, shape ``(blocks, 4)``: the last block ends with the last channel."""
    starts = np.minimum(np.arange(0, channels, BLOCK), channels - BLOCK)
    return np.asarray(starts[:, None] + np.arange(BLOCK), dtype=np.intp)


def pack_blocks(weights: Array) -> npt.NDArray[np.int8]:
    """Interleave the channels of each block.

    Args:
        weights: int8, shape ``(blocks, 4, depth)``.

    Returns:
        int8, shape ``(blocks, ceil(depth / 4), 2, 2, 2, 2)``: halves wA + 256 wB of the products 0 and 2 of a group,
        of channels A and B, of C and D; then of the products 1 and 3; zero where there is nothing.
    """
    blocks, _, depth = weights.shape
    groups = round_up(depth, _GROUP) // _GROUP
    full = np.zeros((blocks, BLOCK, groups * _GROUP), np.int16)
    full[:, :, :depth] = weights
    halves = full[:, 0::2] + (full[:, 1::2].astype(np.int32) << 8)
    ordered = halves.reshape(blocks, 2, groups, 2, 2).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(ordered.astype("<i2")).view(np.int8).reshape(blocks, groups, 2, 2, 2, 2)


def block_fields(
    op: Operator,
    weights: Array,
    bias: _Ints,
    zero_point: int,
    r: Requantization,
    *,
    folded: _Ints,
    prefix: str = "blocks.",
) -> Fields | None:
    """Return the fields of ``struct mn_blocks_s8``, or None where blocks cannot be exact.

    They need four channels, the output's whole range, no pair of weights beyond 16 bits, sums within the bounds of
    :func:`outputs`, and no multiplier near 1 or above.

    Args:
        op: The layer.
        weights: int8, shape ``(out_c, depth)``.
        bias: Of the model, int64, shape ``(out_c,)``.
        zero_point: Of the input.
        r: How sums become outputs.
        folded: The bias with the input's zero point in it.
        prefix: Of the names.
    """
    channels = weights.shape[0]
    if channels < BLOCK or (r.act_min, r.act_max) != (-128, 127):
        return None
    order = block_starts(channels)
    low, high = reaches(weights.astype(np.int64), bias, zero_point)
    second = np.arange(order.size) % 2 == 1
    flat = order.reshape(-1)
    shared = is_shared(r)
    if shared:
        found = outputs(
            Channels(
                r.multiplier[:BLOCK].astype(np.int64),
                -r.shift[:BLOCK].astype(np.int64),
                np.full(BLOCK, low.min()),
                np.full(BLOCK, high.max()),
                second[:BLOCK],
            ),
            r.output_zero_point,
            BLOCK,
        )
    else:
        found = outputs(
            Channels(
                r.multiplier[flat].astype(np.int64),
                -r.shift[flat].astype(np.int64),
                low[flat],
                high[flat],
                second,
            ),
            r.output_zero_point,
            BLOCK,
        )
    if not found.found.all():
        return None
    added, constant = np.resize(found.bias, flat.size), np.resize(found.constant, flat.size)
    chosen = np.where(constant[:, None], 0, weights[flat]).reshape(-1, BLOCK, weights.shape[1])
    if ((chosen[:, 1::2] == -128) & (chosen[:, 0::2] < 0)).any():
        return None
    total = (np.where(constant, 0, folded[flat]) + added).reshape(-1, BLOCK)
    total[:, 1::2] = total[:, 1::2] * 256 + total[:, 0::2]
    packed = pack_blocks(chosen)
    text = f"{channels} x {weights.shape[1]}, blocks of four channels: see mn_blocks_s8.h"
    return (
        (f"{prefix}weights", Constant(f"{op.name}_weights", "int8_t", packed, text)),
        (
            f"{prefix}bias",
            Constant(f"{op.name}_bias", "int32_t", _int32(total), "A, A + 256 B, C, C + 256 D"),
        ),
        (
            f"{prefix}multiplier",
            Constant(
                f"{op.name}_multiplier", "int32_t", _int32(found.multiplier), "in the order of the blocks"
            ),
        ),
        (
            f"{prefix}rounding",
            Constant(f"{op.name}_rounding", "int16_t", found.rounding.astype(np.int16), "or -shift"),
        ),
        (f"{prefix}groups", packed.shape[1]),
        (f"{prefix}out_c", channels),
        (f"{prefix}zero_point", r.output_zero_point),
        (f"{prefix}output_step", 0 if shared else BLOCK),
    )


def _int32(values: _Ints) -> npt.NDArray[np.int32]:
    """Wrap."""
    return values.astype(np.uint32).view(np.int32)
