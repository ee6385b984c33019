"""Cycles of a layer before anything is compiled: a sum over what it computes, fitted to modelled images.

For each kernel set (a runtime on a core with the memories of a family) and each kind of layer, cycles are a sum of
its multiply-accumulates, output elements, input elements gathered, positions, channels and a constant, what its window
over the input gathers, what is multiplied by weights that no cache keeps, and the tiles and strips in which kernels
work, with weights that are not negative.
``micronets-gen characterise`` fits them; ``regressions.json`` holds those of the boards here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import Any

from micronets_gen.common.caches import cache_root
from micronets_gen.common.documents import WRITTEN_BY_PROGRAM, read_text
from micronets_gen.common.files import write_json
from micronets_gen.common.integers import ceil_div, round_up
from micronets_gen.common.resources import data_dir
from micronets_gen.errors import UsageError

FEATURES = (
    "macs",
    "outputs",
    "columns",
    "positions",
    "channels",
    "constant",
    "rows",
    "inner_rows",
    "taps",
    "elements",
    "spilled",
    "inputs",
    "tiles",
    "tile_products",
    "lone_products",
    "deep",
    "strips",
)

CACHE_BYTES = 4096
"""Of weights, that the smallest data cache of a modelled core keeps from one position to the next (STM32F746)."""


@dataclass(frozen=True)
class Window:
    """What a convolution moves over its input: (height, width) each.

    Attributes:
        kernel: Its extent, in taps.
        stride: From one output to the next, in input elements.
        dilation: From one tap to the next, in input elements.
        padding: Before the first row and the first column, in elements.
    """

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    def inside(self, axis: int, size: int, outputs: int) -> int:
        """Return how many taps of all outputs along an axis lie inside the input.

        Args:
            axis: 0 for rows, 1 for columns.
            size: Of the input, in elements.
            outputs: Of the output, in elements.
        """
        pairs = self.kernel, self.stride, self.dilation, self.padding
        return _inside(size, outputs, *(pair[axis] for pair in pairs))


TILE_CHANNELS, TILE_POSITIONS, TILE_DEPTH = 4, 2, 4
"""What kernels for convolutions work on at a time (docs/kernels.md): less is a tile, too, or another kernel's."""

_STRIP = {1: 6, 2: 4}
"""Outputs of a row that a depthwise kernel makes at a time, by stride."""

POINT = Window()
"""Of a layer that has none."""


