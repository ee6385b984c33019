"""Says whether a model can be executed, and on which boards: every problem with layer, reason and remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from micronets_gen.common.plain import Plain
from micronets_gen.model.graph import Graph, Operator
from micronets_gen.operators import Problem, layer_title, operator_specs
from micronets_gen.timing.estimate import Estimate

__all__ = ["Alternative", "BoardFit", "CheckResult", "Problem", "RegionUse", "check_model", "in_words"]


@dataclass(frozen=True)
class RegionUse:
    """What a model takes of one memory region.

    Attributes:
        name: The region's, for example ``DTCM``.
        kind: ``flash`` or ``ram``.
        size: Bytes the region has.
        used: Bytes the model and its runtime take of it at most.
    """

    derived: ClassVar = ("free",)

    name: str
    kind: str
    size: int
    used: int

    @property
    def free(self) -> int:
        """Bytes left; negative where the model does not fit."""
        return self.size - self.used


@dataclass(frozen=True)
class Alternative:
    """What a model would need on a board with another runtime, bounded before anything is compiled.

    Attributes:
        runtime: Its name.
        fits: Whether the model then fits for certain.
        least_flash_bytes: Flash at least.
        flash_bytes: Flash at most.
        ram_bytes: RAM at most: arena, data and the stack.
        problem: Why there are no figures; empty where there are.
    """

    runtime: str
    fits: bool = False
    least_flash_bytes: int = 0
    flash_bytes: int = 0
    ram_bytes: int = 0
    problem: str = ""


def in_words(alternatives: Sequence[Alternative]) -> str:
    """Return in one sentence what one runtime would give on some boards: the least and the most over them."""
    first = alternatives[0]
    if first.problem:
        return f"with {first.runtime} instead: no figures, {first.problem}"
    fitting, boards = sum(alternative.fits for alternative in alternatives), len(alternatives)
    verdict = "" if fitting else ", which may not fit"
    if boards > 1:
        verdict = f"; fits {fitting} of {boards} boards"
    return (
        f"with {first.runtime} instead: {min(a.least_flash_bytes for a in alternatives):,} to "
        f"{max(a.flash_bytes for a in alternatives):,} bytes of flash, at most "
        f"{max(a.ram_bytes for a in alternatives):,} of RAM{verdict}"
    )


@dataclass(frozen=True)
class BoardFit:
    """Whether a model fits one board.

    Attributes:
        board: The board's name.
        fits: Whether it fits for certain: the bounds say so.
        regions: Every memory region of the board.
        problems: Why it does not fit, or may not; empty where it does.
        alternatives: What the other runtimes would give.
        time: Predicted, of one inference; None where it is not known.
        timing_note: Why it is not known; empty where it is.
        energy_uj: Microjoules of one inference at the board's published power; None where one of both is not known.
        energy_error_percent: How far they may be off, either way.
        meets: Whether the image keeps the limit that was asked for, as far as predictions were off; None where none was
            asked for, or its time, or with a limit of energy its power, is not known.
    """

    board: str
    fits: bool
    regions: tuple[RegionUse, ...]
    problems: tuple[Problem, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    time: Estimate | None = None
    timing_note: str = ""
    energy_uj: float | None = None
    energy_error_percent: float | None = None
    meets: bool | None = None


@dataclass(frozen=True)
class CheckResult(Plain):
    """What ``micronets-gen check`` reports.

    Attributes:
        model: Its name.
        runtime: What would execute it, and ``runtime_reason`` why.
        problems: Why the runtime cannot execute the model on any board.
        boards: One entry per board asked for; empty while there are problems.
        limit_ms: Most milliseconds of an inference that were asked for; None for no limit.
        limit_uj: Most microjoules, likewise.
        smallest: The board of the lowest clock, then of the least memory, that holds the model and meets the limit;
            None without a limit, or where no board does.
    """

    derived: ClassVar = ("passed",)

    model: str
    problems: tuple[Problem, ...]
    boards: tuple[BoardFit, ...] = ()
    runtime: str = ""
    runtime_reason: str = ""
    limit_ms: float | None = None
    limit_uj: float | None = None
    smallest: str | None = None

    @property
    def passed(self) -> bool:
        """Every operator works, and the model fits a board that was asked for, and is as fast there as was asked."""
        return not self.problems and (not self.boards or any(map(self.suits, self.boards)))

    def suits(self, fit: BoardFit) -> bool:
        """Return whether a board holds the model and keeps the limit that was asked for."""
        limited = self.limit_ms is not None or self.limit_uj is not None
        return fit.fits and (not limited or bool(fit.meets))


def check_model(graph: Graph) -> tuple[Problem, ...]:
    """Return every use of an operator that no runtime can execute exactly, in execution order."""
    return tuple(problem for op in graph.operators for problem in _check(graph, op))


def _check(graph: Graph, op: Operator) -> tuple[Problem, ...]:
    spec = operator_specs().get(op.kind)
    if spec is None:
        return (
            Problem(
                layer_title(op),
                "the operator is not supported",
                "replace the layer; supported are " + ", ".join(operator_specs()),
            ),
        )
    return tuple(spec.check(graph, op))
