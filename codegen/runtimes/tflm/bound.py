"""An arena that is large enough for any kernel, and code that no image exceeds, before anything exact is known.

Not predictions: every term is rounded up generously. What TFLM puts where is in the comments of
``micro_allocator.cc``: buffers of the plan from the arena's start, everything else from its end, and, while
planning, tables between the two.
"""

from __future__ import annotations

from collections.abc import Collection

from micronets_gen.model.graph import Graph, Operator
from micronets_gen.operators import operator_specs
from micronets_gen.plan.memory import plan_memory
from micronets_gen.plan.plan import LayerCode

_FIXED = 4096
_PER_OPERATOR = 512
_PER_TENSOR = 128
_PER_CHANNEL = 16
_SCRATCH = 1024

_CODE = 48 << 10
_CODE_OF_LAYER = 64
_CODE_OF_KERNEL = 4 << 10
_CODE_OF_KERNELS = {
    **dict.fromkeys(("AVERAGE_POOL_2D", "CONV_2D", "FULLY_CONNECTED", "RESHAPE", "SOFTMAX"), 0),
    "ADD": 5376,
    "DEPTHWISE_CONV_2D": 7680,
    "MAX_POOL_2D": 2048,
    **dict.fromkeys(("MEAN", "SUM", "MAXIMUM", "MINIMUM"), 8 << 10),
    "MUL": 11 << 10,
    "TRANSPOSE_CONV": 9 << 10,
}
"""Bytes of code: start-up, self-test and interpreter with the kernels that cost nothing here; more for each layer, and
for each further kind of operator. Profiled images of STM32F4, STM32H7 and MPS3 have no more."""


def generous_arena(graph: Graph) -> int:
    """Return bytes of an arena in which TFLM can run the graph, a multiple of 16."""
    codes = [LayerCode((), (), scratch_bytes=_scratch(graph, op)) for op in graph.operators]
    # The greedy planner may leave gaps that this one does not.
    planned = plan_memory(graph, codes).size * 5 // 4
    channels = sum(_channels(graph, op) for op in graph.operators)
    persistent = _FIXED + _PER_OPERATOR * len(graph.operators) + _PER_CHANNEL * channels
    return (planned + persistent + _PER_TENSOR * len(graph.tensors) + 15) // 16 * 16


def most_code_bytes(kinds: Collection[str]) -> int:
    """Return an upper bound of the code of an image for a file with operators of these kinds, one entry each."""
    kernels = sum(_CODE_OF_KERNELS.get(kind, _CODE_OF_KERNEL) for kind in set(kinds))
    return _CODE + _CODE_OF_LAYER * len(kinds) + kernels


def _channels(graph: Graph, op: Operator) -> int:
    shape = graph.tensor(op.outputs[0]).shape
    return shape[-1] if shape else 1


def _scratch(graph: Graph, op: Operator) -> int:
    """Bound what kernels ask for: a few columns of the window as int16, and a word for each channel."""
    filter_position = operator_specs()[op.kind].schema.position("filter")
    if filter_position is not None:
        weights = graph.tensor(op.inputs[filter_position]).shape
        window = max(weights[1] * weights[2], 1) * max(weights[-1], 128) if len(weights) == 4 else 0
        spread = graph.tensor(op.outputs[0]).nbytes * 4 if op.kind == "TRANSPOSE_CONV" else 0
        return _SCRATCH + 8 * window + 8 * _channels(graph, op) + spread
    sizes = [graph.tensor(t).nbytes for t in (*op.inputs, *op.outputs) if t >= 0]
    # Reductions and pooling: sums of up to 64 bits for each element.
    return _SCRATCH + 8 * _channels(graph, op) + (8 * max(sizes) if op.kind in {"MEAN", "SUM"} else 0)
