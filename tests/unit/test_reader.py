"""The reader: what it makes of good files, and the exact words for bad ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from micronets_gen.errors import MicronetsError, ModelError, UsageError
from micronets_gen.model.graph import Activation, DType, Graph, Padding
from micronets_gen.model.naming import identifier, layer_name, unique_names
from micronets_gen.operators.concat import ConcatenationOptions, PackOptions
from micronets_gen.operators.convolution import Conv2DOptions
from micronets_gen.operators.elementwise import BinaryOptions
from micronets_gen.operators.fully_connected import FullyConnectedOptions
from micronets_gen.operators.pooling import Pool2DOptions
from micronets_gen.operators.reading import read_model, read_model_bytes
from micronets_gen.operators.reduce import ReducerOptions
from micronets_gen.operators.resize import ResizeOptions
from micronets_gen.operators.slice import SplitOptions, StridedSliceOptions
from micronets_gen.operators.softmax import SoftmaxOptions
from tests.support.builder import ModelBuilder
from tests.support.paths import shared_model

FULL_INTEGER = (
    "set converter.optimizations = [tf.lite.Optimize.DEFAULT], "
    "converter.representative_dataset = <a generator of samples>, "
    "converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8], "
    "converter.inference_input_type = converter.inference_output_type = tf.int8, and convert again"
)
CONVERT_AGAIN = (
    "convert the model again; the file was damaged or written by a tool that does not follow the schema"
)
FIXED_SHAPE = (
    "give the model a fixed input shape with batch 1, keras.Input(shape, batch_size=1), and convert again"
)
COPY_AGAIN = "copy the file again and compare its size with the original's, or convert the model again"


def classifier() -> ModelBuilder:
    """Tensors 0 input, 1 filter, 2 bias, 3 convolved, 4 weights, 5 logits, 6 probabilities."""
    rng = np.random.default_rng(7)
    b = ModelBuilder("classifier")
    x = b.tensor((1, 4, 4, 2), DType.INT8, scale=0.5, zero_point=-3, name="serving_default_x:0")
    w = b.constant(rng.integers(-127, 128, (3, 3, 3, 2)), DType.INT8, scale=[0.1, 0.2, 0.3], zero_point=0)
    bias = b.constant([1, -2, 3], DType.INT32, scale=[0.05, 0.1, 0.15])
    y = b.tensor(
        (1, 2, 2, 3),
        DType.INT8,
        scale=0.25,
        zero_point=4,
        name="model/activation/Relu;model/stem/BiasAdd;m/conv2d/Conv2D",
    )
    b.operator("CONV_2D", [x, w, bias], [y], Conv2DOptions(Padding.SAME, 2, 2, 1, 1, Activation.RELU))
    v = b.constant(rng.integers(-127, 128, (5, 12)), DType.INT8, scale=0.1)
    z = b.tensor((1, 5), DType.INT8, scale=0.5, name="model/dense/MatMul;model/dense/BiasAdd")
    b.operator("FULLY_CONNECTED", [y, v, -1], [z], FullyConnectedOptions())
    p = b.tensor((1, 5), DType.INT8, scale=1 / 256, zero_point=-128, name="StatefulPartitionedCall:0")
    b.operator("SOFTMAX", [z], [p], SoftmaxOptions(1.0))
    return b


def edited(edit: Callable[[Any], None], file: bytes | None = None) -> bytes:
    """Return a model's file after a change of its schema objects."""
    import flatbuffers

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(file or classifier().build(), 0))
    edit(model)
    writer = flatbuffers.Builder(1024)
    writer.Finish(model.Pack(writer), b"TFL3")
    return bytes(writer.Output())


def message(data: bytes, name: str = "m.tflite") -> str:
    with pytest.raises(ModelError) as error:
        read_model_bytes(data, name)
    return str(error.value)


def text(what: str, why: str = "", remedy: str = "") -> str:
    return what + (f"\n  why: {why}" if why else "") + (f"\n  what to do: {remedy}" if remedy else "")


