"""Reads a ``.tflite`` file into a :class:`Graph`, or says in one error why it cannot be used.

What the reader guarantees of every graph it returns, so that nothing after it needs to check again:

- operators stand in execution order; each reads constants, model inputs and results of earlier operators; no
  tensor is written twice;
- shapes are static, the batch is 1, and every tensor is smaller than 64 MiB;
- int8, uint8 and int16 tensors carry quantisation with finite positive scales and zero points within the
  type, one scale a channel only in constants, where the zero points are 0;
- constants have exactly the bytes that shape and type ask for, as read-only arrays;
- floating point occurs at the borders alone: model inputs read by QUANTIZE, outputs written by DEQUANTIZE;
- every kind is one of those whose schemas were given, with its options.

Operators whose results nothing uses are left out, and so is the arithmetic with which a converter computes
the shape of a RESHAPE or TRANSPOSE_CONV from an unknown batch: with batch 1 the shape is a constant. Tensors
keep their index in the file; one that no operator uses has shape ``(0,)``.

Which uses of an operator can be executed is not decided here but by :mod:`micronets_gen.plan.check`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np

from micronets_gen.errors import ModelError, UsageError
from micronets_gen.model.graph import Array, DType, Graph, Operator, Quantization, Tensor
from micronets_gen.model.naming import identifier, layer_name, unique_names
from micronets_gen.model.schema import DAMAGED, OperatorSchema
from micronets_gen.model.tflite_file import MAX_FILE_BYTES, OMITTED, FileTensor, TfliteFile, load

MAX_TENSOR_BYTES = 64 << 20
"""A larger tensor fits no Cortex-M board; the bound keeps a damaged shape from claiming all memory."""

_DTYPES = {d.name: d for d in DType}
_FLOATS = frozenset({"FLOAT32", "FLOAT16", "FLOAT64", "BFLOAT16"})
_QUANTIZED = frozenset({"INT8", "INT16", "UINT8", "INT4"})
_INTEGERS = frozenset({DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.INT64})
_SHAPE = "SHAPE"
"""Has no schema of its own: with fixed shapes its result is a constant, or nothing uses it."""
_CONTROL_FLOW = frozenset({"CALL", "CALL_ONCE", "IF", "WHILE"})
_DILATION = (
    "the converter writes a dilated convolution as SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND where the batch size "
    "is open: give the model keras.Input(shape, batch_size=1) and convert again"
)
_HINTS = {
    "TILE": "keras.layers.UpSampling2D converts to TILE: use "
    'keras.layers.Resizing(height, width, interpolation="nearest"), which every runtime has',
    "SPACE_TO_BATCH_ND": _DILATION,
    "BATCH_TO_SPACE_ND": _DILATION,
}
# Keeps ratios of scales within single precision. Weights that are all 0 may have a scale near 0.
_LARGEST_SCALE = 1e30

_FULL_INTEGER = (
    "set converter.optimizations = [tf.lite.Optimize.DEFAULT], "
    "converter.representative_dataset = <a generator of samples>, "
    "converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8], "
    "converter.inference_input_type = converter.inference_output_type = tf.int8, and convert again"
)
_FIXED_SHAPE = (
    "give the model a fixed input shape with batch 1, keras.Input(shape, batch_size=1), and convert again"
)


def read_graph_file(path: Path, schemas: Mapping[str, OperatorSchema]) -> Graph:
    """Read a ``.tflite`` file; as :func:`read_graph`.

    Raises:
        UsageError: there is no such file, or it cannot be read.
        ModelError: the file cannot be used; the message says why and what to do.
    """
    where = str(path)
    if path.is_dir():
        raise UsageError(
            "this is a directory, not a .tflite file",
            where=where,
            remedy=(
                "it is a TensorFlow SavedModel: convert it with tf.lite.TFLiteConverter.from_saved_model"
                if (path / "saved_model.pb").exists()
                else "name the .tflite file in it"
            ),
        )
    if not path.exists():
        raise UsageError("there is no such file", where=where, remedy="check the path to the .tflite file")
    if not path.is_file():
        raise UsageError("this is not a regular file", where=where, remedy="name a .tflite file")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(
            "the file cannot be read", where=where, why=error.strerror or "", remedy="check its permissions"
        ) from None
    return read_graph(data, path.name, schemas)


def read_graph(data: bytes, name: str, schemas: Mapping[str, OperatorSchema]) -> Graph:
    """Read the contents of a ``.tflite`` file.

    Args:
        data: The file's bytes.
        name: The file's name, for messages and for the model's name.
        schemas: By builtin name, the operators that a model may have.

    Raises:
        ModelError: the file cannot be used; the message says why and what to do.
    """
    return _Model(load(data, name), name, schemas).graph(data)


class _Model:
    """The checks, in the order in which a person wants to hear of problems."""

    def __init__(self, content: TfliteFile, file: str, schemas: Mapping[str, OperatorSchema]) -> None:
        self.content = content
        self.raw = raw = content.main
        self.file = file
        self.schemas = schemas
        self.check_ends()
        self.kinds = tuple(op.kind for op in raw.operators)
        self.names = unique_names(
            layer_name(op.kind, raw.tensors[op.outputs[0]].name) for op in raw.operators
        )
        self.types = tuple(t.type for t in raw.tensors)
        self.used = {t for op in raw.operators for t in (*op.inputs, *op.outputs) if t >= 0}
        self.used.update(raw.inputs)
        self.used.update(raw.outputs)
        self.constants = {t for t in self.used if raw.tensors[t].is_stored or 0 in raw.tensors[t].shape}

    def graph(self, data: bytes) -> Graph:
        self.check_float_only()
        self.check_kinds()
        self.check_mixed_float()
        self.check_old_quantization()
        self.check_topology()
        self.check_signature()
        shapes = self.computed_shapes()
        keep = self.alive(shapes)
        used = set(self.raw.inputs)
        for i in keep:
            op = self.raw.operators[i]
            used.update(t for t in (*op.inputs, *op.outputs) if t >= 0)
        arrays: dict[tuple[int, DType], Array] = {}
        tensors = tuple(
            self.tensor(i, shapes, arrays) if i in used else Tensor(i, raw.name, (0,), DType.UINT8)
            for i, raw in enumerate(self.raw.tensors)
        )
        return Graph(
            name=identifier(Path(self.file).stem, "model"),
            tensors=tensors,
            operators=tuple(self.operators(keep)),
            inputs=self.raw.inputs,
            outputs=self.raw.outputs,
            sha256=hashlib.sha256(data).hexdigest(),
            file_bytes=len(data),
            description=self.content.description,
            metadata=tuple(sorted(entry.name for entry in self.content.metadata)),
            file=bytes(data),
        )

    # Names for messages.

    def layer(self, i: int) -> str:
        return f"{self.file}: {self.names[i]} ({self.kinds[i]})"

    def tensor_title(self, t: int) -> str:
        return f"{self.file}: tensor {t} ({self.raw.tensors[t].name or 'without a name'})"

    # Structure.

    def check_ends(self) -> None:
        raw = self.raw
        if not raw.operators:
            raise ModelError("the model has no operators", where=self.file, remedy=DAMAGED)
        for what, indices in (("input", raw.inputs), ("output", raw.outputs)):
            if not indices:
                raise ModelError(f"the model has no {what}s", where=self.file, remedy=DAMAGED)
            if len(set(indices)) != len(indices):
                raise ModelError(
                    f"two of the model's {what}s are the same tensor",
                    where=self.file,
                    remedy=f"remove the duplicate {what} from the model",
                )

    def check_topology(self) -> None:
        inputs = set(self.raw.inputs)
        if shared := sorted(inputs & self.constants):
            raise ModelError(
                "a model input holds constant data",
                where=self.tensor_title(shared[0]),
                remedy=DAMAGED,
            )
        producer: dict[int, int] = {}
        ready = inputs | self.constants
        for i, op in enumerate(self.raw.operators):
            self.check_inputs(i, ready)
            for t in op.outputs:
                if t in producer:
                    already = f"{self.names[producer[t]]} writes already"
                elif t in ready:
                    already = "is a model input" if t in inputs else "is constant"
                else:
                    producer[t] = i
                    ready.add(t)
                    continue
                raise ModelError(
                    f"it writes tensor {t}, which {already}", where=self.layer(i), remedy=DAMAGED
                )
        for t in self.raw.outputs:
            if t not in producer:
                raise ModelError(
                    "a model output is written by no operator",
                    where=self.tensor_title(t),
                    remedy="remove this output from the model",
                )

    def check_inputs(self, i: int, ready: set[int]) -> None:
        schema = self.schemas.get(self.kinds[i])
        for position, t in enumerate(self.raw.operators[i].inputs):
            if t == OMITTED and not (schema and schema.may_omit(position)):
                raise ModelError(f"its input {position} is missing", where=self.layer(i), remedy=DAMAGED)
            if t != OMITTED and t not in ready:
                raise ModelError(
                    f"it reads tensor {t}, which no earlier operator writes",
                    where=self.layer(i),
                    remedy=DAMAGED,
                )

    # Kinds.

    def check_kinds(self) -> None:
        # Whether the result of a SHAPE matters is for alive() to find.
        bad = [i for i, kind in enumerate(self.kinds) if kind not in self.schemas and kind != _SHAPE]
        if not bad:
            return
        kinds = sorted({self.kinds[i] for i in bad})
        names = ", ".join(kinds)
        custom = [kind.removeprefix("CUSTOM:") for kind in kinds if kind.startswith("CUSTOM:")]
        layers = ", ".join(f"{self.names[i]} ({self.kinds[i]})" for i in bad[:8])
        if len(bad) > 8:
            layers += f" and {len(bad) - 8} more"
        if custom:
            raise ModelError(
                f"custom operator{'s' * (len(custom) > 1)} {', '.join(custom)}: no runtime here can execute "
                f"{'them' if len(custom) > 1 else 'it'}",
                where=self.file,
                why=f"layers: {layers}",
                remedy=_custom_remedy(custom[0]),
            )
        if set(kinds) & _CONTROL_FLOW:
            raise ModelError(
                f"control flow is not supported: {names}",
                where=self.file,
                why=f"layers: {layers}",
                remedy="unroll the loop or take the branch before converting (for a Keras RNN: unroll=True)",
            )
        raise ModelError(
            f"unsupported operator{'s' * (len(kinds) > 1)}: {names}",
            where=self.file,
            why=f"layers: {layers}",
            remedy=_remedy(kinds, self.schemas),
        )

    # Floating point.

    def is_activation(self, t: int) -> bool:
        return t >= 0 and t not in self.constants

    def check_float_only(self) -> None:
        activations = {self.types[t] for t in self.used if self.is_activation(t)}
        if not activations & _FLOATS or activations & _QUANTIZED:
            return
        for i, op in enumerate(self.raw.operators):
            types = {self.types[t] for t in op.inputs if t in self.constants}
            if types & {"INT8", "UINT8", "INT4"}:
                raise self.hybrid(i)
        if any(self.types[t] == "FLOAT16" for t in self.constants):
            raise ModelError(
                "the weights are float16 and the activations float32",
                where=self.file,
                why="float16 quantisation is for GPUs; microcontrollers need integers",
                remedy=_FULL_INTEGER,
            )
        raise ModelError(
            "the model is not quantised: all its activations are floating point",
            where=self.file,
            why="microcontrollers run int8 or int16 models",
            remedy=_FULL_INTEGER,
        )

    def hybrid(self, i: int) -> ModelError:
        return ModelError(
            "the operator is hybrid: its activations are float32 and its weights int8",
            where=self.layer(i),
            why="the model was converted with dynamic-range quantisation, without a representative dataset",
            remedy=_FULL_INTEGER,
        )

    def check_mixed_float(self) -> None:
        inputs, outputs = set(self.raw.inputs), set(self.raw.outputs)
        read = {t for op in self.raw.operators for t in op.inputs}
        for i, op in enumerate(self.raw.operators):
            floats = {t for t in (*op.inputs, *op.outputs) if t >= 0 and self.types[t] in _FLOATS}
            kind = self.kinds[i]
            if not floats:
                continue
            if kind == "QUANTIZE" and floats <= inputs and all(self.types[t] == "FLOAT32" for t in floats):
                continue
            if kind == "DEQUANTIZE" and floats <= outputs - read:
                continue
            if kind not in {"QUANTIZE", "DEQUANTIZE"} and self.is_hybrid(i):
                raise self.hybrid(i)
            raise ModelError(
                "the operator computes in float32 inside a quantised model",
                where=self.layer(self.culprit(i)),
                why="the converter found no int8 form of it and put DEQUANTIZE and QUANTIZE around it"
                if kind in {"QUANTIZE", "DEQUANTIZE"}
                else "the converter found no int8 form of it",
                remedy="set converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8], so "
                "that the converter names what it cannot quantise, and replace that layer",
            )

    def is_hybrid(self, i: int) -> bool:
        op = self.raw.operators[i]
        return any(t in self.constants and self.types[t] in _QUANTIZED for t in op.inputs) and any(
            self.is_activation(t) and self.types[t] in _FLOATS for t in (*op.inputs, *op.outputs)
        )

    def culprit(self, i: int) -> int:
        """Return the operator that reads DEQUANTIZE ``i``; ``i`` itself for another kind."""
        if self.kinds[i] != "DEQUANTIZE":
            return i
        results = set(self.raw.operators[i].outputs)
        return next((j for j, op in enumerate(self.raw.operators) if results & set(op.inputs)), i)

    def check_old_quantization(self) -> None:
        for i, op in enumerate(self.raw.operators):
            types = {self.types[t] for t in (*op.inputs, *op.outputs) if t >= 0}
            if "INT4" in types:
                raise ModelError(
                    "4-bit is not supported yet", where=self.layer(i), remedy="quantise the weights to int8"
                )
            if "UINT8" in types and self.kinds[i] != "QUANTIZE":
                raise ModelError(
                    "the operator is quantised to uint8",
                    where=self.layer(i),
                    why="that is the scheme of TensorFlow 1; the runtimes define int8 and int16",
                    remedy="convert again with TensorFlow 2 and full-integer quantisation: " + _FULL_INTEGER,
                )

    # Shapes.

    def check_signature(self) -> None:
        for t in sorted(self.used - self.constants):
            tensor = self.raw.tensors[t]
            shape, signature = tensor.shape, tensor.signature or tensor.shape
            is_input = t in self.raw.inputs
            unknown = [d for d, extent in enumerate(signature) if extent < 0]
            if len(signature) != len(shape):
                raise ModelError(
                    f"its shape {_shape(shape)} and shape signature {_shape(signature)} differ in rank",
                    where=self.tensor_title(t),
                    remedy=DAMAGED,
                )
            if any(d > 0 or shape[d] != 1 for d in unknown):
                raise ModelError(
                    f"its shape {_shape(signature)} is not known before the model runs",
                    where=self.tensor_title(t),
                    remedy=_FIXED_SHAPE,
                )
            if is_input and len(shape) > 1 and shape[0] != 1:
                raise ModelError(
                    f"the model input has batch {shape[0]}; firmware runs one sample at a time",
                    where=self.tensor_title(t),
                    remedy=_FIXED_SHAPE,
                )

    def computed_shapes(self) -> dict[int, tuple[int, ...]]:
        """Return the tensors computed only to tell an operator its output shape, with that shape."""
        shapes: dict[int, tuple[int, ...]] = {}
        conflicting: set[int] = set()
        for i, op in enumerate(self.raw.operators):
            schema = self.schemas.get(self.kinds[i])
            own = schema.position(schema.shape) if schema else None
            for position, t in enumerate(op.inputs):
                if not self.is_activation(t) or t in self.raw.inputs:
                    continue
                shape = self.raw.tensors[op.outputs[0]].shape
                if (
                    position != own
                    or self.types[t] != "INT32"
                    or self.raw.tensors[t].shape != (len(shape),)
                    or shapes.setdefault(t, shape) != shape
                ):
                    conflicting.add(t)
        conflicting.update(self.raw.outputs)
        return {t: shape for t, shape in shapes.items() if t not in conflicting}

    def alive(self, shapes: dict[int, tuple[int, ...]]) -> list[int]:
        """Return the operators whose results matter, in order.

        Raises:
            ModelError: a SHAPE is among them.
        """
        needed = set(self.raw.outputs)
        keep = []
        for i in range(len(self.raw.operators) - 1, -1, -1):
            op = self.raw.operators[i]
            if needed.isdisjoint(op.outputs):
                continue
            if self.kinds[i] not in self.schemas:
                raise ModelError(
                    f"unsupported operator: {self.kinds[i]}", where=self.layer(i), remedy=_FIXED_SHAPE
                )
            keep.append(i)
            needed.update(t for t in op.inputs if t not in shapes)
        for t in self.raw.inputs:
            if t not in needed:
                raise ModelError(
                    "no output depends on this model input",
                    where=self.tensor_title(t),
                    remedy="remove this input from the model",
                )
        return keep[::-1]

    # Tensors and operators.

    def tensor(
        self, t: int, shapes: dict[int, tuple[int, ...]], arrays: dict[tuple[int, DType], Array]
    ) -> Tensor:
        raw = self.raw.tensors[t]
        dtype = self.dtype(t)
        needed = prod(raw.shape) * dtype.size
        if any(extent < 0 for extent in raw.shape):
            raise ModelError(
                f"its shape {_shape(raw.shape)} is not known before the model runs",
                where=self.tensor_title(t),
                remedy=_FIXED_SHAPE,
            )
        if needed > MAX_TENSOR_BYTES:
            raise ModelError(
                f"its shape {_shape(raw.shape)} of {dtype.value} needs {needed:,} bytes",
                where=self.tensor_title(t),
                why="no Cortex-M board has as much",
                remedy="make the layer smaller; if it is small, " + DAMAGED,
            )
        if raw.is_sparse:
            raise ModelError(
                "sparse tensors are not supported",
                where=self.tensor_title(t),
                remedy="convert without tf.lite.Optimize.EXPERIMENTAL_SPARSITY",
            )
        if raw.is_variable:
            raise ModelError(
                "the model keeps state between inferences in a variable tensor",
                where=self.tensor_title(t),
                remedy="make the state an input and an output of the model",
            )
        tensor = Tensor(
            t, raw.name, raw.shape, dtype, self.quantization(t, dtype), self.data(t, dtype, arrays)
        )
        if t in shapes:
            data = np.array(shapes[t], dtype=np.int32)
            data.setflags(write=False)
            return replace(tensor, data=data)
        return tensor

    def dtype(self, t: int) -> DType:
        name = self.types[t]
        if name not in _DTYPES:
            raise ModelError(
                f"its type {name} is not supported",
                where=self.tensor_title(t),
                why="firmware holds " + ", ".join(sorted(d.value for d in DType)),
                remedy="use layers that need no tensor of this type",
            )
        return _DTYPES[name]

    def data(self, t: int, dtype: DType, arrays: dict[tuple[int, DType], Array]) -> Array | None:
        if t not in self.constants:
            return None
        raw = self.raw.tensors[t]
        content = raw.content
        needed = prod(raw.shape) * dtype.size
        if content.nbytes != needed:
            raise ModelError(
                f"it holds {content.nbytes:,} bytes; its shape {_shape(raw.shape)} of {dtype.value} "
                f"needs {needed:,}",
                where=self.tensor_title(t),
                remedy=DAMAGED,
            )
        key = (raw.buffer, dtype)
        if key not in arrays:
            array = content != 0 if dtype is DType.BOOL else content.copy().view(dtype.value)
            array.setflags(write=False)
            arrays[key] = array
        return arrays[key].reshape(raw.shape)

    def quantization(self, t: int, dtype: DType) -> Quantization | None:
        raw = self.raw.tensors[t]
        problem = next(self.quantization_problems(t, raw, dtype), "")
        if problem:
            raise ModelError(problem, where=self.tensor_title(t), remedy=DAMAGED)
        if not raw.scale or dtype not in _INTEGERS:
            return None
        several = len(raw.scale) > 1
        return Quantization(raw.scale, raw.zero_point, _axis(raw) if several else 0)

    def quantization_problems(self, t: int, raw: FileTensor, dtype: DType) -> Iterator[str]:
        if dtype not in _INTEGERS:
            return
        scales, zero_points = raw.scale, raw.zero_point
        if not scales:
            if dtype in {DType.INT8, DType.UINT8, DType.INT16}:
                yield f"it is {dtype.value} without a scale"
            return
        if raw.details_type:
            yield "its quantisation is neither per tensor nor per channel"
        if len(scales) != len(zero_points):
            yield f"it has {len(scales)} scales and {len(zero_points)} zero points"
        if bad := [s for s in scales if not (math.isfinite(s) and s > 0)]:
            yield f"its scale is {bad[0]}; it must be finite and greater than 0"
        if max(scales) > _LARGEST_SCALE or (t not in self.constants and min(scales) < 1 / _LARGEST_SCALE):
            yield f"its scale is {max(scales):g}; no real quantity has such a range"
        low, high = dtype.limits
        if outside := [z for z in zero_points if not low <= z <= high]:
            yield f"its zero point is {outside[0]}; {dtype.value} holds {low} to {high}"
        if len(scales) == 1:
            return
        if t not in self.constants:
            yield f"it is an activation with {len(scales)} scales; activations have one"
        axis = _axis(raw)
        if not 0 <= axis < len(raw.shape) or len(scales) != raw.shape[axis]:
            yield f"it has {len(scales)} scales along dimension {axis}; its shape is {_shape(raw.shape)}"
        if any(zero_points):
            yield "it has one scale a channel and zero points other than 0"

    def operators(self, keep: list[int]) -> Iterator[Operator]:
        for index, i in enumerate(keep):
            raw, kind = self.raw.operators[i], self.kinds[i]
            options = dict(raw.options) if raw.options is not None else None
            yield Operator(
                index=index,
                kind=kind,
                version=raw.version,
                inputs=raw.inputs,
                outputs=raw.outputs,
                options=self.schemas[kind].read_options(kind, raw.options_type, options, self.layer(i)),
                name=self.names[i],
            )


def _axis(raw: FileTensor) -> int:
    """Return the dimension of per-channel scales; old converters gave a bias the dimension of its weights."""
    return 0 if len(raw.shape) == 1 else raw.quantized_dimension


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join("?" if extent < 0 else str(extent) for extent in shape) or "scalar"


def _remedy(unsupported: Iterable[str], supported: Iterable[str]) -> str:
    """Say what to do about builtin operators that no runtime executes."""
    hints = list(dict.fromkeys(_HINTS[kind] for kind in unsupported if kind in _HINTS))
    others = [kind for kind in unsupported if kind not in _HINTS]
    if others:
        those = ", ".join(others) if hints else "these layers"
        hints.append(f"replace {those} by supported ones: {', '.join(sorted(supported))}")
    return "; ".join(hints)


def _custom_remedy(name: str) -> str:
    if name.startswith("Flex"):
        return "convert without tf.lite.OpsSet.SELECT_TF_OPS and replace the layer by one that TFLite has"
    if "ethos" in name.lower():
        return "give the model as it was before Vela compiled it for an Ethos-U"
    return "replace the layer by builtin operators"
