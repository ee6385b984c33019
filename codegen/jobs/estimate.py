"""How long a model takes on a board before anything is compiled, and limits of time as people give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from micronets_gen.boards.board import Board
from micronets_gen.boards.load import board_names
from micronets_gen.errors import UsageError
from micronets_gen.model.graph import DType, Graph, Operator
from micronets_gen.operators.convolution import Conv2DOptions, DepthwiseConv2DOptions, geometry
from micronets_gen.plan.plan import Plan
from micronets_gen.report.describe import describe_layers
from micronets_gen.timing.estimate import Estimate, estimated
from micronets_gen.timing.measured import records_of
from micronets_gen.timing.regression import POINT, Regression, Window, Work, regression_of, work_of

UNKNOWN = "its layers were not characterised"


def regression_on(board: Board, runtime: str) -> Regression | None:
    """Return what is known of a runtime's time on a board; None where nobody characterised it."""
    return regression_of(runtime, board.core, board.family, board.name, board.path)


def estimate_on(board: Board, plan: Plan) -> tuple[Estimate | None, str]:
    """Return the predicted time of an inference, or why there is none.

    Args:
        plan: Of the model on the board or one like it.
    """
    regression = regression_on(board, plan.runtime)
    if regression is None:
        return None, UNKNOWN
    kinds = {tensor.dtype for op in plan.graph.operators for tensor in map(plan.graph.tensor, op.outputs)}
    if kinds - {DType.INT8}:
        return None, "only layers of int8 were characterised"
    if plan.memory.groups:
        return None, "layers that run row by row were not characterised; run models the time of the image"
    every = zip(plan.layers, works_of(plan), strict=True)
    layers = [work for layer, work in every if layer.code is None or layer.code.calls]
    cycles = regression.model(layers)
    if cycles is None:
        missing = sorted({work.kind for work in layers if regression.layer(work) is None})
        return None, f"not characterised with {plan.runtime}: {', '.join(missing)}"
    return estimated(regression, cycles, board.clock_hz, records_of(board)), ""


def works_of(plan: Plan) -> tuple[Work, ...]:
    """Return what each layer computes, those that execute nothing included."""
    return tuple(
        work_of(
            info.op,
            info.input_shape,
            info.output_shape,
            info.macs,
            _window(plan.graph, plan.graph.operators[info.index]),
        )
        for info in describe_layers(plan)
    )


def _window(graph: Graph, op: Operator) -> Window:
    if not isinstance(op.options, Conv2DOptions | DepthwiseConv2DOptions):
        return POINT
    g = geometry(graph, op)
    return Window(
        (g.filter_height, g.filter_width),
        (g.stride_h, g.stride_w),
        (g.dilation_h, g.dilation_w),
        (g.pad_h, g.pad_w),
    )


def require_one_limit(given: Mapping[str, float | None]) -> None:
    """Raise where a person gave two limits that mean the same, or one that is none.

    Args:
        given: By the option's name, ``latency_ms`` of ``--latency-ms``; None where it was not given.

    Raises:
        UsageError: more than one, or none that is above 0.
    """
    limits = {f"--{name.replace('_', '-')}": value for name, value in given.items() if value is not None}
    if len(limits) > 1:
        raise UsageError(
            "more than one limit of the same kind", where=", ".join(limits), remedy="give one of them"
        )
    for option, value in limits.items():
        if not 0 < value < float("inf"):
            raise UsageError("a limit is a number above 0", where=f"{option} {value:g}")


@dataclass(frozen=True)
class TimeLimit:
    """How fast an inference has to be, as people say it: at most one of these.

    Attributes:
        fps: Inferences a second.
        latency_ms: Milliseconds an inference.
        energy_uj: Microjoules an inference, which are a time at a board's power.
    """

    fps: float | None = None
    latency_ms: float | None = None
    energy_uj: float | None = None

    @property
    def milliseconds(self) -> float | None:
        """Most of an inference, where that is the same on each board; None for no limit, or one of energy."""
        if self.fps is not None:
            return 1e3 / self.fps
        return self.latency_ms

    @property
    def given(self) -> bool:
        """Whether there is a limit."""
        return self.milliseconds is not None or self.energy_uj is not None

    def known_of(self, board: Board) -> bool:
        """Return whether it is a time on a board: its power is known, or not needed."""
        return self.energy_uj is None or board.power is not None

    def seconds(self, board: Board) -> float | None:
        """Return the most seconds of an inference on a board; None for no limit.

        Raises:
            UsageError: the limit is one of energy, and the board's power is not known.
        """
        if self.energy_uj is None:
            return None if self.milliseconds is None else self.milliseconds / 1e3
        if board.power is None:
            raise UsageError(
                "the power of this board is not known",
                where=board.name,
                remedy="give the limit in time, with --latency-ms, or add [power] to the board's file",
            )
        return self.energy_uj / board.power.active_mw / 1e3


UNLIMITED = TimeLimit()


def unknown_time(board: Board, runtime: str, why: str, instead: str) -> UsageError:
    """Return the error of a limit in time where time is not known.

    Args:
        why: It is not known; :data:`UNKNOWN` where that can be changed.
        instead: What a person can do in any case.
    """
    given = board.name if board.name in board_names() else board.path
    finding = f", or find it out: micronets-gen characterise --board {given} --runtime {runtime} --record"
    return UsageError(
        f"the time of {runtime} firmware is not known on this board",
        where=board.name,
        why=why,
        remedy=instead + (finding if why == UNKNOWN else ""),
    )
