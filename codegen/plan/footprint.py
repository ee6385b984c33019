"""What an image needs before it is compiled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Footprint:
    """What is known of an image before it is compiled, in bytes.

    Attributes:
        constants: Weights, biases, quantisation and tables in flash.
        code: What is in flash beside: with ``aot`` at most, with ``tflm`` at least.
        static_ram: Data and bss beside the arena.
        stack: What the linker script reserves.
    """

    constants: int
    code: int
    static_ram: int
    stack: int
