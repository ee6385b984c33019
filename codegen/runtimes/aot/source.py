"""The C of the model's library: layers, data and the kernels in use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from micronets_gen.common.templates import render, template_text
from micronets_gen.model.graph import Array, Graph, Operator, Tensor
from micronets_gen.plan.plan import Buffer, Call, Constant, Field, Layer, MemoryPlan, RolledGroup
from micronets_gen.runtimes.aot.rolled_source import is_one_row, rolled_group, row_of
from micronets_gen.runtimes.interface import Port, describe, model_header, ports
from micronets_gen.simplify.result import Change

_INCLUDE = re.compile(r'^#include "(mn_\w+\.h)"', re.MULTILINE)
_ROW = re.compile(r"\brow\b")
_COLUMNS, _INDENT = 120, "    "
_ELEMENTS_PER_LINE = {
    "int8_t": 20,
    "uint8_t": 20,
    "int16_t": 14,
    "uint16_t": 16,
    "int32_t": 8,
    "int64_t": 4,
    "float": 6,
}


@dataclass(frozen=True)
class _Struct:
    type: str
    name: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Data:
    ctype: str
    name: str
    count: int
    align: int
    comment: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class _Layer:
    index: int
    name: str
    title: str
    details: tuple[str, ...]
    structs: tuple[_Struct, ...]
    calls: tuple[str, ...]
    rolls: bool
    names_row: bool
    stack_scratch: int
    macs: int
    kind: str


def kernel_files(sources: Iterable[str]) -> dict[str, str]:
    """Return the kernels' sources with every header that they include, by file name."""
    files: dict[str, str] = {}
    waiting = sorted(set(sources))
    while waiting:
        name = waiting.pop()
        if name in files:
            continue
        files[name] = template_text(f"aot/{name}")
        waiting.extend(_INCLUDE.findall(files[name]))
    return dict(sorted(files.items()))


def model_files(
    graph: Graph,
    layers: Sequence[Layer],
    memory: MemoryPlan,
    model_name: str,
    mark: str = "",
    classes: Sequence[str] = (),
    changes: Sequence[Change] = (),
) -> dict[str, str]:
    """Return the files of ``lib/model`` by name: ``model.h``, ``model.c``, the constants and the kernels.

    Args:
        mark: A sentence that the header repeats, for example that the model is untrained.
        classes: Names of what the elements of the first output stand for, where they are known.
        changes: What layers have less than in the model's file, for comments.
    """
    namer = _Names(graph, layers, memory)
    constants: dict[str, Constant] = {}
    owners = {i: group for group in memory.groups for i in range(group.first, group.last + 1)}
    rendered = [
        _layer(graph, op, layer, memory, namer, constants, owners.get(op.index), changes)
        for op, layer in zip(graph.operators, layers, strict=True)
    ]
    data = [_data(constant) for constant in constants.values()]
    sources = {name for layer in layers if layer.code for name in layer.code.sources}
    kernels = kernel_files(sources)
    used = {call.function for layer in layers if layer.code for call in layer.code.calls}
    values = {
        "model": model_name,
        "mark": mark,
        "sha256": graph.sha256,
        "layers": rendered,
        "groups": [rolled_group(graph, layers, memory, group) for group in memory.groups],
        "inputs": _placed(graph, graph.inputs, namer),
        "outputs": _placed(graph, graph.outputs, namer),
        "offsets": _enumerators(namer.offsets),
        "orders": namer.orders(memory),
        "headers": [name for name, text in kernels.items() if name.endswith(".h") and _declares(text, used)],
        "data": data,
        "weights_bytes": sum(c.data.nbytes for c in constants.values()),
    }
    files = {name: render(f"aot/{name}.j2", **values) for name in ("model.c", "model_data.h", "model_data.c")}
    return {"model.h": model_header(graph, layers, memory, model_name, mark, classes), **files, **kernels}


