"""The arena that a model needs, computed: TFLM's allocations replayed in their order.

The arena is one block whose start and size are multiples of 16. Persistent data grows down from its end (the tail),
planned tensors and scratch lie at its start (the head), and while the interpreter is set up the start also holds lists
that nobody needs afterwards. At every moment the two must not meet; the largest sum of both is what the arena needs.

TFLM itself is less strict at one point: it compares persistent data with the head alone and lets it run over
temporary copies of tensors. Here that never counts as fitting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from micronets_gen.common.integers import round_up
from micronets_gen.runtimes.tflm.arena import greedy
from micronets_gen.runtimes.tflm.arena import structures as s
from micronets_gen.runtimes.tflm.arena.greedy import ALIGN, Placed, Wanted
from micronets_gen.runtimes.tflm.arena.kernels import Requests, Target, requests_of
from micronets_gen.runtimes.tflm.arena.layout import TypeName
from micronets_gen.runtimes.tflm.arena.model import ONLINE, Model
from micronets_gen.runtimes.tflm.arena.structures import Structures

_REQUESTS_RESERVED = 12
_POINTER = _WORD = 4
_UNUSED = -1

INTERPRETER, TENSORS, NODES, OPTIONS, KERNELS, HANDLES, VARIABLES, BORDERS = (
    "interpreter",
    "tensor structures",
    "operator structures",
    "operator options",
    "kernel data",
    "scratch handles",
    "variables",
    "inputs and outputs",
)
"""Categories of the tail."""


@dataclass(frozen=True)
class OperatorBytes:
    """What one operator takes.

    Attributes:
        persistent: Bytes of the tail: options, kernel data, per-channel multipliers, weight sums.
        scratch: Bytes of scratch, each buffer rounded up to 16.
    """

    index: int
    kind: str
    persistent: int
    scratch: int


@dataclass(frozen=True)
class Block:
    """Bytes of the head.

    Attributes:
        tensor: Its index; None for scratch.
        first: First moment at which it is live: 0 is before the first operator, ``i + 1`` is operator ``i``.
        last: Last such moment.
    """

    tensor: int | None
    offset: int
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Prediction:
    """The arena in bytes.

    Attributes:
        head: What the greedy planner (or an offline plan) makes of tensors and scratch.
        tail: Persistent data.
        transient: The most that setting up needs at the start of the arena beside the whole tail of that moment.
        needed: The least arena, a multiple of 16.
        activations: The largest sum of live tensors, each rounded up to 16.
        live: The largest sum of live tensors and scratch.
        parts: The tail by category.
        operators: In execution order.
        bound_by: What decides: ``tensors``, ``planning`` or ``preparing <operator>``.
        blocks: The head in detail.
    """

    head: int
    tail: int
    transient: int
    needed: int
    activations: int
    live: int
    parts: Mapping[str, int]
    operators: tuple[OperatorBytes, ...]
    bound_by: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class ScratchBuffer:
    """A scratch buffer that an operator asks for."""

    node: int
    size: int


def wanted_types(model: Model, target: Target) -> tuple[TypeName, ...]:
    """Return the structures whose sizes a prediction for this model needs."""
    own = (t for node in model.nodes for t in requests_of(model, node, target).types)
    return tuple(dict.fromkeys((*s.CORE, *own)))


def predict(model: Model, target: Target, structures: Structures) -> Prediction:
    """Compute the arena that a model needs.

    Args:
        model: The file in the firmware.
        target: What the kernels are compiled for.
        structures: Sizes on the target of :func:`wanted_types`.

    Raises:
        ModelError: it holds an operator whose requests are not known.
        ToolError: a size is missing.
    """
    requests = [requests_of(model, node, target) for node in model.nodes]
    return _Replay(model, requests, structures).run()


def wanted_buffers(model: Model, scratch: Iterable[ScratchBuffer]) -> dict[int, Wanted]:
    """Return what TFLM gives to its planner: tensors by index, then scratch from ``len(tensors)`` on.

    Moment 0 is before the first operator, and operator ``i`` runs at ``i + 1``.
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for tensor in model.inputs:
        first.setdefault(tensor, 0)
        last[tensor] = 0
    for node in model.nodes:
        for tensor in node.outputs:
            first.setdefault(tensor, node.index + 1)
        for tensor in (*node.inputs, *node.outputs):
            last[tensor] = node.index + 1
    for tensor in model.outputs:
        first.setdefault(tensor, len(model.nodes))
        last[tensor] = len(model.nodes)
    buffers: dict[int, Wanted] = {}
    for index, t in enumerate(model.tensors):
        offset = model.offsets[index] if model.offsets else ONLINE
        planned = None if offset == ONLINE else offset
        if (t.variable and planned is not None) or not (t.constant or t.variable or t.nbytes == 0):
            buffers[index] = Wanted(t.nbytes, first.get(index, _UNUSED), last.get(index, _UNUSED), planned)
    for number, request in enumerate(scratch):
        moment = request.node + 1
        buffers[len(model.tensors) + number] = Wanted(request.size, moment, moment)
    return buffers


