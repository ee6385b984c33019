"""What is in a model: operators, quantisation, work, weights, and memory over time.

Memory is what any runtime needs at least: at each operator, the bytes of all activations that are alive while
it runs, its own inputs and outputs included, none sharing a byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from micronets_gen.common.integers import ceil_div
from micronets_gen.common.plain import Plain
from micronets_gen.model.graph import Graph, Operator, Tensor
from micronets_gen.operators import operator_specs
from micronets_gen.plan.check import check_model
from micronets_gen.plan.optimize import RAM
from micronets_gen.plan.plan import Arenas
from micronets_gen.plan.reference import last_uses
from micronets_gen.report.arenas import arenas_text
from micronets_gen.report.savings import savings_text
from micronets_gen.runtimes.aot.planner import Layouts, arenas
from micronets_gen.runtimes.aot.runtime import AotRuntime
from micronets_gen.simplify.result import Savings
from micronets_gen.simplify.simplify import simplify

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from micronets_gen.report.table import FittingTable

_BLOCKS = " ▁▂▃▄▅▆▇█"
_LARGEST = 5


@dataclass(frozen=True)
class TensorSummary:
    """A tensor as reports show it.

    Attributes:
        index: In the file.
        size: Bytes.
        scale: First scale; None for an unquantised tensor, as its zero point.
        channels: Scales along the quantised dimension: 1 per tensor, 0 unquantised.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    size: int
    scale: float | None
    zero_point: int | None
    channels: int


@dataclass(frozen=True)
class LayerSummary:
    """One layer: an operator in execution order.

    Attributes:
        op: The operator.
        version: The operator's, as the file says.
        inputs: Activations read, in order.
        outputs: Activations written, in order.
        macs: Multiply-accumulates; 0 for an operator without products, or one that cannot be executed.
        parameters: Elements of its quantised constants, such as weights and biases; shapes and axes are none.
        weight_bytes: Bytes of these parameters. One that operators share counts at the first.
        live_bytes: Activations alive while it runs.
    """

    index: int
    name: str
    op: str
    version: int
    inputs: tuple[TensorSummary, ...]
    outputs: tuple[TensorSummary, ...]
    macs: int
    parameters: int
    weight_bytes: int
    live_bytes: int


@dataclass(frozen=True)
class ModelSummary(Plain):
    """A whole model.

    Attributes:
        model: Its name.
        operators: How many layers each operator has, the most frequent first.
        peak_live_bytes: Largest ``live_bytes``; ``peak_layer`` is the index of the layer where it occurs first.
        largest: The largest activations, largest first.
        arenas: The aot runtime's smallest arena on a Cortex-M with DSP, and the one with every tensor whole; None where
            it cannot execute the model.
        savings: What the aot runtime leaves out of it; None where an operator cannot be executed exactly.
    """

    model: str
    sha256: str
    file_bytes: int
    description: str
    inputs: tuple[TensorSummary, ...]
    outputs: tuple[TensorSummary, ...]
    layers: tuple[LayerSummary, ...]
    operators: Mapping[str, int]
    macs: int
    parameters: int
    weight_bytes: int
    peak_live_bytes: int
    peak_layer: int
    largest: tuple[TensorSummary, ...]
    savings: Savings | None
    arenas: Arenas | None


def inspect_model(graph: Graph) -> ModelSummary:
    """Summarise a model; never fails on a graph that the reader returned."""
    seen: set[int] = set()
    live = live_bytes(graph)
    layers = tuple(
        _layer(graph, op, seen, live_now) for op, live_now in zip(graph.operators, live, strict=True)
    )
    peak = max(range(len(live)), key=lambda i: live[i])
    written = {t for op in graph.operators for t in op.outputs}
    activations = sorted(
        (graph.tensor(t) for t in written | set(graph.inputs)), key=lambda t: (-t.nbytes, t.index)
    )
    return ModelSummary(
        model=graph.name,
        sha256=graph.sha256,
        file_bytes=graph.file_bytes,
        description=graph.description,
        inputs=tuple(_tensor(graph.tensor(t)) for t in graph.inputs),
        outputs=tuple(_tensor(graph.tensor(t)) for t in graph.outputs),
        layers=layers,
        operators=dict(Counter(op.kind for op in graph.operators).most_common()),
        macs=sum(op.macs for op in layers),
        parameters=sum(op.parameters for op in layers),
        weight_bytes=sum(op.weight_bytes for op in layers),
        peak_live_bytes=live[peak],
        peak_layer=peak,
        largest=tuple(_tensor(t) for t in activations[:_LARGEST]),
        savings=None if check_model(graph) else simplify(graph).savings,
        arenas=_arenas(graph),
    )


def _arenas(graph: Graph) -> Arenas | None:
    if AotRuntime().problems(graph):
        return None
    layouts = Layouts(simplify(graph).graph, "dsp")
    return arenas(layouts, RAM, layouts.smallest)


def live_bytes(graph: Graph) -> tuple[int, ...]:
    """Return the bytes of live activations at each operator.

    Model inputs live from the first operator to their last reader, results from the operator that writes them
    to their last reader, model outputs to the last operator.
    """
    count = len(graph.operators)
    last = last_uses(graph)
    change = [0] * (count + 1)
    first = dict.fromkeys(graph.inputs, 0) | {t: op.index for op in graph.operators for t in op.outputs}
    for t, begin in first.items():
        size = graph.tensor(t).nbytes
        change[begin] += size
        change[min(last.get(t, begin) + 1, count)] -= size
    total, result = 0, []
    for difference in change[:count]:
        total += difference
        result.append(total)
    return tuple(result)


