"""Damaged files: whatever the bytes, a graph or one clear error, in little time and memory.

Every mutation follows from its number, so a failure names the file that caused it: ``mutant(number)``.
"""

from __future__ import annotations

import random
import signal
import struct
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType

import pytest

from micronets_gen.boards.load import load_board
from micronets_gen.errors import ModelError
from micronets_gen.model.graph import Activation, DType, Padding
from micronets_gen.operators.concat import ConcatenationOptions, PackOptions
from micronets_gen.operators.convolution import Conv2DOptions, DepthwiseConv2DOptions
from micronets_gen.operators.elementwise import BinaryOptions
from micronets_gen.operators.fully_connected import FullyConnectedOptions
from micronets_gen.operators.pooling import Pool2DOptions
from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.operators.reduce import ReducerOptions
from micronets_gen.operators.slice import SplitOptions, StridedSliceOptions
from micronets_gen.operators.softmax import SoftmaxOptions
from micronets_gen.operators.transpose_conv import TransposeConvOptions
from micronets_gen.plan.check import check_model
from micronets_gen.project.vectors import vectors_for
from micronets_gen.report.inspect import inspect_model
from micronets_gen.runtimes.aot.runtime import AotRuntime
from tests.support.builder import ModelBuilder
from tests.support.paths import shared_model

MUTANTS = 12_000
SECONDS_PER_FILE = 2
BYTES_PER_FILE = 16 << 20
EXTREMES = (0, 1, 2, 127, 128, 255, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)


def convolutions() -> bytes:
    b = ModelBuilder("convolutions")
    x = b.tensor((1, 6, 6, 2), DType.INT8, scale=0.5, zero_point=-3)
    c = b.tensor((1, 3, 3, 4), DType.INT8, scale=0.5)
    w = b.constant([[[[k - 2] * 2] * 3] * 3 for k in range(4)], DType.INT8, scale=[0.1, 0.2, 0.3, 0.4])
    bias = b.constant([1, 2, 3, 4], DType.INT32, scale=[0.05, 0.1, 0.15, 0.2])
    b.operator("CONV_2D", [x, w, bias], [c], Conv2DOptions(Padding.SAME, 2, 2, 1, 1, Activation.RELU))
    d = b.tensor((1, 3, 3, 4), DType.INT8, scale=0.25)
    v = b.constant([[[[1, 2, 3, 4]] * 3] * 3], DType.INT8, scale=[0.1, 0.2, 0.3, 0.4], axis=3)
    b.operator("DEPTHWISE_CONV_2D", [c, v, -1], [d], DepthwiseConv2DOptions(Padding.SAME, 1, 1, 1))
    t = b.tensor((1, 6, 6, 2), DType.INT8, scale=0.25)
    u = b.constant([[[[1] * 4] * 2] * 2] * 2, DType.INT8, scale=[0.1, 0.2])
    b.operator(
        "TRANSPOSE_CONV", [b.constant([1, 6, 6, 2]), u, d], [t], TransposeConvOptions(Padding.SAME, 2, 2)
    )
    p = b.tensor((1, 3, 3, 2), DType.INT8, scale=0.25)
    b.operator("MAX_POOL_2D", [t], [p], Pool2DOptions(Padding.VALID, 2, 2, 2, 2))
    m = b.tensor((1, 2), DType.INT8, scale=0.25)
    b.operator("MEAN", [p, b.constant([1, 2])], [m], ReducerOptions())
    return b.build()


def shapes() -> bytes:
    b = ModelBuilder("shapes")
    x, y = (b.tensor((1, 4, 6), DType.INT8, scale=0.5) for _ in range(2))
    s = b.tensor((1, 4, 6), DType.INT8, scale=0.75, zero_point=7)
    b.operator("ADD", [x, y], [s], BinaryOptions(Activation.RELU6))
    c = b.tensor((1, 4, 12), DType.INT8, scale=0.75, zero_point=7)
    b.operator("CONCATENATION", [s, s], [c], ConcatenationOptions(-1))
    left, right = (b.tensor((1, 4, 6), DType.INT8, scale=0.75, zero_point=7) for _ in range(2))
    b.operator("SPLIT", [b.constant(2), c], [left, right], SplitOptions(2))
    t = b.tensor((1, 6, 4), DType.INT8, scale=0.75, zero_point=7)
    b.operator("TRANSPOSE", [left, b.constant([0, 2, 1])], [t])
    z = b.tensor((1, 3, 4), DType.INT8, scale=0.75, zero_point=7)
    bounds = [b.constant([0, 0, 0]), b.constant([1, 6, 4]), b.constant([1, 2, 1])]
    b.operator("STRIDED_SLICE", [t, *bounds], [z], StridedSliceOptions(begin_mask=1))
    q = b.tensor((1, 2, 4, 6), DType.INT8, scale=0.75, zero_point=7)
    b.operator("PACK", [left, right], [q], PackOptions(1))
    pad = b.tensor((1, 2, 6, 6), DType.INT8, scale=0.75, zero_point=7)
    b.operator("PAD", [q, b.constant([[0, 0], [0, 0], [1, 1], [0, 0]])], [pad])
    return b.build()


