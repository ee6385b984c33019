"""What a runtime is to the rest of the generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from codegen.board import Board
from codegen.graph import Graph
from codegen.plan import Plan


@dataclass(frozen=True)
class Footprint:
    """What is known of an image before it is compiled, in bytes.

    Attributes:
        constants: Weights, biases, quantisation and tables in flash.
        code: The least that code of the smallest image takes.
        static_ram: Data and bss beside the arena.
        stack: What the linker script reserves.
    """

    constants: int
    code: int
    static_ram: int
    stack: int


@dataclass(frozen=True)
class Sources:
    """Files of ``lib/model`` and how they are compiled.

    Attributes:
        files: By name.
        flags: Compiler flags of the library.
        language: Suffix of the user's ``src/main.*``.
        pins: Versions of what the runtime brings along.
    """

    files: Mapping[str, str]
    flags: tuple[str, ...]
    language: str = "c"
    pins: Mapping[str, str] = field(default_factory=dict)


class Runtime(Protocol):
    """One way to execute a model on a board."""

    @property
    def name(self) -> str:
        """``aot`` or ``tflm``."""

    def plan(self, graph: Graph, board: Board, model_name: str) -> Plan:
        """Decide kernels and memory; the arena's region is left open (empty)."""

    def footprint(self, plan: Plan) -> Footprint:
        """Return what the image needs beside the arena, before it is compiled."""

    def sources(self, plan: Plan, mark: str) -> Sources:
        """Return the model's library; ``mark`` is a sentence that its header repeats, or empty."""