def same_graph(a: Graph, b: Graph) -> None:
    assert (a.inputs, a.outputs, a.sha256, a.file_bytes) == (b.inputs, b.outputs, b.sha256, b.file_bytes)
    for s, t in zip(a.tensors, b.tensors, strict=True):
        assert (s.index, s.name, s.shape, s.dtype, s.quantization) == (
            t.index,
            t.name,
            t.shape,
            t.dtype,
            t.quantization,
        )
        assert (s.data is None) == (t.data is None)
        if s.data is not None and t.data is not None:
            np.testing.assert_array_equal(s.data, t.data)
            assert s.data.dtype == t.data.dtype
            assert not s.data.flags.writeable
    for o, p in zip(a.operators, b.operators, strict=True):
        assert (o.index, o.kind, o.version, o.inputs, o.outputs, o.options) == (
            p.index,
            p.kind,
            p.version,
            p.inputs,
            p.outputs,
            p.options,
        )


# Good files.


def test_reads_what_the_builder_wrote() -> None:
    builder = classifier()
    graph = read_model_bytes(builder.build(), "My Model-v2.tflite")
    same_graph(graph, builder.graph())
    assert graph.name == "my_model_v2"
    assert graph.description == "classifier"
    assert [op.name for op in graph.operators] == ["conv2d", "dense", "softmax"]


def every_options() -> list[tuple[str, Any, tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]]:
    square, row = (1, 4, 4, 2), (1, 8)
    return [
        (
            "AVERAGE_POOL_2D",
            Pool2DOptions(Padding.VALID, 1, 2, 3, 2, Activation.RELU6),
            (square,),
            ((1, 2, 2, 2),),
        ),
        ("MAX_POOL_2D", Pool2DOptions(Padding.SAME, 2, 1, 2, 3, Activation.NONE), (square,), ((1, 2, 4, 2),)),
        ("ADD", BinaryOptions(Activation.RELU_N1_TO_1), (row, row), (row,)),
        ("SUB", BinaryOptions(Activation.RELU), (row, row), (row,)),
        ("MUL", BinaryOptions(Activation.RELU6), (row, row), (row,)),
        ("CONCATENATION", ConcatenationOptions(-1, Activation.NONE), (row, row), ((1, 16),)),
        ("PACK", PackOptions(2), (row, row), ((1, 8, 2),)),
        ("LOGISTIC", None, (row,), (row,)),
        ("TANH", None, (row,), (row,)),
        ("RELU", None, (row,), (row,)),
        ("RELU6", None, (row,), (row,)),
        ("HARD_SWISH", None, (row,), (row,)),
        ("MINIMUM", None, (row, row), (row,)),
        ("MAXIMUM", None, (row, row), (row,)),
        ("RESHAPE", None, (row,), ((1, 2, 4),)),
        ("SQUEEZE", None, ((1, 1, 8),), (row,)),
    ]


