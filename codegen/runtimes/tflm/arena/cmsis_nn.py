"""How much scratch CMSIS-NN's kernels ask for, by what the core's instructions are.

The rules of the ``*_get_buffer_size`` functions at the pinned commit, as compiled by GCC (Arm's own compiler has
other thresholds), for the wrappers that TFLM calls. All sizes are in bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from micronets_gen.common.integers import round_up

_LANES_S8, _LANES_S16 = 16, 8
_MVE_COLUMNS = 4
_MVE_DEPTHWISE_BLOCK = 124
_REVERSE_TRANSPOSE_ABOVE = 16
_WORD, _HALF = 4, 2


class Simd(Enum):
    """What CMSIS-NN's sources are compiled for: plain C, the DSP extension, or Helium (MVE); see ``Board.simd``."""

    NONE = "c"
    DSP = "dsp"
    MVE = "mve"


@dataclass(frozen=True)
class Window:
    """The geometry of a convolution: extents in elements, padding before the first element."""

    in_h: int
    in_w: int
    in_c: int
    out_h: int
    out_w: int
    out_c: int
    filter_height: int
    filter_width: int
    filter_c: int
    stride_h: int = 1
    stride_w: int = 1
    pad_h: int = 0
    pad_w: int = 0
    dilation_h: int = 1
    dilation_w: int = 1

    @property
    def column(self) -> int:
        """Elements that one output reads."""
        return self.in_c * self.filter_height * self.filter_width

    @property
    def dilated(self) -> bool:
        return (self.dilation_h, self.dilation_w) != (1, 1)


def convolution_s8(w: Window, simd: Simd) -> int:
    """Scratch of ``arm_convolve_wrapper_s8``; TFLM asks the same for 4-bit weights."""
    pointwise = (w.filter_height, w.filter_width, w.pad_h, w.pad_w) == (1, 1, 0, 0) and not w.dilated
    if pointwise and w.in_c == w.filter_c:
        return 0
    flat = w.in_h == 1 and w.filter_height == 1 and w.dilation_w == 1 and w.in_c == w.filter_c
    if flat and w.stride_w * w.in_c % 4 == 0 and simd is Simd.MVE:
        return _one_by_n_mve(w)
    return _columns_s8(w.column, simd)


def _columns_s8(column: int, simd: Simd) -> int:
    if simd is Simd.MVE:
        return _MVE_COLUMNS * round_up(column, _LANES_S8)
    return 2 * round_up(column, 4) * _HALF


def _one_by_n_mve(w: Window) -> int:
    total = (w.out_w - 1) * w.stride_w + w.filter_width - w.in_w
    odd = int(math.fmod(total, 2))  # of total's sign, as in C
    # As the C reads: ``pad + odd != 0`` decides, not ``odd != 0`` alone.
    right = max(1, (w.pad_w + odd + w.stride_w - 1) // w.stride_w) if w.pad_w + odd else 0
    left = max(1, (w.pad_w + w.stride_w - 1) // w.stride_w) if w.pad_w else 0
    if right + left + max(w.out_w - (right + left), 0) != w.out_w:
        return _columns_s8(w.column, Simd.MVE)
    padded_left = w.pad_w * w.in_c
    padded_right = right * w.in_c if odd else padded_left
    row = w.filter_width * w.in_c
    return max(row + padded_left, row - w.in_c + padded_right)


def convolution_s16(w: Window, simd: Simd) -> int:
    """Scratch of ``arm_convolve_wrapper_s16``."""
    if simd is Simd.MVE:
        return _MVE_COLUMNS * round_up(w.column, _LANES_S16) * _HALF
    return 2 * w.column * _HALF


def depthwise_s8(w: Window, simd: Simd) -> int:
    """Scratch of ``arm_depthwise_conv_wrapper_s8``.

    TFLM leaves the stride unset when it asks; the answer depends on it only for one row and one input channel on
    Helium, and is then at most the one given here.
    """
    if simd is Simd.MVE and w.in_c == 1 and w.out_c > 1:
        return _depthwise_as_convolution_mve(w)
    if w.in_c != w.out_c or w.dilated:
        return 0
    if simd is Simd.MVE:
        return _depthwise_block_mve(w)
    three = (w.filter_height, w.filter_width) == (3, 3) and w.pad_h <= 1 and w.pad_w <= 1
    return w.column * _HALF if simd is Simd.DSP and not three else 0


def depthwise_s4(w: Window, simd: Simd) -> int:
    """Scratch of ``arm_depthwise_conv_wrapper_s4``: plain C takes as much as the DSP extension."""
    if w.in_c != w.out_c or w.dilated:
        return 0
    return _depthwise_block_mve(w) if simd is Simd.MVE else w.column * _HALF


def _depthwise_block_mve(w: Window) -> int:
    return 4 * _MVE_DEPTHWISE_BLOCK * w.filter_height * w.filter_width


def _depthwise_as_convolution_mve(w: Window) -> int:
    weights = w.out_c * w.filter_height * w.filter_width
    # The filter that is asked about has its channels where a convolution has its batch: one channel.
    plain = Window(
        w.in_h, w.in_w, 1, w.out_h, w.out_w, w.out_c, w.filter_height, w.filter_width, 1,
        pad_h=w.pad_h, pad_w=w.pad_w, dilation_h=w.dilation_h, dilation_w=w.dilation_w,
    )  # fmt: skip
    return convolution_s8(plain, Simd.MVE) + weights


def transpose_convolution_s8(w: Window, simd: Simd) -> tuple[int, int]:
    """Scratch of ``arm_transpose_conv_wrapper_s8``: for the sums or columns, and for the reversed filter."""
    if w.stride_h <= 2 and w.stride_w <= 2 and w.in_c > _REVERSE_TRANSPOSE_ABOVE:
        return _columns_s8(w.column, simd), w.column * w.out_c
    row = ((w.in_w - 1) * w.stride_w + max(w.filter_width, w.stride_h)) * w.out_c
    return row * max(w.filter_height, w.stride_h) * _WORD, 0


def fully_connected_s8(outputs: int, simd: Simd) -> int:
    """Bytes of the sums over each output's weights, which only the kernels for Helium keep."""
    return outputs * _WORD if simd is Simd.MVE else 0


def average_pool(channels: int, simd: Simd) -> int:
    """Scratch of ``arm_avgpool_s8`` and ``arm_avgpool_s16``."""
    return channels * _WORD if simd is Simd.DSP else 0
