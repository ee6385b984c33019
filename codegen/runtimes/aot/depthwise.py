"""DEPTHWISE_CONV_2D of 3x3 taps in strips: see ``templates/aot/mn_depthwise_3x3_s8.h``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from micronets_gen.common.integers import round_up
from micronets_gen.model.graph import Array, Graph, Operator
from micronets_gen.operators.convolution import Geometry, Requantization
from micronets_gen.plan.plan import Call, Constant, Field, LayerCode
from micronets_gen.runtimes.aot.outputs import Channels, is_shared, outputs, reaches

_GROUP = 4
_SCRATCH = 2048
_MOST_SCRATCH = 4096
_BEHIND = 16
"""Bytes that are read behind the planes, for outputs that are not stored."""


def depthwise_3x3(
    graph: Graph, op: Operator, g: Geometry, weights: Array, bias: npt.NDArray[np.int64], r: Requantization
) -> LayerCode | None:
    """Return the calls of a depthwise convolution in strips, or None where it cannot be one.

    It needs 3x3 taps without dilation, a stride of 1 or 2 along rows, four channels, rows of which three fit the
    scratch, the output's whole range, and a way from sums to outputs.

    Args:
        graph: The model.
        op: The layer, of depth multiplier 1 on int8.
        g: Its extents.
        weights: int8, shape ``(filter_height, filter_width, channels)``.
        bias: int64, shape ``(channels,)``.
        r: How sums become outputs.
    """
    taps = (g.filter_height, g.filter_width, g.dilation_h, g.dilation_w)
    row, band = _plane(g)
    if (
        taps != (3, 3, 1, 1)
        or g.stride_w > 2
        or g.in_c < _GROUP
        or (r.act_min, r.act_max) != (-128, 127)
        or _scratch_bytes(g, row, band) > _MOST_SCRATCH
    ):
        return None
    by_channel = weights.transpose(2, 0, 1).reshape(g.in_c, 9)
    zero_point = graph.tensor(op.inputs[0]).zero_point
    low, high = reaches(by_channel.astype(np.int64), bias, zero_point)
    count = 1 if is_shared(r) else g.in_c
    if count == 1:
        low, high = low.min(keepdims=True), high.max(keepdims=True)
    found = outputs(
        Channels(
            r.multiplier[:count].astype(np.int64),
            -r.shift[:count].astype(np.int64),
            low,
            high,
            np.zeros(count, np.bool_),
        ),
        r.output_zero_point,
        1,
    )
    if not found.found.all():
        return None
    packed = np.where(found.constant[:, None], 0, by_channel).astype(np.int8)
    total = np.where(found.constant, 0, bias) + found.bias
    params: tuple[tuple[str, Field], ...] = (
        *((name, getattr(g, name)) for name in ("in_h", "in_w")),
        ("channels", g.in_c),
        ("in_rows", g.in_h),
        *((name, getattr(g, name)) for name in ("out_w", "stride_h", "stride_w", "pad_h", "pad_w")),
        ("in_zero_point", zero_point),
        ("out_zero_point", r.output_zero_point),
        ("band", band),
        ("row", row),
        ("output_step", int(count > 1)),
        ("weights", Constant(f"{op.name}_weights", "int8_t", packed, f"{g.in_c} x 3 x 3")),
        ("bias", Constant(f"{op.name}_bias", "int32_t", total.astype(np.int32), "one a channel")),
        (
            "multiplier",
            Constant(f"{op.name}_multiplier", "int32_t", found.multiplier.astype(np.int32), "one a channel"),
        ),
        (
            "rounding",
            Constant(f"{op.name}_rounding", "int16_t", found.rounding.astype(np.int16), "or -shift"),
        ),
    )
    call = Call("mn_depthwise_3x3_s8", params, op.inputs[:1], op.outputs, scratch=True, rows=g.out_h)
    return LayerCode(("mn_depthwise_3x3_s8.c",), (call,), scratch_bytes=_scratch_bytes(g, row, band))


def _plane(g: Geometry) -> tuple[int, int]:
    """Return the elements of a plane's row, and how many output rows a band has."""
    right = 3 - min(g.pad_w, 1)
    row = round_up(max(g.pad_w + g.in_w, (g.out_w - 1) * g.stride_w + right), 2)
    rows = (_SCRATCH - _BEHIND) // (8 * row)
    return row, max(1, min(g.out_h, (rows - 3) // g.stride_h + 1))


def _scratch_bytes(g: Geometry, row: int, band: int) -> int:
    return 8 * row * ((band - 1) * g.stride_h + 3) + _BEHIND
