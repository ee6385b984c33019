"""Builtin options of the schema as the dataclasses of :mod:`micronets_gen.model.graph`, checked."""

from __future__ import annotations

import math
from collections.abc import Callable

from micronets_gen.errors import ModelError
from micronets_gen.model.graph import (
    Activation,
    BinaryOptions,
    ConcatenationOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    LeakyReluOptions,
    NoOptions,
    Options,
    PackOptions,
    Padding,
    Pool2DOptions,
    ReducerOptions,
    ResizeOptions,
    SoftmaxOptions,
    SplitOptions,
    StridedSliceOptions,
    TransposeConvOptions,
)
from micronets_gen.model.tflite_file import Fields

_LARGEST = 1 << 16
_DAMAGED = (
    "convert the model again; the file was damaged or written by a tool that does not follow the schema"
)
_ACTIVATIONS = (Activation.NONE, Activation.RELU, Activation.RELU_N1_TO_1, Activation.RELU6)
_ACTIVATION_NAMES = {4: "TANH", 5: "SIGN_BIT"}


class _Reader:
    """The fields of one options table; every getter raises :class:`ModelError` naming the field."""

    def __init__(self, fields: Fields, where: str) -> None:
        self.fields = dict(fields)
        self.where = where

    def integer(self, field: str) -> int:
        return int(self.fields[field])

    def flag(self, field: str) -> bool:
        return bool(self.fields[field])

    def positive(self, field: str) -> int:
        value = self.integer(field)
        if not 1 <= value <= _LARGEST:
            raise ModelError(
                f"option {field} is {value}; it must lie between 1 and {_LARGEST}",
                where=self.where,
                remedy=_DAMAGED,
            )
        return value

    def real(self, field: str) -> float:
        value = float(self.fields[field])
        if not math.isfinite(value):
            raise ModelError(
                f"option {field} is {value}; it must be finite", where=self.where, remedy=_DAMAGED
            )
        return value

    def padding(self) -> Padding:
        value = self.integer("Padding")
        if value not in {0, 1}:
            raise ModelError(
                f"option Padding is {value}; the schema knows 0 (SAME) and 1 (VALID)",
                where=self.where,
                remedy=_DAMAGED,
            )
        return Padding.VALID if value else Padding.SAME

    def activation(self) -> Activation:
        value = self.integer("FusedActivationFunction")
        if not 0 <= value < len(_ACTIVATIONS):
            raise ModelError(
                f"the fused activation {_ACTIVATION_NAMES.get(value, value)} is not supported",
                where=self.where,
                why="the kernels clamp: NONE, RELU, RELU_N1_TO_1 and RELU6",
                remedy="use one of these activations, or make the activation a layer of its own",
            )
        return _ACTIVATIONS[value]


def _conv(r: _Reader) -> Options:
    return Conv2DOptions(
        padding=r.padding(),
        stride_h=r.positive("StrideH"),
        stride_w=r.positive("StrideW"),
        dilation_h=r.positive("DilationHFactor"),
        dilation_w=r.positive("DilationWFactor"),
        activation=r.activation(),
    )


def _depthwise(r: _Reader) -> Options:
    return DepthwiseConv2DOptions(
        padding=r.padding(),
        stride_h=r.positive("StrideH"),
        stride_w=r.positive("StrideW"),
        depth_multiplier=r.positive("DepthMultiplier"),
        dilation_h=r.positive("DilationHFactor"),
        dilation_w=r.positive("DilationWFactor"),
        activation=r.activation(),
    )


def _transpose_conv(r: _Reader) -> Options:
    return TransposeConvOptions(
        padding=r.padding(),
        stride_h=r.positive("StrideH"),
        stride_w=r.positive("StrideW"),
        activation=r.activation(),
    )


def _fully_connected(r: _Reader) -> Options:
    if r.integer("WeightsFormat") != 0:
        raise ModelError(
            "shuffled weights are not supported",
            where=r.where,
            remedy="convert the model again with TensorFlow 2",
        )
    return FullyConnectedOptions(activation=r.activation(), keep_num_dims=r.flag("KeepNumDims"))


def _pool(r: _Reader) -> Options:
    return Pool2DOptions(
        padding=r.padding(),
        stride_h=r.positive("StrideH"),
        stride_w=r.positive("StrideW"),
        filter_h=r.positive("FilterHeight"),
        filter_w=r.positive("FilterWidth"),
        activation=r.activation(),
    )