def _placed(graph: Graph, tensors: Sequence[int], namer: _Names) -> list[tuple[Port, str]]:
    return [(port, namer.tensors[t]) for port, t in zip(ports(graph, tensors), tensors, strict=True)]


def _declares(header: str, functions: set[str]) -> bool:
    return any(re.search(rf"\bvoid {name}\(", header) for name in functions)


class _Names:
    """C names of tensors and scratch buffers in the arena."""

    def __init__(self, graph: Graph, layers: Sequence[Layer], memory: MemoryPlan) -> None:
        taken: set[str] = set()
        names: dict[int, str] = {}
        for i, tensor in enumerate(graph.inputs):
            names[tensor] = _unique(f"AT_INPUT_{i}", taken)
        for op in graph.operators:
            for i, tensor in enumerate(op.outputs):
                suffix = f"_{i}" if len(op.outputs) > 1 else ""
                names[tensor] = _unique(f"AT_{op.name}{suffix}".upper(), taken)
        self.tensors = names
        others = sorted((b for b in memory.buffers if not b.tensors), key=lambda b: b.first)
        self.scratch = {b.name: _unique(f"AT_{b.name.replace(' ', '_')}".upper(), taken) for b in others}
        holds = {tensor: buffer for buffer in memory.buffers for tensor in buffer.tensors}
        self.offsets = [
            *((names[t], holds[t].offset, _held(graph.tensor(t), holds[t])) for t in names if t in holds),
            *((self.scratch[b.name], b.offset, b.name.split()[-1]) for b in others),
        ]

    def orders(self, memory: MemoryPlan) -> list[tuple[str, int, str]]:
        """Return (place, bytes, place behind it) for what is in use at the same time, in order of layers."""
        used = [buffer for buffer in memory.buffers if buffer.size]
        found: dict[tuple[str, int, str], None] = {}
        for step in range(-1, max((buffer.last for buffer in used), default=-1) + 1):
            live = sorted((b for b in used if b.first <= step <= b.last), key=lambda b: b.offset)
            ends = [*(self._name(buffer) for buffer in live[1:]), "MODEL_ARENA_BYTES"]
            found.update(
                {(self._name(b), b.size, end): None for b, end in zip(live, ends[: len(live)], strict=True)}
            )
        return list(found)

    def _name(self, buffer: Buffer) -> str:
        return self.tensors[buffer.tensors[0]] if buffer.tensors else self.scratch[buffer.name]


def _held(tensor: Tensor, buffer: Buffer) -> str:
    """Return what lies at a place of the arena, in words."""
    rows = f"{buffer.rows} of the {tensor.shape[1]} rows of " if buffer.rows else ""
    return rows + describe(tensor)


def _enumerators(offsets: Sequence[tuple[str, int, str]]) -> list[str]:
    """Return the lines of an enumeration, their comments below each other."""
    values = [f"{name} = {offset}," for name, offset, _ in offsets]
    width = max(map(len, values), default=0)
    return [f"{value:{width}} /* {what} */" for value, (_, _, what) in zip(values, offsets, strict=True)]


