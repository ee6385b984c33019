"""What an architecture costs, exactly, and the same as a differentiable expectation over a search's decisions.

Both follow from one description of a layer. The expectation is linear in the probability of each choice of
each decision, so that it is the exact cost wherever every decision is certain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from micronets_gen.operators.arithmetic import leading_padding
from micronets_gen.search.space.architecture import Architecture, lower
from micronets_gen.search.space.backbone import Space
from micronets_gen.search.space.export import base_bytes, file_bytes, kind_bytes, layer_bytes, operator_of
from micronets_gen.search.space.layers import Layer, tensor_lifetimes
from micronets_gen.timing.regression import POINT, Regression, Window, Work, work_of

Table = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cost:
    """What a model costs.

    Attributes:
        parameters: Weights and biases.
        model_bytes: Size of the exported ``.tflite`` file.
        working_memory: Largest sum of the activations that are alive at a time, in bytes: inputs and outputs of
            a layer, and the branches that wait beside it.
        ops: Twice the multiply-accumulates of convolutions and fully connected layers.
        cycles: Of an inference, by a regression; None without one, or where it lacks a kind of layer.
    """

    parameters: int
    model_bytes: int
    working_memory: int
    ops: int
    cycles: int | None = None


def cost_of(architecture: Architecture, regression: Regression | None = None) -> Cost:
    """Return the exact cost, without writing a file.

    Args:
        regression: Of the runtime on the board that the cycles are for.
    """
    layers = lower(architecture)
    cycles = regression.model([work(layer) for layer in layers]) if regression else None
    shapes = [architecture.input_shape, *(layer.out_shape for layer in layers)]
    live = (sum(prod(shapes[t]) for t in tensors) for tensors in tensor_lifetimes(layers))
    return Cost(
        parameters=sum(map(parameters, layers)),
        model_bytes=file_bytes(architecture),
        working_memory=max(live),
        ops=sum(map(ops, layers)),
        cycles=None if cycles is None else round(cycles),
    )


def parameters(layer: Layer) -> int:
    """Return the layer's weights and biases."""
    return prod(layer.weight_shape) + layer.out_shape[2] if layer.weight_shape else 0


def ops(layer: Layer) -> int:
    """Return the layer's operations: two for each multiply-accumulate."""
    if not layer.weight_shape:
        return 0
    positions = 1 if layer.kind == "dense" else layer.out_shape[0] * layer.out_shape[1]
    return 2 * positions * prod(layer.weight_shape)


def work(layer: Layer) -> Work:
    """Return what the layer computes, as the operator of the file that it becomes."""
    return work_of(
        operator_of(layer.kind), layer.in_shape, layer.out_shape, ops(layer) // 2, window_of(layer)
    )


def window_of(layer: Layer) -> Window:
    """Return what a convolution moves over its input, whose padding is SAME; a point for other layers."""
    if layer.kind not in ("conv", "depthwise"):
        return POINT
    top, left = (
        leading_padding(size, outputs, kernel, stride)
        for size, outputs, kernel, stride in zip(
            layer.in_shape, layer.out_shape, layer.kernel, layer.stride, strict=False
        )
    )
    return Window(layer.kernel, layer.stride, padding=(top, left))


@dataclass(frozen=True)
class Decisions:
    """The state of a search's decisions: TensorFlow tensors, float64.

    Attributes:
        widths: By decision, the probability (choices,) of each of :attr:`Space.widths`.
        kept: By index of each block that may be left out, the probability (scalar) that it stays.
    """

    widths: Mapping[str, Any]
    kept: Mapping[int, Any]


