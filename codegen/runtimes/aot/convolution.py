"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED: kernel choice and offline packing of the weights."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import numpy.typing as npt

from micronets_gen.common.integers import round_up
from micronets_gen.model.graph import Array, DType, Graph, Operator
from micronets_gen.operators import convolution, fully_connected
from micronets_gen.operators.convolution import Geometry, Requantization
from micronets_gen.operators.fully_connected import FullyConnectedOptions
from micronets_gen.plan.plan import Call, Constant, Field, LayerCode
from micronets_gen.runtimes.aot.blocks import Chunks, block_fields, chunks, image_pairs
from micronets_gen.runtimes.aot.blocks import Fields as BlockFields
from micronets_gen.runtimes.aot.depthwise import depthwise_3x3
from micronets_gen.runtimes.aot.outputs import is_shared
from micronets_gen.runtimes.aot.registry import lowering

_Fields = tuple[tuple[str, Field], ...]
_EXTENTS = tuple("in_rows" if field.name == "out_h" else field.name for field in fields(Geometry))
"""Of a kernel that makes a range of rows: it need not know how many there are, but how many its input holds."""
_DEPTHWISE_EXTENTS = tuple(name for name in _EXTENTS if name not in ("in_c", "out_c"))


def _padded(values: Array, length: int) -> Array:
    return np.concatenate([values, np.zeros(length - len(values), dtype=values.dtype)])


def _bias(graph: Graph, op: Operator, channels: int) -> npt.NDArray[np.int64]:
    tensor = graph.operand(op, 2)
    if tensor is None or tensor.data is None:
        return np.zeros(channels, dtype=np.int64)
    return tensor.data.reshape(-1).astype(np.int64)


def _folded_bias(bias: npt.NDArray[np.int64], weights: Array, zero_point: int) -> npt.NDArray[np.int64]:
    """Move the input's zero point into the bias: sum(w * (x - z)) = sum(w * x) - z * sum(w)."""
    folded = bias - zero_point * weights.reshape(len(bias), -1).astype(np.int64).sum(axis=1)
    return np.asarray(folded.astype(np.int32), dtype=np.int64)


