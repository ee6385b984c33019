"""Writes real ``.tflite`` files for tests, tensor by tensor.

The same description gives the file's bytes (:meth:`ModelBuilder.build`) and the typed graph that the reader
should make of them (:meth:`ModelBuilder.graph`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from micronets_gen.model.graph import (
    Activation,
    DType,
    Graph,
    NoOptions,
    Operator,
    Options,
    Padding,
    Quantization,
    Tensor,
)
from micronets_gen.operators.concat import PackOptions

_TENSOR_TYPE = {
    DType.INT8: schema.TensorType.INT8,
    DType.INT16: schema.TensorType.INT16,
    DType.INT32: schema.TensorType.INT32,
    DType.INT64: schema.TensorType.INT64,
    DType.UINT8: schema.TensorType.UINT8,
    DType.FLOAT32: schema.TensorType.FLOAT32,
    DType.BOOL: schema.TensorType.BOOL,
}

_OPTIONS = {
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "CONCATENATION": "ConcatenationOptions",
    "MEAN": "ReducerOptions",
    "SUM": "ReducerOptions",
    "SOFTMAX": "SoftmaxOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "HARD_SWISH": "HardSwishOptions",
    "QUANTIZE": "QuantizeOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "RESHAPE": "ReshapeOptions",
    "SQUEEZE": "SqueezeOptions",
    "EXPAND_DIMS": "ExpandDimsOptions",
    "PAD": "PadOptions",
    "PADV2": "PadV2Options",
    "TRANSPOSE": "TransposeOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "SLICE": "SliceOptions",
    "SPLIT": "SplitOptions",
    "PACK": "PackOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
}

_FIELD = {
    "activation": "fusedActivationFunction",
    "dilation_h": "dilationHFactor",
    "dilation_w": "dilationWFactor",
}

# Version by the type of the activations (default, int8, int16), as the converter numbers them.
_VERSIONS = {
    "ADD": (1, 2, 3),
    "SUB": (1, 2, 5),
    "MUL": (1, 2, 4),
    "MINIMUM": (1, 2, 4),
    "MAXIMUM": (1, 2, 4),
    "CONV_2D": (1, 3, 4),
    "DEPTHWISE_CONV_2D": (1, 3, 5),
    "FULLY_CONNECTED": (1, 4, 7),
    "TRANSPOSE_CONV": (1, 2, 2),
    "AVERAGE_POOL_2D": (1, 2, 3),
    "MAX_POOL_2D": (1, 2, 3),
    "CONCATENATION": (1, 2, 3),
    "MEAN": (1, 2, 3),
    "SUM": (1, 2, 3),
    "SOFTMAX": (1, 2, 3),
    "LOGISTIC": (1, 2, 3),
    "TANH": (1, 2, 3),
    "RELU": (1, 2, 3),
    "RELU6": (1, 2, 3),
    "LEAKY_RELU": (1, 2, 2),
    "QUANTIZE": (1, 1, 2),
    "DEQUANTIZE": (1, 2, 3),
    "PAD": (1, 2, 3),
    "PADV2": (1, 2, 3),
    "TRANSPOSE": (1, 2, 2),
    "STRIDED_SLICE": (1, 2, 4),
    "SLICE": (1, 2, 4),
    "SPLIT": (1, 2, 4),
    "PACK": (1, 2, 3),
    "RESIZE_NEAREST_NEIGHBOR": (1, 2, 4),
}


@dataclass(frozen=True)
class _Operation:
    kind: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def _value(value: object) -> object:
    if isinstance(value, Padding):
        return getattr(schema.Padding, value.value)
    if isinstance(value, Activation):
        return getattr(schema.ActivationFunctionType, value.value)
    return value


def _identifier(name: str, taken: set[str]) -> str:
    base = re.sub(r"\W+", "_", name).strip("_").lower() or "op"
    candidate, n = base, 1
    while candidate in taken:
        n += 1
        candidate = f"{base}_{n}"
    taken.add(candidate)
    return candidate


class ModelBuilder:
    """Collects tensors and operators, then writes one single-subgraph model.

    >>> b = ModelBuilder()
    >>> x = b.tensor((1, 4), "int8", scale=0.5)
    >>> y = b.tensor((1, 4), "int8", scale=0.25)
    >>> b.operator("QUANTIZE", [x], [y])
    >>> file = b.build()
    """

    def __init__(self, name: str = "test") -> None:
        self.name = name
        self._tensors: list[Tensor] = []
        self._operations: list[_Operation] = []

    def tensor(
        self,
        shape: Sequence[int],
        dtype: DType | str,
        *,
        scale: float | Sequence[float] | None = None,
        zero_point: int | Sequence[int] = 0,
        axis: int = 0,
        data: npt.ArrayLike | None = None,
        name: str | None = None,
    ) -> int:
        """Add a tensor and return its index.

        Args:
            shape: Sizes; empty for a scalar.
            dtype: The element type, or its numpy name.
            scale: One value, or one per slice along ``axis``; ``None`` for an unquantised tensor. Rounded to
                float32, as the file stores it.
            zero_point: One value, or as many as ``scale``.
            axis: The dimension of per-channel scales.
            data: Set for a constant; reshaped to ``shape``.
            name: ``t<index>`` by default.
        """
        kind = DType(dtype)
        quantization = None
        if scale is not None:
            scales = [scale] if isinstance(scale, int | float) else list(scale)
            zeros = [zero_point] * len(scales) if isinstance(zero_point, int) else list(zero_point)
            quantization = Quantization(
                tuple(float(np.float32(s)) for s in scales), tuple(int(z) for z in zeros), axis
            )
        values = None if data is None else np.asarray(data, dtype=kind.value).reshape(tuple(shape))
        index = len(self._tensors)
        self._tensors.append(
            Tensor(index, name or f"t{index}", tuple(int(d) for d in shape), kind, quantization, values)
        )
        return index

    def constant(
        self,
        data: npt.ArrayLike,
        dtype: DType | str = DType.INT32,
        *,
        scale: float | Sequence[float] | None = None,
        zero_point: int | Sequence[int] = 0,
        axis: int = 0,
        name: str | None = None,
    ) -> int:
        """Add a constant whose shape is that of ``data`` and return its index."""
        return self.tensor(
            np.shape(data), dtype, scale=scale, zero_point=zero_point, axis=axis, data=data, name=name
        )

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Options | None = None,
        *,
        version: int | None = None,
    ) -> None:
        """Append an operator; ``version`` defaults to the one that the converter would write."""
        self._operations.append(
            _Operation(
                kind,
                self._version(kind, inputs, outputs) if version is None else version,
                tuple(inputs),
                tuple(outputs),
                NoOptions() if options is None else options,
            )
        )

    def build(self, inputs: Sequence[int] | None = None, outputs: Sequence[int] | None = None) -> bytes:
        """Return the file; see :meth:`graph` for the defaults."""
        # Imported here: flatbuffers belongs to the LiteRT package, not to this project.
        import flatbuffers

        graph_inputs, graph_outputs = self._ends(inputs, outputs)
        model = schema.ModelT()
        model.version = 3
        model.description = self.name
        model.buffers = [schema.BufferT()]
        subgraph = schema.SubGraphT()
        subgraph.name = "main"
        subgraph.inputs = list(graph_inputs)
        subgraph.outputs = list(graph_outputs)
        subgraph.tensors = [self._write_tensor(model, t) for t in self._tensors]
        model.operatorCodes = []
        codes: dict[tuple[str, int], int] = {}
        subgraph.operators = []
        for operation in self._operations:
            key = (operation.kind, operation.version)
            if key not in codes:
                codes[key] = len(codes)
                builtin = getattr(schema.BuiltinOperator, operation.kind)
                code = schema.OperatorCodeT()
                code.builtinCode = builtin
                code.deprecatedBuiltinCode = min(builtin, 127)
                code.version = operation.version
                model.operatorCodes.append(code)
            subgraph.operators.append(self._write_operation(operation, codes[key]))
        model.subgraphs = [subgraph]
        writer = flatbuffers.Builder(1024)
        writer.Finish(model.Pack(writer), b"TFL3")
        return bytes(writer.Output())

    def graph(self, inputs: Sequence[int] | None = None, outputs: Sequence[int] | None = None) -> Graph:
        """Return the typed graph.

        ``inputs`` defaults to the tensors that no operator writes and that hold no data, ``outputs`` to those
        that are written and never read.
        """
        graph_inputs, graph_outputs = self._ends(inputs, outputs)
        taken: set[str] = set()
        operators = tuple(
            Operator(
                i,
                o.kind,
                o.version,
                o.inputs,
                o.outputs,
                o.options,
                _identifier(self._tensors[o.outputs[0]].name, taken),
            )
            for i, o in enumerate(self._operations)
        )
        file = self.build(graph_inputs, graph_outputs)
        return Graph(
            self.name,
            tuple(self._tensors),
            operators,
            graph_inputs,
            graph_outputs,
            hashlib.sha256(file).hexdigest(),
            len(file),
            self.name,
        )

    def _ends(
        self, inputs: Sequence[int] | None, outputs: Sequence[int] | None
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        read = {i for o in self._operations for i in o.inputs}
        written = {i for o in self._operations for i in o.outputs}
        free = [t.index for t in self._tensors if t.data is None and t.index not in written]
        last = [t.index for t in self._tensors if t.index in written and t.index not in read]
        return tuple(free if inputs is None else inputs), tuple(last if outputs is None else outputs)

    def _version(self, kind: str, inputs: Sequence[int], outputs: Sequence[int]) -> int:
        default, int8, int16 = _VERSIONS.get(kind, (1, 1, 1))
        types = [self._tensors[i].dtype for i in (*inputs, *outputs) if i >= 0]
        if kind == "TRANSPOSE_CONV":
            return 3 if len(inputs) > 3 else int8
        if kind == "FULLY_CONNECTED" and (len(inputs) < 3 or inputs[2] < 0) and DType.INT16 not in types:
            return 6
        if kind == "RESIZE_NEAREST_NEIGHBOR":
            types = types[:1]
        if DType.INT16 in types:
            return int16
        return int8 if DType.INT8 in types else default

    def _write_tensor(self, model: Any, tensor: Tensor) -> Any:
        out = schema.TensorT()
        out.shape = list(tensor.shape)
        out.type = _TENSOR_TYPE[tensor.dtype]
        out.name = tensor.name
        out.hasRank = True
        out.buffer = 0
        if tensor.data is not None:
            buffer = schema.BufferT()
            little = np.ascontiguousarray(tensor.data).astype(np.dtype(tensor.dtype.value).newbyteorder("<"))
            buffer.data = np.frombuffer(little.tobytes(), dtype=np.uint8)
            out.buffer = len(model.buffers)
            model.buffers.append(buffer)
        quantization = schema.QuantizationParametersT()
        if tensor.quantization is not None:
            quantization.scale = list(tensor.quantization.scale)
            quantization.zeroPoint = list(tensor.quantization.zero_point)
            quantization.quantizedDimension = tensor.quantization.axis
        out.quantization = quantization
        return out

    def _write_operation(self, operation: _Operation, code: int) -> Any:
        out = schema.OperatorT()
        out.opcodeIndex = code
        out.inputs = list(operation.inputs)
        out.outputs = list(operation.outputs)
        name = _OPTIONS.get(operation.kind)
        if name is None:
            return out
        options = getattr(schema, f"{name}T")()
        for field in fields(operation.options):
            if operation.kind == "MUL" and field.name == "pot_scale_int16":
                continue  # ADD and SUB alone have it
            attribute = _FIELD.get(field.name, _camel(field.name))
            assert hasattr(options, attribute), (operation.kind, attribute)
            setattr(options, attribute, _value(getattr(operation.options, field.name)))
        if isinstance(operation.options, PackOptions):
            options.valuesCount = len(operation.inputs)
        if operation.kind == "RESHAPE" and len(operation.inputs) == 1:
            options.newShape = list(self._tensors[operation.outputs[0]].shape)
        if operation.kind == "SQUEEZE":
            options.squeezeDims = self._squeezed(operation)
        out.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        out.builtinOptions = options
        return out

    def _squeezed(self, operation: _Operation) -> list[int]:
        remaining = list(self._tensors[operation.outputs[0]].shape)
        dims = []
        for axis, size in enumerate(self._tensors[operation.inputs[0]].shape):
            if remaining and remaining[0] == size:
                remaining.pop(0)
            else:
                dims.append(axis)
        return dims
