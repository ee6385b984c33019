"""A ``.tflite`` file as TFLM's allocator sees it: every tensor and operator, used or not.

:class:`micronets_gen.model.graph.Graph` leaves out what cannot matter to a computation. TFLM allocates for all of
it, and so this view is taken from the very bytes that go into the firmware.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import prod

from micronets_gen.errors import ModelError
from micronets_gen.model.tflite_file import RawModel, RawOperator, RawTensor, load

ONLINE = -1
"""Offset in an offline plan of a tensor that TFLM is to place itself."""

PLAN_METADATA = b"OfflineMemoryAllocation"
_PLAN_HEADER = 3


class Type(IntEnum):
    """The schema's tensor types that the allocation rules tell apart."""

    FLOAT32 = 0
    INT32 = 2
    UINT8 = 3
    INT64 = 4
    BOOL = 6
    INT16 = 7
    INT8 = 9
    INT4 = 17


_ELEMENT_BYTES = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 8: 8, 9: 1, 10: 8, 11: 16, 12: 8, 13: 4, 15: 4,
                  16: 2, 17: 1, 18: 2}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """A tensor.

    Attributes:
        type: The schema's number (:class:`Type`).
        constant: Whether the file holds its values.
        variable: Whether it keeps its value between inferences.
        channels: Scales of its quantisation as TFLM copies them; 0 where it sees none.
    """

    shape: tuple[int, ...]
    type: int
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
    raw = load(data, file)
    if raw.subgraphs != 1:
        raise ModelError(
            f"the file has {raw.subgraphs} subgraphs; the arena is laid out for one",
            where=file,
            remedy="convert a model without control flow",
        )
    return Model(
        tensors=tuple(_tensor(t, raw) for t in raw.tensors),
        nodes=tuple(_node(i, op, raw) for i, op in enumerate(raw.operators)),
        inputs=raw.inputs,
        outputs=raw.outputs,
        offsets=_plan(data, raw),
    )


def _tensor(tensor: RawTensor, raw: RawModel) -> Tensor:
    quantized = tensor.scale and tensor.zero_point
    return Tensor(
        tensor.shape,
        tensor.type,
        constant=raw.buffers[tensor.buffer].size > 0,
        variable=tensor.is_variable,
        channels=len(tensor.scale) if quantized else 0,
    )


def _node(index: int, op: RawOperator, raw: RawModel) -> Node:
    from tflite.utils import BUILTIN_OPCODE2NAME

    builtin = raw.codes[op.code].builtin
    kind = str(BUILTIN_OPCODE2NAME.get(builtin, f"BUILTIN_{builtin}"))
    return Node(index, kind, op.inputs, op.outputs, dict(op.options or ()))


def _plan(data: bytes, raw: RawModel) -> tuple[int, ...] | None:
    """Return the offline plan; of several, TFLM takes the last."""
    from tflite.Model import Model as Table

    table = Table.GetRootAs(data)
    found = None
    for position, name in enumerate(raw.metadata):
        if name == PLAN_METADATA:
            words = raw.buffers[table.Metadata(position).Buffer()].tobytes()
            count = len(words) // 4
            values = struct.unpack(f"<{count}i", words[: 4 * count])
            found = values[_PLAN_HEADER : _PLAN_HEADER + len(raw.tensors)]
            if count < _PLAN_HEADER or values[2] != len(raw.tensors) or len(found) != len(raw.tensors):
                raise ModelError(
                    "the offline memory plan in the file is not one for its tensors",
                    where=PLAN_METADATA.decode(),
                    remedy="remove the metadata, or convert the model again",
                )
    return found
