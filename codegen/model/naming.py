"""Readable C identifiers from the names that converters give to tensors.

A Keras model's fused convolution comes as one tensor name, all fused nodes joined:
``functional_1/activation/Relu;functional_1/batch_normalization/FusedBatchNormV3;functional_1/conv2d/BiasAdd``.
The layer a person knows is ``conv2d``. The rules:

1. Each ``;``-separated part loses its graph-node endings (``BiasAdd``, ``Relu``, ...) and output port
   (``:0``); its last segment is the candidate.
2. The first candidate that contains a word of the operator's kind wins (``conv`` for CONV_2D); then the first
   that is not an activation or a normalisation; then the first; else the kind itself (``softmax``).
3. Snake case, ASCII, at most 40 characters; ``layer_`` in front of a leading digit; ``_layer`` behind a
   keyword of C or C++; and ``_2``, ``_3``, ... behind a name already taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_NODES = frozenset(
    """
    Add AddV2 AvgPool BatchMatMul BiasAdd Concat ConcatV2 Const Conv1D Conv2D Conv2DBackpropInput
    DepthwiseConv2dNative Elu ExpandDims FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 HardSwish
    Identity LeakyRelu MatMul Max MaxPool MaxPool2d Maximum Mean Mul Pack Pad PadV2 PartitionedCall Prod
    ReadVariableOp Relu Relu6 Reshape ResizeNearestNeighbor Rsqrt Sigmoid Slice Softmax SpaceToBatchND
    BatchToSpaceND Split Squeeze StatefulPartitionedCall StridedSlice Sub Sum Tanh Tensordot Transpose
    resource resource1
    """.split()  # noqa: SIM905
)

_KERAS_3_NODES = frozenset(
    {"conv_transpose", "convolution", "depthwise", "resize", "separable_conv2d", "separable_conv"}
)

_WORDS = {
    "CONV_2D": ("conv", "pointwise", "expand", "project", "dense"),
    "DEPTHWISE_CONV_2D": ("depthwise", "dwconv", "dw"),
    "TRANSPOSE_CONV": ("transpose", "deconv", "conv"),
    "FULLY_CONNECTED": ("dense", "fc", "fully", "linear", "logits"),
    "AVERAGE_POOL_2D": ("pool",),
    "MAX_POOL_2D": ("pool",),
    "MEAN": ("pool", "mean"),
    "SUM": ("sum",),
    "SOFTMAX": ("softmax",),
    "RESHAPE": ("reshape", "flatten"),
    "CONCATENATION": ("concat",),
    "PAD": ("pad",),
    "PADV2": ("pad",),
    "ADD": ("add",),
    "SUB": ("sub",),
    "MUL": ("mul",),
}

_STEMS = {
    "CONV_2D": "conv2d",
    "DEPTHWISE_CONV_2D": "depthwise_conv2d",
    "AVERAGE_POOL_2D": "average_pool2d",
    "MAX_POOL_2D": "max_pool2d",
}

_FUSED = re.compile(r"activation|batch_norm|re_?lu|^bn\d*$")

_KEYWORDS = frozenset(
    """
    alignas alignof and and_eq asm atomic auto bitand bitor bool break case catch char class compl complex
    concept const consteval constexpr continue decltype default delete do double else enum explicit export
    extern false float for friend goto if imaginary inline int long main mutable namespace new noexcept
    noreturn not not_eq null nullptr operator or or_eq private protected public register restrict return
    short signed sizeof static static_assert struct switch template this thread_local throw true try
    typedef typeid typename typeof union unsigned using virtual void volatile wchar_t while xor xor_eq
    """.split()  # noqa: SIM905
)

_LONGEST = 40


def identifier(text: str, fallback: str = "layer") -> str:
    """Return ``text`` as a C identifier in snake case; ``fallback`` where nothing of it is left."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", text[: 4 * _LONGEST])
    word = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")[:_LONGEST].rstrip("_")
    if not word:
        return fallback
    if word[0].isdigit():
        return f"layer_{word}"
    return f"{word}_layer" if word in _KEYWORDS else word


def layer_name(kind: str, tensor_name: str) -> str:
    """Return the identifier of an operator, not yet unique.

    Args:
        kind: The builtin's name, for example ``CONV_2D``.
        tensor_name: The name of its first output.
    """
    stem = _STEMS.get(kind, identifier(kind))
    candidates = [name for part in tensor_name[:4096].split(";") if (name := _candidate(part))]
    words = _WORDS.get(kind, (stem,))
    if kind == "CONV_2D":
        telling = [c for c in candidates if any(w in c for w in words) and "depthwise" not in c]
    else:
        telling = [c for c in candidates if any(w in c for w in words)]
    plain = [c for c in candidates if not _FUSED.search(c)]
    return next(iter((*telling, *plain, *candidates)), stem)


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return ``names`` in order, later duplicates numbered ``_2``, ``_3``, ..."""
    wanted = list(names)
    taken: set[str] = set()
    reserved = set(wanted)
    count: dict[str, int] = {}
    result = []
    for name in wanted:
        unique = name
        while unique in taken or (unique != name and unique in reserved):
            count[name] = count.get(name, 1) + 1
            unique = f"{name}_{count[name]}"
        taken.add(unique)
        result.append(unique)
    return tuple(result)


def label(raw: bytes | None) -> str:
    """Return a name from a model file as text that is safe to print and to put into a C comment.

    At most 512 characters; what is not printable, a backslash or a ``*`` becomes ``?``, ``/`` and ``.``.
    """
    if not raw:
        return ""
    text = raw[:2048].decode("utf-8", errors="replace")[:512]
    return "".join(c if c.isprintable() else "?" for c in text).replace("\\", "/").replace("*", ".")


def _candidate(part: str) -> str:
    segments = re.sub(r"(:\d+)?(_int8|_int16)?$", "", part).split("/")
    while segments and _is_node(segments):
        segments.pop()
    return identifier(segments[-1], "") if segments else ""


def _is_node(segments: list[str]) -> bool:
    """Whether the last segment names a node of the graph, as in ``conv2d/BiasAdd`` or ``add_1/add``."""
    node = re.sub(r"_?\d*$", "", segments[-1])
    return (
        not node
        or segments[-1] in _NODES
        or node in _NODES
        or node.startswith("serving_default_")
        or (len(segments) > 1 and segments[-2].startswith(node))
        or (len(segments) > 2 and node in _KERAS_3_NODES)
    )