class _Replay:
    """The arena while the interpreter sets up; distances are from its start (head) and its end (tail)."""

    def __init__(self, model: Model, requests: list[Requests], structures: Structures) -> None:
        self.model = model
        self.requests = requests
        self.sizes = structures
        self.head = self.temporary = self.tail = 0
        self.needed = 0
        self.transient = 0
        self.bound_by = ""
        self.parts: dict[str, int] = {}
        self.persistent = [0] * len(model.nodes)

    def run(self) -> Prediction:
        scratch = [ScratchBuffer(i, size) for i, r in enumerate(self.requests) for size in r.scratch]
        self.construct()
        self.initialise()
        self.prepare()
        placed, buffers = self.plan(scratch)
        self.finish(placed.size)
        tensors = [b for i, b in buffers.items() if i < len(self.model.tensors)]
        return Prediction(
            head=placed.size,
            tail=self.tail,
            transient=self.transient,
            needed=round_up(self.needed, ALIGN),
            activations=_peak(tensors),
            live=_peak(buffers.values()),
            parts=self.parts,
            operators=tuple(
                OperatorBytes(
                    node.index,
                    node.kind,
                    self.persistent[node.index],
                    sum(round_up(size, ALIGN) for size in self.requests[node.index].scratch),
                )
                for node in self.model.nodes
            ),
            bound_by=self.bound_by,
            blocks=tuple(
                Block(i if i < len(self.model.tensors) else None, offset, b.size, b.first, b.last)
                for (i, b), offset in zip(buffers.items(), placed.offsets, strict=True)
            ),
        )

    # --- the allocator ---

    def keep(self, size: int, align: int, part: str, node: int | None = None) -> None:
        """Take persistent bytes at the tail."""
        before = self.tail
        self.tail = round_up(self.tail + size, align)
        self.parts[part] = self.parts.get(part, 0) + self.tail - before
        if node is not None:
            self.persistent[node] += self.tail - before

    def keep_type(self, name: TypeName, part: str, count: int = 1, node: int | None = None) -> None:
        layout = self.sizes[name]
        self.keep(layout.size * count, layout.align, part, node)

    def copy(self, size: int, align: int) -> None:
        """Take temporary bytes above the head."""
        self.temporary = round_up(self.temporary, align) + size

    def resize(self, size: int) -> None:
        """Set the head, which drops what is temporary."""
        self.head = self.temporary = size

    def require(self, total: int, why: str) -> None:
        if total > self.needed:
            self.needed, self.bound_by = total, why

    # --- the steps ---

    def construct(self) -> None:
        for name in (s.ALLOCATOR, s.PLANNER, s.MICRO_ALLOCATOR, s.BUILTIN_ALLOCATOR):
            self.keep_type(name, INTERPRETER)
        self.reserve_requests(0)
        self.keep_type(s.SUBGRAPH, INTERPRETER)
        self.keep_type(s.EVAL_TENSOR, TENSORS, len(self.model.tensors))
        self.keep_type(s.NODE, NODES, len(self.model.nodes))

    def reserve_requests(self, made: int) -> None:
        self.resize(self.sizes[s.SCRATCH_REQUEST].size * (made + _REQUESTS_RESERVED))

    def initialise(self) -> None:
        for node, requests in enumerate(self.requests):
            if requests.builtin is not None:
                self.keep_type(requests.builtin, OPTIONS, node=node)
        for node, requests in enumerate(self.requests):
            if requests.data is not None:
                self.keep(self.sizes[requests.data].size, ALIGN, KERNELS, node)

    def prepare(self) -> None:
        made = 0
        for node, requests in enumerate(self.requests):
            for size in requests.persistent:
                self.keep(size, ALIGN, KERNELS, node)
            for tensor in requests.temporary:
                self.copy_tensor(tensor)
            self.transient = max(self.transient, self.temporary)
            self.require(
                self.temporary + self.tail, f"preparing operator {node}, {self.model.nodes[node].kind}"
            )
            made += len(requests.scratch)
            self.reserve_requests(made)

    def copy_tensor(self, index: int) -> None:
        tensor, quantization = self.sizes[s.TENSOR], self.sizes[s.QUANTIZATION]
        self.copy(tensor.size, tensor.align)
        if channels := self.model.tensors[index].channels:
            self.copy(quantization.size, quantization.align)
            self.copy(_WORD * (1 + channels), _WORD)

    def plan(self, scratch: list[ScratchBuffer]) -> tuple[Placed, dict[int, Wanted]]:
        """Plan the head; the lists for that lie above the scratch requests and take the rest of the arena."""
        if scratch:
            self.keep_type(s.SCRATCH_HANDLE, HANDLES, len(scratch))
        self.copy(_WORD, _WORD)  # where the subgraph's tensors begin
        info = self.sizes[s.ALLOCATION_INFO]
        self.copy(info.size * (len(self.model.tensors) + len(scratch)), info.align)
        for index, tensor in enumerate(self.model.tensors):
            if tensor.variable and (self.model.offsets is None or self.model.offsets[index] == ONLINE):
                self.keep(tensor.nbytes, ALIGN, VARIABLES)
        buffers = wanted_buffers(self.model, scratch)
        entry = self.sizes[s.PLANNED_BUFFER].size + self.sizes[s.PLANNED_ENTRY].size + 3 * _WORD
        self.copy(entry * len(buffers), ALIGN)
        self.transient = max(self.transient, self.temporary)
        self.require(self.temporary + round_up(self.tail, ALIGN), "planning")
        return greedy.plan(tuple(buffers.values())), buffers

    def finish(self, head: int) -> None:
        self.resize(head)
        for tensors in (self.model.inputs, self.model.outputs):
            self.keep(_POINTER * len(tensors), ALIGN, BORDERS)
            for index in tensors:
                self.keep_type(s.TENSOR, BORDERS)
                if channels := self.model.tensors[index].channels:
                    self.keep_type(s.QUANTIZATION, BORDERS)
                    self.keep(_WORD * (1 + channels), _WORD, BORDERS)
        self.require(head + self.tail, "tensors")


def _peak(buffers: Iterable[Wanted]) -> int:
    """The largest sum of live buffers at any moment, each rounded up."""
    changes: dict[int, int] = {}
    for buffer in buffers:
        changes[buffer.first] = changes.get(buffer.first, 0) + round_up(buffer.size, ALIGN)
        changes[buffer.last + 1] = changes.get(buffer.last + 1, 0) - round_up(buffer.size, ALIGN)
    live = peak = 0
    for moment in sorted(changes):
        live += changes[moment]
        peak = max(peak, live)
    return peak