def dense() -> bytes:
    b = ModelBuilder("dense")
    f = b.tensor((1, 8), DType.FLOAT32)
    x = b.tensor((1, 8), DType.INT16, scale=2**-15)
    b.operator("QUANTIZE", [f], [x])
    h = b.tensor((1, 3), DType.INT16, scale=2**-10)
    w = b.constant([[1, -2, 3, -4, 5, -6, 7, -8]] * 3, DType.INT8, scale=0.1)
    bias = b.constant([1, 2, 3], DType.INT64, scale=0.1 * 2**-15)
    b.operator("FULLY_CONNECTED", [x, w, bias], [h], FullyConnectedOptions(Activation.RELU))
    shape = b.tensor((2,), DType.INT32)
    b.operator("SHAPE", [h], [shape])
    r = b.tensor((1, 3), DType.INT16, scale=2**-10)
    b.operator("RESHAPE", [h, shape], [r])
    s = b.tensor((1, 3), DType.INT16, scale=2**-15)
    b.operator("SOFTMAX", [r], [s], SoftmaxOptions(1.0))
    y = b.tensor((1, 3), DType.FLOAT32)
    b.operator("DEQUANTIZE", [s], [y])
    return b.build(inputs=[f], outputs=[y])


@cache
def seeds() -> tuple[bytes, ...]:
    """Small models that use every part of the schema that the reader reads."""
    return convolutions(), shapes(), dense()


def flip_bits(data: bytearray, r: random.Random) -> None:
    for _ in range(r.choice((1, 1, 2, 8))):
        data[r.randrange(len(data))] ^= 1 << r.randrange(8)


def set_bytes(data: bytearray, r: random.Random) -> None:
    start = r.randrange(len(data))
    for i in range(start, min(len(data), start + r.choice((1, 2, 4, 16)))):
        data[i] = r.choice((0, 1, 0x7F, 0x80, 0xFF, r.randrange(256)))