@pytest.mark.parametrize(
    ("kind", "options", "inputs", "outputs"), every_options(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_reads_options(
    kind: str, options: Any, inputs: tuple[tuple[int, ...], ...], outputs: tuple[tuple[int, ...], ...]
) -> None:
    b = ModelBuilder()
    operands = [b.tensor(s, DType.INT8, scale=0.5) for s in inputs]
    results = [b.tensor(s, DType.INT8, scale=0.25) for s in outputs]
    b.operator(kind, operands, results, options)
    same_graph(read_model_bytes(b.build(), "m"), b.graph())


@pytest.mark.parametrize(
    ("kind", "options", "constant", "output"),
    [
        ("MEAN", ReducerOptions(keep_dims=True), [1, 2], (1, 1, 1, 2)),
        ("SUM", ReducerOptions(), [1, 2], (1, 2)),
        ("RESIZE_NEAREST_NEIGHBOR", ResizeOptions(half_pixel_centers=True), [8, 8], (1, 8, 8, 2)),
        ("TRANSPOSE", None, [0, 3, 1, 2], (1, 2, 4, 4)),
        ("PAD", None, [[0, 0], [1, 1], [1, 1], [0, 0]], (1, 6, 6, 2)),
        ("EXPAND_DIMS", None, [1], (1, 1, 4, 4, 2)),
    ],
)
def test_reads_operators_with_an_integer_constant(
    kind: str, options: Any, constant: Any, output: tuple[int, ...]
) -> None:
    b = ModelBuilder()
    x = b.tensor((1, 4, 4, 2), DType.INT16, scale=0.5)
    y = b.tensor(output, DType.INT16, scale=0.5)
    b.operator(kind, [x, b.constant(constant)], [y], options)
    same_graph(read_model_bytes(b.build(), "m"), b.graph())


def test_reads_several_inputs_and_outputs() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 4), DType.INT8, scale=0.5)
    left, right = (b.tensor((1, 2), DType.INT8, scale=0.5) for _ in range(2))
    b.operator("SPLIT", [b.constant(1), x], [left, right], SplitOptions(2))
    y = b.tensor((1, 3), DType.INT8, scale=0.5)
    z = b.tensor((1, 2), DType.INT8, scale=0.5)
    slices = [b.constant([0, 0]), b.constant([1, 2]), b.constant([1, 1])]
    b.operator(
        "STRIDED_SLICE", [y, *slices], [z], StridedSliceOptions(begin_mask=1, end_mask=2, shrink_axis_mask=0)
    )
    same_graph(read_model_bytes(b.build(), "m"), b.graph())


def test_keeps_float_borders() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 4), DType.FLOAT32)
    q, r = (b.tensor((1, 4), DType.INT8, scale=0.5) for _ in range(2))
    y = b.tensor((1, 4), DType.FLOAT32)
    b.operator("QUANTIZE", [x], [q])
    b.operator("RELU", [q], [r])
    b.operator("DEQUANTIZE", [r], [y])
    same_graph(read_model_bytes(b.build(), "m"), b.graph())


def test_keeps_uint8_borders() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 4), DType.UINT8, scale=0.5, zero_point=128)
    y = b.tensor((1, 4), DType.INT8, scale=0.5)
    b.operator("QUANTIZE", [x], [y])
    same_graph(read_model_bytes(b.build(), "m"), b.graph())


def test_takes_batch_one_for_an_unknown_batch() -> None:
    def edit(model: Any) -> None:
        for tensor in model.subgraphs[0].tensors:
            if tensor.buffer == 0:
                tensor.shapeSignature = [-1, *tensor.shape[1:]]

    assert read_model_bytes(edited(edit), "m").tensors[0].shape == (1, 4, 4, 2)


def test_folds_the_shape_of_an_unknown_batch() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 2, 4), DType.INT8, scale=0.5)
    shape = b.tensor((3,), DType.INT32)
    b.operator("SHAPE", [x], [shape])
    batch = b.tensor((), DType.INT32)
    bounds = [b.constant([0]), b.constant([1]), b.constant([1])]
    b.operator("STRIDED_SLICE", [shape, *bounds], [batch], StridedSliceOptions(shrink_axis_mask=1))
    target = b.tensor((2,), DType.INT32)
    b.operator("PACK", [batch, b.constant(8)], [target], PackOptions(0))
    y = b.tensor((1, 8), DType.INT8, scale=0.5, name="flatten/Reshape")
    b.operator("RESHAPE", [x, target], [y])
    graph = read_model_bytes(b.build(inputs=[x], outputs=[y]), "m")
    assert [(op.index, op.kind, op.name) for op in graph.operators] == [(0, "RESHAPE", "flatten")]
    folded = graph.tensor(target).data
    assert folded is not None
    assert folded.tolist() == [1, 8]
    assert graph.tensor(shape).shape == (0,)


def test_shape_whose_value_matters_is_an_error() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 4), DType.INT8, scale=0.5)
    y = b.tensor((2,), DType.INT32, name="shape")
    b.operator("SHAPE", [x], [y])
    assert message(b.build()) == text("m.tflite: shape (SHAPE): unsupported operator: SHAPE", "", FIXED_SHAPE)


