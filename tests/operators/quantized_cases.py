"""Single-operator models of the kinds that compute on quantised values, as hypothesis strategies."""

from __future__ import annotations

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from micronets_gen.model.graph import Activation, Array, DType, NoOptions, Options, Padding
from micronets_gen.operators import operator_specs
from micronets_gen.operators.activation import LeakyReluOptions
from micronets_gen.operators.arithmetic import output_extent
from micronets_gen.operators.elementwise import BinaryOptions
from micronets_gen.operators.pooling import Pool2DOptions
from micronets_gen.operators.reduce import ReducerOptions
from micronets_gen.operators.softmax import SoftmaxOptions
from tests.operators.native import Sample
from tests.operators.strategies import shapes, values
from tests.support.builder import ModelBuilder

ACTIVATIONS = tuple(Activation)


def scales(low: float = -16, high: float = 4) -> st.SearchStrategy[float]:
    """Draw positive scales, evenly by magnitude, powers of two often among them."""
    return st.one_of(
        st.floats(low, high).map(lambda e: float(np.float32(2.0**e))),
        st.integers(int(low), int(high)).map(lambda e: 2.0**e),
        st.sampled_from([1 / 255, 0.1, 0.00784314]),
    )


def near(scale: float, octaves: float) -> st.SearchStrategy[float]:
    """Draw scales within ``octaves`` of ``scale``, and ``scale`` itself."""
    return st.one_of(
        st.just(scale), st.floats(-octaves, octaves).map(lambda e: float(np.float32(scale * 2.0**e)))
    )


def zero_points(dtype: DType) -> st.SearchStrategy[int]:
    """Draw zero points, the ends of the range often among them; 0 for int16."""
    if dtype is not DType.INT8:
        return st.just(0)
    return st.one_of(st.sampled_from([-128, 0, 127]), st.integers(-128, 127))


def _accepted(builder: ModelBuilder) -> None:
    graph = builder.graph()
    (op,) = graph.operators
    assume(not list(operator_specs()[op.kind].check(graph, op)))


dtypes = st.sampled_from([DType.INT8, DType.INT16])
seeds = st.integers(0, 1000)