@lru_cache(maxsize=4096)
def _inside(size: int, outputs: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    first = (output * stride - padding for output in range(outputs))
    return sum(0 <= start + tap * dilation < size for start in first for tap in range(kernel))


@dataclass(frozen=True)
class Work:
    """What a layer computes, in the numbers that its time depends on.

    Attributes:
        kind: The operator's name in the schema, and what makes kernels choose: ``CONV_2D_1X1`` for a convolution of
            single positions, ``DEPTHWISE_CONV_2D_3X3``, and ``_FEW`` for fewer channels than a tile has.
        macs: Multiply-accumulates.
        outputs: Elements written.
        columns: Input elements gathered: for each position those under the kernel; without a kernel those read.
        positions: Rows times columns of the output.
        channels: Of the output.
        rows: Of windows, over all positions; all that follow are 0 for layers that they are not of.
        inner_rows: Those of them that lie inside the input.
        taps: Positions under the windows that lie inside the input.
        elements: The same times the input's channels.
        spilled: Multiply-accumulates of convolutions by weights beyond the first :data:`CACHE_BYTES`.
        inputs: Elements of the input of convolutions with a window.
        tiles: Of convolutions and fully connected layers: :data:`TILE_CHANNELS` by :data:`TILE_POSITIONS`.
        tile_products: The same times the depth, a multiple of :data:`TILE_DEPTH`.
        lone_products: Of a last position without another.
        deep: Multiply-accumulates times the depth: the deeper, the more often weights are fetched anew.
        strips: Of depthwise convolutions: stretches of the output's rows, of all channels.
    """

    kind: str
    macs: int
    outputs: int
    columns: int
    positions: int
    channels: int
    rows: int = 0
    inner_rows: int = 0
    taps: int = 0
    elements: int = 0
    spilled: int = 0
    inputs: int = 0
    tiles: int = 0
    tile_products: int = 0
    lone_products: int = 0
    deep: int = 0
    strips: int = 0

    @property
    def features(self) -> tuple[float, ...]:
        """The numbers that :data:`FEATURES` names."""
        return tuple(1 if name == "constant" else getattr(self, name) for name in FEATURES)


def work_of(
    op: str, input_shape: Sequence[int], output_shape: Sequence[int], macs: int, window: Window
) -> Work:
    """Return what a layer computes.

    Args:
        op: The operator's name in the schema, ``CONV_2D``.
        input_shape: Of the first activation, channels last.
        output_shape: Of the output, channels last.
        macs: Multiply-accumulates.
        window: Of a convolution; :data:`POINT` for other layers.
    """
    outputs, channels = prod(output_shape), output_shape[-1] if output_shape else 1
    positions = outputs // max(1, channels)
    gathered = macs if op == "DEPTHWISE_CONV_2D" else macs // channels
    columns = gathered if macs else prod(input_shape)
    spilled = max(0, macs - positions * CACHE_BYTES) if op == "CONV_2D" else 0
    kind = _kind(op, channels, window)
    work = Work(kind, macs, outputs, columns, positions, channels, spilled=spilled)
    if op in ("CONV_2D", "FULLY_CONNECTED"):
        work = _tiled(work)
    if op not in ("CONV_2D", "DEPTHWISE_CONV_2D") or kind.startswith("CONV_2D_1X1"):
        return work
    height, width = output_shape[-3:-1]
    strips = ceil_div(width, _STRIP.get(window.stride[1], 1)) * height * channels
    inner = window.inside(0, input_shape[-3], height)
    taps = inner * window.inside(1, input_shape[-2], width)
    return replace(
        work,
        rows=positions * window.kernel[0],
        inner_rows=inner * width,
        taps=taps,
        elements=taps * input_shape[-1],
        inputs=prod(input_shape),
        strips=strips if op == "DEPTHWISE_CONV_2D" else 0,
    )


def _kind(op: str, channels: int, window: Window) -> str:
    if op not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return op
    narrow = "_FEW" if channels < TILE_CHANNELS else ""
    if op == "CONV_2D" and window.kernel == (1, 1):
        return f"{op}_1X1{narrow}"
    if op == "DEPTHWISE_CONV_2D" and window.kernel == (3, 3) and window.dilation == (1, 1):
        return f"{op}_3X3{narrow}"
    return op + narrow


def _tiled(work: Work) -> Work:
    depth = work.macs // max(1, work.outputs)
    blocks = ceil_div(work.channels, TILE_CHANNELS)
    products = blocks * round_up(depth, TILE_DEPTH)
    pairs, lone = divmod(work.positions, TILE_POSITIONS)
    return replace(
        work,
        tiles=blocks * pairs,
        tile_products=products * pairs,
        lone_products=products * lone,
        deep=work.macs * depth,
    )


@dataclass(frozen=True)
class Regression:
    """Weights of one kernel set.

    Attributes:
        runtime: ``aot`` or ``tflm``.
        core: GCC's name.
        family: Of the board, with its memories.
        board: The one it was fitted on.
        weights: By kind of layer, cycles for each of :data:`FEATURES`.
        outside: Cycles of an inference beside its layers.
        models: Whole networks that were left out in turn.
        median_percent: Median error of the others' prediction of them.
        worst_percent: The worst of these errors.
    """

    runtime: str
    core: str
    family: str
    board: str
    weights: Mapping[str, tuple[float, ...]]
    outside: float
    models: int
    median_percent: float
    worst_percent: float

    def layer(self, work: Work) -> float | None:
        """Return the cycles of a layer; None of a kind that was not measured."""
        weights = self.weights.get(work.kind)
        if weights is None:
            return None
        return sum(w * x for w, x in zip(weights, work.features, strict=True))

    def model(self, layers: Sequence[Work]) -> float | None:
        """Return the cycles of an inference; None where a layer's kind was not measured."""
        total = self.outside
        for work in layers:
            cycles = self.layer(work)
            if cycles is None:
                return None
            total += cycles
        return total

    def to_json(self) -> dict[str, Any]:
        """Return plain values; :func:`regression_from` reads them."""
        return {**vars(self), "weights": {kind: list(w) for kind, w in self.weights.items()}}


def regression_from(value: Mapping[str, Any]) -> Regression:
    """Return what :meth:`Regression.to_json` gave.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    weights = {kind: tuple(map(float, numbers)) for kind, numbers in value["weights"].items()}
    if any(len(numbers) != len(FEATURES) for numbers in weights.values()):
        raise ValueError("weights of other features")
    return Regression(**{**value, "weights": weights})


REGRESSIONS_JSON = "regressions.json"


def read_recorded(text: str) -> tuple[Regression, ...]:
    """Return the regressions that a file holds.

    Raises:
        KeyError, TypeError, ValueError: it holds something else.
    """
    return tuple(map(regression_from, json.loads(text)))


def write_recorded(path: Path, regression: Regression) -> None:
    """Write a regression into a file, in the place of the one of its board and runtime."""
    kept = read_recorded(path.read_text(encoding="utf-8")) if path.is_file() else ()
    every = {(r.board, r.runtime): r for r in (*kept, regression)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, [every[key].to_json() for key in sorted(every)])


def recorded_for(board_file: str) -> Path:
    """Return where ``characterise --record`` keeps a board's regressions: beside its file, or in the cache.

    Args:
        board_file: ``my_board.toml``, beside which ``my_board.timing.json`` lies; a file of the package has the cache.
    """
    path = Path(board_file)
    folder = cache_root() / "regressions" if _bundled(path) else path.parent
    return folder / f"{path.stem}.timing.json"


def _bundled(board_file: Path) -> bool:
    return board_file.parent == data_dir("boards")


@lru_cache(maxsize=1)
def regressions() -> tuple[Regression, ...]:
    """Return those of the boards here."""
    return read_recorded(files("micronets_gen.timing").joinpath(REGRESSIONS_JSON).read_text(encoding="utf-8"))


def regression_of(
    runtime: str, core: str, family: str, board: str = "", board_file: str = ""
) -> Regression | None:
    """Return the one of a board, else one of the same core and family; None where neither was characterised.

    Args:
        board_file: Of the board; what ``characterise --record`` kept for it counts, too, and for a file of one's own
            more than what the package has.

    Raises:
        UsageError: what lies there is something else.
    """
    own = _recorded(board_file) if board_file else ()
    every = (*regressions(), *own) if _bundled(Path(board_file)) else (*own, *regressions())
    alike = [r for r in every if (r.runtime, r.core, r.family) == (runtime, core, family)]
    return next((r for r in alike if r.board == board), alike[0] if alike else None)


def _recorded(board_file: str) -> tuple[Regression, ...]:
    path = recorded_for(board_file)
    if not path.is_file():
        return ()
    try:
        return read_recorded(read_text(path, most=WRITTEN_BY_PROGRAM))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            "holds no regressions",
            where=str(path),
            why=f"{type(error).__name__}: {error}",
            remedy="delete it, or make it anew with micronets-gen characterise --record",
        ) from error