def test_reads_buffers_behind_the_flatbuffer() -> None:
    plain = read_model_bytes(classifier().build(), "m")
    weights = plain.tensors[1].data
    assert weights is not None

    def edit(model: Any) -> None:
        buffer = model.buffers[model.subgraphs[0].tensors[1].buffer]
        buffer.data, buffer.offset, buffer.size = None, 0xFFFF, weights.nbytes

    length = len(edited(edit))
    file = edited(edit).replace((0xFFFF).to_bytes(8, "little"), length.to_bytes(8, "little"))
    again = read_model_bytes(file + weights.tobytes(), "m").tensors[1].data
    np.testing.assert_array_equal(again, weights)
    assert "bytes at" in message(file)


def test_a_second_subgraph_that_nothing_refers_to_is_ignored() -> None:
    file = edited(lambda model: model.subgraphs.append(schema.SubGraphT()))
    assert len(read_model_bytes(file, "m").operators) == 3


def test_takes_the_larger_operator_code() -> None:
    def edit(model: Any) -> None:
        model.operatorCodes[0].builtinCode = 0  # as files before schema 3a have it

    assert read_model_bytes(edited(edit), "m").operators[0].kind == "CONV_2D"


def test_bias_may_name_the_dimension_of_its_weights() -> None:
    def edit(model: Any) -> None:
        model.subgraphs[0].tensors[2].quantization.quantizedDimension = 3

    quantization = read_model_bytes(edited(edit), "m").tensors[2].quantization
    assert quantization is not None
    assert quantization.axis == 0


@pytest.mark.parametrize(
    ("file", "name", "operators", "macs_layer"),
    [
        ("kws_ref_model.tflite", "kws_ref_model", 13, "depthwise_conv2d_3"),
        ("pretrainedResnet_quant.tflite", "pretrained_resnet_quant", 16, "conv2d_8"),
        ("ad01_int8.tflite", "ad01_int8", 10, "dense_8"),
    ],
)
def test_reads_the_reference_models(file: str, name: str, operators: int, macs_layer: str) -> None:
    path = shared_model(file.removesuffix(".tflite"))
    graph = read_model(path)
    assert (graph.name, len(graph.operators)) == (name, operators)
    assert macs_layer in {op.name for op in graph.operators}
    assert graph.metadata == ("min_runtime_version",)


# Files that are none.


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "no.tflite"
    with pytest.raises(UsageError) as error:
        read_model(path)
    assert str(error.value) == text(
        f"{path}: there is no such file", "", "check the path to the .tflite file"
    )


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        read_model(tmp_path)
    assert str(error.value) == text(
        f"{tmp_path}: this is a directory, not a .tflite file", "", "name the .tflite file in it"
    )


def test_saved_model(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(UsageError, match=r"TFLiteConverter\.from_saved_model"):
        read_model(tmp_path)


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.tflite"
    path.write_bytes(b"")
    with pytest.raises(MicronetsError) as error:
        read_model(path)
    assert str(error.value) == text("empty.tflite: the file is empty", "", COPY_AGAIN)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"hello, world", "bytes 4 to 7 are not the identifier TFL3"),
        (b"\x89HDF\r\n\x1a\n", "it is a Keras HDF5 file"),
        (b"PK\x03\x04....", "it is a zip archive, perhaps a .keras file"),
        (b"version https://git-lfs.github.com/spec/v1", "it is a Git LFS pointer: run `git lfs pull`"),
        (b"<!DOCTYPE html>", "it is a web page or an XML file: the download went wrong"),
    ],
)
def test_not_a_tflite_file(data: bytes, why: str) -> None:
    assert message(data) == text(
        "m.tflite: this is not a .tflite file",
        why,
        "give the file that tf.lite.TFLiteConverter(...).convert() returned",
    )


