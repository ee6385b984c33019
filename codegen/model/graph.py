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
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest value of an integer type.

        Raises:
            ValueError: it is none.
        """
        info = np.iinfo(self.value)
        return int(info.min), int(info.max)

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
class Options:
    """What an operator's flatbuffer table says beside its tensors; a subclass for each operator that has some."""


@dataclass(frozen=True)
class NoOptions(Options):
    """Of an operator whose behaviour lies in its tensors alone."""


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
