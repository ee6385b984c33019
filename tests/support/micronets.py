"""The networks that the MicroNets paper publishes (arXiv:2010.11267, table 5), with random weights."""

from __future__ import annotations

from dataclasses import dataclass

from micronets_gen.model.graph import DType
from tests.support.networks import Network


@dataclass(frozen=True)
class Architecture:
    """A stem convolution, then blocks of 3x3 depthwise and 1x1 convolution, average pooling, a classifier.

    Attributes:
        shape: Of the input, NHWC.
        stem: Height, width and channels of the first convolution, stride 1.
        blocks: Channels and stride of each block.
        macs: Multiply-accumulates of an inference.
    """

    name: str
    shape: tuple[int, int, int, int]
    stem: tuple[int, int, int]
    blocks: tuple[tuple[int, int], ...]
    classes: int
    macs: int


_SOUND, _MACHINE = (1, 49, 10, 1), (1, 32, 32, 1)


def _after_stride(first: int, *others: int) -> tuple[tuple[int, int], ...]:
    return ((first, 2), *((channels, 1) for channels in others))


ARCHITECTURES = {
    a.name: a
    for a in (
        Architecture(
            "micronet_kws_s", _SOUND, (10, 4, 84), _after_stride(112, 84, 84, 84, 196), 12, 8_326_752
        ),
        Architecture(
            "micronet_kws_m", _SOUND, (10, 4, 140), _after_stride(140, 140, 140, 112, 196), 12, 15_556_352
        ),
        Architecture(
            "micronet_kws_l",
            _SOUND,
            (10, 4, 276),
            _after_stride(248, 276, 276, 248, 248, 248, 248),
            12,
            65_714_076,
        ),
        Architecture(
            "micronet_ad_s",
            _MACHINE,
            (3, 3, 72),
            ((164, 2), (220, 1), (276, 2), (276, 2)),
            4,
            18_739_088,
        ),
        Architecture(
            "micronet_ad_m",
            _MACHINE,
            (3, 3, 192),
            ((276, 2), (276, 1), (276, 1), (276, 2), (276, 2)),
            4,
            62_345_616,
        ),
        Architecture(
            "micronet_ad_l",
            _MACHINE,
            (3, 3, 276),
            ((248, 2), (276, 1), (276, 1), (248, 2), (248, 2)),
            4,
            64_493_664,
        ),
    )
}
"""By the name under which tests and benchmarks know them."""


def micronet(name: str, dtype: DType = DType.INT8) -> bytes:
    """Return the ``.tflite`` file of a published architecture; the same bytes every time.

    Raises:
        KeyError: the paper has none of that name.
    """
    a = ARCHITECTURES[name]
    n = Network(seed=2010, dtype=dtype, name=name)
    height, width, channels = a.stem
    x = n.convolution(n.input(a.shape), channels, (height, width), name="stem")
    for i, (channels, stride) in enumerate(a.blocks, 1):
        x = n.depthwise(x, stride=(stride, stride), name=f"block{i}_depthwise")
        x = n.convolution(x, channels, name=f"block{i}_pointwise")
    window = x.shape[1:3]
    x = n.pool("AVERAGE_POOL_2D", x, (window[0], window[1]), (window[0], window[1]), name="average_pool")
    n.dense(n.reshape(x, (1, x.shape[3]), name="flatten"), a.classes, name="logits")
    return n.build()