def extreme_integer(data: bytearray, r: random.Random) -> None:
    at = r.randrange(len(data) // 4 - 1) * 4
    struct.pack_into("<I", data, at, r.choice(EXTREMES))


def near_integer(data: bytearray, r: random.Random) -> None:
    """Move an offset, a length or an index by a little: it often leads to another valid place."""
    at = r.randrange(len(data) // 4 - 1) * 4
    (value,) = struct.unpack_from("<I", data, at)
    struct.pack_into("<I", data, at, (value + r.choice((-8, -4, -1, 1, 4, 8, 64))) & 0xFFFFFFFF)


def vtable(data: bytearray, r: random.Random) -> None:
    """Damage a vtable: its 16-bit offsets are small, which tells them from most other data."""
    for _ in range(200):
        at = r.randrange(len(data) // 2 - 1) * 2
        (value,) = struct.unpack_from("<H", data, at)
        if 4 <= value <= 64:
            struct.pack_into("<H", data, at, r.choice((0, 4, 8, value + 4, 0x7FFF, 0xFFFF)))
            return


def truncate(data: bytearray, r: random.Random) -> None:
    del data[r.randrange(len(data)) :]


def splice(data: bytearray, r: random.Random) -> None:
    """Copy a stretch over another place, or remove or repeat it."""
    start = r.randrange(len(data) // 4) * 4
    stretch = data[start : start + r.choice((4, 8, 32, 128))]
    at = r.randrange(len(data) // 4) * 4
    how = r.randrange(3)
    if how == 0:
        data[at : at + len(stretch)] = stretch
    elif how == 1:
        data[at:at] = stretch
    else:
        del data[start : start + len(stretch)]


def other_model(data: bytearray, r: random.Random) -> None:
    """Overwrite a stretch with the same stretch of another model."""
    donor = r.choice(seeds())
    start = r.randrange(min(len(data), len(donor)))
    length = r.choice((4, 64, 512))
    data[start : start + length] = donor[start : start + length]


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip_bits,
    set_bytes,
    extreme_integer,
    near_integer,
    near_integer,
    vtable,
    truncate,
    splice,
    other_model,
)


def mutant(number: int) -> bytes:
    """Return damaged file ``number``; half are damaged in one place alone, so that the rest makes sense."""
    r = random.Random(number)
    data = bytearray(seeds()[number % len(seeds())])
    for _ in range(r.choice((1, 1, 2, 3))):
        if len(data) > 64:
            r.choice(MUTATIONS)(data, r)
    return bytes(data)


@contextmanager
def time_limit(number: int) -> Iterator[None]:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"mutant {number} takes more than {SECONDS_PER_FILE} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS_PER_FILE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome(data: bytes) -> str:
    """Read a file and all that follows without running it; return how it ended."""
    try:
        graph = read_model_bytes(data, "mutant.tflite")
    except ModelError as error:
        if not (error.what and error.where and error.remedy):
            raise AssertionError(f"not a clear error: {error}") from error
        return "error"
    inspect_model(graph).to_json()
    return "problems" if check_model(graph) else "graph"


@pytest.mark.needs("time")
def test_mutants() -> None:
    counts: Counter[str] = Counter()
    begin = time.process_time()
    for number in range(MUTANTS):
        try:
            with time_limit(number):
                counts[outcome(mutant(number))] += 1
        except Exception as error:
            raise AssertionError(f"mutant({number}): {type(error).__name__}: {error}") from error
    assert counts.total() == MUTANTS
    # A fuzz that only ever breaks the header, or never breaks anything, proves nothing.
    assert counts["error"] > MUTANTS // 4, counts
    assert counts["graph"] + counts["problems"] > MUTANTS // 10, counts
    assert time.process_time() - begin < 60


@pytest.mark.needs("time")
@pytest.mark.parametrize("board", ["nucleo_f446re", "qemu_mps3_an547"])
def test_mutants_that_can_be_executed_are(board: str) -> None:
    """What no check objects to has a plan, C and golden vectors."""
    runtime, target, executed = AotRuntime(), load_board(board), 0
    # In the last two a shape is damaged and keeps its number of elements.
    for number in [*range(0, MUTANTS, 8), 8669, 9140]:
        try:
            graph = read_model_bytes(mutant(number), "mutant.tflite")
        except ModelError:
            continue
        if check_model(graph):
            continue
        try:
            with time_limit(number):
                plan = runtime.plan(graph, target, "mutant")
                runtime.footprint(plan)
                runtime.sources(plan, "")
                vectors_for(graph, None, count=1)
        except Exception as error:
            raise AssertionError(f"mutant({number}): {type(error).__name__}: {error}") from error
        executed += 1
    assert executed > 100


@pytest.mark.needs("time")
def test_mutants_take_little_memory() -> None:
    tracemalloc.start()
    try:
        for number in range(0, MUTANTS, 12):
            data = mutant(number)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            outcome(data)
            peak = tracemalloc.get_traced_memory()[1] - before
            assert peak < BYTES_PER_FILE, f"mutant({number}) takes {peak:,} bytes"
    finally:
        tracemalloc.stop()


def test_every_truncation() -> None:
    for seed in seeds():
        for length in range(0, len(seed), 3):
            outcome(seed[:length])


@pytest.mark.needs("time")
@pytest.mark.parametrize(
    "file", ["kws_ref_model.tflite", "ad01_int8.tflite", "pretrainedResnet_quant.tflite"]
)
def test_mutants_of_converter_output(file: str) -> None:
    path = shared_model(file.removesuffix(".tflite"))
    original = path.read_bytes()
    for number in range(250):
        r = random.Random(number)
        data = bytearray(original)
        r.choice(MUTATIONS)(data, r)
        with time_limit(number):
            outcome(bytes(data))


def overlapping(entries: int) -> bytes:
    """A file whose buffers all point at one large stretch: small to store, gigabytes to copy out."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    writer = flatbuffers.Builder(1024)
    data = writer.CreateByteVector(bytes(100_000))
    writer.StartObject(3)
    writer.PrependUOffsetTRelativeSlot(0, data, 0)
    buffer = writer.EndObject()
    writer.StartVector(4, entries, 4)
    for _ in range(entries):
        writer.PrependUOffsetTRelative(buffer)
    buffers = writer.EndVector()
    schema.ModelStart(writer)
    schema.ModelAddBuffers(writer, buffers)
    writer.Finish(schema.ModelEnd(writer), b"TFL3")
    return bytes(writer.Output())


def test_a_file_that_refers_to_its_bytes_many_times() -> None:
    begin = time.process_time()
    with pytest.raises(ModelError, match="its parts overlap"):
        read_model_bytes(overlapping(10_000), "bomb.tflite")
    assert time.process_time() - begin < 5
