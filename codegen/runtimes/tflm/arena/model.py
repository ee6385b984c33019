"""A ``.tflite`` file as TFLM's allocator sees it: every tensor and operator, used or not.

:class:`micronets_gen.model.graph.Graph` leaves out what cannot matter to a computation. TFLM allocates for all of
it, and so this view is taken from the very bytes that go into the firmware.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import prod

from micronets_gen.errors import ModelError
from micronets_gen.model.tflite_file import FileTensor, TfliteFile, load

ONLINE = -1
"""Offset in an offline plan of a tensor that TFLM is to place itself."""

PLAN_METADATA = b"OfflineMemoryAllocation"
_PLAN_HEADER = 3


class Type(StrEnum):
    """The schema's tensor types that the allocation rules tell apart."""

    FLOAT32 = "FLOAT32"
    INT32 = "INT32"
    UINT8 = "UINT8"
    INT64 = "INT64"
    BOOL = "BOOL"
    INT16 = "INT16"
    INT8 = "INT8"
    INT4 = "INT4"


_ELEMENT_BYTES = {
    **dict.fromkeys(("BOOL", "INT4", "INT8", "UINT8"), 1),
    **dict.fromkeys(("BFLOAT16", "FLOAT16", "INT16", "UINT16"), 2),
    **dict.fromkeys(("FLOAT32", "INT32", "RESOURCE", "UINT32"), 4),
    **dict.fromkeys(("COMPLEX64", "FLOAT64", "INT64", "UINT64"), 8),
    "COMPLEX128": 16,
}


@dataclass(frozen=True)
class Tensor:
    """A tensor.

    Attributes:
        type: The schema's name (:class:`Type`).
        constant: Whether the file holds its values.
        variable: Whether it keeps its value between inferences.
        channels: Scales of its quantisation as TFLM copies them; 0 where it sees none.
    """

    shape: tuple[int, ...]
    type: str
    constant: bool
    variable: bool
    channels: int

    @property
    def nbytes(self) -> int:
        """Bytes as TFLM counts them: a byte for each 4-bit element."""
        return prod(self.shape) * _ELEMENT_BYTES.get(self.type, 1)


@dataclass(frozen=True)
class Node:
    """An operator; ``kind`` is the schema's builtin name."""

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, int] = field(default_factory=dict)

    def option(self, name: str, default: int = 0) -> int:
        """Return a field of the options; the schema's default where the file leaves it out."""
        return int(self.options.get(name, default))


@dataclass(frozen=True)
class Model:
    """A file's only subgraph.

    Attributes:
        offsets: An offline memory plan that the file brings along: one offset a tensor, or :data:`ONLINE`.
    """

    tensors: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    offsets: tuple[int, ...] | None = None

    def operand(self, node: Node, position: int) -> Tensor | None:
        """Return an input of a node; None where it is omitted."""
        if position >= len(node.inputs) or node.inputs[position] < 0:
            return None
        return self.tensors[node.inputs[position]]


def read_model(data: bytes, file: str) -> Model:
    """Read what TFLM will see.

    Args:
        data: The bytes that go into the firmware.
        file: Their name, for messages.

    Raises:
        ModelError: the bytes are no ``.tflite`` file, or it has several subgraphs.
    """
    content = load(data, file)
    if len(content.subgraphs) != 1:
        raise ModelError(
            f"the file has {len(content.subgraphs)} subgraphs; the arena is laid out for one",
            where=file,
            remedy="convert a model without control flow",
        )
    graph = content.main
    return Model(
        tensors=tuple(map(_tensor, graph.tensors)),
        nodes=tuple(
            Node(i, op.kind, op.inputs, op.outputs, dict(op.options or ()))
            for i, op in enumerate(graph.operators)
        ),
        inputs=graph.inputs,
        outputs=graph.outputs,
        offsets=_plan(content),
    )


def _tensor(tensor: FileTensor) -> Tensor:
    quantized = tensor.scale and tensor.zero_point
    return Tensor(
        tensor.shape,
        tensor.type,
        constant=tensor.is_stored,
        variable=tensor.is_variable,
        channels=len(tensor.scale) if quantized else 0,
    )


def _plan(content: TfliteFile) -> tuple[int, ...] | None:
    """Return the offline plan; of several, TFLM takes the last."""
    tensors = len(content.main.tensors)
    found = None
    for entry in content.metadata:
        if entry.name == PLAN_METADATA.decode():
            words = entry.content.tobytes()
            count = len(words) // 4
            values = struct.unpack(f"<{count}i", words[: 4 * count])
            found = values[_PLAN_HEADER : _PLAN_HEADER + tensors]
            if count < _PLAN_HEADER or values[2] != tensors or len(found) != tensors:
                raise ModelError(
                    "the offline memory plan in the file is not one for its tensors",
                    where=entry.name,
                    remedy="remove the metadata, or convert the model again",
                )
    return found