def test_truncated_file() -> None:
    file = classifier().build()
    assert message(file[: len(file) // 2]) == text(
        "m.tflite: the file is truncated or damaged",
        "while reading the operator codes: an offset leads out of the file",
        COPY_AGAIN,
    )
    for length in range(1, len(file) - 3, 7):
        message(file[:length])


# Models that no runtime executes.


def simple(dtype: DType, kind: str = "RELU") -> ModelBuilder:
    b = ModelBuilder()
    scale = None if dtype is DType.FLOAT32 else 0.5
    x, y = (b.tensor((1, 4), dtype, scale=scale, name=f"{kind.lower()}{i}") for i in range(2))
    b.operator(kind, [x], [y])
    return b


def test_float_only() -> None:
    assert message(simple(DType.FLOAT32).build()) == text(
        "m.tflite: the model is not quantised: all its activations are floating point",
        "microcontrollers run int8 or int16 models",
        FULL_INTEGER,
    )


def test_hybrid() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 4), DType.FLOAT32)
    y = b.tensor((1, 2), DType.FLOAT32, name="model/dense_7/MatMul")
    b.operator(
        "FULLY_CONNECTED",
        [x, b.constant(np.ones((2, 4)), DType.INT8, scale=0.5)],
        [y],
        FullyConnectedOptions(),
    )
    assert message(b.build()) == text(
        "m.tflite: dense_7 (FULLY_CONNECTED): the operator is hybrid: its activations are float32 "
        "and its weights int8",
        "the model was converted with dynamic-range quantisation, without a representative dataset",
        FULL_INTEGER,
    )


def test_float_in_the_middle() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 4), DType.INT8, scale=0.5)
    f, g = b.tensor((1, 4), DType.FLOAT32), b.tensor((1, 4), DType.FLOAT32, name="model/odd_layer/Tanh")
    y = b.tensor((1, 4), DType.INT8, scale=0.5)
    b.operator("DEQUANTIZE", [x], [f])
    b.operator("TANH", [f], [g])
    b.operator("QUANTIZE", [g], [y])
    assert message(b.build()) == text(
        "m.tflite: odd_layer (TANH): the operator computes in float32 inside a quantised model",
        "the converter found no int8 form of it and put DEQUANTIZE and QUANTIZE around it",
        "set converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8], so that "
        "the converter "
        "names what it cannot quantise, and replace that layer",
    )


def test_float16_weights() -> None:
    b = simple(DType.FLOAT32)
    half = b.tensor((1, 4), DType.FLOAT32)
    b.operator("ADD", [1, b.tensor((1, 4), DType.FLOAT32, data=np.ones((1, 4)))], [half], BinaryOptions())

    def edit(model: Any) -> None:
        constant = next(t for t in model.subgraphs[0].tensors if t.buffer)
        constant.type = schema.TensorType.FLOAT16

    assert message(edited(edit, b.build())).startswith(
        "m.tflite: the weights are float16 and the activations float32\n"
    )


def test_uint8() -> None:
    assert message(simple(DType.UINT8).build()) == text(
        "m.tflite: relu1 (RELU): the operator is quantised to uint8",
        "that is the scheme of TensorFlow 1; the runtimes define int8 and int16",
        "convert again with TensorFlow 2 and full-integer quantisation: " + FULL_INTEGER,
    )


def test_int4() -> None:
    def edit(model: Any) -> None:
        model.subgraphs[0].tensors[4].type = schema.TensorType.INT4

    assert message(edited(edit)) == text(
        "m.tflite: dense (FULLY_CONNECTED): 4-bit is not supported yet", "", "quantise the weights to int8"
    )


def test_custom_operator() -> None:
    def edit(model: Any) -> None:
        model.operatorCodes[0].deprecatedBuiltinCode = 32
        model.operatorCodes[0].builtinCode = 32
        model.operatorCodes[0].customCode = "Whiten"

    assert message(edited(edit)) == text(
        "m.tflite: custom operator Whiten: no runtime here can execute it",
        "layers: stem (CUSTOM:Whiten)",
        "replace the layer by builtin operators",
    )


def test_unsupported_operators() -> None:
    b = simple(DType.INT8, "ABS")
    b.operator("COS", [1], [b.tensor((1, 4), DType.INT8, scale=0.5, name="wave")])
    found = message(b.build())
    assert found.startswith(
        text("m.tflite: unsupported operators: ABS, COS", "layers: abs1 (ABS), wave (COS)")
        + "\n  what to do: replace these layers by supported ones: ADD, AVERAGE_POOL_2D, "
    )


