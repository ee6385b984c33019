"""Writes a full-int8 ``.tflite`` file of an architecture, from integers that training has already chosen.

No converter lies between the fake-quantised network and the file, so that nothing can drift: each scale, each
zero point and each weight is the one that training used. Every part of the file is padded to 16 bytes, which
makes its size a sum over its layers (:func:`file_bytes`), which the search needs.

Field numbers and semantics: tensorflow/compiler/mlir/lite/schema/schema.fbs; quantisation as in
https://ai.google.dev/edge/litert/models/quantization_spec.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
import tflite

from micronets_gen.common.integers import round_up
from micronets_gen.model.tflite_file import operator_name
from micronets_gen.search.space.architecture import Architecture, lower
from micronets_gen.search.space.layers import LAYER_KINDS, RELU, Layer, Shape

_ALIGN = 16
_NAME_WIDTH = 48
SOFTMAX_SCALE, SOFTMAX_ZERO_POINT = 1 / 256, -128
"""Of the output of an int8 softmax, as its kernels require."""

Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Affine:
    """Quantisation of an activation: ``real = scale * (q - zero_point)``."""

    scale: float
    zero_point: int


@dataclass(frozen=True, eq=False)
class Weights:
    """A layer's constants as the file holds them.

    Attributes:
        values: int8 in the file's order: OHWI of a convolution, 1HWC of a depthwise one, (out, in) of a fully
            connected one.
        scales: (out,) float32, one per output channel, or (1,) of a fully connected layer; zero points are 0.
        bias: (out,) int32 with scale ``input scale * scales``.
    """

    values: Int8
    scales: npt.NDArray[np.float32]
    bias: Int32


@dataclass(frozen=True, eq=False)
class QuantisedModel:
    """Everything that goes into the file.

    Attributes:
        activations: By tensor: 0 is the input, ``i + 1`` the output of layer ``i``.
        weights: By name of the layer.
    """

    architecture: Architecture
    activations: tuple[Affine, ...]
    weights: Mapping[str, Weights]


def write_tflite(model: QuantisedModel, *, softmax: bool = True) -> bytes:
    """Return the model as a ``.tflite`` file with batch size 1, int8 from input to output.

    Args:
        model: The integers.
        softmax: Whether the file ends with probabilities; else with the logits.
    """
    architecture = model.architecture
    layers = lower(architecture)[: None if softmax else -1]
    return _Writer(
        architecture.name, layers, model.activations, model.weights, architecture.input_shape
    ).file()


def placeholder(architecture: Architecture, seed: int = 0) -> QuantisedModel:
    """Return the architecture with random weights: for whatever depends on sizes alone, never to be shipped.

    Scales are such that activations neither vanish nor saturate.
    """
    layers = lower(architecture)
    activations = [Affine(1 / 128, 0)]
    for layer in layers:
        activations.append(_placeholder_affine(layer, activations[layer.inputs[0]]))
    return QuantisedModel(architecture, tuple(activations), random_weights(layers, seed))


def random_weights(layers: Sequence[Layer], seed: int = 0) -> dict[str, Weights]:
    """Return weights for every layer that has some, scaled so that activations keep their size."""
    generator = np.random.default_rng(seed)
    weights = {}
    for layer in layers:
        if layer.weight_shape:
            shape, channels = file_shape(layer), layer.out_shape[2]
            values = generator.integers(-127, 128, shape, dtype=np.int8)
            scale = 1 / (73 * np.sqrt(prod(shape) // (1 if layer.kind == "depthwise" else channels)))
            scales = np.full(1 if layer.kind == "dense" else channels, scale, np.float32)
            weights[layer.name] = Weights(values, scales, np.zeros(channels, np.int32))
    return weights


def _placeholder_affine(layer: Layer, source: Affine) -> Affine:
    if layer.kind == "softmax":
        return Affine(SOFTMAX_SCALE, SOFTMAX_ZERO_POINT)
    if layer.kind.endswith("_pool"):
        return source
    return Affine(4 / 255, -128) if layer.activation == "relu" else Affine(4 / 127, 0)


def file_shape(layer: Layer) -> tuple[int, ...]:
    """Return the shape of a layer's weights in the file."""
    shape = layer.weight_shape
    if layer.kind == "conv":
        return (shape[3], shape[0], shape[1], shape[2])
    if layer.kind == "depthwise":
        return (1, *shape)
    return (shape[1], shape[0])


