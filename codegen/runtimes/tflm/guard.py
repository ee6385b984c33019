"""Proves in a linked image which kernels execute a model's layers.

A registration of TFLM (``Register_CONV_2D_INT8``) names the functions that execute its operator. From it, calls and
addresses in the code lead to everything that the operator can reach. Where that includes a computing function of
CMSIS-NN, the operator runs on it; where it does not, a reference kernel does the work, three to six times slower.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from micronets_gen.common.integers import round_up
from micronets_gen.errors import FitError, ToolError
from micronets_gen.image.symbols import Program, open_image, read_program
from micronets_gen.image.thumb import Instruction, branches, instructions
from micronets_gen.operators import operator_specs
from micronets_gen.plan.plan import Plan
from micronets_gen.runtimes.base import LayerKernel

# They prepare: what they compute is not the operator.
_PREPARING = re.compile(r"get_buffer_size|arm_vector_sum")
_CALLER = re.compile(r"^_ZN6tflite\d+MicroInterpreterGraph\d+(Init|Prepare|Invoke)Subgraphs?E")


@dataclass(frozen=True)
class Expectation:
    """What a kind of operator should run on.

    Attributes:
        registration: Name of the function without namespace.
        functions: Functions of CMSIS-NN that its source calls; empty where there is only a reference kernel.
        file: That source.
    """

    registration: str
    functions: tuple[str, ...]
    file: str


def layer_kernels(
    elf: Path, layers: Iterable[tuple[int, str]], expected: Mapping[str, Expectation]
) -> tuple[LayerKernel, ...]:
    """Return what executes each layer.

    Args:
        elf: The linked image.
        layers: Index and kind of each.
        expected: By kind.

    Raises:
        ToolError: the image cannot be read, or a registration is not in it.
    """
    image = _Image.read(elf)
    verdicts = {kind: _judge(image, kind, what, elf) for kind, what in sorted(expected.items())}
    return tuple(replace(verdicts[kind], layer=index) for index, kind in layers)


def _judge(image: _Image, kind: str, expected: Expectation, elf: Path) -> LayerKernel:
    start = image.find(expected.registration)
    if start is None:
        raise ToolError(
            f"{expected.registration} is not in the image, so nothing can execute {kind}",
            where=str(elf),
            remedy="build the project again from scratch; if that does not help, report it",
        )
    reached = image.reachable(start)
    wanted = {name for name in expected.functions if not _PREPARING.search(name)}
    computing = sorted(reached & wanted)
    if computing:
        return LayerKernel(-1, " / ".join(computing))
    source = Path(expected.file).name
    if wanted:
        return LayerKernel(
            -1, f"{source} (reference)", f"{kind} does not reach {', '.join(sorted(wanted))} in the image"
        )
    spec = operator_specs().get(kind)
    problem = "" if spec and spec.view else f"{kind} has a reference kernel only ({source})"
    return LayerKernel(-1, f"{source} (reference)", problem)


def operator_calls(elf: Path, registrations: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return what the interpreter calls through the pointers of registrations, for the analysis of the stack.

    Args:
        elf: The linked image.
        registrations: Names of the functions without namespace.

    Returns:
        For each function of the interpreter that calls operators, every function that registrations name.

    Raises:
        ToolError: the image cannot be read.
    """
    image = _Image.read(elf)
    starts = (image.find(name) for name in registrations)
    addresses = {a for start in starts if start is not None for a in image.mentioned(start)}
    targets = tuple(sorted(min(image.program.functions[a].names) for a in addresses))
    return dict.fromkeys(sorted(name for name in image.program.by_name if _CALLER.search(name)), targets)


def require_fast(plan: Plan, kernels: Iterable[LayerKernel]) -> None:
    """Check that every layer runs on the fastest kernel that the runtime could have.

    Raises:
        FitError: some do not; the message names them with their share of the work.
    """
    slow = [kernel for kernel in kernels if kernel.problem]
    if not slow:
        return
    elements = {
        layer.index: plan.graph.tensor(plan.graph.operators[layer.index].outputs[0]).elements
        for layer in plan.layers
    }
    lines = [
        f"layer {k.layer} {plan.layers[k.layer].name}: {k.problem}, "
        f"{plan.layers[k.layer].macs:,} MACs, {elements[k.layer]:,} elements"
        for k in slow
    ]
    raise FitError(
        f"{len(slow)} of {len(plan.layers)} layers run on reference kernels",
        where=plan.model_name,
        why="; ".join(lines),
        remedy="replace the layers, use --runtime aot, or leave out --strict-kernels",
    )


@dataclass(frozen=True, eq=False)
class _Image:
    """A program, with the functions that each of its functions mentions."""

    program: Program

    @classmethod
    def read(cls, path: Path) -> _Image:
        with open_image(path) as elf:
            return cls(read_program(elf, path))

    def find(self, registration: str) -> int | None:
        """Return the address of the function of a registration, which stands in namespace ``tflite``."""
        found = self.program.by_name.get(f"_ZN6tflite{len(registration)}{registration}Ev")
        return found.address if found else None

    def reachable(self, start: int) -> frozenset[str]:
        """Return the names of all functions that a function calls or takes the address of, directly or not."""
        done: set[int] = set()
        waiting = [start]
        while waiting:
            address = waiting.pop()
            if address not in done:
                done.add(address)
                waiting.extend(self.mentioned(address))
        return frozenset(name for address in done for name in self.program.functions[address].names)

    def mentioned(self, address: int) -> Iterable[int]:
        """Yield the addresses of functions that a function calls or takes the address of."""
        function = self.program.functions[address]
        code = self.program.code_at(function.address)
        end = function.address + function.size
        halves: dict[int, int] = {}
        for instruction in instructions(code, function.address, end):
            for target, _ in branches(instruction, code):
                if target in self.program.functions:
                    yield target
            yield from self._pointer(_built(instruction, halves))
        for place in range(round_up(function.address, 4), end - 3, 4):
            yield from self._pointer(code.word(place))

    def _pointer(self, value: int | None) -> Iterable[int]:
        """A value is a pointer to a function if it is the address of one with the Thumb bit."""
        if value is not None and value & 1 and value & ~1 in self.program.functions:
            yield value & ~1


def _built(instruction: Instruction, halves: dict[int, int]) -> int | None:
    """Follow ``movw`` and ``movt``; return the value that a pair has built."""
    first, second = instruction.first, instruction.second
    if second is None or second & 0x8000 or first & 0xFB70 != 0xF240:
        return None
    immediate = (first & 15) << 12 | (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF
    register = second >> 8 & 15
    if first & 0x80:
        return immediate << 16 | halves.get(register, 0)
    halves[register] = immediate
    return None