class ExpectedCost:
    """The expected cost over a space, as a function of its decisions.

    Calling it gives the figures of :class:`Cost`, by name, as differentiable float64 scalars. Working memory is the
    maximum over layers of their expected live bytes. Cycles are there where a regression knows every kind of layer.
    """

    def __init__(self, space: Space, regression: Regression | None = None) -> None:
        self._space = space
        self._live = tensor_lifetimes(space.layers)
        self._measures: dict[str, Callable[[Layer], float]] = {
            "parameters": parameters,
            "model_bytes": layer_bytes,
            "ops": ops,
        }
        self._beside: dict[str, float] = {}
        if regression is not None and self._knows(regression):
            self._measures["cycles"] = lambda layer: regression.layer(work(layer)) or 0.0
            self._beside["cycles"] = regression.outside

    def __call__(self, decisions: Decisions) -> dict[str, Any]:
        import tensorflow as tf

        totals: dict[str, Any] = {
            name: tf.constant(self._beside.get(name, 0.0), tf.float64) for name in self._measures
        }
        memory: list[Any] = []
        absent: dict[str, Any] = {}
        stream: Any = tf.ones(1, tf.float64)
        stream_key = ""
        blocks = len(self._space.backbone.elements)
        for block in range(blocks + 1):
            kept = decisions.kept.get(block)
            inside = [i for i, layer in enumerate(self._space.layers) if layer.block == block]
            output, output_key = stream, stream_key
            for index in inside:
                layer = self._space.layers[index]
                source = self._probability(layer.source, decisions, stream, block)
                width = self._probability(layer.width, decisions, stream, block)
                for name, table in self._tables[index].items():
                    totals[name] += _weighted(_bilinear(source, table, width), kept)
                memory.append(_weighted(self._live_bytes(index, block, decisions, stream), kept))
                absent[layer.kind] = absent.get(layer.kind, 1.0) * (0.0 if kept is None else 1.0 - kept)
                output, output_key = width, layer.width
            if kept is not None:
                self._add_skip(block, kept, stream, stream_key, totals, memory, absent)
                output = kept * output + (1.0 - kept) * stream
            stream, stream_key = output, output_key
        totals["model_bytes"] += base_bytes() + sum(
            kind_bytes(kind) * (1.0 - p) for kind, p in absent.items()
        )
        return {**totals, "working_memory": tf.reduce_max(tf.stack(memory))}

    def _probability(self, key: str, decisions: Decisions, stream: Any, block: int) -> Any:
        """Return the distribution of a width: the stream's where it was decided before this block."""
        import tensorflow as tf

        if key.partition(".")[0] == str(block):
            return decisions.widths[key]
        return stream if key else tf.ones(1, tf.float64)

    def _add_skip(
        self,
        block: int,
        kept: Any,
        stream: Any,
        key: str,
        totals: dict[str, Any],
        memory: list[Any],
        absent: dict[str, Any],
    ) -> None:
        import tensorflow as tf

        pool = self._skip_layer(block)
        if pool is None:
            return
        skipped = 1.0 - kept
        for name, table in self._skip_tables[block].items():
            totals[name] += skipped * tf.tensordot(stream, table, 1)
        positions = prod(pool.in_shape[:2]) + prod(pool.out_shape[:2])
        memory.append(skipped * positions * tf.tensordot(stream, self._counts(key, pool.in_shape[2]), 1))
        absent[pool.kind] = absent.get(pool.kind, 1.0) * kept

    def _skip_layer(self, block: int) -> Layer | None:
        """Return the pooling that takes a block's place where it downsamples."""
        element = self._space.backbone.elements[block].block
        if element.stride == (1, 1):
            return None
        inside = [layer for layer in self._space.layers if layer.block == block]
        out = (*inside[-1].out_shape[:2], inside[0].in_shape[2])
        name = f"block{block:02}"
        return Layer(
            name,
            "average_pool",
            (0,),
            inside[0].in_shape,
            out,
            element.stride,
            element.stride,
            block=block,
            source=inside[0].source,
            width=inside[0].source,
        )

    def _live_bytes(self, index: int, block: int, decisions: Decisions, stream: Any) -> Any:
        import tensorflow as tf

        total = tf.constant(0.0, tf.float64)
        for tensor in self._live[index]:
            if tensor == 0:
                shape, key = self._space.input_shape, ""
            else:
                writer = self._space.layers[tensor - 1]
                shape, key = writer.out_shape, writer.width
            probability = self._probability(key, decisions, stream, block)
            total += prod(shape[:2]) * tf.tensordot(probability, self._counts(key, shape[2]), 1)
        return total

    def _counts(self, key: str, channels: int) -> Table:
        return np.array(self._space.widths.get(key, (channels,)), np.float64)

    def _knows(self, regression: Regression) -> bool:
        skips = [self._skip_layer(block) for block in self._space.skips]
        layers = [*self._space.layers, *(pool for pool in skips if pool is not None)]
        return all(regression.layer(work(layer)) is not None for layer in layers)

    @cached_property
    def _skip_tables(self) -> Mapping[int, Mapping[str, Table]]:
        """By block that pooling may take the place of, its costs for each width of what it reads."""
        tables: dict[int, Mapping[str, Table]] = {}
        for block in self._space.skips:
            if (pool := self._skip_layer(block)) is not None:
                tables[block] = {name: self._table(pool, measure) for name, measure in self._measures.items()}
        return tables

    @cached_property
    def _tables(self) -> tuple[Mapping[str, Table], ...]:
        known: dict[Layer, Mapping[str, Table]] = {}
        tables = []
        for layer in self._space.layers:
            alike = replace(layer, name="x" * len(layer.name), inputs=layer.inputs[:1], block=0)
            if alike not in known:
                known[alike] = {name: self._table(layer, measure) for name, measure in self._measures.items()}
            tables.append(known[alike])
        return tuple(tables)

    def _table(self, layer: Layer, measure: Callable[[Layer], float]) -> Table:
        """Return the cost of a layer for each pair of choices of its input's and output's channels."""
        sources = self._space.widths.get(layer.source, (layer.in_shape[2],))
        widths: Sequence[int] = self._space.widths.get(layer.width, (layer.out_shape[2],))
        same = layer.source == layer.width
        table = np.zeros((len(sources), len(widths)))
        for i, source in enumerate(sources):
            for j, width in enumerate(widths):
                if same and i != j:
                    continue
                shapes = (*layer.in_shape[:2], source), (*layer.out_shape[:2], width)
                table[i, j] = measure(replace(layer, in_shape=shapes[0], out_shape=shapes[1]))
        return np.diagonal(table).copy() if same else table


def _bilinear(source: Any, table: Table, width: Any) -> Any:
    import tensorflow as tf

    if table.ndim == 1:
        return tf.tensordot(width, table, 1)
    return tf.tensordot(source, tf.linalg.matvec(tf.constant(table), width), 1)


def _weighted(value: Any, probability: Any) -> Any:
    return value if probability is None else value * probability