def file_bytes(architecture: Architecture) -> int:
    """Return the size of the file without writing it: fixed, plus each kind's, plus each layer's bytes."""
    layers = lower(architecture)
    kinds = sum(kind_bytes(kind) for kind in {layer.kind for layer in layers})
    return base_bytes() + kinds + sum(layer_bytes(layer) for layer in layers)


def layer_bytes(layer: Layer) -> int:
    """Return the bytes that a layer adds to the file, with the tensor that it writes."""
    return _payload(layer) + _overhead(layer.kind, len(layer.name))


@cache
def kind_bytes(kind: str) -> int:
    """Return the bytes that the first layer of a kind adds beside its own: the operator's code."""
    if kind in _ALWAYS:
        return 0
    probe = _probe(kind, 1)
    return _size([*_ends(), probe]) - _size(_ends()) - layer_bytes(probe)


@cache
def base_bytes() -> int:
    """Return the bytes of a file without layers."""
    return _size(_ends()) - sum(layer_bytes(layer) for layer in _ends())


_ALWAYS = ("dense", "softmax")


def _payload(layer: Layer) -> int:
    if not layer.weight_shape:
        return 0
    channels = layer.out_shape[2]
    scales = 1 if layer.kind == "dense" else channels
    vectors = (prod(layer.weight_shape), 4 * channels, *(4 * scales, 8 * scales) * 2)
    return sum(round_up(4 + size, _ALIGN) for size in vectors)


@cache
def _overhead(kind: str, name_length: int) -> int:
    """Measure what a layer adds beside its constants: the difference between two small files."""
    probe = _probe(kind, name_length)
    return _size([*_ends(), probe, probe]) - _size([*_ends(), probe]) - _payload(probe)


def _size(layers: Sequence[Layer]) -> int:
    return len(_Writer("", layers, [Affine(1.0, 0)] * (len(layers) + 1), random_weights(layers)).file())


def _probe(kind: str, name_length: int) -> Layer:
    return Layer("x" * name_length, kind, (0, 0) if kind == "add" else (0,), (1, 1, 1), (1, 1, 1))


def _ends() -> list[Layer]:
    return [_probe(kind, 1) for kind in _ALWAYS]


OPERATORS = {
    "conv": (tflite.BuiltinOperator.CONV_2D, 3),
    "depthwise": (tflite.BuiltinOperator.DEPTHWISE_CONV_2D, 3),
    "add": (tflite.BuiltinOperator.ADD, 2),
    "average_pool": (tflite.BuiltinOperator.AVERAGE_POOL_2D, 2),
    "max_pool": (tflite.BuiltinOperator.MAX_POOL_2D, 2),
    "dense": (tflite.BuiltinOperator.FULLY_CONNECTED, 4),
    "softmax": (tflite.BuiltinOperator.SOFTMAX, 2),
}
"""Operator and version, as the converter numbers them for int8."""


def operator_of(kind: str) -> str:
    """Return the schema's name of the operator that a kind of layer becomes: ``CONV_2D``."""
    return operator_name(OPERATORS[kind][0])


def _activation(layer: Layer) -> int:
    kinds = tflite.ActivationFunctionType
    return int(kinds.RELU if layer.activation == RELU else kinds.NONE)


def _conv_options(b: flatbuffers.Builder, layer: Layer) -> tuple[int, int]:
    tflite.Conv2DOptionsStart(b)
    tflite.Conv2DOptionsAddPadding(b, tflite.Padding.SAME)
    tflite.Conv2DOptionsAddStrideH(b, layer.stride[0])
    tflite.Conv2DOptionsAddStrideW(b, layer.stride[1])
    tflite.Conv2DOptionsAddFusedActivationFunction(b, _activation(layer))
    tflite.Conv2DOptionsAddDilationHFactor(b, 1)
    tflite.Conv2DOptionsAddDilationWFactor(b, 1)
    return tflite.BuiltinOptions.Conv2DOptions, tflite.Conv2DOptionsEnd(b)


