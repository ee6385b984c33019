"""What ``model.h`` says: the same interface, whichever runtime is behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from micronets_gen.common.templates import render
from micronets_gen.model.graph import Graph, Tensor
from micronets_gen.plan.plan import Layer, MemoryPlan


@dataclass(frozen=True)
class Port:
    """A graph input or output as C shows it.

    Attributes:
        shape: An initialiser of an array: ``{1, 49, 10, 1}``.
        scale: A float literal, as ``zero_point`` is an expression; both are empty without one scale.
    """

    index: int
    ctype: str
    name: str
    dims: int
    shape: str
    bytes: int
    elements: int
    quantization: str
    scale: str
    zero_point: str


def ports(graph: Graph, tensors: Sequence[int]) -> tuple[Port, ...]:
    """Return a graph's inputs or outputs, which are given by their indices."""
    return tuple(_port(index, graph.tensor(tensor)) for index, tensor in enumerate(tensors))


def _port(index: int, tensor: Tensor) -> Port:
    one_scale = tensor.quantization is not None and not tensor.quantization.per_channel
    shape = tensor.shape or (1,)
    return Port(
        index=index,
        ctype=tensor.dtype.c,
        name=tensor.name,
        dims=len(shape),
        shape="{" + ", ".join(map(str, shape)) + "}",
        bytes=tensor.nbytes,
        elements=tensor.elements,
        quantization=describe(tensor),
        scale=float_literal(tensor.scale) if one_scale else "",
        zero_point=f"({tensor.zero_point})" if one_scale else "",
    )


def model_header(
    graph: Graph,
    layers: Sequence[Layer],
    memory: MemoryPlan,
    model_name: str,
    mark: str,
    classes: Sequence[str] = (),
) -> str:
    """Return ``model.h``.

    Args:
        graph: The model.
        layers: As planned.
        memory: The arena.
        model_name: What the macro ``MODEL_NAME`` says.
        mark: A sentence that the header repeats, for example that the model is untrained; or empty.
        classes: Names of what the elements of the first output stand for, where they are known.
    """
    return render(
        "interface/model.h.j2",
        model=model_name,
        mark=mark,
        macs=sum(layer.macs for layer in layers),
        layers=len(layers),
        arena_bytes=memory.size,
        arena_align=memory.align,
        inputs=ports(graph, graph.inputs),
        outputs=ports(graph, graph.outputs),
        classes=list(classes),
    )


def describe(tensor: Tensor) -> str:
    """Return shape, type and quantisation in a few words."""
    text = f"{'x'.join(map(str, tensor.shape)) or 'scalar'} {tensor.dtype.value}"
    if tensor.quantization is None:
        return text
    if tensor.quantization.per_channel:
        return f"{text}, {len(tensor.quantization.scale)} scales"
    return f"{text}, scale {tensor.scale:.6g}, zero point {tensor.zero_point}"


def float_literal(value: float) -> str:
    """Return a literal that C reads as the nearest ``float``."""
    text = f"{value:.9g}"
    return f"{text}f" if set(text) & {".", "e"} else f"{text}.0f"