def test_operators_that_come_from_a_setting_of_the_model() -> None:
    b = simple(DType.INT8, "SPACE_TO_BATCH_ND")
    b.operator("BATCH_TO_SPACE_ND", [1], [b.tensor((1, 4), DType.INT8, scale=0.5, name="back")])
    dilated = message(b.build())
    assert dilated.endswith("is open: give the model keras.Input(shape, batch_size=1) and convert again")
    assert dilated.count("keras.Input") == 1
    b.operator("COS", [1], [b.tensor((1, 4), DType.INT8, scale=0.5, name="wave")])
    assert "convert again; replace COS by supported ones: ADD" in message(b.build())


def test_control_flow() -> None:
    assert message(simple(DType.INT8, "WHILE").build()) == text(
        "m.tflite: control flow is not supported: WHILE",
        "layers: while1 (WHILE)",
        "unroll the loop or take the branch before converting (for a Keras RNN: unroll=True)",
    )


def test_batch() -> None:
    b = ModelBuilder()
    x, y = (b.tensor((32, 4), DType.INT8, scale=0.5, name=name) for name in ("x", "y"))
    b.operator("RELU", [x], [y])
    assert message(b.build()) == text(
        "m.tflite: tensor 0 (x): the model input has batch 32; firmware runs one sample at a time",
        "",
        FIXED_SHAPE,
    )


def test_unknown_shape() -> None:
    def edit(model: Any) -> None:
        model.subgraphs[0].tensors[0].shapeSignature = [1, -1, 4, 2]

    assert message(edited(edit)) == text(
        "m.tflite: tensor 0 (serving_default_x:0): its shape 1x?x4x2 is not known before the model runs",
        "",
        FIXED_SHAPE,
    )


# Damage that parses.


def tensor(index: int) -> Callable[[Any], Any]:
    return lambda model: model.subgraphs[0].tensors[index]


def change(index: int, **values: Any) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        for name, value in values.items():
            setattr(model.subgraphs[0].tensors[index], name, value)

    return edit


def quantization(index: int, **values: Any) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        for name, value in values.items():
            setattr(model.subgraphs[0].tensors[index].quantization, name, value)

    return edit


def operator(index: int, **values: Any) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        for name, value in values.items():
            setattr(model.subgraphs[0].operators[index], name, value)

    return edit


def option(index: int, **values: Any) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        for name, value in values.items():
            setattr(model.subgraphs[0].operators[index].builtinOptions, name, value)

    return edit


def graph(**values: Any) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        for name, value in values.items():
            setattr(model.subgraphs[0], name, value)

    return edit


def metadata(name: bytes, buffer: int) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, buffer
        model.metadata = [entry]

    return edit