def _depthwise_options(b: flatbuffers.Builder, layer: Layer) -> tuple[int, int]:
    tflite.DepthwiseConv2DOptionsStart(b)
    tflite.DepthwiseConv2DOptionsAddPadding(b, tflite.Padding.SAME)
    tflite.DepthwiseConv2DOptionsAddStrideH(b, layer.stride[0])
    tflite.DepthwiseConv2DOptionsAddStrideW(b, layer.stride[1])
    tflite.DepthwiseConv2DOptionsAddDepthMultiplier(b, 1)
    tflite.DepthwiseConv2DOptionsAddFusedActivationFunction(b, _activation(layer))
    tflite.DepthwiseConv2DOptionsAddDilationHFactor(b, 1)
    tflite.DepthwiseConv2DOptionsAddDilationWFactor(b, 1)
    return tflite.BuiltinOptions.DepthwiseConv2DOptions, tflite.DepthwiseConv2DOptionsEnd(b)


def _add_options(b: flatbuffers.Builder, layer: Layer) -> tuple[int, int]:
    tflite.AddOptionsStart(b)
    tflite.AddOptionsAddFusedActivationFunction(b, _activation(layer))
    return tflite.BuiltinOptions.AddOptions, tflite.AddOptionsEnd(b)


def _pool_options(b: flatbuffers.Builder, layer: Layer) -> tuple[int, int]:
    tflite.Pool2DOptionsStart(b)
    tflite.Pool2DOptionsAddPadding(b, tflite.Padding.SAME)
    tflite.Pool2DOptionsAddStrideW(b, layer.stride[1])
    tflite.Pool2DOptionsAddStrideH(b, layer.stride[0])
    tflite.Pool2DOptionsAddFilterWidth(b, layer.kernel[1])
    tflite.Pool2DOptionsAddFilterHeight(b, layer.kernel[0])
    tflite.Pool2DOptionsAddFusedActivationFunction(b, _activation(layer))
    return tflite.BuiltinOptions.Pool2DOptions, tflite.Pool2DOptionsEnd(b)


def _dense_options(b: flatbuffers.Builder, layer: Layer) -> tuple[int, int]:
    tflite.FullyConnectedOptionsStart(b)
    tflite.FullyConnectedOptionsAddFusedActivationFunction(b, _activation(layer))
    return tflite.BuiltinOptions.FullyConnectedOptions, tflite.FullyConnectedOptionsEnd(b)


def _softmax_options(b: flatbuffers.Builder, _layer: Layer) -> tuple[int, int]:
    tflite.SoftmaxOptionsStart(b)
    tflite.SoftmaxOptionsAddBeta(b, 1.0)
    return tflite.BuiltinOptions.SoftmaxOptions, tflite.SoftmaxOptionsEnd(b)


OPTIONS: Mapping[str, Callable[[flatbuffers.Builder, Layer], tuple[int, int]]] = {
    "conv": _conv_options,
    "depthwise": _depthwise_options,
    "add": _add_options,
    "average_pool": _pool_options,
    "max_pool": _pool_options,
    "dense": _dense_options,
    "softmax": _softmax_options,
}
"""By kind, what writes the options' table of an operator; returns its type and its place."""


