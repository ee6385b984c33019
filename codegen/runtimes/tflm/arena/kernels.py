"""What each operator asks of the arena while TFLM initialises and prepares it, at the pinned commit.

With the kernels of CMSIS-NN where there are any, and the reference kernels for the rest. Requests are those of the
operator's parser (``builtin``), its ``Init`` (``data``) and its ``Prepare`` (``persistent``, ``scratch``, and the
temporary copies of tensors).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

from micronets_gen.common.integers import ceil_div
from micronets_gen.common.registry import Registry
from micronets_gen.errors import ModelError
from micronets_gen.runtimes.tflm.arena import cmsis_nn
from micronets_gen.runtimes.tflm.arena.cmsis_nn import Simd, Window
from micronets_gen.runtimes.tflm.arena.layout import TypeName
from micronets_gen.runtimes.tflm.arena.model import Model, Node, Tensor, Type

_WORD, _LONG = 4, 8
_SAME = 0
_INT16_TABLE = 2 * 513
"""Bytes of one of the two tables of an int16 softmax."""


@dataclass(frozen=True)
class Requests:
    """What one operator asks for.

    Attributes:
        builtin: Structure of its options; aligned as the type is.
        data: Structure of the kernel's own data.
        persistent: Further bytes for as long as the model lives, in order.
        scratch: Bytes while the operator runs, in order.
        temporary: Tensors copied for the time of ``Prepare``.
    """

    builtin: TypeName | None = None
    data: TypeName | None = None
    persistent: tuple[int, ...] = ()
    scratch: tuple[int, ...] = ()
    temporary: tuple[int, ...] = ()

    @property
    def types(self) -> tuple[TypeName, ...]:
        return tuple(t for t in (self.builtin, self.data) if t is not None)


@dataclass(frozen=True)
class Target:
    """What the kernels are compiled for.

    Attributes:
        simd: Instructions of the core.
        for_speed: Whether ``KERNELS_OPTIMIZED_FOR_SPEED`` is defined (TFLM's default).
    """

    simd: Simd
    for_speed: bool = True


Kernel = Callable[[Model, Node, Target], Requests]

ARENA_REQUESTS: Registry[Kernel] = Registry("arena requests")
"""What each operator asks for, by builtin name, or why that is not known."""


def requests_of(model: Model, node: Node, target: Target) -> Requests:
    """Return what an operator asks of the arena.

    Raises:
        ModelError: it is none of those that are known, or it is damaged: results that nothing uses are not checked
            when a model is read.
    """
    kernel = ARENA_REQUESTS.entries().get(node.kind)
    if kernel is None:
        raise ModelError(
            f"how much of TFLM's arena {node.kind} takes is not known",
            where=f"operator {node.index}",
            why=ARENA_REQUESTS.why_not(node.kind),
            remedy="take a board that an emulator covers, where the arena is measured, or --runtime aot",
        )
    try:
        return kernel(model, node, target)
    except (IndexError, ZeroDivisionError):
        raise ModelError(
            f"{node.kind} has operands or options that make no sense",
            where=f"operator {node.index}",
            remedy="convert the model again; the file is damaged",
        ) from None


def _options(name: str) -> TypeName:
    return TypeName(name, "flatbuffer_conversions.cc")


def _op_data(file: str) -> TypeName:
    """The kernel's data where its name is ``OpData``, which many kernels have."""
    return TypeName("tflite::OpData", file, local=True)


def _of(node: Node, *positions: int) -> tuple[int, ...]:
    """Tensors at input positions; those beyond the end or omitted are left out."""
    found = (node.inputs[p] for p in positions if p < len(node.inputs))
    return tuple(t for t in found if t >= 0)


# --- operators whose requests follow from their kind ------------------------------------------------------


def _simple(
    builtin: str = "", data: TypeName | None = None, inputs: tuple[int, ...] = (), output: bool = True
) -> Kernel:
    """A kernel that copies some inputs and perhaps the output, and asks for nothing beyond its data."""
    options = _options(builtin) if builtin else None

    def kernel(_model: Model, node: Node, _target: Target) -> Requests:
        copies = _of(node, *inputs) + (node.outputs[:1] if output else ())
        return Requests(options, data, temporary=copies)

    return kernel


def _concatenation(_model: Model, node: Node, _target: Target) -> Requests:
    data = _op_data("concatenation.cc")
    copies = _of(node, 0) + node.outputs[:1] + _of(node, *range(len(node.inputs)))
    return Requests(_options("TfLiteConcatenationParams"), data, temporary=copies)


def _tanh(_model: Model, node: Node, _target: Target) -> Requests:
    data = _op_data("tanh.cc")
    return Requests(None, data, temporary=(*_of(node, 0, 0), *node.outputs[:1]))


# --- operators with weights -------------------------------------------------------------------------------


def _window(node: Node, data: Tensor, weights: Tensor, out: Tensor) -> Window:
    stride = node.option("StrideH"), node.option("StrideW")
    dilation = node.option("DilationHFactor", 1), node.option("DilationWFactor", 1)

    def before(axis: int) -> int:
        if node.option("Padding") != _SAME:
            return 0
        extent = data.shape[axis + 1]
        reach = (weights.shape[axis + 1] - 1) * dilation[axis] + 1
        steps = ceil_div(extent, stride[axis])
        return max((steps - 1) * stride[axis] + reach - extent, 0) // 2

    return Window(
        in_h=data.shape[1],
        in_w=data.shape[2],
        in_c=data.shape[3],
        out_h=out.shape[1],
        out_w=out.shape[2],
        out_c=out.shape[3],
        filter_height=weights.shape[1],
        filter_width=weights.shape[2],
        filter_c=weights.shape[3],
        stride_h=stride[0],
        stride_w=stride[1],
        pad_h=before(0),
        pad_w=before(1),
        dilation_h=dilation[0],
        dilation_w=dilation[1],
    )


def _convolution(model: Model, node: Node, target: Target) -> Requests:
    data, weights, out = _operands(model, node, 0, 1)
    channels = weights.shape[0] * _WORD
    scratch = 0
    window = _window(node, data, weights, out)
    if data.type == Type.INT8:
        scratch = cmsis_nn.convolution_s8(window, target.simd)
    elif data.type == Type.INT16:
        bias = model.operand(node, 2)
        if bias is None or bias.type == Type.INT64:
            scratch = cmsis_nn.convolution_s16(window, target.simd)
    # Prepare looks for the bias among the outputs, and finds none.
    copies = (*_of(node, 0, 1), *node.outputs[:1], *_of(node, 0, 1, 2), *node.outputs[:1])
    return Requests(
        _options("TfLiteConvParams"),
        _op_data("conv.cc"),
        persistent=(channels, channels),
        scratch=(scratch,) if scratch > 0 else (),
        temporary=copies,
    )


def _depthwise(model: Model, node: Node, target: Target) -> Requests:
    data, weights, out = _operands(model, node, 0, 1)
    channels = weights.shape[3] * _WORD
    scratch = 0
    if data.type == Type.INT8:
        four = weights.type == Type.INT4
        rule = cmsis_nn.depthwise_s4 if four else cmsis_nn.depthwise_s8
        scratch = rule(_window(node, data, weights, out), target.simd)
    copies = (*_of(node, 0, 1), *node.outputs[:1], *_of(node, 0, 1, 2), *node.outputs[:1])
    return Requests(
        _options("TfLiteDepthwiseConvParams"),
        _op_data("depthwise_conv.cc"),
        persistent=(channels, channels),
        scratch=(scratch,) if scratch > 0 else (),
        temporary=copies,
    )


def _transpose_convolution(model: Model, node: Node, target: Target) -> Requests:
    weights, data, out = _operands(model, node, 1, 2)
    channels = weights.shape[0] * _WORD
    scratch: tuple[int, ...] = ()
    if data.type == Type.INT8:
        scratch = cmsis_nn.transpose_convolution_s8(_window(node, data, weights, out), target.simd)
    elif data.type == Type.INT16:
        scratch = (prod(out.shape) * _LONG,)
        bias = model.operand(node, 3)
        if bias is not None and bias.type == Type.INT16:
            scratch += (prod(bias.shape) * _LONG,)
    copies = (*node.outputs[:1], *_of(node, 2, 1), *_of(node, 2, 1, 3), *node.outputs[:1])
    return Requests(
        _options("TfLiteTransposeConvParams"),
        _op_data("transpose_conv.cc"),
        persistent=(channels, channels),
        scratch=scratch,
        temporary=copies,
    )


def _fully_connected(model: Model, node: Node, target: Target) -> Requests:
    data, weights, out = _operands(model, node, 0, 1)
    bias = model.operand(node, 2)
    depth, outputs = weights.shape[-1], out.shape[-1]
    per_channel = weights.channels > 1
    persistent: tuple[int, ...] = (weights.channels * _WORD,) * 2 if per_channel else ()
    scratch: tuple[int, ...] = ()
    if data.type == Type.INT8 and weights.type != Type.INT4:
        if len(out.shape) > 2 and depth % 4 == 0:  # run as a pointwise convolution
            scratch = () if per_channel else (outputs * _WORD * 2,)
        elif sums := cmsis_nn.fully_connected_s8(outputs, target.simd):
            fixed = weights.constant and (bias is None or bias.constant)
            if target.for_speed and fixed:
                persistent += (sums,)
            else:
                scratch = (sums,)
    return Requests(
        _options("TfLiteFullyConnectedParams"),
        _op_data("fully_connected.cc"),
        persistent=persistent,
        scratch=scratch,
        temporary=(*_of(node, 0, 1, 2), *node.outputs[:1]),
    )


# --- the rest ---------------------------------------------------------------------------------------------


def _pooling(model: Model, node: Node, target: Target) -> Requests:
    data, out = _operands(model, node, 0)
    average = node.kind == "AVERAGE_POOL_2D"
    scratch = 0
    if average and data.type in (Type.INT8, Type.INT16):
        scratch = cmsis_nn.average_pool(out.shape[3], target.simd)
    copies = (*_of(node, 0), *node.outputs[:1])
    return Requests(
        _options("TfLitePoolParams"),
        _op_data("pooling.cc"),
        scratch=(scratch,) if scratch > 0 else (),
        temporary=copies * 2 if average else copies,
    )


def _softmax(model: Model, node: Node, _target: Target) -> Requests:
    data, _ = _operands(model, node, 0)
    return Requests(
        _options("TfLiteSoftmaxParams"),
        TypeName("tflite::CMSISNNSoftmaxParams", "softmax.cc"),
        persistent=(_INT16_TABLE, _INT16_TABLE) if data.type == Type.INT16 else (),
        temporary=(*_of(node, 0), *node.outputs[:1]),
    )


def _reduction(model: Model, node: Node, _target: Target) -> Requests:
    data, axes, out = _operands(model, node, 0, 1)
    scratch = [prod(out.shape) * _WORD] if data.type in (Type.INT8, Type.INT16) else []
    scratch += [len(data.shape) * _WORD, prod(axes.shape) * _WORD]
    copies = [*_of(node, 0), *node.outputs[:1], *_of(node, 1, 0, 1)]
    copies += node.outputs[:1] if data.type == Type.INT8 else ()
    return Requests(
        _options("TfLiteReducerParams"),
        TypeName("tflite::OpDataReduce", "reduce.cc"),
        scratch=tuple(scratch),
        temporary=tuple(copies),
    )


def _reshape(model: Model, node: Node, _target: Target) -> Requests:
    shape = model.tensors[node.outputs[0]].shape
    return Requests(
        _options("TfLiteReshapeParams"),
        persistent=((1 + len(shape)) * _WORD,) if -1 in shape else (),
        temporary=(*_of(node, 0), *node.outputs[:1]),
    )


def _operands(model: Model, node: Node, *positions: int) -> tuple[Tensor, ...]:
    """The tensors at input positions that cannot be omitted, and the first output.

    Raises:
        ModelError: one is missing.
    """
    found = [model.operand(node, p) for p in positions]
    tensors = tuple(t for t in found if t is not None)
    if len(tensors) < len(found) or not node.outputs:
        raise ModelError(
            f"{node.kind} lacks an operand",
            where=f"operator {node.index}",
            remedy="convert the model again; the file is damaged",
        )
    return (*tensors, model.tensors[node.outputs[0]])


_KERNELS: Mapping[str, Kernel] = {
    "ADD": _simple("TfLiteAddParams", _op_data("add.cc"), (0, 1)),
    "AVERAGE_POOL_2D": _pooling,
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEQUANTIZE": _simple("", TypeName("tflite::DequantizeOpData", "dequantize.cc"), (0,)),
    "EXPAND_DIMS": _simple("", None, (0, 1)),
    "FULLY_CONNECTED": _fully_connected,
    "HARD_SWISH": _simple("", TypeName("tflite::HardSwishParams", "hard_swish.cc"), (0,)),
    "LEAKY_RELU": _simple(
        "TfLiteLeakyReluParams", TypeName("tflite::LeakyReluOpData", "leaky_relu.cc"), (0,)
    ),
    "LOGISTIC": _simple("", TypeName("tflite::OpDataLogistic", "logistic.cc"), (0,)),
    "MAXIMUM": _simple(output=False),
    "MAX_POOL_2D": _pooling,
    "MEAN": _reduction,
    "MINIMUM": _simple(output=False),
    "MUL": _simple("TfLiteMulParams", TypeName("tflite::OpDataMul", "mul_common.cc"), (0, 1)),
    "PACK": _simple("TfLitePackParams", output=False),
    "PAD": _simple("", _op_data("pad_common.cc"), (0, 1, 2)),
    "PADV2": _simple("", _op_data("pad_common.cc"), (0, 1, 2)),
    "QUANTIZE": _simple("", TypeName("tflite::OpDataQuantizeReference", "quantize.cc"), (0,)),
    "RELU": _simple("", TypeName("tflite::ReluOpData", "activations.cc"), (0,)),
    "RELU6": _simple("", TypeName("tflite::Relu6OpData", "activations.cc"), (0,), output=False),
    "RESHAPE": _reshape,
    "RESIZE_NEAREST_NEIGHBOR": _simple("TfLiteResizeNearestNeighborParams", None, (0, 1)),
    "SHAPE": _simple("TfLiteShapeParams", output=False),
    "SLICE": _simple("", None, (0, 1, 2)),
    "SOFTMAX": _softmax,
    "SPLIT": _simple("TfLiteSplitParams", None, (0,), output=False),
    "SQUEEZE": _simple("TfLiteSqueezeParams", None, (0,)),
    "STRIDED_SLICE": _simple(
        "TfLiteStridedSliceParams",
        TypeName("tflite::StridedSliceParams", "strided_slice_common.cc"),
        (0, 1, 2, 3),
    ),
    "SUB": _simple("TfLiteSubParams", TypeName("tflite::OpDataSub", "sub.cc"), (0, 1)),
    "SUM": _reduction,
    "TANH": _tanh,
    "TRANSPOSE": _simple("", None, (0, 1)),
    "TRANSPOSE_CONV": _transpose_convolution,
}

for _kind, _kernel in _KERNELS.items():
    ARENA_REQUESTS.add(_kind, _kernel)
