"""What a runtime is to the rest of the generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from micronets_gen.boards.board import Board
from micronets_gen.model.graph import Graph
from micronets_gen.operators import Problem
from micronets_gen.plan.arena import ArenaInfo
from micronets_gen.plan.footprint import Footprint
from micronets_gen.plan.goal import Goal
from micronets_gen.plan.plan import Plan


@dataclass(frozen=True)
class LibrarySources:
    """A PlatformIO library that the runtime brings along.

    Attributes:
        files: By path in ``lib/<name>``; ``library.json`` is made of the rest.
        flags: Compiler flags; ``-I`` is relative to the library and holds for those that depend on it, too.
        unflags: Flags of the environment that do not concern it: its objects serve every environment.
        dependencies: Names of the libraries that it includes headers of.
    """

    name: str
    description: str
    files: Mapping[str, str]
    flags: tuple[str, ...]
    unflags: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Environment:
    """An environment of the project's ``platformio.ini``: one way to compile it.

    Attributes:
        suffix: What its name has after the board's; empty for the release.
        purpose: What it is for; ``{name}`` stands for its name.
        flags: Compiler flags that it adds.
    """

    suffix: str
    purpose: str
    flags: tuple[str, ...] = ()

    def name(self, board: str) -> str:
        """Return its name in a project for a board of this name."""
        return f"{board}_{self.suffix}" if self.suffix else board


RELEASE = Environment("", "Release: the model alone, without measuring.")
PROFILE = Environment(
    "profile",
    "Profiled: the same, and the time of each layer: `pio run -e {name} -t upload -t monitor`.",
    ("-D MODEL_PROFILE",),
)


@dataclass(frozen=True)
class Sources:
    """Files of ``lib/model`` and how they are compiled.

    Attributes:
        files: By name.
        flags: Compiler flags of the library.
        pins: Versions of what the runtime brings along.
        dependencies: Libraries that ``lib/model`` includes headers of; empty: PlatformIO looks for them.
        libraries: What lies beside ``lib/model``.
        documents: Further files by path in the project: notices.
        environments: The release and the profiled one first.
    """

    files: Mapping[str, str]
    flags: tuple[str, ...]
    pins: Mapping[str, str] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()
    libraries: tuple[LibrarySources, ...] = ()
    documents: Mapping[str, str] = field(default_factory=dict)
    environments: tuple[Environment, ...] = (RELEASE, PROFILE)


@dataclass(frozen=True)
class LayerKernel:
    """What executes a layer, as the linked image shows it.

    Attributes:
        layer: Index.
        kernel: Name of the function.
        problem: Empty, or why this is not the fastest kernel that the runtime could have, as a clause.
    """

    layer: int
    kernel: str
    problem: str = ""


class Runtime(Protocol):
    """One way to execute a model on a board."""

    @property
    def name(self) -> str:
        """``aot`` or ``tflm``."""

    def as_given(self) -> Runtime:
        """Return the runtime that computes all of a model, what does not change its outputs too."""

    def optimized(self, goal: Goal) -> Runtime:
        """Return the runtime that plans for a goal; itself where it has no choice."""

    @property
    def minds_ram(self) -> bool:
        """Whether a plan depends on how much RAM there is."""

    def problems(self, graph: Graph) -> tuple[Problem, ...]:
        """Return every reason why the runtime cannot execute the model exactly, in execution order.

        Raises:
            MicronetsError: what the runtime consists of cannot be read.
        """

    def plan(self, graph: Graph, board: Board, model_name: str) -> Plan:
        """Decide kernels and memory; the arena's region is left open (empty)."""

    def footprint(self, plan: Plan) -> Footprint:
        """Return what the image needs beside the arena, before it is compiled."""

    def sources(self, plan: Plan, mark: str) -> Sources:
        """Return the model's library; ``mark`` is a sentence that its header repeats, or empty."""

    def trials(self, board: Board) -> tuple[Environment, ...]:
        """Return environments to compile beside the release and the profiled one, for :meth:`prove`."""

    def prove(self, plan: Plan, images: Mapping[str, Path]) -> ArenaInfo | None:
        """Say why the arena has its size, and try it out where an emulator covers the board.

        Args:
            plan: What the images are of.
            images: By environment.

        Returns:
            None where the arena is the plan's and nothing is left to prove.

        Raises:
            MicronetsError: an image cannot be read or run.
        """

    def resized(self, plan: Plan, arena: ArenaInfo) -> Runtime | None:
        """Return the runtime with the arena that :meth:`prove` asks for; None where the image has it."""

    def kernels(self, plan: Plan, elf: Path) -> tuple[LayerKernel, ...]:
        """Return what executes each layer in a linked image.

        Raises:
            ToolError: the image cannot be read, or lacks what the plan says.
        """

    def indirect_calls(self, plan: Plan, elf: Path) -> Mapping[str, Sequence[str]]:
        """Return, by name, what functions of a linked image call through pointers, as far as that is known.

        Raises:
            ToolError: the image cannot be read.
        """