class _Writer:
    """Writes one file. A flatbuffer grows from its end to its beginning: what is referred to comes first."""

    def __init__(
        self,
        description: str,
        layers: Sequence[Layer],
        activations: Sequence[Affine],
        weights: Mapping[str, Weights],
        input_shape: Shape = (1, 1, 1),
    ) -> None:
        self._builder = flatbuffers.Builder(1 << 16)
        self._builder.ForceDefaults(True)
        self._description = description
        self._layers = layers
        self._activations = activations
        self._weights = weights
        self._input_shape = input_shape
        self._buffers: list[int] = []
        self._tensors: list[int] = []
        self._operators: list[int] = []
        self._slack = 0
        self._kinds = list(dict.fromkeys(layer.kind for layer in layers))

    def file(self) -> bytes:
        b = self._builder
        description, main = b.CreateString(self._description.ljust(_NAME_WIDTH)), b.CreateString("main")
        self._share_layouts()
        self._table(tflite.BufferStart)
        self._buffers.append(tflite.BufferEnd(b))
        self._activation("input", self._input_shape, self._activations[0])
        self._align()
        outputs = [0]
        for layer in self._layers:
            outputs.append(self._layer(layer, outputs))
        codes = [self._code(kind) for kind in self._kinds]
        b.Pad(self._slack)
        code_list = self._offsets(codes)
        buffers, tensors = self._offsets(self._buffers), self._offsets(self._tensors)
        operators = self._offsets(self._operators)
        graph_inputs, graph_outputs = self._indices([0]), self._indices([outputs[-1]])
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensors)
        tflite.SubGraphAddInputs(b, graph_inputs)
        tflite.SubGraphAddOutputs(b, graph_outputs)
        tflite.SubGraphAddOperators(b, operators)
        tflite.SubGraphAddName(b, main)
        graphs = self._offsets([tflite.SubGraphEnd(b)])
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, 3)
        tflite.ModelAddOperatorCodes(b, code_list)
        tflite.ModelAddSubgraphs(b, graphs)
        tflite.ModelAddDescription(b, description)
        tflite.ModelAddBuffers(b, buffers)
        b.Finish(tflite.ModelEnd(b), b"TFL3")
        return bytes(b.Output())

    def _align(self, entries: int = 0) -> None:
        """Pad to 16 bytes, and set bytes aside that do the same for as many entries of the lists at the end."""
        self._builder.Prep(4, 0)
        self._builder.Prep(_ALIGN, 0)
        self._slack += -4 * entries % _ALIGN

    def _layer(self, layer: Layer, outputs: list[int]) -> int:
        """Write a layer, its constants and its output; return the index of the output tensor."""
        before = len(self._buffers) + len(self._tensors)
        inputs = [outputs[tensor] for tensor in layer.inputs]
        if layer.weight_shape:
            inputs += self._constants(layer)
        output = self._activation(layer.name, layer.out_shape, self._activations[len(outputs)], layer.kind)
        self._operator(layer, inputs, output)
        entries = len(self._buffers) + len(self._tensors) + 1 - before
        self._align(entries)
        return output

    def _constants(self, layer: Layer) -> list[int]:
        b = self._builder
        weights = self._weights[layer.name]
        source = self._activations[layer.inputs[0]].scale
        axis = 3 if layer.kind == "depthwise" else 0
        b.Pad(-(b.Offset() - 4) % _ALIGN)
        values, bias = self._bytes(weights.values), self._bytes(weights.bias)
        zeros = np.zeros(len(weights.scales), np.int64)
        scales = (weights.scales, (weights.scales * np.float32(source)).astype(np.float32))
        vectors = [(self._vector(scale), self._vector(zeros)) for scale in scales]
        weights_quantisation, bias_quantisation = (
            self._quantisation(*vector, axis=a) for vector, a in zip(vectors, (axis, 0), strict=True)
        )
        return [
            self._constant(f"{layer.name}_weights", weights.values.shape, tflite.TensorType.INT8, values,
                           weights_quantisation),
            self._constant(f"{layer.name}_bias", weights.bias.shape, tflite.TensorType.INT32, bias,
                           bias_quantisation),
        ]  # fmt: skip

    def _bytes(self, values: npt.NDArray[Any]) -> int:
        data = values.astype(values.dtype.newbyteorder("<")).tobytes()
        self._builder.Prep(_ALIGN, len(data))
        return int(self._builder.CreateByteVector(data))

    def _vector(self, values: npt.NDArray[Any]) -> int:
        self._builder.Prep(_ALIGN, values.nbytes)
        return int(self._builder.CreateNumpyVector(values))

    def _table(self, start: Callable[[flatbuffers.Builder], None]) -> None:
        """Begin a table at a multiple of 4 bytes: elsewhere its layout would differ, and not be shared."""
        self._builder.Prep(4, 0)
        start(self._builder)

    def _share_layouts(self) -> None:
        """Write the table layouts that all layers share ahead of the first, which they would else make larger."""
        b = self._builder
        nothing = self._indices([])
        self._table(tflite.BufferStart)
        tflite.BufferAddData(b, nothing)
        tflite.BufferEnd(b)
        self._operator_table(0, nothing, nothing, (0, nothing))

    def _constant(self, name: str, shape: Sequence[int], kind: int, data: int, quantisation: int) -> int:
        self._table(tflite.BufferStart)
        tflite.BufferAddData(self._builder, data)
        self._buffers.append(tflite.BufferEnd(self._builder))
        return self._tensor(name, shape, kind, len(self._buffers) - 1, quantisation)

    def _activation(self, name: str, shape: Shape, affine: Affine, kind: str = "") -> int:
        scale = self._builder.CreateNumpyVector(np.array([affine.scale], np.float32))
        zero_point = self._builder.CreateNumpyVector(np.array([affine.zero_point], np.int64))
        flat = (1, shape[2]) if kind and LAYER_KINDS[kind].flat else (1, *shape)
        return self._tensor(name, flat, tflite.TensorType.INT8, 0, self._quantisation(scale, zero_point))

    def _quantisation(self, scale: int, zero_point: int, axis: int = 0) -> int:
        b = self._builder
        self._table(tflite.QuantizationParametersStart)
        tflite.QuantizationParametersAddScale(b, scale)
        tflite.QuantizationParametersAddZeroPoint(b, zero_point)
        tflite.QuantizationParametersAddQuantizedDimension(b, axis)
        return int(tflite.QuantizationParametersEnd(b))

    def _tensor(self, name: str, shape: Sequence[int], kind: int, buffer: int, quantisation: int) -> int:
        b = self._builder
        text, dimensions = b.CreateString(name), self._indices(shape)
        self._table(tflite.TensorStart)
        tflite.TensorAddShape(b, dimensions)
        tflite.TensorAddType(b, kind)
        tflite.TensorAddBuffer(b, buffer)
        tflite.TensorAddName(b, text)
        tflite.TensorAddQuantization(b, quantisation)
        self._tensors.append(tflite.TensorEnd(b))
        return len(self._tensors) - 1

    def _operator(self, layer: Layer, inputs: list[int], output: int) -> None:
        read, written = self._indices(inputs), self._indices([output])
        options = self._options(layer)
        self._operators.append(self._operator_table(self._kinds.index(layer.kind), read, written, options))

    def _operator_table(self, code: int, read: int, written: int, options: tuple[int, int]) -> int:
        b = self._builder
        self._table(tflite.OperatorStart)
        tflite.OperatorAddOpcodeIndex(b, code)
        tflite.OperatorAddInputs(b, read)
        tflite.OperatorAddOutputs(b, written)
        tflite.OperatorAddBuiltinOptionsType(b, options[0])
        tflite.OperatorAddBuiltinOptions(b, options[1])
        return int(tflite.OperatorEnd(b))

    def _options(self, layer: Layer) -> tuple[int, int]:
        b = self._builder
        # A table layout of its own for each operator: one that is shared would make sizes depend on others.
        shared, b.vtables = b.vtables, {}
        result = OPTIONS[layer.kind](b, layer)
        b.vtables = shared
        return result

    def _code(self, kind: str) -> int:
        b = self._builder
        operator, version = OPERATORS[kind]
        self._table(tflite.OperatorCodeStart)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(b, operator)
        tflite.OperatorCodeAddVersion(b, version)
        tflite.OperatorCodeAddBuiltinCode(b, operator)
        code = int(tflite.OperatorCodeEnd(b))
        self._align(1)
        return code

    def _offsets(self, offsets: Sequence[int]) -> int:
        b = self._builder
        b.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            b.PrependUOffsetTRelative(offset)
        return int(b.EndVector())

    def _indices(self, values: Sequence[int]) -> int:
        return int(self._builder.CreateNumpyVector(np.array(values, np.int32)))
