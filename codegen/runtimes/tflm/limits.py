"""What TFLM's kernels refuse, read from the sources at hand as far as their text says it.

A kernel decides by the type of an operand in a ``switch`` whose default is an error, and asks with ``TF_LITE_ENSURE``
for constants. Both are read here, over all functions that a registration leads to: a type that no branch of any of
them names is refused. What the text does not say in such a form is a table, tied to the pinned commit, with the place
that it was read from.

Versions of operators limit nothing: ``MicroOpResolver::FindOp`` takes the builtin's code alone, and what a version
brought shows in types and options.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from micronets_gen.operators import Problem, operator_specs
from micronets_gen.runtimes.tflm.operators import Operand, Signature

_SWITCH = re.compile(r"\bswitch\s*\(\s*(?P<subject>[\w.>-]+?)(?:->|\.|_)type\s*\)\s*\{")
_CASE = re.compile(r"[{}]|\bcase\s+kTfLite(?P<type>\w+)\s*:")
_EQUAL = re.compile(r"(?P<subject>[\w.>-]+?)(?:->|\.|_)type\s*==\s*kTfLite(?P<type>\w+)")
_CONSTANT = re.compile(
    r"\bTF_LITE_ENSURE(?:_MSG)?\(\s*context\s*,\s*IsConstantTensor\(\s*(?P<subject>[\w.>-]+)\s*\)"
)
_MOST_INPUTS = re.compile(r"\bkMaxInputNum\s*=\s*(\d+)\s*;")

_REMEDY = "build with --runtime aot"
# Chains of comparisons whose end is an error: kernels/pooling_common.cc, PoolingPrepare, and
# kernels/resize_nearest_neighbor.cc, ResizeNearestNeighborEval.
_CHAINS = frozenset({"AVERAGE_POOL_2D", "MAX_POOL_2D", "RESIZE_NEAREST_NEIGHBOR"})
# An inequality that is an error: kernels/shape.cc, Prepare.
_OUTPUTS = {"SHAPE": frozenset({"INT32"})}

_RANKS = {
    # kernels/cmsis_nn/maximum_minimum.cc, FillVariableShape: four sizes.
    ("MAXIMUM", "INT8"): 4,
    ("MINIMUM", "INT8"): 4,
    # kernels/cmsis_nn/pad.cc, PadEvalInt8: the last four sizes.
    ("PAD", "INT8"): 4,
    ("PADV2", "INT8"): 4,
    # kernels/cmsis_nn/transpose.cc, TransposeEvalInt8.
    ("TRANSPOSE", "INT8"): 4,
}
# kernels/internal/runtime_shape.h, kMaxSmallSize.
_MOST_RANK = 6
_SHAPELESS = frozenset({"RESHAPE", "SQUEEZE"})
# Reads it as 64 bits whatever its type: kernels/cmsis_nn/fully_connected.cc, EvalQuantizedInt16, and
# kernels/cmsis_nn/depthwise_conv.cc, EvalQuantizedPerChannel16x8.
_WIDE_BIAS = frozenset({"DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})
# Asks for the type of a bias that may not be there: kernels/cmsis_nn/transpose_conv.cc, CalculateOpData. The
# reference kernel looks first.
_NEEDS_BIAS = frozenset({"TRANSPOSE_CONV"})


@dataclass(frozen=True)
class KernelLimits:
    """What a kernel accepts.

    Attributes:
        inputs: Types of the input, as the schema names them; empty where the text sets no limit.
        outputs: Types of the first output, likewise.
        constants: Names, in the kernel's text, of operands that must be constant.
        most_inputs: How many inputs; None where the text sets no limit.
    """

    inputs: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    constants: frozenset[str] = frozenset()
    most_inputs: int | None = None


def read_limits(kind: str, functions: Iterable[str], files: Iterable[str]) -> KernelLimits:
    """Read what a kernel accepts.

    Args:
        kind: Its operator, as the schema names it.
        functions: Texts of the functions that the registration leads to, without comments and literals.
        files: Texts of the kernel's sources, likewise.
    """
    found: dict[str, set[str]] = {"input": set(), "output": set()}
    decided = set(found) if kind in _CHAINS else set()
    constants: set[str] = set()
    for text in functions:
        for switch in _SWITCH.finditer(text):
            role = _role(switch["subject"])
            if role in found:
                found[role].update(_cases(text, switch.end()))
                decided.add(role)
        for equal in _EQUAL.finditer(text):
            role = _role(equal["subject"])
            if role in found:
                found[role].add(equal["type"].upper())
        constants.update(_name(match["subject"]) for match in _CONSTANT.finditer(text))
    most = [int(count) for text in files for count in _MOST_INPUTS.findall(text)]
    return KernelLimits(
        frozenset(found["input"] if "input" in decided else ()),
        frozenset(found["output"] if "output" in decided else _OUTPUTS.get(kind, ())),
        frozenset(constants),
        min(most, default=None),
    )


def refusals(use: Signature, limits: KernelLimits, layer: str) -> Iterator[Problem]:
    """Yield why a kernel cannot execute a use of its operator.

    Args:
        layer: How a person knows it.
    """
    for reason in _reasons(use, limits):
        yield Problem(layer, reason, _REMEDY)


def missing(layer: str) -> Problem:
    """Return the problem of an operator that TFLM cannot add at all."""
    return Problem(layer, "TensorFlow Lite Micro has no kernel for it at the commit in use", _REMEDY)


def _reasons(use: Signature, limits: KernelLimits) -> Iterator[str]:
    data = _at(use, _position(use.kind, "input") or 0)
    for role, operand, allowed in (
        ("input", data, limits.inputs),
        ("output", use.outputs[0] if use.outputs else None, limits.outputs),
    ):
        if operand is not None and allowed and operand.type not in allowed:
            yield f"TFLM's kernel takes an {role} of {_either(allowed)}, not {operand.type.lower()}"
    if limits.most_inputs is not None and len(use.inputs) > limits.most_inputs:
        yield f"TFLM's kernel joins at most {limits.most_inputs} inputs, not {len(use.inputs)}"
    for name in sorted(limits.constants):
        operand = _operand(use, name)
        if operand is not None and not operand.constant:
            yield f"TFLM's kernel takes a constant '{name}', and this one is computed"
    yield from _rank_reasons(use)
    yield from _bias_reasons(use, data.type if data else "")


def _rank_reasons(use: Signature) -> Iterator[str]:
    if use.kind in _SHAPELESS:
        return
    tensors = [t for t in (*use.inputs, *use.outputs) if t is not None]
    rank = max((t.rank for t in tensors), default=0)
    most = min((_RANKS.get((use.kind, t.type), _MOST_RANK) for t in use.outputs), default=_MOST_RANK)
    if rank > most:
        yield f"TFLM's kernel takes at most {most} dimensions, not {rank}"


def _bias_reasons(use: Signature, data: str) -> Iterator[str]:
    if data != "INT16":
        return
    bias = _operand(use, "bias")
    if bias is None and use.kind in _NEEDS_BIAS:
        yield "CMSIS-NN's kernel for int16 looks at the type of a bias that is not there"
    if bias is not None and use.kind in _WIDE_BIAS and bias.type != "INT64":
        yield f"CMSIS-NN's kernel for int16 reads a bias of int64, not {bias.type.lower()}"


def _cases(text: str, start: int) -> Iterator[str]:
    """Yield the types of a switch whose brace was just opened; those of switches within it are others'."""
    depth = 1
    for token in _CASE.finditer(text, start):
        if token["type"]:
            if depth == 1:
                yield token["type"].upper()
            continue
        depth += 1 if token[0] == "{" else -1
        if not depth:
            return


def _role(subject: str) -> str:
    return re.sub(r"(?:_tensor|_?1)?$", "", _name(subject))


def _name(subject: str) -> str:
    return re.split(r"->|\.", subject)[-1]


def _operand(use: Signature, name: str) -> Operand | None:
    """Return the input of a name; None where it is omitted, or the operator has none of that name."""
    position = _position(use.kind, name)
    return None if position is None else _at(use, position)


def _at(use: Signature, position: int) -> Operand | None:
    return use.inputs[position] if position < len(use.inputs) else None


def _position(kind: str, name: str) -> int | None:
    spec = operator_specs().get(kind)
    return spec.schema.position(name) if spec else None


def _either(types: Iterable[str]) -> str:
    *others, last = sorted(t.lower() for t in types)
    return f"{', '.join(others)} or {last}" if others else last
