"""Rules for CMSIS-NN's scratch against the functions of its sources, compiled for the host."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from micronets_gen.runtimes.tflm.arena import cmsis_nn
from micronets_gen.runtimes.tflm.arena.cmsis_nn import Simd, Window
from tests.tflm.trees import require_sources

_SOURCES = (
    "ConvolutionFunctions/arm_convolve_get_buffer_sizes_s8.c",
    "ConvolutionFunctions/arm_convolve_get_buffer_sizes_s16.c",
    "ConvolutionFunctions/arm_depthwise_conv_get_buffer_sizes_s8.c",
    "ConvolutionFunctions/arm_depthwise_conv_get_buffer_sizes_s4.c",
    "ConvolutionFunctions/arm_transpose_conv_get_buffer_sizes_s8.c",
    "FullyConnectedFunctions/arm_fully_connected_get_buffer_sizes_s8.c",
    "PoolingFunctions/arm_avgpool_get_buffer_sizes_s8.c",
)
_EXTENT = st.integers(1, 12)
_WINDOWS = st.builds(
    Window,
    in_h=_EXTENT,
    in_w=_EXTENT,
    in_c=st.sampled_from([1, 2, 3, 4, 8, 16, 17, 20, 33]),
    out_h=_EXTENT,
    out_w=_EXTENT,
    out_c=st.sampled_from([1, 2, 4, 8, 17]),
    filter_height=st.sampled_from([1, 1, 2, 3, 5]),
    filter_width=st.sampled_from([1, 1, 2, 3, 5]),
    filter_c=st.sampled_from([1, 4, 8, 16, 17]),
    stride_h=st.integers(1, 3),
    stride_w=st.integers(1, 4),
    pad_h=st.integers(0, 2),
    pad_w=st.integers(0, 2),
    dilation_h=st.sampled_from([1, 1, 2]),
    dilation_w=st.sampled_from([1, 1, 2]),
)


class _Dims(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in ("n", "h", "w", "c")]


class _Tile(ctypes.Structure):
    _fields_ = [("w", ctypes.c_int32), ("h", ctypes.c_int32)]


class _Convolution(ctypes.Structure):
    _fields_ = [
        ("offsets", ctypes.c_int32 * 2),
        ("stride", _Tile),
        ("padding", _Tile),
        ("dilation", _Tile),
        ("activation", ctypes.c_int32 * 2),
    ]


class _Depthwise(ctypes.Structure):
    _fields_ = [
        ("offsets", ctypes.c_int32 * 2),
        ("multiplier", ctypes.c_int32),
        *_Convolution._fields_[1:],
    ]


class _Transpose(ctypes.Structure):
    _fields_ = [
        ("offsets", ctypes.c_int32 * 2),
        ("stride", _Tile),
        ("padding", _Tile),
        ("padding_offsets", _Tile),
        *_Convolution._fields_[3:],
    ]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler for the host")
    tree = require_sources().cmsis_nn
    out = tmp_path_factory.mktemp("cmsis_nn") / "sizes.so"
    flags = [
        "-shared",
        "-fPIC",
        "-w",
        "-DARM_NN_ENABLE_F16=0",
        "-DARM_NN_ENABLE_F32=0",
        f"-I{tree / 'Include'}",
    ]
    subprocess.run(
        [compiler, *flags, *(str(tree / "Source" / s) for s in _SOURCES), "-o", str(out)],
        check=True,
        capture_output=True,
    )
    return ctypes.CDLL(str(out))


def _dims(w: Window) -> tuple[_Dims, _Dims, _Dims]:
    return (
        _Dims(1, w.in_h, w.in_w, w.in_c),
        _Dims(1, w.filter_height, w.filter_width, w.filter_c),
        _Dims(1, w.out_h, w.out_w, w.out_c),
    )


def _tiles(w: Window) -> dict[str, _Tile]:
    return {
        "stride": _Tile(w.stride_w, w.stride_h),
        "padding": _Tile(w.pad_w, w.pad_h),
        "dilation": _Tile(w.dilation_w, w.dilation_h),
    }


def _ask(library: ctypes.CDLL, name: str, *arguments: ctypes.Structure) -> int:
    return int(getattr(library, name)(*map(ctypes.byref, arguments)))


@settings(max_examples=300, deadline=None)
@given(w=_WINDOWS)
def test_convolution(library: ctypes.CDLL, w: Window) -> None:
    params = _Convolution(**_tiles(w))
    for simd in (Simd.DSP, Simd.MVE):
        name = f"arm_convolve_wrapper_s8_get_buffer_size_{simd.value}"
        assert cmsis_nn.convolution_s8(w, simd) == _ask(library, name, params, *_dims(w))
    assert cmsis_nn.convolution_s8(w, Simd.NONE) == _ask(
        library, "arm_convolve_wrapper_s8_get_buffer_size", params, *_dims(w)
    )
    assert cmsis_nn.convolution_s16(w, Simd.DSP) == _ask(
        library, "arm_convolve_wrapper_s16_get_buffer_size_dsp", params, *_dims(w)
    )


@settings(max_examples=300, deadline=None)
@given(w=_WINDOWS)
def test_depthwise(library: ctypes.CDLL, w: Window) -> None:
    # As TFLM asks: the filter's channels are the output's, and the stride is not told.
    data, weights, out = (
        _Dims(1, w.in_h, w.in_w, w.in_c),
        _Dims(1, w.filter_height, w.filter_width, w.out_c),
        _dims(w)[2],
    )
    params = _Depthwise(**{**_tiles(w), "stride": _Tile(1, 1)})
    for simd in (Simd.DSP, Simd.MVE):
        name = f"arm_depthwise_conv_wrapper_s8_get_buffer_size_{simd.value}"
        assert cmsis_nn.depthwise_s8(w, simd) == _ask(library, name, params, data, weights, out)
        name = f"arm_depthwise_conv_wrapper_s4_get_buffer_size_{simd.value}"
        assert cmsis_nn.depthwise_s4(w, simd) == _ask(library, name, params, data, weights, out)
    name = "arm_depthwise_conv_wrapper_s8_get_buffer_size"
    assert cmsis_nn.depthwise_s8(w, Simd.NONE) == _ask(library, name, params, data, weights, out)


@settings(max_examples=200, deadline=None)
@given(w=_WINDOWS)
def test_transposed_convolution(library: ctypes.CDLL, w: Window) -> None:
    data, weights, out = (
        _Dims(1, w.in_h, w.in_w, w.in_c),
        _Dims(w.out_c, w.filter_height, w.filter_width, w.in_c),
        _dims(w)[2],
    )
    params = _Transpose(stride=_Tile(w.stride_w, w.stride_h))
    reverse = _ask(library, "arm_transpose_conv_s8_get_reverse_conv_buffer_size", params, data, weights)
    for simd, suffix in ((Simd.DSP, ""), (Simd.NONE, ""), (Simd.MVE, "_mve")):
        sums = _ask(library, f"arm_transpose_conv_s8_get_buffer_size{suffix}", params, data, weights, out)
        assert cmsis_nn.transpose_convolution_s8(w, simd) == (sums, reverse)


def test_per_channel(library: ctypes.CDLL) -> None:
    for channels in (1, 7, 64):
        weights = _Dims(1, 1, 1, channels)
        for simd in (Simd.DSP, Simd.MVE):
            sums = _ask(library, f"arm_fully_connected_s8_get_buffer_size_{simd.value}", weights)
            assert cmsis_nn.fully_connected_s8(channels, simd) == sums
            pool = getattr(library, f"arm_avgpool_s8_get_buffer_size_{simd.value}")(5, channels)
            assert cmsis_nn.average_pool(channels, simd) == pool