def second_subgraph(**values: Any) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        extra = schema.SubGraphT()
        extra.tensors, extra.operators = [], []
        for name, value in values.items():
            setattr(extra, name, value)
        model.subgraphs.append(extra)

    return edit


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (graph(operators=[]), "m.tflite: the model has no operators"),
        (graph(inputs=[]), "m.tflite: the model has no inputs"),
        (graph(outputs=[]), "m.tflite: the model has no outputs"),
        (graph(inputs=[99]), "m.tflite: model input refers to tensor 99, and there are 7"),
        (graph(outputs=[6, 6]), "m.tflite: two of the model's outputs are the same tensor"),
        (graph(inputs=[0, 1]), "m.tflite: tensor 1 (t1): a model input holds constant data"),
        (graph(outputs=[0]),
         "m.tflite: tensor 0 (serving_default_x:0): a model output is written by no operator"),
        (operator(0, inputs=[0, 1, -5]), "m.tflite: operator 0 refers to tensor -5, and there are 7"),
        (operator(0, inputs=[0, -1, 2]), "m.tflite: conv2d (CONV_2D): its input 1 is missing"),
        (operator(0, inputs=[6, 1, 2]),
         "m.tflite: conv2d (CONV_2D): it reads tensor 6, which no earlier operator writes"),
        (operator(0, inputs=[3, 1, 2]),
         "m.tflite: conv2d (CONV_2D): it reads tensor 3, which no earlier operator writes"),
        (operator(0, outputs=[]), "m.tflite: operator 0 has no outputs"),
        (operator(1, outputs=[3]),
         "m.tflite: stem (FULLY_CONNECTED): it writes tensor 3, which conv2d writes already"),
        (operator(1, outputs=[1]), "m.tflite: t1 (FULLY_CONNECTED): it writes tensor 1, which is constant"),
        (operator(0, opcodeIndex=9), "m.tflite: operator 0 refers to operator code 9, and there are 3"),
        (change(0, buffer=77), "m.tflite: tensor 0 refers to buffer 77, and there are 4"),
        (metadata(b"min_runtime_version", 78),
         "m.tflite: metadata min_runtime_version refers to buffer 78, and there are 4"),
        (second_subgraph(inputs=[9]), "m.tflite: model input of subgraph 1 refers to tensor 9, and there are 0"),
        (change(1, shape=[3, 3, 3, 3]),
         "m.tflite: tensor 1 (t1): it holds 54 bytes; its shape 3x3x3x3 of int8 needs 81"),
        (change(3, isVariable=True), "the model keeps state between inferences in a variable tensor"),
        (change(1, sparsity=schema.SparsityParametersT()),
         "m.tflite: tensor 1 (t1): sparse tensors are not supported"),
        (change(3, type=schema.TensorType.STRING), "its type STRING is not supported"),
        (change(3, type=schema.TensorType.COMPLEX64), "its type COMPLEX64 is not supported"),
        (change(3, shape=[1, 65536, 65536, 3]),
         "its shape 1x65536x65536x3 of int8 needs 12,884,901,888 bytes"),
        (change(3, shape=[1] * 9), "while reading tensor 3: a shape of 9 dimensions"),
        (change(3, shapeSignature=[1]), "its shape 1x2x2x3 and shape signature 1 differ in rank"),
        (quantization(3, scale=[0.0]), "its scale is 0.0; it must be finite and greater than 0"),
        (quantization(3, scale=[float("nan")]), "its scale is nan; it must be finite and greater than 0"),
        (quantization(3, scale=[float("inf")]), "its scale is inf; it must be finite and greater than 0"),
        (quantization(3, scale=[-1.0]), "its scale is -1.0; it must be finite and greater than 0"),
        (quantization(3, scale=[1e-40]), "its scale is 9.99995e-41; no real quantity has such a range"),
        (quantization(1, scale=[1.0, 1e35, 1.0]), "its scale is 1e+35; no real quantity has such a range"),
        (quantization(3, scale=None), "it is int8 without a scale"),
        (quantization(3, zeroPoint=[128]), "its zero point is 128; int8 holds -128 to 127"),
        (quantization(3, zeroPoint=None), "it has 1 scales and 0 zero points"),
        (quantization(3, scale=[1.0, 1.0], zeroPoint=[0, 0]),
         "it is an activation with 2 scales; activations have one"),
        (quantization(1, zeroPoint=[0, 0]), "it has 3 scales and 2 zero points"),
        (quantization(1, zeroPoint=[0, 1, 0]), "it has one scale a channel and zero points other than 0"),
        (quantization(1, quantizedDimension=3), "it has 3 scales along dimension 3; its shape is 3x3x3x2"),
        (quantization(1, quantizedDimension=-1), "it has 3 scales along dimension -1; its shape is 3x3x3x2"),
        (operator(0, builtinOptions=None, builtinOptionsType=0),
         "m.tflite: conv2d (CONV_2D): its options are missing; CONV_2D needs Conv2DOptions"),
        (operator(0, builtinOptions=schema.AddOptionsT(), builtinOptionsType=11),
         "its options are AddOptions; CONV_2D needs Conv2DOptions"),
        (option(0, strideW=0),
         "m.tflite: conv2d (CONV_2D): option StrideW is 0; it must lie between 1 and 65536"),
        (option(0, dilationHFactor=-1), "option DilationHFactor is -1; it must lie between 1 and 65536"),
        (option(0, padding=2), "option Padding is 2; the schema knows 0 (SAME) and 1 (VALID)"),
        (option(0, fusedActivationFunction=4), "the fused activation TANH is not supported"),
        (option(1, weightsFormat=1), "shuffled weights are not supported"),
        (option(2, beta=float("nan")), "option Beta is nan; it must be finite"),
    ],
)  # fmt: skip
def test_unusable(edit: Callable[[Any], None], expected: str) -> None:
    found = message(edited(edit))
    assert expected in found.replace("\n  why: ", "\n")
    assert "\n  what to do: " in found
    assert "m.tflite" in found.splitlines()[0]