def _binary(r: _Reader) -> Options:
    return BinaryOptions(activation=r.activation(), pot_scale_int16=r.flag("PotScaleInt16"))


def _strided_slice(r: _Reader) -> Options:
    return StridedSliceOptions(
        begin_mask=r.integer("BeginMask"),
        end_mask=r.integer("EndMask"),
        ellipsis_mask=r.integer("EllipsisMask"),
        new_axis_mask=r.integer("NewAxisMask"),
        shrink_axis_mask=r.integer("ShrinkAxisMask"),
        offset=r.flag("Offset"),
    )


# Kind: the options table, whether the operator means anything without it, how to read it.
_TABLES: dict[str, tuple[str, bool, Callable[[_Reader], Options]]] = {
    "CONV_2D": ("Conv2DOptions", True, _conv),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", True, _depthwise),
    "TRANSPOSE_CONV": ("TransposeConvOptions", True, _transpose_conv),
    "FULLY_CONNECTED": ("FullyConnectedOptions", False, _fully_connected),
    "AVERAGE_POOL_2D": ("Pool2DOptions", True, _pool),
    "MAX_POOL_2D": ("Pool2DOptions", True, _pool),
    "ADD": ("AddOptions", False, _binary),
    "SUB": ("SubOptions", False, _binary),
    "MUL": ("MulOptions", False, lambda r: BinaryOptions(activation=r.activation())),
    "CONCATENATION": (
        "ConcatenationOptions",
        True,
        lambda r: ConcatenationOptions(r.integer("Axis"), r.activation()),
    ),
    "MEAN": ("ReducerOptions", False, lambda r: ReducerOptions(r.flag("KeepDims"))),
    "SUM": ("ReducerOptions", False, lambda r: ReducerOptions(r.flag("KeepDims"))),
    "SOFTMAX": ("SoftmaxOptions", True, lambda r: SoftmaxOptions(r.real("Beta"))),
    "LEAKY_RELU": ("LeakyReluOptions", True, lambda r: LeakyReluOptions(r.real("Alpha"))),
    "STRIDED_SLICE": ("StridedSliceOptions", False, _strided_slice),
    "PACK": ("PackOptions", True, lambda r: PackOptions(r.integer("Axis"))),
    "SPLIT": ("SplitOptions", True, lambda r: SplitOptions(r.positive("NumSplits"))),
    "RESIZE_NEAREST_NEIGHBOR": (
        "ResizeNearestNeighborOptions",
        False,
        lambda r: ResizeOptions(r.flag("AlignCorners"), r.flag("HalfPixelCenters")),
    ),
}

_DEFAULTS: dict[str, Options] = {
    "FULLY_CONNECTED": FullyConnectedOptions(),
    "ADD": BinaryOptions(),
    "SUB": BinaryOptions(),
    "MUL": BinaryOptions(),
    "MEAN": ReducerOptions(),
    "SUM": ReducerOptions(),
    "STRIDED_SLICE": StridedSliceOptions(),
    "RESIZE_NEAREST_NEIGHBOR": ResizeOptions(),
}

_WITHOUT = frozenset(
    """
    RESHAPE SQUEEZE EXPAND_DIMS PAD PADV2 LOGISTIC TANH RELU RELU6 HARD_SWISH QUANTIZE DEQUANTIZE
    TRANSPOSE SLICE MINIMUM MAXIMUM
    """.split()  # noqa: SIM905
)

KINDS = frozenset(_TABLES) | _WITHOUT
"""Builtin operators whose options can be read."""


def read_options(kind: str, table: str, fields: Fields | None, where: str) -> Options:
    """Return the options of one operator of :data:`KINDS`.

    Args:
        kind: Builtin name.
        table: Name of the options table in the file; empty where there is none.
        fields: Its fields.
        where: File and layer, for messages.

    Raises:
        ModelError: the table is missing, another operator's, or holds a value without meaning.
    """
    if kind in _WITHOUT:
        return NoOptions()
    expected, required, build = _TABLES[kind]
    if not table and not required:
        return _DEFAULTS[kind]
    if table != expected or fields is None:
        raise ModelError(
            f"its options are {table or 'missing'}; {kind} needs {expected}", where=where, remedy=_DAMAGED
        )
    return build(_Reader(fields, where))
