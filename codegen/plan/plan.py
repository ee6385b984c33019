"""The plan: everything decided about one model on one board, as immutable data.

Made once (by the chosen runtime), read by rendering; templates get plain values of it. Nothing after
compilation reads it: reports state what is in the image.
"""

from __future__ import annotations

from dataclasses import dataclass

from micronets_gen.boards.board import Board
from micronets_gen.model.graph import Array, Graph
from micronets_gen.operators.rows import Rows
from micronets_gen.simplify.result import Savings

WORD = 4
"""Smallest alignment of a tensor in the arena, in bytes: kernels load words."""


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant array in flash.

    Attributes:
        name: C identifier, unique in the project.
        ctype: Element type.
        data: Elements in storage order (any shape; rendered flat).
        comment: What it holds, shape and layout.
        align: Bytes.
    """

    name: str
    ctype: str
    data: Array
    comment: str
    align: int = 4


Field = int | float | str | Constant | tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Call:
    """One kernel call: ``function(&params, arguments...)``.

    Attributes:
        function: C function of a kernel source.
        params: Fields of ``struct <function>_params``, in order; a :class:`Constant` renders as its name, a
            ``str`` as itself.
        inputs: Tensors read, in argument order.
        outputs: Tensors written, in argument order after the inputs.
        scratch: Whether the layer's scratch buffer is an argument after them.
        sums: Whether the layer's running sums are an argument after the outputs.
        rows: Rows of the output that there are, for a kernel that makes a range of them: its last arguments are the
            first one and how many; 0 for one that makes all.
    """

    function: str
    params: tuple[tuple[str, Field], ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    scratch: bool = False
    sums: bool = False
    rows: int = 0


@dataclass(frozen=True, eq=False)
class LayerCode:
    """How the aot runtime executes one operator.

    Attributes:
        sources: Files of ``templates/aot`` that it needs (``.c``; headers follow by name).
        calls: In order; empty where the output shares the input's bytes.
        may_overwrite: ``(input position, output position)`` pairs that may share their bytes.
        alias: Whether output 0 is input 0 (for SPLIT-like views: never) under another shape.
        scratch_bytes: Scratch in the arena, live during the layer only.
        stack_bytes: Scratch on the stack instead: what the arena has no room for.
        rolling: How the layer makes its output row by row; None where it does not, or where nobody asked.
    """

    sources: tuple[str, ...]
    calls: tuple[Call, ...]
    may_overwrite: tuple[tuple[int, int], ...] = ()
    alias: bool = False
    scratch_bytes: int = 0
    stack_bytes: int = 0
    rolling: Rolling | None = None


@dataclass(frozen=True, eq=False)
class Rolling:
    """How the aot runtime makes an operator's output row by row.

    Attributes:
        rows: What a row is made of.
        steps: Rows of the output, or of the input where the output is a running sum.
        code: What makes one row: kernels that take a range of rows get the row, the others what is told of one row.
        kept_bytes: Sums that last from the first step to the last.
    """

    rows: Rows
    steps: int
    code: LayerCode
    kept_bytes: int = 0


@dataclass(frozen=True)
class Buffer:
    """Bytes of the arena that one or more tensors occupy for a time.

    Attributes:
        tensors: Tensor indices that share it (views, in-place results); empty for scratch.
        name: For drawings: the first tensor's layer, or ``<layer> scratch``.
        offset: Bytes from the arena's start.
        size: Bytes.
        first: First operator index during which it is live (-1: before the first, a graph input).
        last: Last operator index during which it is live (number of operators: a graph output).
        rows: How many rows of the tensor a ring holds; 0 for a buffer that is no ring.
    """

    tensors: tuple[int, ...]
    name: str
    offset: int
    size: int
    first: int
    last: int
    rows: int = 0


@dataclass(frozen=True)
class RolledGroup:
    """Layers that run together, each making a row as soon as the rows are there that it is made of.

    Attributes:
        name: C identifier.
        first: Index of the first operator.
        last: Index of the last one.
    """

    name: str
    first: int
    last: int


@dataclass(frozen=True)
class MemoryPlan:
    """The arena's layout.

    Attributes:
        size: Bytes of the arena.
        peak: The largest sum of live buffers at any operator: no plan can be smaller.
        align: Alignment of the arena in bytes.
        groups: Layers that run row by row, in order.
    """

    buffers: tuple[Buffer, ...]
    size: int
    peak: int
    align: int = 16
    groups: tuple[RolledGroup, ...] = ()

    def offset_of(self, tensor: int) -> int:
        """Return the arena offset of a tensor.

        Raises:
            KeyError: the tensor is not in the arena (a constant).
        """
        for buffer in self.buffers:
            if tensor in buffer.tensors:
                return buffer.offset
        raise KeyError(tensor)

    def ring_of(self, tensor: int) -> int:
        """Return how many rows of a tensor its ring holds; 0 where it is whole, or a constant."""
        return next((buffer.rows for buffer in self.buffers if tensor in buffer.tensors), 0)


@dataclass(frozen=True)
class Arenas:
    """The arena that was chosen, and what else there was to choose from, in bytes.

    Attributes:
        optimize: What it was chosen for.
        arena_bytes: Its size.
        whole_bytes: The size with every tensor whole.
        smallest_bytes: The size with the most rolling that pays.
        rolled_layers: How many layers run row by row.
        rolled_rows: How many rows they make one by one.
    """

    optimize: str
    arena_bytes: int
    whole_bytes: int
    smallest_bytes: int
    rolled_layers: int
    rolled_rows: int


@dataclass(frozen=True, eq=False)
class Layer:
    """One operator as reports show it."""

    index: int
    name: str
    kind: str
    macs: int
    kernel: str
    code: LayerCode | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that rendering needs.

    Attributes:
        graph: What is computed.
        classes: Names of what the first output decides between, from 0; empty where they are not known.
        arenas: What the arena was chosen from; None where the runtime has no choice.
        savings: What :attr:`graph` has less than the model; None where it is the model as given.
    """

    graph: Graph
    board: Board
    runtime: str
    layers: tuple[Layer, ...]
    memory: MemoryPlan
    arena_region: str
    model_name: str
    classes: tuple[str, ...] = ()
    savings: Savings | None = None
    arenas: Arenas | None = None