def pack_pairs(weights: Array) -> npt.NDArray[np.int8]:
    """Interleave output channels in pairs, four values of one and four of the other in turn.

    Args:
        weights: int8, shape ``(channels, depth)``.

    Returns:
        int8, shape ``(ceil(channels / 2), ceil(depth / 4), 2, 4)``, zero where there is nothing.
    """
    channels, depth = weights.shape
    full = np.zeros((round_up(channels, 2), round_up(depth, 4)), dtype=np.int8)
    full[:channels, :depth] = weights
    return np.ascontiguousarray(full.reshape(-1, 2, full.shape[1] // 4, 4).transpose(0, 2, 1, 3))


def pack_quads(weights: Array) -> npt.NDArray[np.int8]:
    """Group depthwise channels by four, taps inside.

    Args:
        weights: int8, shape ``(filter_height, filter_width, channels)``.

    Returns:
        int8, shape ``(ceil(channels / 4), filter_height, filter_width, 4)``, zero where there is nothing.
    """
    filter_height, filter_width, channels = weights.shape
    full = np.zeros((filter_height, filter_width, round_up(channels, 4)), dtype=np.int8)
    full[:, :, :channels] = weights
    return np.ascontiguousarray(full.reshape(filter_height, filter_width, -1, 4).transpose(2, 0, 1, 3))


def _is_bounded(r: Requantization, weights: Array, bias: npt.NDArray[np.int64], zero_point: int) -> bool:
    """Whether ``mn_output_bounded`` is exact: see mn_output.h.

    The accumulator's bound holds with the bias folded or not.
    """
    reach = max(127 - zero_point, zero_point + 128)
    magnitude = np.abs(weights.reshape(len(bias), -1).astype(np.int64)).sum(axis=1)
    bound = int((magnitude * reach + np.abs(bias)).max())
    right = -r.shift
    return bool(
        bound < 2**30 and right.min() >= 1 and right.max() <= 31 and (r.act_min, r.act_max) == (-128, 127)
    )


def _multiplier(op: Operator, values: Array) -> Constant:
    return Constant(f"{op.name}_multiplier", "int32_t", values, "Q31, one a channel")


def _shift(op: Operator, values: Array, comment: str = "positive to the left, one a channel") -> Constant:
    return Constant(f"{op.name}_shift", "int8_t", values.astype(np.int8), comment)


def _output_fields(op: Operator, r: Requantization, bounded: bool, *, share: bool = False) -> _Fields:
    """Return the fields of ``struct mn_output_s8``, member of a kernel's parameters as ``output``.

    Args:
        share: Whether the kernel looks up multipliers through the channel mask.
    """
    shift = -r.shift - 1 if bounded else r.shift
    comment = "right shift - 1" if bounded else "positive to the left"
    if share and is_shared(r):
        multipliers, shifts, channel_mask = r.multiplier[:1], shift[:1], 0
    else:
        even = round_up(len(shift), 2)
        multipliers, shifts, channel_mask = _padded(r.multiplier, even), _padded(shift, even), -1
    return (
        ("output.multiplier", _multiplier(op, multipliers)),
        ("output.shift", _shift(op, shifts, f"{comment}, one a channel")),
        ("output.zero_point", r.output_zero_point),
        ("output.act_min", r.act_min),
        ("output.act_max", r.act_max),
        ("output.bounded", int(bounded)),
        ("output.channel_mask", channel_mask),
    )


def _mve_output_fields(
    op: Operator, r: Requantization, order: npt.NDArray[np.intp], prefix: str, channel_mask: int = -1
) -> _Fields:
    """Return the fields of ``struct mn_output_mve``, channels in ``order``, padded to its length."""
    size = len(order)
    return (
        (f"{prefix}output.multiplier", _multiplier(op, _padded(r.multiplier[:size], size)[order])),
        (f"{prefix}output.shift", _shift(op, _padded(r.shift[:size], size)[order])),
        (f"{prefix}output.zero_point", r.output_zero_point),
        (f"{prefix}output.act_min", r.act_min),
        (f"{prefix}output.act_max", r.act_max),
        (f"{prefix}output.channel_mask", channel_mask),
    )


def _mve_vectors(
    op: Operator,
    vectors: int,
    weights: Array,
    bias: npt.NDArray[np.int64],
    zero_point: int,
    r: Requantization,
    prefix: str,
) -> _Fields:
    """Return the fields of ``struct mn_vectors_s8_mve_params``.

    Args:
        weights: int8, shape ``(out_c, in_c)``.
    """
    out_c, in_c = weights.shape
    shared = out_c >= 4 and is_shared(r)
    return (
        (f"{prefix}vectors", vectors),
        (f"{prefix}in_c", in_c),
        (f"{prefix}out_c", out_c),
        (
            f"{prefix}weights",
            Constant(f"{op.name}_weights", "int8_t", weights, f"{out_c} x {in_c}, row by row"),
        ),
        (f"{prefix}bias", _bias_field(op, _folded_bias(bias, weights, zero_point), 4)),
        *_mve_output_fields(
            op, r, np.arange(4 if shared else round_up(out_c, 4)), prefix, 0 if shared else -1
        ),
    )


def _bias_field(op: Operator, bias: npt.NDArray[np.int64], multiple: int, ctype: str = "int32_t") -> Constant:
    dtype = np.int32 if ctype == "int32_t" else np.int64
    return Constant(
        f"{op.name}_bias",
        ctype,
        _padded(bias, round_up(len(bias), multiple)).astype(dtype),
        "one a channel",
        align=8 if ctype == "int64_t" else 4,
    )


def _extents(g: Geometry, *names: str) -> _Fields:
    return tuple((name, g.in_h if name == "in_rows" else getattr(g, name)) for name in names)


def _grouped(
    graph: Graph, op: Operator, g: Geometry, weights: Array, group_out: int, r: Requantization
) -> LayerCode:
    """Any grouping, and int16 activations.

    Args:
        weights: int8, shape ``(out_c, filter_height, filter_width, group_in)``.
    """
    x = graph.tensor(op.inputs[0])
    bias = _bias(graph, op, g.out_c)
    shape = (
        *((f"shape.{name}", value) for name, value in _extents(g, *_EXTENTS)),
        ("shape.in_zero_point", x.zero_point),
        ("shape.group_in", weights.shape[3]),
        ("shape.group_out", group_out),
        (
            "weights",
            Constant(
                f"{op.name}_weights",
                "int8_t",
                weights,
                "output channel, row, column, input channel",
            ),
        ),
    )
    if x.dtype is DType.INT16:
        params: _Fields = (
            *shape,
            ("bias", _bias_field(op, bias, 1, "int64_t")),
            ("multiplier", _multiplier(op, r.multiplier)),
            ("shift", _shift(op, r.shift)),
            ("act_min", r.act_min),
            ("act_max", r.act_max),
        )
        call = Call("mn_grouped_conv_s16", params, op.inputs[:1], op.outputs, rows=g.out_h)
        return LayerCode(("mn_grouped_conv_s16.c",), (call,))
    params = (*shape, ("bias", _bias_field(op, bias, 1)), *_output_fields(op, r, bounded=False, share=True))
    call = Call("mn_grouped_conv_s8", params, op.inputs[:1], op.outputs, rows=g.out_h)
    return LayerCode(("mn_grouped_conv_s8.c", "mn_output.c"), (call,))


def _conv_mve(graph: Graph, op: Operator, g: Geometry, weights: Array, r: Requantization) -> LayerCode:
    """Ungrouped, int8; see :func:`_conv_dsp`."""
    zero_point = graph.tensor(op.inputs[0]).zero_point
    bias = _bias(graph, op, g.out_c)
    flat = weights.reshape(g.out_c, -1)
    if g.filter_height == g.filter_width == g.stride_h == g.stride_w == 1:
        params = _mve_vectors(op, g.out_h * g.out_w, flat, bias, zero_point, r, "")
        return LayerCode(
            ("mn_vectors_s8_mve.c",), (Call("mn_vectors_s8_mve", params, op.inputs[:1], op.outputs),)
        )
    params = (
        *_extents(g, *(n for n in _EXTENTS if n != "out_c")),
        ("in_zero_point", zero_point),
        *_mve_vectors(op, 1, flat, bias, zero_point, r, "position."),
    )
    call = Call("mn_conv_s8_mve", params, op.inputs[:1], op.outputs, scratch=True, rows=g.out_h)
    sources = ("mn_conv_s8_mve.c", "mn_vectors_s8_mve.c")
    return LayerCode(sources, (call,), scratch_bytes=flat.shape[1])


def _conv_dsp(graph: Graph, op: Operator, g: Geometry, weights: Array, r: Requantization) -> LayerCode:
    """Ungrouped, int8.

    Args:
        weights: int8, shape ``(out_c, filter_height, filter_width, in_c)``.
    """
    zero_point = graph.tensor(op.inputs[0]).zero_point
    bias = _bias(graph, op, g.out_c)
    flat = weights.reshape(g.out_c, -1)
    strips = image_pairs(g)
    ordered = flat if strips is None else weights.transpose(0, 2, 1, 3).reshape(g.out_c, -1)
    blocks = block_fields(op, ordered, bias, zero_point, r, folded=_folded_bias(bias, flat, zero_point))
    if blocks is not None and strips is not None:
        return _conv_images(op, g, zero_point, blocks, strips)
    if blocks is not None:
        return _conv_blocks(op, g, zero_point, blocks)
    bounded = _is_bounded(r, flat, bias, zero_point)
    packed = Constant(
        f"{op.name}_weights",
        "int8_t",
        pack_pairs(flat),
        f"{g.out_c} x {g.filter_height} x {g.filter_width} x {g.in_c}, pairs of channels interleaved by 4",
    )
    tail = (
        ("weights", packed),
        ("bias", _bias_field(op, _folded_bias(bias, flat, zero_point), 2)),
        *_output_fields(op, r, bounded),
    )
    depth = round_up(flat.shape[1], 4)
    params = (*_field(g, zero_point), ("out_c", g.out_c), *tail)
    call = Call("mn_conv_s8", params, op.inputs[:1], op.outputs, scratch=True, rows=g.out_h)
    scratch = 4 * depth + (0 if g.in_c % 4 == 0 else depth)
    sources = ("mn_conv_s8.c", "mn_field.c", "mn_columns.c", "mn_output.c")
    return LayerCode(sources, (call,), scratch_bytes=scratch)


def _field(g: Geometry, zero_point: int) -> _Fields:
    """Return the fields of ``struct mn_field``."""
    extents = _extents(g, *(name for name in _EXTENTS if name != "out_c"))
    return tuple((f"field.{name}", value) for name, value in (*extents, ("in_zero_point", zero_point)))


def _conv_blocks(op: Operator, g: Geometry, zero_point: int, blocks: BlockFields) -> LayerCode:
    """In blocks of four channels; ungrouped, int8."""
    depth = g.filter_height * g.filter_width * g.in_c
    chunk = chunks(depth, g.out_h * g.out_w)
    sources = ("mn_conv_blocks_s8.c", "mn_field.c", "mn_blocks_s8.c")
    if g.filter_height == g.filter_width == g.stride_h == g.stride_w == 1:
        positions = (("positions", g.out_h * g.out_w), ("in_c", g.in_c))
        pointwise = Call(
            "mn_conv_1x1_blocks_s8",
            (*positions, *chunk.fields, *blocks),
            op.inputs[:1],
            op.outputs,
            scratch=True,
        )
        return LayerCode(sources, (pointwise,), scratch_bytes=chunk.scratch_bytes)
    params = (*_field(g, zero_point), *chunk.fields, *blocks)
    call = Call("mn_conv_blocks_s8", params, op.inputs[:1], op.outputs, scratch=True, rows=g.out_h)
    patch = 0 if g.in_c % 4 == 0 else round_up(depth, 4)
    return LayerCode(sources, (call,), scratch_bytes=chunk.scratch_bytes + patch)


def _conv_images(
    op: Operator, g: Geometry, zero_point: int, blocks: BlockFields, strips: Chunks
) -> LayerCode:
    """In blocks of four channels, from images of neighbouring windows."""
    params = (*_field(g, zero_point), ("pairs", strips.positions), ("copies", int(strips.copies)), *blocks)
    call = Call("mn_conv_images_s8", params, op.inputs[:1], op.outputs, scratch=True, rows=g.out_h)
    sources = ("mn_conv_images_s8.c", "mn_field.c", "mn_blocks_s8.c")
    return LayerCode(sources, (call,), scratch_bytes=strips.scratch_bytes)


@lowering("CONV_2D")
def lower_conv(graph: Graph, op: Operator, simd: str) -> LayerCode:
    """Pointwise, general or grouped."""
    g = convolution.geometry(graph, op)
    r = convolution.requantization(graph, op)
    weights = graph.tensor(op.inputs[1]).data
    assert weights is not None
    groups = g.in_c // weights.shape[3]
    conv = _conv_mve if simd == "mve" else _conv_dsp
    if groups > 1 or graph.tensor(op.inputs[0]).dtype is DType.INT16:
        return _grouped(graph, op, g, weights, g.out_c // groups, r)
    return conv(graph, op, g, weights, r)


@lowering("DEPTHWISE_CONV_2D")
def lower_depthwise(graph: Graph, op: Operator, simd: str) -> LayerCode:
    """By channel; as an ordinary convolution of one input channel; or grouped, with a depth multiplier."""
    return _depthwise(graph, op, simd, strips=True)


def lower_depthwise_row(graph: Graph, op: Operator, simd: str) -> LayerCode:
    """Row by row, without strips: a row would be transposed again for each window that it lies in."""
    return _depthwise(graph, op, simd, strips=False)


def _depthwise(graph: Graph, op: Operator, simd: str, *, strips: bool) -> LayerCode:
    g = convolution.geometry(graph, op)
    r = convolution.requantization(graph, op)
    weights = graph.tensor(op.inputs[1]).data
    assert weights is not None
    x = graph.tensor(op.inputs[0])
    multiplier = g.out_c // g.in_c
    by_channel = weights[0].transpose(2, 0, 1)[..., None]
    if x.dtype is DType.INT16:
        return _grouped(graph, op, g, by_channel, multiplier, r)
    if g.in_c == 1:
        return (_conv_mve if simd == "mve" else _conv_dsp)(graph, op, g, by_channel, r)
    if multiplier > 1:
        return _grouped(graph, op, g, by_channel, multiplier, r)
    bias = _bias(graph, op, g.out_c)
    if simd == "mve":
        return _depthwise_mve(op, g, weights[0], bias, x.zero_point, r)
    in_strips = depthwise_3x3(graph, op, g, weights[0], bias, r) if strips else None
    if in_strips is not None:
        return in_strips
    bounded = _is_bounded(r, by_channel, bias, x.zero_point)
    params: _Fields = (
        *_extents(g, *_DEPTHWISE_EXTENTS),
        ("channels", g.in_c),
        ("in_zero_point", x.zero_point),
        (
            "weights",
            Constant(
                f"{op.name}_weights",
                "int8_t",
                pack_quads(weights[0]),
                f"{g.filter_height} x {g.filter_width} x {g.in_c}, channels in fours, taps inside",
            ),
        ),
        ("bias", _bias_field(op, bias, 4)),
        *_output_fields(op, r, bounded),
    )
    call = Call("mn_depthwise_s8", params, op.inputs[:1], op.outputs, scratch=True, rows=g.out_h)
    sources = ("mn_depthwise_s8.c", "mn_output.c")
    return LayerCode(sources, (call,), scratch_bytes=8 * g.filter_height * g.filter_width)


def _depthwise_mve(
    op: Operator,
    g: Geometry,
    weights: Array,
    bias: npt.NDArray[np.int64],
    zero_point: int,
    r: Requantization,
) -> LayerCode:
    """One filter a channel.

    Args:
        weights: int8, shape ``(filter_height, filter_width, channels)``.
    """
    filter_height, filter_width, channels = weights.shape
    eights = np.arange(round_up(channels, 8)).reshape(-1, 4, 2).transpose(0, 2, 1).reshape(-1)
    ordered = Constant(
        f"{op.name}_bias",
        "int32_t",
        _padded(bias, len(eights))[eights].astype(np.int32),
        "channels in eights, each 0 2 4 6 1 3 5 7",
    )
    params: _Fields = (
        *_extents(g, *_DEPTHWISE_EXTENTS),
        ("channels", channels),
        ("in_zero_point", zero_point),
        (
            "weights",
            Constant(
                f"{op.name}_weights",
                "int8_t",
                weights,
                f"{filter_height} x {filter_width} x {channels}",
            ),
        ),
        ("bias", ordered),
        *_mve_output_fields(op, r, eights, ""),
    )
    call = Call("mn_depthwise_s8_mve", params, op.inputs[:1], op.outputs, rows=g.out_h)
    return LayerCode(("mn_depthwise_s8_mve.c",), (call,))


@lowering("FULLY_CONNECTED")
def lower_fully_connected(graph: Graph, op: Operator, simd: str) -> LayerCode:
    """Vectors times a matrix."""
    assert isinstance(op.options, FullyConnectedOptions)
    x = graph.tensor(op.inputs[0])
    weights = graph.tensor(op.inputs[1]).data
    assert weights is not None
    r = fully_connected.requantization(graph, op)
    out_c, in_c = weights.shape
    rows = x.elements // in_c
    g = Geometry(rows, 1, in_c, rows, 1, out_c, 1, 1, 1, 1, 1, 1, 0, 0)
    filters = weights.reshape(out_c, 1, 1, in_c)
    if x.dtype is DType.INT16:
        return _grouped(graph, op, g, filters, out_c, r)
    if simd == "mve":
        bias = _bias(graph, op, out_c)
        vectors = _mve_vectors(op, rows, weights, bias, x.zero_point, r, "")
        return LayerCode(
            ("mn_vectors_s8_mve.c",), (Call("mn_vectors_s8_mve", vectors, op.inputs[:1], op.outputs),)
        )
    return _conv_dsp(graph, op, g, filters, r)