@st.composite
def _broadcast(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    full = draw(shapes(1, 5, 7))
    a = tuple(draw(st.sampled_from([n, n, n, 1])) for n in full)
    b = tuple(draw(st.sampled_from([n, n, n, 1])) for n in full)
    pattern = draw(st.sampled_from(["equal", "scalar", "channel", "general"]))
    if pattern == "equal":
        a = b = full
    elif pattern == "scalar":
        a, b = full, draw(st.sampled_from([(1,), (1, 1)]))
    elif pattern == "channel":
        a, b = full, full[-1:]
    if draw(st.booleans()):
        a, b = b, a
    return a, b, tuple(np.broadcast_shapes(a, b))


@st.composite
def binary(draw: st.DrawFn, kind: str) -> Sample:
    """ADD, SUB or MUL: broadcast, constants, scales far apart, every activation."""
    dtype = draw(dtypes)
    a, b, y = draw(_broadcast())
    first = draw(scales())
    second = draw(near(first, 12))
    unit = first * second if kind == "MUL" else max(first, second)
    output = draw(near(unit * (100 if kind == "MUL" else 2), 14))
    builder, inputs = ModelBuilder(), []
    constant = draw(st.sampled_from([None, None, 0, 1]))
    operands = []
    for i, (shape, scale) in enumerate(((a, first), (b, second))):
        data = values(shape, dtype, draw(seeds))
        zero_point = draw(zero_points(dtype))
        given = data if i == constant else None
        operands.append(builder.tensor(shape, dtype, scale=scale, zero_point=zero_point, data=given))
        if given is None:
            inputs.append(data)
    result = builder.tensor(y, dtype, scale=output, zero_point=draw(zero_points(dtype)), name="out")
    builder.operator(kind, operands, [result], BinaryOptions(draw(st.sampled_from(ACTIVATIONS))))
    _accepted(builder)
    return Sample(builder, inputs)


@st.composite
def equal_sum(draw: st.DrawFn) -> Sample:
    """Int8 ADD of one shape, which has a kernel of its own: any scales, any length."""
    count = draw(st.integers(1, 70))
    first = draw(scales())
    second = draw(near(first, draw(st.sampled_from([0.0, 1.0, 12.0, 30.0]))))
    output = draw(near(max(first, second) * 2, draw(st.sampled_from([1.0, 14.0, 18.0]))))
    zeros = [draw(zero_points(DType.INT8)) for _ in range(3)]
    builder = ModelBuilder()
    operands = [
        builder.tensor((1, count), DType.INT8, scale=scale, zero_point=zero)
        for scale, zero in zip((first, second), zeros, strict=False)
    ]
    result = builder.tensor((1, count), DType.INT8, scale=output, zero_point=zeros[2], name="out")
    builder.operator("ADD", operands, [result], BinaryOptions(draw(st.sampled_from(ACTIVATIONS))))
    _accepted(builder)
    return Sample(builder, [values((1, count), DType.INT8, draw(seeds)) for _ in range(2)])


@st.composite
def extremum(draw: st.DrawFn, kind: str) -> Sample:
    """MINIMUM or MAXIMUM."""
    dtype = draw(st.sampled_from([DType.INT8, DType.INT16, DType.INT32]))
    a, b, y = draw(_broadcast())
    scale = None if dtype is DType.INT32 else 0.25
    builder = ModelBuilder()
    operands = [builder.tensor(shape, dtype, scale=scale) for shape in (a, b)]
    builder.operator(kind, operands, [builder.tensor(y, dtype, scale=scale, name="out")])
    return Sample(builder, [values(a, dtype, draw(seeds)), values(b, dtype, draw(seeds))])


def everything(dtype: DType) -> Array:
    """Return every value of an 8- or 16-bit type, in order."""
    info = np.iinfo(dtype.value)
    return np.arange(info.min, info.max + 1, dtype=np.int64).astype(dtype.value).reshape(1, -1)


def unary_model(
    kind: str,
    dtypes: tuple[DType, DType],
    quantization: tuple[tuple[float, int], tuple[float, int]],
    options: Options | None = None,
) -> Sample:
    """Return a model of ``kind`` that is fed every value of its input type."""
    builder = ModelBuilder()
    data = everything(dtypes[0])
    ends = [
        builder.tensor(data.shape, dtype, scale=scale, zero_point=zero_point, name=name)
        for dtype, (scale, zero_point), name in zip(dtypes, quantization, ("in", "out"), strict=True)
    ]
    builder.operator(kind, ends[:1], ends[1:], options or NoOptions())
    return Sample(builder, [data])


@st.composite
def activation(draw: st.DrawFn, kind: str) -> Sample:
    """An activation of its own, on every value of its input type."""
    dtype = DType.INT8 if kind == "HARD_SWISH" else draw(dtypes)
    zero = 0 if dtype is DType.INT16 else draw(zero_points(dtype))
    scale = draw(scales(-14 if dtype is DType.INT16 else -9, 0))
    output = (draw(near(scale, 6)), 0 if dtype is DType.INT16 else draw(zero_points(dtype)))
    seconded = True
    options: Options = NoOptions()
    if kind == "LOGISTIC":
        output = (1 / 256, -128) if dtype is DType.INT8 else (1 / 32768, 0)
    elif kind == "TANH":
        output = (1 / 128, 0) if dtype is DType.INT8 else (1 / 32768, 0)
    elif kind == "RELU6":
        seconded = output == (scale, zero)
    elif kind == "LEAKY_RELU":
        options = LeakyReluOptions(float(np.float32(draw(st.sampled_from([0.0, 0.01, 0.3, 1.5, -0.25])))))
    case = unary_model(kind, (dtype, dtype), ((scale, zero), output), options)
    _accepted(case.builder)
    return Sample(case.builder, case.inputs, seconded)


@st.composite
def softmax(draw: st.DrawFn) -> Sample:
    """SOFTMAX over the last dimension, near-equal and far-apart inputs."""
    pair = draw(
        st.sampled_from([(DType.INT8, DType.INT8), (DType.INT8, DType.INT16), (DType.INT16, DType.INT16)])
    )
    shape = (*draw(shapes(0, 3, 4)), draw(st.integers(1, 40)))
    output = {
        (DType.INT8, DType.INT8): (1 / 256, -128),
        (DType.INT8, DType.INT16): (1 / 65536, -32768),
        (DType.INT16, DType.INT16): (1 / 32768, 0),
    }[pair]
    builder = ModelBuilder()
    scale = draw(scales(-16 if pair[0] is DType.INT16 else -10, 1))
    x = builder.tensor(shape, pair[0], scale=scale, zero_point=draw(zero_points(pair[0])))
    y = builder.tensor(shape, pair[1], scale=output[0], zero_point=output[1], name="out")
    builder.operator("SOFTMAX", [x], [y], SoftmaxOptions(draw(st.sampled_from([1.0, 1.0, 0.5, 3.0]))))
    _accepted(builder)
    data = values(shape, pair[0], draw(seeds)) // draw(st.sampled_from([1, 1, 8, 60]))
    return Sample(builder, [data])


@st.composite
def pool(draw: st.DrawFn, kind: str) -> Sample:
    """AVERAGE_POOL_2D or MAX_POOL_2D."""
    dtype = draw(dtypes)
    shape = tuple(draw(st.integers(1, n)) for n in (2, 12, 12, 11))
    padding = draw(st.sampled_from(list(Padding)))
    valid = padding is Padding.VALID
    filters = tuple(draw(st.integers(1, n if valid else n + 2)) for n in shape[1:3])
    strides = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    extents = [output_extent(padding, n, f, s) for n, f, s in zip(shape[1:3], filters, strides, strict=True)]
    scale, zero_point = draw(scales(-8, 0)), draw(zero_points(dtype))
    builder = ModelBuilder()
    x = builder.tensor(shape, dtype, scale=scale, zero_point=zero_point)
    y = builder.tensor((shape[0], *extents, shape[3]), dtype, scale=scale, zero_point=zero_point, name="out")
    builder.operator(
        kind,
        [x],
        [y],
        Pool2DOptions(
            padding,
            strides[0],
            strides[1],
            filters[0],
            filters[1],
            draw(st.sampled_from(ACTIVATIONS)),
        ),
    )
    _accepted(builder)
    return Sample(builder, [values(shape, dtype, draw(seeds))])


@st.composite
def reduction(draw: st.DrawFn, kind: str) -> Sample:
    """MEAN or SUM over any axes, negative and repeated ones too."""
    dtype = draw(dtypes)
    shape = draw(shapes(1, 5, 9))
    rank = len(shape)
    chosen = draw(st.lists(st.integers(-rank, rank - 1), min_size=1, max_size=rank))
    if rank == 4 and draw(st.booleans()):
        chosen = [1, 2]
    reduced = {a % rank for a in chosen}
    keep = draw(st.booleans())
    result = tuple(1 if i in reduced else n for i, n in enumerate(shape) if keep or i not in reduced)
    scale = draw(scales(-10, 2))
    builder = ModelBuilder()
    x = builder.tensor(shape, dtype, scale=scale, zero_point=draw(zero_points(dtype)))
    y = builder.tensor(
        result, dtype, scale=draw(near(scale, 6)), zero_point=draw(zero_points(dtype)), name="out"
    )
    axis = builder.constant(chosen) if len(chosen) > 1 else builder.constant(chosen[0])
    builder.operator(kind, [x, axis], [y], ReducerOptions(keep))
    _accepted(builder)
    return Sample(builder, [values(shape, dtype, draw(seeds))])


@st.composite
def requantize(draw: st.DrawFn) -> Sample:
    """QUANTIZE between integer types, on every value of the input type (or the ends of int32)."""
    pairs = [
        (DType.INT8, DType.INT8),
        (DType.INT8, DType.UINT8),
        (DType.UINT8, DType.INT8),
        (DType.INT8, DType.INT16),
        (DType.INT8, DType.INT32),
        (DType.INT16, DType.INT8),
        (DType.INT16, DType.INT16),
        (DType.INT16, DType.INT32),
        (DType.INT32, DType.INT8),
        (DType.INT32, DType.INT16),
    ]
    pair = draw(st.sampled_from(pairs))
    scale = draw(scales())
    zeros = [
        draw(zero_points(DType.INT8)) + (128 if t is DType.UINT8 else 0) if t.size == 1 else 0 for t in pair
    ]
    other = draw(near(scale, 10))
    if pair[0] is DType.INT32:
        builder = ModelBuilder()
        x = builder.tensor((257,), pair[0], scale=scale)
        y = builder.tensor((257,), pair[1], scale=max(scale, other), zero_point=zeros[1], name="out")
        builder.operator("QUANTIZE", [x], [y])
        return Sample(builder, [values((257,), DType.INT32, draw(seeds)) >> draw(st.integers(0, 24))])
    case = unary_model("QUANTIZE", pair, ((scale, zeros[0]), (other, zeros[1])))
    return Sample(case.builder, case.inputs, second_opinion=pair[1] is not DType.INT32)


@st.composite
def quantize_float(draw: st.DrawFn) -> Sample:
    """QUANTIZE from float: ties, both signs, beyond the range."""
    dtype = draw(dtypes)
    scale = draw(scales(-10, 2))
    builder = ModelBuilder()
    x = builder.tensor((1, 2000), DType.FLOAT32)
    y = builder.tensor((1, 2000), dtype, scale=scale, zero_point=draw(zero_points(dtype)), name="out")
    builder.operator("QUANTIZE", [x], [y])
    rng = np.random.default_rng(draw(seeds))
    halves = rng.integers(-2 * 40000, 2 * 40000, 1000) / 2 * scale
    data = np.concatenate([halves, rng.standard_normal(1000) * scale * 300])
    return Sample(builder, [data.astype(np.float32).reshape(1, -1)])


@st.composite
def dequantize(draw: st.DrawFn) -> Sample:
    """DEQUANTIZE on every value of the input type."""
    dtype = draw(dtypes)
    builder = ModelBuilder()
    data = everything(dtype)
    x = builder.tensor(data.shape, dtype, scale=draw(scales()), zero_point=draw(zero_points(dtype)))
    y = builder.tensor(data.shape, DType.FLOAT32, name="out")
    builder.operator("DEQUANTIZE", [x], [y])
    return Sample(builder, [data])


CASES: dict[str, st.SearchStrategy[Sample]] = {
    "ADD": binary("ADD"),
    "ADD of equal int8 shapes": equal_sum(),
    "SUB": binary("SUB"),
    "MUL": binary("MUL"),
    "MINIMUM": extremum("MINIMUM"),
    "MAXIMUM": extremum("MAXIMUM"),
    "LOGISTIC": activation("LOGISTIC"),
    "TANH": activation("TANH"),
    "RELU": activation("RELU"),
    "RELU6": activation("RELU6"),
    "LEAKY_RELU": activation("LEAKY_RELU"),
    "HARD_SWISH": activation("HARD_SWISH"),
    "SOFTMAX": softmax(),
    "AVERAGE_POOL_2D": pool("AVERAGE_POOL_2D"),
    "MAX_POOL_2D": pool("MAX_POOL_2D"),
    "MEAN": reduction("MEAN"),
    "SUM": reduction("SUM"),
    "QUANTIZE": requantize(),
    "QUANTIZE of float": quantize_float(),
    "DEQUANTIZE": dequantize(),
}
