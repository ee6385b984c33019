"""The model as typed, immutable data: tensors, quantisation, operators.

Knows nothing of boards, files or runtimes. Names and semantics are those of the TensorFlow Lite schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class DType(Enum):
    """Element types that firmware can hold; the value is the numpy name."""

    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    UINT8 = "uint8"
    FLOAT32 = "float32"
    BOOL = "bool"

    @property
    def size(self) -> int:
        """Bytes per element."""
        return int(np.dtype(self.value).itemsize)

    @property
    def c(self) -> str:
        """The C type."""
        return {"float32": "float", "bool": "uint8_t"}.get(self.value, f"{self.value}_t")


@dataclass(frozen=True)
class Quantization:
    """Affine quantisation, ``real = scale * (q - zero_point)``.

    Attributes:
        scale: One value per tensor, or one per slice along ``axis``.
        zero_point: As many as ``scale``.
        axis: The dimension of per-channel scales; 0 where there is one scale.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int = 0

    @property
    def per_channel(self) -> bool:
        return len(self.scale) > 1


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the graph; ``data`` is set for constants (``shape``, ``dtype``), else ``None``."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: DType
    quantization: Quantization | None = None
    data: Array | None = None

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.elements * self.dtype.size

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def scale(self) -> float:
        """The per-tensor scale; the first where there are several."""
        assert self.quantization is not None
        return self.quantization.scale[0]

    @property
    def zero_point(self) -> int:
        """The per-tensor zero point; 0 for an unquantised tensor."""
        return self.quantization.zero_point[0] if self.quantization else 0


class Padding(Enum):
    SAME = "SAME"
    VALID = "VALID"


class Activation(Enum):
    """Fused activations that the runtimes define."""

    NONE = "NONE"
    RELU = "RELU"
    RELU_N1_TO_1 = "RELU_N1_TO_1"
    RELU6 = "RELU6"


@dataclass(frozen=True)
class NoOptions:
    """An operator whose behaviour lies in its tensors alone."""


@dataclass(frozen=True)
class Conv2DOptions:
    """CONV_2D. Input NHWC, filter OHWI, bias O."""

    padding: Padding
    stride_h: int
    stride_w: int
    dilation_h: int = 1
    dilation_w: int = 1
    activation: Activation = Activation.NONE


@dataclass(frozen=True)
class DepthwiseConv2DOptions:
    """DEPTHWISE_CONV_2D. Input NHWC, filter 1HWC*multiplier."""

    padding: Padding
    stride_h: int
    stride_w: int
    depth_multiplier: int
    dilation_h: int = 1
    dilation_w: int = 1
    activation: Activation = Activation.NONE


@dataclass(frozen=True)
class TransposeConvOptions:
    """TRANSPOSE_CONV. Inputs: output shape, filter OHWI, input NHWC, optional bias."""

    padding: Padding
    stride_h: int
    stride_w: int
    activation: Activation = Activation.NONE


@dataclass(frozen=True)
class FullyConnectedOptions:
    activation: Activation = Activation.NONE
    keep_num_dims: bool = False


@dataclass(frozen=True)
class Pool2DOptions:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""

    padding: Padding
    stride_h: int
    stride_w: int
    filter_h: int
    filter_w: int
    activation: Activation = Activation.NONE


@dataclass(frozen=True)
class BinaryOptions:
    """ADD, SUB, MUL."""

    activation: Activation = Activation.NONE
    pot_scale_int16: bool = False


@dataclass(frozen=True)
class ConcatenationOptions:
    axis: int
    activation: Activation = Activation.NONE


@dataclass(frozen=True)
class ReducerOptions:
    """MEAN, SUM: the axes are the second input."""

    keep_dims: bool = False


@dataclass(frozen=True)
class SoftmaxOptions:
    beta: float = 1.0


@dataclass(frozen=True)
class LeakyReluOptions:
    alpha: float = 0.0


@dataclass(frozen=True)
class StridedSliceOptions:
    """STRIDED_SLICE: begin, end and strides are inputs 1..3."""

    begin_mask: int = 0
    end_mask: int = 0
    ellipsis_mask: int = 0
    new_axis_mask: int = 0
    shrink_axis_mask: int = 0
    offset: bool = False


@dataclass(frozen=True)
class PackOptions:
    axis: int


@dataclass(frozen=True)
class SplitOptions:
    """SPLIT: the axis is input 0, the value input 1."""

    num_splits: int


@dataclass(frozen=True)
class ResizeOptions:
    """RESIZE_NEAREST_NEIGHBOR: the output height and width are input 1."""

    align_corners: bool = False
    half_pixel_centers: bool = False


Options = (
    NoOptions
    | Conv2DOptions
    | DepthwiseConv2DOptions
    | TransposeConvOptions
    | FullyConnectedOptions
    | Pool2DOptions
    | BinaryOptions
    | ConcatenationOptions
    | ReducerOptions
    | SoftmaxOptions
    | LeakyReluOptions
    | StridedSliceOptions
    | PackOptions
    | SplitOptions
    | ResizeOptions
)


@dataclass(frozen=True)
class Operator:
    """One node in execution order.

    Attributes:
        index: Position in execution order.
        kind: The schema's builtin name, for example ``CONV_2D``.
        version: The builtin's version.
        inputs: Tensor indices; -1 for an omitted optional input.
        outputs: Tensor indices.
        options: The builtin options.
        name: A readable, unique C identifier, derived from the output tensor's name.
    """

    index: int
    kind: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options
    name: str


@dataclass(frozen=True, eq=False)
class Graph:
    """A whole model, operators in execution order.

    Attributes:
        name: A C identifier, from the file's name.
        sha256: Hash of the ``.tflite`` file.
        file_bytes: Size of the ``.tflite`` file.
        metadata: Names of the metadata entries of the file, sorted.
        file: The file itself, for a runtime that interprets it; empty for a graph that was never a file.
    """

    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    sha256: str = ""
    file_bytes: int = 0
    description: str = ""
    metadata: tuple[str, ...] = field(default=())
    file: bytes = field(default=b"", repr=False)

    def tensor(self, index: int) -> Tensor:
        return self.tensors[index]

    def operand(self, op: Operator, position: int) -> Tensor | None:
        """Return input ``position`` of ``op``; ``None`` where it is omitted."""
        if position >= len(op.inputs) or op.inputs[position] < 0:
            return None
        return self.tensors[op.inputs[position]]
