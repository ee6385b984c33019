"""The flatbuffer of a ``.tflite`` file as plain values: the one place that reads one.

Every length is checked before anything is read, and every index before anything is returned: what a tensor, an
operator or a piece of metadata refers to is there. Nothing here knows what a model may contain;
:mod:`micronets_gen.model.reader` decides that. Reading costs time and memory proportional to the file's size, whatever
its bytes: each element read is charged to a budget, so that offsets which make a thousand vectors share the same bytes
end in an error.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import isfunction, signature
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from micronets_gen.errors import ModelError
from micronets_gen.model.naming import label
from micronets_gen.model.schema import DAMAGED

_T = TypeVar("_T")
Bytes = npt.NDArray[np.uint8]
Fields = tuple[tuple[str, Any], ...]

IDENTIFIER = b"TFL3"
MAX_FILE_BYTES = 64 << 20
MAX_RANK = 8

_MAX_ENTRIES = 100_000
_VECTOR_GETTER = 2
"""Parameters of a method that returns one element: the table and an index."""
_DAMAGE = (
    struct.error,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
    UnicodeDecodeError,
)
_REMEDY = "copy the file again and compare its size with the original's, or convert the model again"


OMITTED = -1
"""Index of an input that an operator does without."""


@dataclass(frozen=True, eq=False)
class FileTensor:
    """A tensor as the file states it.

    Attributes:
        name: As :func:`micronets_gen.model.naming.label` writes it; empty where it has none.
        shape: Extents, which may be negative.
        signature: The shape with -1 for open extents; empty where the file states none.
        type: The schema's name, for example ``INT8``; ``TYPE_99`` for a number that the schema lacks.
        buffer: Index of its buffer: tensors may share one.
        content: What the buffer holds, read-only uint8; empty where that is computed.
    """

    name: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    type: str
    buffer: int
    content: Bytes
    is_variable: bool
    is_sparse: bool
    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    quantized_dimension: int
    details_type: int

    @property
    def is_stored(self) -> bool:
        """Whether the file holds its values."""
        return self.content.size > 0


@dataclass(frozen=True)
class FileOperator:
    """An operator as the file states it.

    Attributes:
        kind: The schema's name, for example ``CONV_2D``; ``CUSTOM:name`` for a custom one, ``BUILTIN_999`` for a
            number that the schema lacks.
        inputs: Indices of tensors, or :data:`OMITTED`.
        outputs: Indices of tensors, at least one.
        options_type: Name of the options table; empty where there is none.
        options: Fields and values of the options table, but for vectors; ``None`` without a table.
    """

    kind: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_type: str
    options: Fields | None


@dataclass(frozen=True)
class Subgraph:
    """Tensors, operators in the order of the file, and which of the tensors are inputs and outputs."""

    tensors: tuple[FileTensor, ...]
    operators: tuple[FileOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Metadata:
    """A named buffer; the name as :func:`micronets_gen.model.naming.label` writes it."""

    name: str
    content: Bytes


@dataclass(frozen=True)
class TfliteFile:
    """A file; execution begins with the first of its subgraphs, of which there is at least one."""

    subgraphs: tuple[Subgraph, ...]
    metadata: tuple[Metadata, ...]
    description: str

    @property
    def main(self) -> Subgraph:
        """The subgraph that is executed."""
        return self.subgraphs[0]


def load(data: bytes, file: str) -> TfliteFile:
    """Read the flatbuffer.

    Args:
        data: The file's bytes.
        file: Its name, for messages.

    Raises:
        ModelError: not a ``.tflite`` file, truncated, or damaged; or something in it refers to what is not there.
    """
    if not data:
        raise ModelError("the file is empty", where=file, remedy=_REMEDY)
    if data[4:8] != IDENTIFIER:
        raise ModelError(
            "this is not a .tflite file",
            where=file,
            why=_what_it_is(data),
            remedy="give the file that tf.lite.TFLiteConverter(...).convert() returned",
        )
    if len(data) > MAX_FILE_BYTES:
        raise ModelError(
            f"the file has {len(data):,} bytes; at most {MAX_FILE_BYTES:,} are read",
            where=file,
            remedy="no microcontroller holds a model of this size; train a smaller one",
        )
    loader = _Loader(data)
    try:
        return loader.file()
    except _ReferenceError as error:
        raise ModelError(str(error), where=file, remedy=DAMAGED) from None
    except _DAMAGE as error:
        raise ModelError(
            "the file is truncated or damaged",
            where=file,
            why=f"while reading {loader.at}: {_plain(error)}",
            remedy=_REMEDY,
        ) from None


def _plain(error: Exception) -> str:
    return str(error) if isinstance(error, _DamageError) else "an offset leads out of the file"


def _what_it_is(data: bytes) -> str:
    kinds = {
        b"\x89HDF": "it is a Keras HDF5 file",
        b"PK\x03\x04": "it is a zip archive, perhaps a .keras file",
        b"version https://git-lfs": "it is a Git LFS pointer: run `git lfs pull`",
        b"<": "it is a web page or an XML file: the download went wrong",
    }
    for start, what in kinds.items():
        if data.startswith(start):
            return what
    return "bytes 4 to 7 are not the identifier TFL3"


class _DamageError(ValueError):
    """A length or index that the file cannot hold; the message says which."""


class _ReferenceError(Exception):
    """An index of something that is not there; the message says who refers to what."""


class _Loader:
    """One pass over the tables; ``at`` says where it is."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = "the header"
        self.budget = 2 * len(data) + 4096

    def file(self) -> TfliteFile:
        from tflite.Model import Model

        model = Model.GetRootAs(self.data)
        self.at = "the operator codes"
        codes = [self.code(model.OperatorCodes(i)) for i in self.entries(model.OperatorCodesLength(), 12)]
        self.at = "the metadata"
        entries = [model.Metadata(i) for i in self.entries(model.MetadataLength(), 12)]
        described = [(self.text(entry.Name()), entry.Buffer()) for entry in entries]
        description = self.text(model.Description())
        buffers = []
        for i in self.entries(model.BuffersLength(), 8):
            self.at = f"buffer {i}"
            buffers.append(self.buffer(model.Buffers(i)))
        self.at = "the subgraphs"
        if model.SubgraphsLength() == 0:
            raise _DamageError("there is no subgraph")
        graphs = self.entries(model.SubgraphsLength(), 16)
        return TfliteFile(
            subgraphs=tuple(self.subgraph(model.Subgraphs(i), i, codes, buffers) for i in graphs),
            metadata=tuple(
                Metadata(name, _at(buffers, buffer, f"metadata {name}", "buffer"))
                for name, buffer in described
            ),
            description=description,
        )

    def subgraph(
        self, graph: Any, number: int, codes: Sequence[tuple[str, int]], buffers: Sequence[Bytes]
    ) -> Subgraph:
        place = f" of subgraph {number}" if number else ""
        inputs, outputs = self.integers(graph.InputsAsNumpy()), self.integers(graph.OutputsAsNumpy())
        tensors = []
        for i in self.entries(graph.TensorsLength(), 16):
            self.at = f"tensor {i}{place}"
            tensors.append(self.tensor(graph.Tensors(i), buffers))
        operators = []
        for i in self.entries(graph.OperatorsLength(), 16):
            self.at = f"operator {i}{place}"
            operators.append(self.operator(graph.Operators(i), codes, len(tensors)))
        _check(f"model input{place}", inputs, len(tensors), "tensor")
        _check(f"model output{place}", outputs, len(tensors), "tensor")
        return Subgraph(tuple(tensors), tuple(operators), inputs, outputs)

    def code(self, code: Any) -> tuple[str, int]:
        """Return kind and version; the larger of the two code fields counts."""
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        custom = self.text(code.CustomCode())
        name = _names("BuiltinOperator").get(builtin, f"BUILTIN_{builtin}")
        return f"CUSTOM:{custom or 'without a name'}" if name == "CUSTOM" else name, code.Version()

    def tensor(self, tensor: Any, buffers: Sequence[Bytes]) -> FileTensor:
        quantization = tensor.Quantization()
        return FileTensor(
            name=self.text(tensor.Name()),
            shape=self.rank(self.integers(tensor.ShapeAsNumpy())),
            signature=self.rank(self.integers(tensor.ShapeSignatureAsNumpy())),
            type=_names("TensorType").get(tensor.Type(), f"TYPE_{tensor.Type()}"),
            buffer=tensor.Buffer(),
            content=_at(buffers, tensor.Buffer(), self.at, "buffer"),
            is_variable=bool(tensor.IsVariable()),
            is_sparse=tensor.Sparsity() is not None,
            scale=self.numbers(quantization.ScaleAsNumpy()) if quantization else (),
            zero_point=self.integers(quantization.ZeroPointAsNumpy()) if quantization else (),
            quantized_dimension=quantization.QuantizedDimension() if quantization else 0,
            details_type=quantization.DetailsType() if quantization else 0,
        )

    def operator(self, operator: Any, codes: Sequence[tuple[str, int]], tensors: int) -> FileOperator:
        who = self.at
        kind, version = _at(codes, operator.OpcodeIndex(), who, "operator code")
        inputs, outputs = self.integers(operator.InputsAsNumpy()), self.integers(operator.OutputsAsNumpy())
        _check(who, (t for t in inputs if t != OMITTED), tensors, "tensor")
        _check(who, outputs, tensors, "tensor")
        if not outputs:
            raise _ReferenceError(f"{who} has no outputs")
        table = _names("BuiltinOptions").get(operator.BuiltinOptionsType(), "unknown")
        return FileOperator(
            kind=kind,
            version=version,
            inputs=inputs,
            outputs=outputs,
            options_type="" if table == "NONE" else table,
            options=self.options(table, operator.BuiltinOptions()),
        )

    def options(self, name: str, table: Any) -> Fields | None:
        if table is None or name in {"NONE", "unknown"}:
            return None
        options = getattr(import_module(f"tflite.{name}"), name)()
        options.Init(table.Bytes, table.Pos)
        values = tuple((field, getattr(options, field)()) for field in _option_fields(name))
        for _, value in values:
            if isinstance(value, bytes):
                self.charge(len(value))
        return values

    def buffer(self, buffer: Any) -> Bytes:
        offset, size = buffer.Offset(), buffer.Size()
        if offset > 1 and size > 0:
            # Models whose buffers lie behind the flatbuffer.
            if offset + size > len(self.data):
                raise _DamageError(f"{size:,} bytes at {offset:,} lie outside the file")
            content = np.frombuffer(self.data, np.uint8, count=size, offset=offset)
        else:
            content = _vector(buffer.DataAsNumpy(), np.uint8)
        self.charge(content.nbytes)
        return content

    def entries(self, count: int, least: int) -> range:
        """Indices of a vector of ``count`` tables of at least ``least`` bytes each."""
        if count > _MAX_ENTRIES or count * least > len(self.data):
            raise _DamageError(f"{count:,} entries do not fit into the file")
        self.charge(count * least)
        return range(count)

    def integers(self, vector: Any) -> tuple[int, ...]:
        array = _vector(vector, np.int32)
        self.charge(array.nbytes)
        return tuple(array.tolist())

    def numbers(self, vector: Any) -> tuple[float, ...]:
        array = _vector(vector, np.float32)
        self.charge(array.nbytes)
        return tuple(array.tolist())

    def rank(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) > MAX_RANK:
            raise _DamageError(f"a shape of {len(shape):,} dimensions")
        return shape

    def text(self, raw: bytes | None) -> str:
        self.charge(len(raw or b""))
        return label(raw)

    def charge(self, amount: int) -> None:
        self.budget -= amount
        if self.budget < 0:
            raise _DamageError("its parts overlap")


