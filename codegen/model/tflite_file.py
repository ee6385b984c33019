"""The flatbuffer of a ``.tflite`` file as plain values, with every length checked before anything is read.

Nothing here knows what a model may contain; :mod:`micronets_gen.model.reader` decides that. Reading costs time and
memory proportional to the file's size, whatever its bytes: each element read is charged to a budget, so that offsets
which make a thousand vectors share the same bytes end in an error.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import isfunction, signature
from typing import Any

import numpy as np
import numpy.typing as npt

from micronets_gen.errors import ModelError

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


@dataclass(frozen=True)
class RawCode:
    """An entry of the operator table; ``builtin`` is the larger of the two code fields."""

    builtin: int
    custom: bytes | None
    version: int


@dataclass(frozen=True)
class RawTensor:
    """A tensor as the file states it; ``type`` and ``buffer`` are not checked."""

    name: bytes | None
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    type: int
    buffer: int
    is_variable: bool
    is_sparse: bool
    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    quantized_dimension: int
    details_type: int


@dataclass(frozen=True)
class RawOperator:
    """An operator as the file states it.

    Attributes:
        options_type: Name of the options table; empty where there is none.
        options: Fields and values of the options table, but for vectors; ``None`` without a table.
    """

    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_type: str
    options: Fields | None


@dataclass(frozen=True, eq=False)
class RawModel:
    """A file. ``tensors``, ``operators``, ``inputs`` and ``outputs`` are those of the first subgraph."""

    codes: tuple[RawCode, ...]
    tensors: tuple[RawTensor, ...]
    operators: tuple[RawOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    buffers: tuple[Bytes, ...]
    subgraphs: int
    description: bytes | None
    metadata: tuple[bytes, ...]


def load(data: bytes, file: str) -> RawModel:
    """Parse the flatbuffer.

    Args:
        data: The file's bytes.
        file: Its name, for messages.

    Raises:
        ModelError: not a ``.tflite`` file, truncated, or damaged.
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
        return loader.model()
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


class _Loader:
    """One pass over the tables; ``at`` says where it is."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = "the header"
        self.budget = 2 * len(data) + 4096

    def model(self) -> RawModel:
        from tflite.Model import Model

        model = Model.GetRootAs(self.data)
        self.at = "the operator codes"
        codes = tuple(
            self.code(model.OperatorCodes(i)) for i in self.entries(model.OperatorCodesLength(), 12)
        )
        self.at = "the metadata"
        metadata = tuple(
            self.spend(model.Metadata(i).Name() or b"") for i in self.entries(model.MetadataLength(), 12)
        )
        description = self.spend(model.Description() or b"")
        buffers = []
        for i in self.entries(model.BuffersLength(), 8):
            self.at = f"buffer {i}"
            buffers.append(self.buffer(model.Buffers(i)))
        self.at = "the subgraphs"
        subgraphs = model.SubgraphsLength()
        if subgraphs == 0:
            raise _DamageError("there is no subgraph")
        graph = model.Subgraphs(0)
        inputs, outputs = self.integers(graph.InputsAsNumpy()), self.integers(graph.OutputsAsNumpy())
        tensors = []
        for i in self.entries(graph.TensorsLength(), 16):
            self.at = f"tensor {i}"
            tensors.append(self.tensor(graph.Tensors(i)))
        operators = []
        for i in self.entries(graph.OperatorsLength(), 16):
            self.at = f"operator {i}"
            operators.append(self.operator(graph.Operators(i)))
        return RawModel(
            codes=codes,
            tensors=tuple(tensors),
            operators=tuple(operators),
            inputs=inputs,
            outputs=outputs,
            buffers=tuple(buffers),
            subgraphs=subgraphs,
            description=description,
            metadata=metadata,
        )

    def code(self, code: Any) -> RawCode:
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        custom = code.CustomCode()
        return RawCode(builtin, self.spend(custom) if custom else None, code.Version())

    def tensor(self, tensor: Any) -> RawTensor:
        quantization = tensor.Quantization()
        name = tensor.Name()
        return RawTensor(
            name=self.spend(name) if name else None,
            shape=self.rank(self.integers(tensor.ShapeAsNumpy())),
            signature=self.rank(self.integers(tensor.ShapeSignatureAsNumpy())),
            type=tensor.Type(),
            buffer=tensor.Buffer(),
            is_variable=bool(tensor.IsVariable()),
            is_sparse=tensor.Sparsity() is not None,
            scale=self.numbers(quantization.ScaleAsNumpy()) if quantization else (),
            zero_point=self.integers(quantization.ZeroPointAsNumpy()) if quantization else (),
            quantized_dimension=quantization.QuantizedDimension() if quantization else 0,
            details_type=quantization.DetailsType() if quantization else 0,
        )

    def operator(self, operator: Any) -> RawOperator:
        name = _option_names().get(operator.BuiltinOptionsType(), "unknown")
        return RawOperator(
            code=operator.OpcodeIndex(),
            inputs=self.integers(operator.InputsAsNumpy()),
            outputs=self.integers(operator.OutputsAsNumpy()),
            options_type="" if name == "NONE" else name,
            options=self.options(name, operator.BuiltinOptions()),
        )

    def options(self, name: str, table: Any) -> Fields | None:
        if table is None or name in {"NONE", "unknown"}:
            return None
        options = getattr(import_module(f"tflite.{name}"), name)()
        options.Init(table.Bytes, table.Pos)
        values = tuple((field, getattr(options, field)()) for field in _option_fields(name))
        for _, value in values:
            if isinstance(value, bytes):
                self.spend(value)
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

    def spend(self, text: bytes) -> bytes:
        self.charge(len(text))
        return text

    def charge(self, amount: int) -> None:
        self.budget -= amount
        if self.budget < 0:
            raise _DamageError("its parts overlap")


def _vector(vector: Any, dtype: Any) -> npt.NDArray[Any]:
    """Return a vector of the flatbuffer as a view; the library answers 0 for a missing one."""
    return vector if isinstance(vector, np.ndarray) else np.empty(0, dtype)


@cache
def _option_names() -> dict[int, str]:
    from tflite.BuiltinOptions import BuiltinOptions

    return {value: name for name, value in vars(BuiltinOptions).items() if isinstance(value, int)}


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