# Names.


@pytest.mark.parametrize(
    ("kind", "tensor_name", "expected"),
    [
        ("CONV_2D", "functional_1/activation/Relu;functional_1/batch_normalization/FusedBatchNormV3;"
         "functional_1/conv2d/BiasAdd/ReadVariableOp/resource;functional_1/conv2d/BiasAdd", "conv2d"),
        ("DEPTHWISE_CONV_2D", "m/activation_7/Relu;m/batch_normalization_7/FusedBatchNormV3;"
         "m/depthwise_conv2d_3/depthwise;m/depthwise_conv2d_3/BiasAdd", "depthwise_conv2d_3"),
        ("CONV_2D", "m/re_lu_2/Relu6;m/bn2/FusedBatchNormV3;m/block2_pw/Conv2D", "block2_pw"),
        ("ADD", "model/activation_2/Relu;model/add/add", "add"),
        ("AVERAGE_POOL_2D", "MobilenetV1/Logits/AvgPool_1a/AvgPool", "avg_pool_1a"),
        ("CONV_2D", "MobilenetV1/MobilenetV1/Conv2d_0/Relu6", "conv2d_0"),
        ("CONV_2D", "functional_1/stem_1/Relu;functional_1/stem_1/convolution", "stem_1"),
        ("DEPTHWISE_CONV_2D", "functional_1/sep_1/separable_conv2d/depthwise1", "sep_1"),
        ("CONV_2D", "functional_1/re_lu_1/Relu6;functional_1/sep_1/separable_conv2d", "sep_1"),
        ("FULLY_CONNECTED", "functional_1/probs_1/MatMul1", "probs_1"),
        ("FULLY_CONNECTED", "StatefulPartitionedCall_1:0_int16", "fully_connected"),
        ("QUANTIZE", "serving_default_keras_tensor_15:0_int16", "quantize"),
        ("SOFTMAX", "StatefulPartitionedCall:0", "softmax"),
        ("SOFTMAX", "Identity_int8", "softmax"),
        ("CONV_2D", "Identity_1", "conv2d"),
        ("RELU", "", "relu"),
        ("RELU", "m/while", "while_layer"),
        ("RELU", "m/2nd layer", "layer_2nd_layer"),
        ("RELU", "层/Relu", "relu"),
        ("RELU", "m/" + "long_" * 20, "long_long_long_long_long_long_long_long"),
    ],
)  # fmt: skip
def test_layer_names(kind: str, tensor_name: str, expected: str) -> None:
    assert layer_name(kind, tensor_name) == expected


def test_names_are_unique() -> None:
    assert unique_names(["a", "a_2", "a", "a", "b"]) == ("a", "a_2", "a_3", "a_4", "b")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("pretrainedResnet_quant", "pretrained_resnet_quant"),
        ("KWS-S v1", "kws_s_v1"),
        ("...", "model"),
        ("int", "int_layer"),
    ],
)
def test_identifier(raw: str, expected: str) -> None:
    assert identifier(raw, "model") == expected


def test_names_are_safe_in_comments() -> None:
    name = read_model_bytes(edited(change(3, name="a*/b\\\n\x00c")), "m").tensors[3].name
    assert name == "a./b/??c"
