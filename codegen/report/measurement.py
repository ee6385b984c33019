"""What one build and one run of a model measured, for comparison."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LayerResult:
    """One layer; counts are instructions."""

    name: str
    op: str
    macs: int
    instructions: int | None
    kernel: str


@dataclass(frozen=True)
class Result:
    """One model with one runtime on one board; counts are instructions, sizes bytes.

    Attributes:
        startup: Instructions that initialise the model.
        arena_bytes: Tensors, scratch and, for an interpreter, its own data.
        peak_live_bytes: The least that the tensors' bytes could be.
        ram_bytes: Static RAM: data, bss and arena.
        stack_bytes: Worst case.
        stack_at_least: Whether a call on the way has no known target, so that it may be more.
        flash_bytes: The image without golden vectors.
        code_bytes: Of it, what is neither weights nor metadata.
        weight_bytes: Of it, weights and biases.
        metadata_bytes: Of it, quantisation and look-up tables; for an interpreter the rest of the model file.
        problem: Why there are no figures; empty where there are.
    """

    model: str
    board: str
    runtime: str
    passed: bool = False
    macs: int = 0
    instructions: int = 0
    startup: int = 0
    arena_bytes: int = 0
    peak_live_bytes: int = 0
    ram_bytes: int = 0
    stack_bytes: int = 0
    stack_at_least: bool = False
    flash_bytes: int = 0
    code_bytes: int = 0
    weight_bytes: int = 0
    metadata_bytes: int = 0
    layers: tuple[LayerResult, ...] = ()
    problem: str = ""

    @property
    def per_mac(self) -> float | None:
        return self.instructions / self.macs if self.macs and not self.problem else None

    @property
    def other_ram_bytes(self) -> int:
        """Static RAM beside the arena."""
        return self.ram_bytes - self.arena_bytes

    def to_json(self) -> dict[str, Any]:
        """Return plain values, the derived ones included."""
        return {**asdict(self), "per_mac": self.per_mac, "other_ram_bytes": self.other_ram_bytes}