def _unique(name: str, taken: set[str]) -> str:
    """Return ``name``, with underscores behind it where another layer's name leads to the same."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _layer(
    graph: Graph,
    op: Operator,
    layer: Layer,
    memory: MemoryPlan,
    names: _Names,
    constants: dict[str, Constant],
    group: RolledGroup | None,
    changes: Sequence[Change],
) -> _Layer:
    assert layer.code is not None
    structs, calls = [], []
    scratch = names.scratch.get(f"{group.name if group else op.name} scratch")
    for i, call in enumerate(layer.code.calls):
        struct_name = f"{op.name}_params" + (f"_{i}" if i else "")
        structs.append(_Struct(f"{call.function}_params", struct_name, _fields(call, memory, constants)))
        arguments = [f"&{struct_name}"]
        for t in (*call.inputs, *call.outputs):
            if graph.tensor(t).is_constant:
                constants.setdefault(f"tensor_{t}", _tensor_constant(graph.tensor(t)))
                arguments.append(f"model_tensor_{t}")
            elif group and is_one_row(op, layer.code, call, t):
                arguments.append(row_of(graph.tensor(t), names.tensors[t], memory.ring_of(t)))
            else:
                arguments.append(f"at({names.tensors[t]})")
        if call.sums:
            arguments.append(f"at({names.scratch[f'{op.name} sums']})")
        if call.scratch:
            arguments.append(f"at({scratch})" if scratch else "scratch")
        if call.rows:
            arguments += ["row", "1"] if group else ["0", str(call.rows)]
        calls.append(_wrapped(f"{call.function}(", arguments, ");"))
    inputs = " + ".join(
        describe(graph.tensor(t)) for t in op.inputs if t >= 0 and not graph.tensor(t).is_constant
    )
    outputs = " + ".join(describe(graph.tensor(t)) for t in op.outputs)
    title = f"{op.kind}" + (f", {layer.macs:,} MACs" if layer.macs else "")
    return _Layer(
        layer.index,
        op.name,
        title,
        (
            f"in   {inputs}",
            f"out  {outputs}",
            *(change.what for change in changes if change.layer == op.name),
        ),
        tuple(structs),
        tuple(calls),
        group is not None,
        any(_ROW.search(call) for call in calls),
        layer.code.stack_bytes,
        layer.macs,
        op.kind,
    )


def _wrapped(before: str, arguments: Sequence[str], after: str) -> str:
    """Return a call that breaks between arguments where a line of a function's body would be too long."""
    lines = [before + arguments[0]]
    for argument, behind in zip(arguments[1:], [*"," * (len(arguments) - 2), after], strict=True):
        if len(_INDENT) + len(lines[-1]) + len(f", {argument}{behind}") > _COLUMNS:
            lines[-1] += ","
            lines.append(" " * len(_INDENT + before) + argument)
        else:
            lines[-1] += f", {argument}"
    return "\n".join(lines) + after


def _fields(call: Call, memory: MemoryPlan, constants: dict[str, Constant]) -> tuple[tuple[str, str], ...]:
    params = dict(call.params)
    ring = memory.ring_of(call.inputs[0]) if call.rows else 0
    params.update({name: ring for name in params if ring and name.endswith("in_rows")})
    return tuple((name, _value(value, constants)) for name, value in params.items())


def _value(value: Field, constants: dict[str, Constant]) -> str:
    if isinstance(value, Constant):
        constants[value.name] = value
        return f"model_{value.name}"
    if isinstance(value, tuple):
        return "{" + ", ".join(map(str, value)) + "}"
    if isinstance(value, float):
        return _literal(np.float32(value))
    return str(value)


def _tensor_constant(tensor: Tensor) -> Constant:
    assert tensor.data is not None
    return Constant(
        f"tensor_{tensor.index}", tensor.dtype.c, tensor.data, f"{tensor.name}: {describe(tensor)}"
    )


def _literal(value: np.float32) -> str:
    text = repr(float(value))
    return text + "f" if "inf" not in text and "nan" not in text else "(0.0f / 0.0f)"


def _data(constant: Constant) -> _Data:
    flat = np.ascontiguousarray(constant.data).reshape(-1)
    per_line = _ELEMENTS_PER_LINE[constant.ctype]
    texts = _texts(flat, constant.ctype)
    lines = tuple(", ".join(texts[i : i + per_line]) + "," for i in range(0, len(texts), per_line))
    return _Data(
        constant.ctype, f"model_{constant.name}", len(texts), constant.align, constant.comment, lines
    )


def _texts(flat: Array, ctype: str) -> list[str]:
    if ctype == "float":
        return [_literal(v) for v in flat]
    lowest = {"int32_t": ("INT32_MIN", -(2**31)), "int64_t": ("INT64_MIN", -(2**63))}.get(ctype)
    values = flat.tolist()
    if lowest is not None:
        return [lowest[0] if v == lowest[1] else str(v) for v in values]
    return [str(int(v)) for v in values]
