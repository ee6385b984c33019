"""Bytes of flash that an image takes beside the model's constants, before anything is compiled.

What a kernel adds is measured: ``templates/aot/code_sizes.json``, written by ``python -m benchmarks.code_sizes``.
What calls the kernels follows from the plan.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from micronets_gen.common.templates import template_text
from micronets_gen.plan.plan import Call, Layer

_LEAST_REST, _MOST_REST = 2 * 1024, 4 * 1024
"""Board, C library, self-test: up to 3,900 bytes on an STM32H7, from 2,700 on a board of QEMU's."""
_CALL, _ARGUMENT, _FRAME = 9, 6, 12
"""Code of a layer's call, of each of its arguments, and of a frame for scratch: fitted to images of random networks."""
_ROLLED = 74
"""Code of a layer that runs row by row, beside: what it asks others for, and its rows' places; fitted likewise."""
_LAYER_INFO = 12
"""``struct model_layer_info``: two pointers and a count."""


@dataclass(frozen=True)
class _Kernel:
    """A record.

    Attributes:
        params: Bytes of its parameters, once a call.
        sections: Bytes of what the linker keeps for it, by object and section; kernels may share some.
    """

    params: int
    sections: Mapping[str, int]


def most_code_bytes(layers: Sequence[Layer], simd: str) -> int:
    """Return an upper bound of the profiled image, the larger of the two that ``build`` links.

    Args:
        layers: With the kernels' calls.
        simd: ``c``, ``dsp`` or ``mve``.
    """
    codes = [layer.code for layer in layers if layer.code]
    calls = [call for code in codes for call in code.calls]
    names = [*(layer.name for layer in layers), *{layer.kind for layer in layers}]
    return (
        _MOST_REST
        + _kernel_bytes(layers, simd)
        + sum(map(_call_bytes, calls))
        + _FRAME * sum(code.stack_bytes > 0 for code in codes)
        + _ROLLED * sum(code.rolling is not None for code in codes)
        + _LAYER_INFO * len(layers)
        + sum(map(_stored, names))
    )


def least_code_bytes(layers: Sequence[Layer], simd: str) -> int:
    """Return a lower bound of the release image; arguments as for :func:`most_code_bytes`."""
    return _LEAST_REST + _kernel_bytes(layers, simd)


def _kernel_bytes(layers: Sequence[Layer], simd: str) -> int:
    """Return the bytes of the kernels that layers call, and of what each call tells them."""
    kernels = _kernels()[simd]
    calls = [call for layer in layers if layer.code for call in layer.code.calls]
    sections: dict[str, int] = {}
    for call in calls:
        sections.update(kernels[call.function].sections)
    return sum(sections.values()) + sum(kernels[call.function].params for call in calls)


def _call_bytes(call: Call) -> int:
    return _CALL + _ARGUMENT * (
        1 + len(call.inputs) + len(call.outputs) + call.scratch + call.sums + 2 * bool(call.rows)
    )


def _stored(text: str) -> int:
    """Return the bytes of a C string, which begins at a multiple of 4."""
    return (len(text) + 4) // 4 * 4


@cache
def _kernels() -> Mapping[str, Mapping[str, _Kernel]]:
    """Return the records by instruction set and kernel."""
    sizes = json.loads(template_text("aot/code_sizes.json"))["sizes"]
    return {
        simd: {name: _Kernel(**kernel) for name, kernel in found.items()} for simd, found in sizes.items()
    }