def _vector(vector: Any, dtype: Any) -> npt.NDArray[Any]:
    """Return a vector of the flatbuffer as a view; the library answers 0 for a missing one."""
    return vector if isinstance(vector, np.ndarray) else np.empty(0, dtype)


def _at(values: Sequence[_T], index: int, who: str, what: str) -> _T:
    _check(who, (index,), len(values), what)
    return values[index]


def _check(who: str, indices: Iterable[int], count: int, what: str) -> None:
    for index in indices:
        if not 0 <= index < count:
            raise _ReferenceError(f"{who} refers to {what} {index}, and there are {count}")


def operator_name(code: int) -> str:
    """Return the schema's name of a built-in operator: ``CONV_2D`` of 3."""
    return _names("BuiltinOperator")[code]


@cache
def _names(enumeration: str) -> dict[int, str]:
    """Return the names of an enumeration of the schema by number."""
    values = vars(getattr(import_module(f"tflite.{enumeration}"), enumeration))
    return {value: name for name, value in values.items() if isinstance(value, int)}


@cache
def _option_fields(name: str) -> tuple[str, ...]:
    """Return the fields of an options table that are no vectors: the methods that take nothing but the table."""
    table = getattr(import_module(f"tflite.{name}"), name)
    methods = {name: f for name, f in vars(table).items() if isfunction(f) and not name.startswith("_")}
    vectors = {name for name, f in methods.items() if len(signature(f).parameters) == _VECTOR_GETTER}
    helpers = {f"{name}{suffix}" for name in vectors for suffix in ("AsNumpy", "Length", "IsNone")}
    return tuple(
        name for name, f in methods.items() if len(signature(f).parameters) == 1 and name not in helpers
    )
