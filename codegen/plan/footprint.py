"""What an image needs before it is compiled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Footprint:
    """What is known of an image before it is compiled, in bytes.

    Attributes:
        constants: Weights, biases, quantisation and tables in flash, or the model's file.
        least_code: What is in flash beside, start-up code and self-test included, at least.
        most_code: The same at most; no image that ``build`` links has more.
        static_ram: Data and bss beside the arena, at most.
        stack: What the linker script reserves.
    """

    constants: int
    least_code: int
    most_code: int
    static_ram: int
    stack: int