def sparkline(values: tuple[int, ...]) -> str:
    """Return one block character per value, the largest full; a value above 0 is never blank."""
    top = max(values, default=0)
    return "".join(_BLOCKS[ceil_div(v * (len(_BLOCKS) - 1), top) if top else 0] for v in values)


def render(summary: ModelSummary, console: Console) -> None:
    """Print a summary as tables."""
    from rich.text import Text

    console.print(Text.assemble((summary.model, "bold"), f"   {summary.file_bytes:,} bytes", style=""))
    for title, tensors in (("input", summary.inputs), ("output", summary.outputs)):
        for tensor in tensors:
            console.print(Text(f"  {title:<7}{_shape(tensor)}  {_quantization(tensor)}"))
    console.print()
    console.print(_layer_table(summary))
    console.print()
    console.print(_totals(summary))
    console.print(_memory(summary, console.width))
    if summary.savings and summary.savings.changes:
        console.print()
        console.print(_savings(summary.savings))
    if summary.arenas:
        console.print()
        console.print(Text(f"arena of aot: {arenas_text(summary.arenas)}"))


def _layer_table(summary: ModelSummary) -> FittingTable:
    from rich.text import Text

    from micronets_gen.report.table import ORNAMENT, Column, FittingTable

    marks = sparkline(tuple(op.live_bytes for op in summary.layers))
    rows = []
    for op, mark in zip(summary.layers, marks, strict=True):
        peak = op.index == summary.peak_layer
        rows.append(
            (
                str(op.index),
                op.name,
                Text(op.op, style="cyan"),
                _shape(op.outputs[0]),
                f"{op.macs:,}" if op.macs else "·",
                f"{op.weight_bytes:,}" if op.weight_bytes else "·",
                Text(f"{op.live_bytes:,}", style="bold red" if peak else ""),
                Text(mark, style="red" if peak else "green"),
            )
        )
    columns = (
        Column("#", right=True, style="dim"),
        Column("layer", wraps=True),
        Column("operator", rank=2),
        Column("output", rank=1),
        Column("MACs", right=True),
        Column("weights B", right=True),
        Column("live B", right=True),
        Column("", rank=ORNAMENT),
    )
    return FittingTable.of(columns, rows)


def _totals(summary: ModelSummary) -> Text:
    from rich.text import Text

    kinds = ", ".join(f"{count} {kind}" for kind, count in summary.operators.items())
    return Text(
        f"{summary.macs:,} MACs   {summary.parameters:,} parameters   "
        f"{summary.weight_bytes:,} bytes of weights\n"
        f"{len(summary.layers)} operators: {kinds}\n"
    )


def _memory(summary: ModelSummary, width: int) -> Text:
    from rich.text import Text

    values = tuple(op.live_bytes for op in summary.layers)
    peak = summary.layers[summary.peak_layer]
    room = max(20, width - 4)
    stretch = max(1, min(3, room // max(1, len(values))))
    bars = "".join(c * stretch for c in sparkline(_at_most(values, room)))
    lines = [
        f"memory over time: peak {summary.peak_live_bytes:,} bytes of activations at {peak.index} {peak.name}",
        f"  {bars}",
        "  largest: " + ", ".join(f"{_shape(t)} {t.size:,} B" for t in summary.largest[:3]),
    ]
    return Text("\n".join(lines))


def _savings(savings: Savings) -> Text:
    from rich.text import Text

    lines = [f"aot leaves out {savings_text(savings)}; tflm executes the model as it is"]
    lines += [f"  {change.layer}: {change.what}" for change in savings.changes]
    return Text("\n".join(lines))


def _at_most(values: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Return ``values``, or the maxima of ``count`` equal stretches of them where there are more."""
    if len(values) <= count:
        return values
    edges = [i * len(values) // count for i in range(count + 1)]
    return tuple(max(values[a:b]) for a, b in pairwise(edges))


def _layer(graph: Graph, op: Operator, seen: set[int], live: int) -> LayerSummary:
    weights = [t for t in _parameters(graph, op) if t.index not in seen]
    seen.update(t.index for t in weights)
    return LayerSummary(
        index=op.index,
        name=op.name,
        op=op.kind,
        version=op.version,
        inputs=tuple(
            _tensor(graph.tensor(t)) for t in op.inputs if t >= 0 and not graph.tensor(t).is_constant
        ),
        outputs=tuple(_tensor(graph.tensor(t)) for t in op.outputs),
        macs=_macs(graph, op),
        parameters=sum(t.elements for t in weights),
        weight_bytes=sum(t.nbytes for t in weights),
        live_bytes=live,
    )


def _macs(graph: Graph, op: Operator) -> int:
    # Shapes make sense only where the operator's check passes.
    spec = operator_specs().get(op.kind)
    return spec.macs(graph, op) if spec and not any(True for _ in spec.check(graph, op)) else 0


def _parameters(graph: Graph, op: Operator) -> tuple[Tensor, ...]:
    indices = dict.fromkeys(t for t in op.inputs if t >= 0)
    return tuple(t for i in indices if (t := graph.tensor(i)).is_constant and t.quantization is not None)


def _tensor(tensor: Tensor) -> TensorSummary:
    quantization = tensor.quantization
    return TensorSummary(
        index=tensor.index,
        name=tensor.name,
        shape=tensor.shape,
        dtype=tensor.dtype.value,
        size=tensor.nbytes,
        scale=quantization.scale[0] if quantization else None,
        zero_point=tensor.zero_point if quantization else None,
        channels=len(quantization.scale) if quantization else 0,
    )


def _shape(tensor: TensorSummary) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"


def _quantization(tensor: TensorSummary) -> str:
    if not tensor.channels:
        return tensor.dtype
    return f"{tensor.dtype}, scale {tensor.scale:.6g}, zero point {tensor.zero_point}"
