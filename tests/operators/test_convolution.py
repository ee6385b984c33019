"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED: reference = TFLM, and C on every target = reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from micronets_gen.model.graph import Activation, Array, DType, Padding
from micronets_gen.operators.arithmetic import output_extent
from micronets_gen.operators.convolution import Conv2DOptions, DepthwiseConv2DOptions
from micronets_gen.operators.fully_connected import FullyConnectedOptions
from micronets_gen.operators.reading import read_model_bytes
from micronets_gen.plan.plan import Constant
from micronets_gen.plan.reference import evaluate
from micronets_gen.runtimes.aot.blocks import block_starts, pack_blocks
from micronets_gen.runtimes.aot.convolution import pack_pairs, pack_quads
from micronets_gen.runtimes.aot.planner import plan_layers
from tests.support.builder import ModelBuilder
from tests.support.harness import run_many
from tests.support.oracle import run_tflm

pytestmark = pytest.mark.needs("gcc")

BATCH = 6
SETTINGS = settings(
    max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@dataclass(frozen=True)
class Sample:
    """A one-operator model and inputs for it."""

    model: bytes = field(repr=False)
    inputs: tuple[tuple[Array, ...], ...] = field(repr=False)
    title: str = ""


class Draw:
    """Random parameters of a layer: reproducible from one hypothesis integer."""

    def __init__(self, seed: int, wide: bool) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = DType.INT16 if wide else DType.INT8
        self.wide = wide

    def activations(self, builder: ModelBuilder, shape: Sequence[int], scale: float, name: str) -> int:
        zero_point = (
            0 if self.wide else int(self.rng.choice([-128, -1, 0, 7, 127, self.rng.integers(-128, 128)]))
        )
        return builder.tensor(shape, self.dtype, scale=scale, zero_point=zero_point, name=name)

    def weights(
        self, builder: ModelBuilder, shape: Sequence[int], axis: int, per_channel: bool
    ) -> tuple[int, Array]:
        count = shape[axis] if per_channel else 1
        scales = self.rng.uniform(1e-3, 2e-2, count)
        data = self.rng.integers(-127, 128, shape)
        if self.rng.random() < 0.2:
            data = self.rng.choice([-127, 127], shape)
        return builder.constant(data, DType.INT8, scale=scales.tolist(), axis=axis), scales

    def bias(self, builder: ModelBuilder, scales: Array, count: int, x_scale: float) -> list[int]:
        if self.rng.random() < 0.2:
            return []
        reach = int(self.rng.choice([100, 2**14, 2**28]))
        data = self.rng.integers(-reach, reach + 1, count)
        kind = DType.INT64 if self.wide else DType.INT32
        return [
            builder.constant(data, kind, scale=[float(np.float32(x_scale) * np.float32(s)) for s in scales])
        ]

    def output_scale(self, x_scale: float, scales: Array, depth: int) -> float:
        spread = x_scale * float(scales.mean()) * 60.0 * depth**0.5 * (256.0 if self.wide else 1.0)
        return spread * 2.0 ** float(self.rng.choice([-6, -2, 0, 0, 0, 3, 14]))

    def values(self, shape: Sequence[int], count: int = 2) -> tuple[tuple[Array, ...], ...]:
        info = np.iinfo(self.dtype.value)
        data = [
            self.rng.integers(info.min, info.max + 1, shape, dtype=self.dtype.value) for _ in range(count)
        ]
        return tuple((d,) for d in [*data, np.full(shape, info.min, self.dtype.value)])


ACTIVATIONS = st.sampled_from(
    [Activation.NONE, Activation.NONE, Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1]
)


@st.composite
def spatial(
    draw: st.DrawFn,
    depthwise: bool,
    wide: bool,
    grouped: bool = False,
    strips: bool = False,
    images: bool = False,
) -> Sample:
    d = Draw(draw(st.integers(0, 2**32)), wide)
    in_h, in_w = draw(st.integers(1, 9)), draw(st.integers(1, 70 if strips else 40 if images else 9))
    in_c = draw(
        st.sampled_from(
            [4, 5, 8, 11] if strips else [4, 32, 32] if images else [1, 2, 3, 4, 5, 8, 12, 17, 32]
        )
    )
    taps = st.just(3) if strips else st.integers(2 if images else 1, 4)
    filter_height, filter_width = draw(taps), draw(taps)
    dilation_h, dilation_w = draw(
        st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 2), (2, 3)][: 1 if strips else 3 if images else 5])
    )
    stride_h, stride_w = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    if dilation_h * dilation_w > 1:
        stride_h = stride_w = 1
    padding = draw(st.sampled_from(list(Padding)))
    if padding is Padding.VALID:
        in_h = max(in_h, (filter_height - 1) * dilation_h + 1)
        in_w = max(in_w, (filter_width - 1) * dilation_w + 1)
    activation = Activation.NONE if images else draw(ACTIVATIONS)
    per_channel = draw(st.booleans())
    builder = ModelBuilder()
    x_scale = 0.05
    x = d.activations(builder, (1, in_h, in_w, in_c), x_scale, "x")
    if depthwise:
        multiplier = 1 if strips else draw(st.sampled_from([1, 1, 1, 2, 3]))
        out_c, depth, axis = in_c * multiplier, filter_height * filter_width, 3
        shape = (1, filter_height, filter_width, out_c)
    else:
        groups = draw(st.sampled_from([g for g in (2, 3, 4) if in_c % g == 0] or [1])) if grouped else 1
        out_c = groups * draw(st.sampled_from([4, 6, 9] if images else [1, 3, 4, 6, 8, 9]))
        depth, axis = filter_height * filter_width * in_c // groups, 0
        shape = (out_c, filter_height, filter_width, in_c // groups)
    w, scales = d.weights(builder, shape, axis, per_channel)
    bias = d.bias(builder, scales, out_c, x_scale)
    out_h = output_extent(padding, in_h, filter_height, stride_h, dilation_h)
    out_w = output_extent(padding, in_w, filter_width, stride_w, dilation_w)
    y = d.activations(builder, (1, out_h, out_w, out_c), d.output_scale(x_scale, scales, depth), "y")
    if depthwise:
        options = DepthwiseConv2DOptions(
            padding, stride_h, stride_w, out_c // in_c, dilation_h, dilation_w, activation
        )
        builder.operator("DEPTHWISE_CONV_2D", [x, w, *bias], [y], options)
    else:
        conv = Conv2DOptions(padding, stride_h, stride_w, dilation_h, dilation_w, activation)
        builder.operator("CONV_2D", [x, w, *bias], [y], conv)
    graph = builder.graph()
    return Sample(builder.build(), d.values((1, in_h, in_w, in_c)), f"{shape} {graph.operators[0]}")


@st.composite
def dense(draw: st.DrawFn, wide: bool) -> Sample:
    d = Draw(draw(st.integers(0, 2**32)), wide)
    rows = draw(st.sampled_from([1, 1, 1, 2, 5]))
    in_c, out_c = draw(st.integers(1, 70)), draw(st.integers(1, 9))
    builder = ModelBuilder()
    shape = (1, rows, in_c) if rows > 1 else (1, in_c)
    x = d.activations(builder, shape, 0.05, "x")
    w, scales = d.weights(builder, (out_c, in_c), 0, draw(st.booleans()))
    bias = d.bias(builder, scales, out_c, 0.05)
    y = d.activations(builder, (*shape[:-1], out_c), d.output_scale(0.05, scales, in_c), "y")
    options = FullyConnectedOptions(draw(ACTIVATIONS), keep_num_dims=rows > 1)
    builder.operator("FULLY_CONNECTED", [x, w, *bias], [y], options)
    return Sample(builder.build(), d.values(shape), f"{shape} x {out_c}")


KINDS = {
    "conv": spatial(depthwise=False, wide=False),
    "grouped": spatial(depthwise=False, wide=False, grouped=True),
    "depthwise": spatial(depthwise=True, wide=False),
    "images": spatial(depthwise=False, wide=False, images=True),
    "depthwise3x3": spatial(depthwise=True, wide=False, strips=True),
    "dense": dense(wide=False),
    "conv16": spatial(depthwise=False, wide=True),
    "depthwise16": spatial(depthwise=True, wide=True),
    "dense16": dense(wide=True),
}


def same(a: Sequence[Array], b: Sequence[Array]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_reference_is_tflm(kind: str) -> None:
    @given(KINDS[kind])
    @settings(SETTINGS, max_examples=60)
    def check(sample: Sample) -> None:
        graph = read_model_bytes(sample.model, "sample")
        for values in sample.inputs:
            assert same(evaluate(graph, values), run_tflm(sample.model, values))

    check()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", ["host", "m4", "m7", "m33", "m55"])
def test_kernels_are_the_reference(kind: str, target: str) -> None:
    @given(st.lists(KINDS[kind], min_size=BATCH, max_size=BATCH))
    @settings(SETTINGS, max_examples=5)
    def check(samples: list[Sample]) -> None:
        outputs = run_many(target, [(s.model, s.inputs) for s in samples])
        for sample, runs in zip(samples, outputs, strict=True):
            graph = read_model_bytes(sample.model, "sample")
            for values, got in zip(sample.inputs, runs, strict=True):
                assert same(got, evaluate(graph, values))

    check()


def test_every_way_to_compute_is_exercised() -> None:
    """The draws above reach images and columns, proved and exact, with weights copied or not, and what goes without."""
    seen: set[object] = set()

    def collect(sample: Sample) -> None:
        graph = read_model_bytes(sample.model, "sample")
        layers, _ = plan_layers(graph, "dsp")
        assert layers[0].code is not None
        call = layers[0].code.calls[0]
        fields = dict(call.params)
        seen.add(call.function)
        if call.function == "mn_conv_s8":
            seen.add(("bounded", fields["output.bounded"]))
            return
        if call.function == "mn_conv_images_s8":
            width = graph.tensor(call.outputs[0]).shape[2]
            seen.update(
                {("images copy", fields["copies"]), ("strips", 2 * int(str(fields["pairs"])) < width)}
            )
            return
        rounding = fields["blocks.rounding"]
        assert isinstance(rounding, Constant)
        seen.update("proved" if value >= 0 else "exact" for value in rounding.data)
        seen.add(("copies", fields["chunk.copies"]))
        seen.add(("output_step", fields["blocks.output_step"]))

    for kind in ("conv", "images", "dense"):
        settings(SETTINGS, max_examples=150)(given(KINDS[kind])(collect))()
    assert seen == {
        *("mn_conv_s8", "mn_conv_images_s8", "mn_conv_blocks_s8", "mn_conv_1x1_blocks_s8", "proved", "exact"),
        *((name, value) for name in ("images copy", "strips") for value in (False, True)),
        *((name, value) for name in ("bounded", "copies") for value in (0, 1)),
        *(("output_step", step) for step in (0, 4)),
    }


def test_every_way_to_compute_a_depthwise_convolution_is_exercised() -> None:
    seen: set[object] = set()

    @given(KINDS["depthwise3x3"])
    @settings(SETTINGS, max_examples=100)
    def collect(sample: Sample) -> None:
        graph = read_model_bytes(sample.model, "sample")
        layers, _ = plan_layers(graph, "dsp")
        assert layers[0].code is not None
        call = layers[0].code.calls[0]
        fields = dict(call.params)
        seen.add(call.function)
        if call.function == "mn_depthwise_3x3_s8":
            rounding = fields["rounding"]
            assert isinstance(rounding, Constant)
            seen.update(("proved" if value >= 0 else "exact", fields["stride_w"]) for value in rounding.data)
            seen.add(("bands", graph.tensor(call.outputs[0]).shape[1] > int(str(fields["band"]))))

    collect()
    assert seen == {
        *("mn_depthwise_s8", "mn_depthwise_3x3_s8"),
        *((way, stride) for way in ("proved", "exact") for stride in (1, 2)),
        *(("bands", value) for value in (False, True)),
    }


def test_a_channel_that_does_not_matter_does_not_cost_its_layer() -> None:
    builder = ModelBuilder()
    x = builder.tensor((1, 3, 3, 4), DType.INT8, scale=0.05, zero_point=-128, name="x")
    scales = [1e-9, 0.01, 0.008, 0.012, 0.01]
    weights = np.random.default_rng(7).integers(-127, 128, (5, 1, 1, 4))
    weights[0] = 0
    w = builder.constant(weights, DType.INT8, scale=scales, axis=0)
    b = builder.constant([2**30 + 12345, 0, 100, -100, 7], DType.INT32, scale=[0.05 * s for s in scales])
    y = builder.tensor((1, 3, 3, 5), DType.INT8, scale=0.02, zero_point=-128, name="y")
    builder.operator("CONV_2D", [x, w, b], [y], Conv2DOptions(Padding.SAME, 1, 1, 1, 1, Activation.RELU))
    graph = builder.graph()
    layers, _ = plan_layers(graph, "dsp")
    assert layers[0].code is not None
    fields = dict(layers[0].code.calls[0].params)
    rounding = fields["blocks.rounding"]
    assert isinstance(rounding, Constant)
    assert (rounding.data >= 0).all()
    inputs = [(np.random.default_rng(i).integers(-128, 128, (1, 3, 3, 4), dtype=np.int8),) for i in range(4)]
    for values, got in zip(inputs, run_many("host", [(builder.build(), inputs)])[0], strict=True):
        assert same(got, evaluate(graph, values))


def test_pairs_are_interleaved_by_four() -> None:
    packed = pack_pairs(np.arange(15, dtype=np.int8).reshape(3, 5))
    assert packed.reshape(-1)[:16].tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 4, 0, 0, 0, 9, 0, 0, 0]
    assert packed.shape == (2, 2, 2, 4)


def test_blocks_hold_two_channels_in_a_half() -> None:
    weights = np.array([[[1, 2, 3, 4, 5], [-1, 0, 7, 9, 2], [-3, 6, -5, 8, -7], [4, -4, 3, -2, 1]]], np.int8)
    halves = pack_blocks(weights).view("<i2").reshape(2, 2, 2, 2)
    assert halves[0].tolist() == [
        [[1 + 256 * -1, 3 + 256 * 7], [-3 + 256 * 4, -5 + 256 * 3]],
        [[2 + 256 * 0, 4 + 256 * 9], [6 + 256 * -4, 8 + 256 * -2]],
    ]
    assert halves[1].tolist() == [[[5 + 256 * 2, 0], [-7 + 256, 0]], [[0, 0], [0, 0]]]


def test_the_last_block_reaches_back() -> None:
    assert block_starts(6).tolist() == [[0, 1, 2, 3], [2, 3, 4, 5]]


def test_depthwise_channels_come_in_fours() -> None:
    packed = pack_quads(np.arange(10, dtype=np.int8).reshape(1, 2, 5))
    assert packed.reshape(-1).tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 4, 0, 0, 0, 9, 0, 0, 0]
